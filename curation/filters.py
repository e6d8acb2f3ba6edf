"""The list of checks.

RELIC filters by eye for camera motion, viewpoint stability, exposure and render quality (sec. 3,
no thresholds published); these bounds are ours, and docs/curation.md says how well each of them
finds its defect. The checks of agreement have no model in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation import rules as _rules
from curation.rules import Rule
from curation.verdict import Verdict

__all__ = ["RULES", "Rule", "judge"]

RULES: tuple[Rule, ...] = (
    # Camera motion.
    Rule(
        name="too fast",
        metric="speed_max_m_s",
        at_most=6.0,
        text="moves at {value}, more than {bound}",
    ),
    Rule(
        name="whip pan",
        metric="turn_max_deg_s",
        at_most=90.0,
        text="turns at {value}, more than {bound}",
    ),
    Rule(
        name="abrupt turn",
        metric="turn_acceleration_max_deg_s2",
        at_most=400.0,
        text="turns abruptly: the turn rate changes by {value}, more than {bound}",
    ),
    Rule(
        name="uneven motion",
        metric="jerk_p95_m_s3",
        at_most=100.0,
        text="moves unevenly: jerk of {value}, more than {bound}",
    ),
    Rule(
        name="stands still",
        metric="still_share",
        at_most=0.8,
        text="stands still for {value} of it, more than {bound}",
    ),
    Rule(
        name="jump",
        metric="teleports",
        at_most=0,
        text="the path jumps: {value} far from the one before, {bound} allowed",
    ),
    Rule(
        name="stutter",
        metric="stutters",
        at_most=0,
        text="the path stutters: {value} out of step, {bound} allowed",
    ),
    # Viewpoint stability.
    Rule(
        name="shaky position",
        metric="jitter_mm",
        at_most=5.0,
        text="the position shakes by {value}, more than {bound}",
    ),
    Rule(
        name="shaky view",
        metric="jitter_deg",
        at_most=0.25,
        text="the view shakes by {value}, more than {bound}",
    ),
    Rule(
        name="swinging view",
        metric="reversals_hz",
        at_most=2.0,
        text="the view swings to and fro {value}, more than {bound}",
    ),
    Rule(
        name="swaying position",
        metric="sway_hz",
        at_most=2.0,
        text="the position sways to and fro {value}, more than {bound}",
    ),
    Rule(
        name="near collision",
        metric="clearance_m",
        at_least=0.1,
        text="passes surfaces at {value}, less than {bound}",
    ),
    Rule(
        name="against a surface",
        metric="near_share_max",
        at_most=0.25,
        text="surfaces nearer than 0.3 m fill {value} of a frame, more than {bound}",
    ),
    Rule(
        name="through a surface",
        metric="passes_through",
        at_most=0,
        text="the way leads through a surface, seen from {value}, {bound} allowed",
    ),
    # Exposure.
    Rule(
        name="too dark",
        metric="luma_mean",
        at_least=25.0,
        text="too dark: mean luma {value}, less than {bound}",
    ),
    Rule(
        name="too bright",
        metric="luma_mean",
        at_most=215.0,
        text="too bright: mean luma {value}, more than {bound}",
    ),
    Rule(
        name="over-exposed",
        metric="clipped_high_max",
        at_most=0.25,
        text="over-exposed: {value} of a frame is white, more than {bound}",
    ),
    Rule(
        name="under-lit",
        metric="clipped_low_max",
        at_most=0.5,
        text="under-lit: {value} of a frame is black, more than {bound}",
    ),
    Rule(
        name="black frames", metric="black_frames", at_most=0, text="{value} black, {bound} allowed"
    ),
    Rule(
        name="flicker",
        metric="flicker",
        at_most=6.0,
        text="the light flickers by {value}, more than {bound}",
    ),
    # Render quality.
    Rule(
        name="frozen frames",
        metric="frozen_frames",
        at_most=0,
        text="{value} frozen, {bound} allowed",
    ),
    Rule(
        name="blurred",
        metric="edge_blur_px",
        at_most=1.7,
        text="blurred: edges are {value} wide, more than {bound}",
    ),
    Rule(
        name="bare picture",
        metric="sharpness_p10",
        at_least=1.0,
        text="hardly anything to see: sharpness {value}, less than {bound}",
    ),
    Rule(
        name="empty picture",
        metric="nothing_share_max",
        at_most=0.9,
        text="{value} of a frame shows nothing at all, more than {bound}",
    ),
    Rule(
        name="missing material",
        metric="magenta_share_max",
        at_most=0.005,
        text="a material is missing: {value} of a frame is pink, more than {bound}",
    ),
    Rule(
        name="default material",
        metric="checker_share_max",
        at_most=0.05,
        text="shows the grey default material: {value} of a frame, more than {bound}",
    ),
    Rule(
        name="holes",
        metric="hole_share_max",
        at_most=0.02,
        text="meshes have holes: {value} of a frame shows nothing where ground must be, "
        "more than {bound}",
    ),
    Rule(
        name="popping",
        metric="popped_share_max",
        at_most=0.01,
        text="a thing comes or goes: {value} of a frame, more than {bound}",
    ),
    Rule(
        name="textures load",
        metric="sharpening_max",
        at_most=0.7,
        text="textures are still loading: what is seen gets sharper by {value}, more than {bound}",
    ),
    # Pose, depth, colour, time and labels agree.
    Rule(
        name="pose and depth disagree",
        metric="geometry_inlier",
        at_least=0.75,
        required=True,
        text="pose and depth disagree: {value} of the pixels reproject, expected {bound}",
    ),
    Rule(
        name="out of step",
        metric="lag_frames",
        at_least=0,
        at_most=0,
        text="pictures and poses are out of step by {value}, expected {bound}",
    ),
    Rule(
        name="wrong position",
        metric="pose_error_max_m",
        at_most=0.01,
        text="the engine stood {value} from where it was sent, more than {bound}",
    ),
    Rule(
        name="wrong direction",
        metric="pose_error_max_deg",
        at_most=0.1,
        text="the engine looked {value} away from where it was sent, more than {bound}",
    ),
    Rule(
        name="wrong labels",
        metric="label_agreement",
        at_least=0.98,
        text="the action labels are those of the poses on {value} of the frames, expected {bound}",
    ),
)


def judge(row: Mapping[str, object], rules: Sequence[Rule] = RULES) -> Verdict:
    """`curation.rules.judge` with the rules above."""
    return _rules.judge(row, rules)
