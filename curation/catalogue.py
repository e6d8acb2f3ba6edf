"""Every metric: its column name, its unit, and what it says in one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of a metrics table.

    Attributes:
        name: Column name; it carries the unit where there is one.
        unit: As people write it; "" for pure numbers.
        about: One line for people.
    """

    name: str
    unit: str
    about: str


FRAME_METRICS = (
    Metric("speed_m_s", "m/s", "speed over the step to this frame"),
    Metric("turn_deg_s", "deg/s", "angle turned over the step to this frame"),
    Metric("luma_mean", "levels", "mean BT.709 luma, 0-255"),
    Metric("luma_std", "levels", "standard deviation of luma"),
    Metric("clipped_low_share", "", "share of pixels with luma of 5 or less"),
    Metric("clipped_high_share", "", "share of pixels with luma of 250 or more"),
    Metric("sharpness", "levels", "standard deviation of the Laplacian of luma"),
    Metric("colourfulness", "", "Hasler and Suesstrunk's colourfulness"),
    Metric("change", "levels", "mean luma difference to the frame before"),
    Metric("near_share", "", "share of pixels nearer than 0.3 m"),
    Metric("nearest_m", "m", "0.1 % quantile of depth"),
    Metric("depth_median_m", "m", "median of depth"),
    Metric("nothing_share", "", "share of pixels at infinity"),
    Metric("pose_error_m", "m", "distance from commanded to reported position"),
    Metric("pose_error_deg", "deg", "angle from commanded to reported rotation"),
    Metric("geometry_inlier", "", "pixels that reproject to the right depth, 8 frames on"),
    Metric("magenta_share", "", "share of pixels in the pink of a missing material"),
    Metric("checker_share", "", "share of the picture at corners of a grey checkerboard"),
    Metric("edge_blur_px", "px", "how blurred edges are, as the sigma of a Gaussian"),
    Metric("hole_share", "", "share of pixels below the horizon that show nothing"),
    Metric("popped_share", "", "share of the picture where a thing came or went, 8 frames on"),
    Metric("sharpening", "octaves", "how much sharper the same surfaces look 8 frames on"),
    Metric("through_surface", "", "1 where the way to the next 8 frames leads through a surface"),
    Metric("revisit_gap_s", "s", "time since this view was last seen; 0: new"),
    Metric("covisible_gap_s", "s", "time since half of these surfaces were last seen; 0: new"),
    Metric("new_m2", "m²", "surfaces seen for the first time in the trajectory"),
    Metric("label_agreement", "", "1 where the action labels are those of the poses"),
)

CLIP_METRICS = (
    Metric("speed_mean_m_s", "m/s", "mean speed"),
    Metric("speed_max_m_s", "m/s", "highest speed"),
    Metric("acceleration_p95_m_s2", "m/s²", "95 % quantile of acceleration"),
    Metric("jerk_p95_m_s3", "m/s³", "95 % quantile of jerk"),
    Metric("turn_mean_deg_s", "deg/s", "mean turn rate"),
    Metric("turn_max_deg_s", "deg/s", "highest turn rate"),
    Metric("turn_acceleration_max_deg_s2", "deg/s²", "most abrupt change of the turn rate"),
    Metric("reversals_hz", "times a second", "changes of pan or tilt direction"),
    Metric("sway_hz", "times a second", "changes of direction sideways or up and down"),
    Metric("jitter_mm", "mm", "shake about the smooth path"),
    Metric("jitter_deg", "deg", "rotational shake about the smooth path"),
    Metric("still_share", "", "share of steps without movement"),
    Metric("teleports", "frames", "jumps of the path"),
    Metric("stutters", "frames", "single steps that are too long or too short"),
    Metric("path_m", "m", "length of the path"),
    Metric("net_m", "m", "distance from first to last frame"),
    Metric("pose_error_max_m", "m", "largest distance from commanded to reported position"),
    Metric("pose_error_max_deg", "deg", "largest angle from commanded to reported rotation"),
    Metric("luma_mean", "levels", "mean luma"),
    Metric("clipped_low_max", "", "largest share of black pixels in a frame"),
    Metric("clipped_high_max", "", "largest share of white pixels in a frame"),
    Metric("black_frames", "frames", "frames with mean luma below 8"),
    Metric("frozen_frames", "frames", "frames that repeat although the camera moved"),
    Metric("flicker", "levels", "95 % quantile of frame-to-frame flicker of the mean luma"),
    Metric("sharpness_p10", "levels", "10 % quantile of sharpness"),
    Metric("colourfulness_mean", "", "mean colourfulness"),
    Metric("near_share_max", "", "largest share of pixels nearer than 0.3 m"),
    Metric("nearest_min_m", "m", "nearest thing in any frame"),
    Metric("clearance_m", "m", "clearance of the trajectory, from the planner"),
    Metric("nothing_share_max", "", "largest share of pixels at infinity"),
    Metric("passes_through", "frames", "looks from which the way leads through a surface"),
    Metric("magenta_share_max", "", "largest share of pixels in the pink of a missing material"),
    Metric("checker_share_max", "", "largest share at corners of a grey checkerboard"),
    Metric(
        "edge_blur_px",
        "px",
        "how blurred edges are, as the sigma of a Gaussian; the sharpest tenth",
    ),
    Metric("hole_share_max", "", "largest share below the horizon that shows nothing"),
    Metric("popped_share_max", "", "largest share of a picture where a thing came or went"),
    Metric("sharpening_max", "octaves", "most that surfaces become sharper within 8 frames"),
    Metric("geometry_inlier", "", "median share of pixels that reproject to the right depth"),
    Metric("lag_frames", "frames", "lag of the poses that fits the pictures best"),
    Metric("lag_margin", "", "how much worse the second best lag fits"),
    Metric("revisit_share", "", "share of frames that see a place again"),
    Metric("revisit_gap_max_s", "s", "longest time before a place is seen again"),
    Metric("covisible_share", "", "share of keyframes of which half was seen before"),
    Metric("covisible_gap_max_s", "s", "longest time before surfaces are seen again"),
    Metric("new_m2", "m²", "surfaces seen for the first time in the trajectory"),
    Metric("action_entropy_bits", "bits", "evenness of the 13 actions; at most 3.70"),
    Metric("action_coupling", "", "share of moving frames with two or more actions at once"),
    Metric("label_agreement", "", "share of frames whose action labels are those of the poses"),
)

UNITS = {metric.name: metric.unit for metric in (*FRAME_METRICS, *CLIP_METRICS)}
ABOUT = {metric.name: metric.about for metric in (*FRAME_METRICS, *CLIP_METRICS)}
