"""The list of checks and how they decide. Pure: numbers in, verdict out; nothing is measured here.

RELIC filters by eye for camera motion, viewpoint stability, exposure and render quality (sec. 3,
no thresholds published); these bounds are ours. The geometry checks have no model in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.catalogue import UNITS
from curation.verdict import Score, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One check: a metric stays within its bounds, or the clip goes.

    Attributes:
        name: Two or three words for lists: "whip pan".
        metric: Column of the clip table.
        text: What is wrong, as the beginning of a clause: "turns at {value}, more than {bound}".
        at_least: Smallest value that is kept.
        at_most: Largest value that is kept.
        required: Whether a value that could not be measured rejects the clip too.
    """

    name: str
    metric: str
    text: str
    at_least: float = -math.inf
    at_most: float = math.inf
    required: bool = False

    def __post_init__(self):
        if self.metric not in UNITS:
            raise ValueError(f"there is no metric {self.metric!r}; known are {', '.join(UNITS)}")
        bounded = math.isfinite(self.at_least) or math.isfinite(self.at_most)
        if not bounded or self.at_least > self.at_most:
            raise ValueError(
                f"the rule on {self.metric} needs a bound, and at_least <= at_most; "
                f"got {self.at_least} and {self.at_most}"
            )

    def reason(self, value: float) -> str | None:
        """Why this value is rejected, or None."""
        if math.isnan(value):
            return f"{self.metric} could not be measured" if self.required else None
        if self.at_least <= value <= self.at_most:
            return None
        bound = self.at_least if value < self.at_least else self.at_most
        return self.text.format(value=_say(value, self.metric), bound=_say(bound, self.metric))


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
        metric="sharpness_p10",
        at_least=1.0,
        text="blurred: sharpness {value}, less than {bound}",
    ),
    Rule(
        name="empty picture",
        metric="nothing_share_max",
        at_most=0.9,
        text="{value} of a frame shows nothing at all, more than {bound}",
    ),
    # Pose, depth, colour and time agree.
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
)


def judge(row: Mapping[str, object], rules: Sequence[Rule] = RULES) -> Verdict:
    """The verdict on one row of the clip metrics.

    Args:
        row: Metric name -> number; a metric that is absent counts as not measured.
        rules: What to check, in the order of the reasons.
    """
    values = {rule.metric: _number(row.get(rule.metric)) for rule in rules}
    reasons = [rule.reason(values[rule.metric]) for rule in rules]
    said = tuple(reason for reason in reasons if reason)
    scores = tuple(
        Score(name=name, value=value, unit=UNITS[name]) for name, value in values.items()
    )
    return Verdict(keep=not said, reasons=said, scores=scores)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _say(value: float, metric: str) -> str:
    """A number as people read it: "143 deg/s", "3 frames", "31 %"."""
    unit = UNITS[metric]
    if metric.endswith(("_share", "_share_max", "_inlier")) or metric.startswith("clipped_"):
        return f"{100 * value:.3g} %"
    if unit == "frames" and abs(value) == 1:
        unit = "frame"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {unit}".strip()
