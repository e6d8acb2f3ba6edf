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
    Metric("revisit_gap_s", "s", "time since this view was last seen; 0: new"),
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
    Metric("jitter_mm", "mm", "shake about the smooth path"),
    Metric("jitter_deg", "deg", "rotational shake about the smooth path"),
    Metric("still_share", "", "share of steps without movement"),
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
    Metric("geometry_inlier", "", "median share of pixels that reproject to the right depth"),
    Metric("lag_frames", "frames", "lag of the poses that fits the pictures best"),
    Metric("lag_margin", "", "how much worse the second best lag fits"),
    Metric("revisit_share", "", "share of frames that see a place again"),
    Metric("revisit_gap_max_s", "s", "longest time before a place is seen again"),
    Metric("action_entropy_bits", "bits", "evenness of the 13 actions; at most 3.70"),
)

UNITS = {metric.name: metric.unit for metric in (*FRAME_METRICS, *CLIP_METRICS)}
ABOUT = {metric.name: metric.about for metric in (*FRAME_METRICS, *CLIP_METRICS)}
