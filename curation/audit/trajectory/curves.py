"""What is drawn over time: one number a frame, with its unit and the bounds that rules set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capture.trajectory import Trajectory
from curation import geometry, motion
from curation.catalogue import ABOUT, UNITS
from curation.rules import Rule

# A plot has no more columns; of longer trajectories, the worst value of every few frames is shown.
MOST_POINTS = 400
_DIGITS = 4
# What is nearer to zero comes from rounding.
_NOISE = 1e-9
# Curves of the frame table: name, group, label, frames that a value speaks of.
_COLUMNS = (
    ("luma_mean", "Light", "Mean luma", 1),
    ("clipped_high_share", "Light", "White pixels", 1),
    ("clipped_low_share", "Light", "Black pixels", 1),
    ("geometry_inlier", "Geometry", "Pose and depth agree", geometry.PAIR_GAP),
    ("near_share", "Geometry", "Nearer than 0.3 m", 1),
    ("depth_median_m", "Geometry", "Median depth", 1),
    ("revisit_gap_s", "Geometry", "Seen again after", 1),
    ("nearest_m", "More", "Nearest surface", 1),
    ("nothing_share", "More", "Nothing at all", 1),
    ("covisible_gap_s", "More", "Surfaces seen again after", 2 * geometry.PAIR_GAP),
    ("new_m2", "More", "New surfaces", 2 * geometry.PAIR_GAP),
    ("sharpness", "More", "Sharpness", 1),
    ("edge_blur_px", "More", "Blur of edges", geometry.PAIR_GAP),
    ("luma_std", "More", "Contrast", 1),
    ("colourfulness", "More", "Colourfulness", 1),
    ("change", "More", "Change of the picture", 1),
    ("magenta_share", "More", "Pink of a missing material", geometry.PAIR_GAP),
    ("checker_share", "More", "Grey checkerboard", geometry.PAIR_GAP),
    ("hole_share", "More", "Holes in the ground", geometry.PAIR_GAP),
    ("popped_share", "More", "Things that come or go", geometry.PAIR_GAP),
    ("sharpening", "More", "Surfaces that get sharper", geometry.PAIR_GAP),
    ("through_surface", "More", "Way through a surface", geometry.PAIR_GAP),
    ("pose_error_m", "More", "Position off by", 1),
    ("pose_error_deg", "More", "Direction off by", 1),
    ("label_agreement", "More", "Labels fit the poses", 1),
)
# Clip metric -> the curve whose values it sums up.
OF_METRIC = {
    "speed_max_m_s": "speed_m_s",
    "speed_mean_m_s": "speed_m_s",
    "turn_max_deg_s": "turn_deg_s",
    "turn_mean_deg_s": "turn_deg_s",
    "turn_acceleration_max_deg_s2": "turn_acceleration_deg_s2",
    "acceleration_p95_m_s2": "acceleration_m_s2",
    "jerk_p95_m_s3": "jerk_m_s3",
    "luma_mean": "luma_mean",
    "clipped_low_max": "clipped_low_share",
    "clipped_high_max": "clipped_high_share",
    "flicker": "flicker",
    "sharpness_p10": "sharpness",
    "colourfulness_mean": "colourfulness",
    "near_share_max": "near_share",
    "nearest_min_m": "nearest_m",
    "nothing_share_max": "nothing_share",
    "passes_through": "through_surface",
    "magenta_share_max": "magenta_share",
    "checker_share_max": "checker_share",
    "edge_blur_px": "edge_blur_px",
    "hole_share_max": "hole_share",
    "popped_share_max": "popped_share",
    "sharpening_max": "sharpening",
    "geometry_inlier": "geometry_inlier",
    "pose_error_max_m": "pose_error_m",
    "pose_error_max_deg": "pose_error_deg",
    "label_agreement": "label_agreement",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One number over time.

    Attributes:
        name: As the column of the frame table.
        group: Heading that it stands under; those under "More" are shown when asked for.
        label: A few words.
        unit: As people write it; "%" for shares.
        values: float64 [T], NaN where it was not measured; shares in percent.
        about: One line about what it is.
        reach: Frames, from its own on, that a value speaks of.
        bounds: (value, "at least" or "at most", the rule's name), in the curve's unit.
    """

    name: str
    group: str
    label: str
    unit: str
    values: np.ndarray
    about: str = ""
    reach: int = 1
    bounds: tuple[tuple[float, str, str], ...] = ()


def of_path(path: Trajectory, unit: str = "m", per: str = "s") -> list[Curve]:
    """Speed, turn rate, their changes, and jerk; NaN at ends where a difference is not known.

    Args:
        path: When the camera was where.
        unit: Of the positions.
        per: Of the times.
    """

    def curve(name: str, label: str, values: np.ndarray, before: int, kind: str) -> Curve:
        known = np.pad(values, (before, len(path) - len(values) - before), constant_values=np.nan)
        return Curve(
            name=name, group="Motion", label=label, unit=kind, values=known,
            about=ABOUT.get(name, ""),
        )  # fmt: skip

    if len(path) < 4:
        return []
    turning = motion.turn_acceleration_deg_s2(path)
    return [
        curve("speed_m_s", "Speed", path.speed_m_s(), 1, f"{unit}/{per}"),
        curve("turn_deg_s", "Turn rate", path.turn_deg_s(), 1, f"deg/{per}"),
        curve(
            "acceleration_m_s2", "Acceleration", motion.acceleration_m_s2(path), 1,
            f"{unit}/{per}²",
        ),
        curve("turn_acceleration_deg_s2", "Change of turn rate", turning, 1, f"deg/{per}²"),
        curve("jerk_m_s3", "Jerk", motion.jerk_m_s3(path), 2, f"{unit}/{per}³"),
    ]  # fmt: skip


def of_frames(frames: Mapping[str, np.ndarray]) -> list[Curve]:
    """The curves of a frame table, and the flicker that follows from its luma.

    Args:
        frames: Columns, float [T] each.
    """
    found = [
        Curve(
            name=name,
            group=group,
            label=label,
            unit=unit_of(name)[0],
            values=unit_of(name)[1] * frames[name].astype(np.float64),
            about=ABOUT[name],
            reach=reach,
        )
        for name, group, label, reach in _COLUMNS
    ]
    luma = frames["luma_mean"]
    flicker = np.full(len(luma), np.nan)
    flicker[1:-1] = np.abs(np.diff(luma, n=2)) / 2
    about = "how far mean luma is from the middle of the frames beside it"
    light = Curve(
        name="flicker", group="More", label="Flicker", unit="levels",
        values=flicker, about=about,
    )  # fmt: skip
    return [*found, light]


def bounded(curves: Sequence[Curve], rules: Sequence[Rule]) -> list[Curve]:
    """The same curves with the bounds of the rules that are about them."""
    return [replace(curve, bounds=_bounds(curve, rules)) for curve in curves]


def unit_of(metric: str) -> tuple[str, float]:
    """How a metric of either table is shown: its unit, and what its numbers are multiplied with."""
    if UNITS[metric] or not any(word in metric for word in _SHARES):
        return UNITS[metric], 1.0
    return "%", 100.0


def thin(num_frames: int) -> np.ndarray:
    """Frames at which a trajectory is shown, int [n <= 400]: all of them, or every few."""
    return np.arange(0, num_frames, math.ceil(num_frames / MOST_POINTS))


def to_json(curve: Curve, shown: np.ndarray) -> dict:
    """A curve as the page takes it; where most frames have no value, `at` says which have one.

    Args:
        curve: The curve.
        shown: Of `thin`.
    """
    low = any(kind == "at least" for _, kind, _ in curve.bounds) and not any(
        kind == "at most" for _, kind, _ in curve.bounds
    )
    values, at = curve.values, shown
    if len(shown) < len(values):
        step = int(shown[1] - shown[0])
        padded = np.pad(values, (0, -len(values) % step), constant_values=np.nan)
        empty = -np.inf if not low else np.inf
        filled = np.where(np.isnan(padded), empty, padded).reshape(-1, step)
        values = filled.min(axis=1) if low else filled.max(axis=1)
        values = np.where(np.isfinite(values), values, np.nan)
    numbers, reach = [digits(value) for value in values.tolist()], curve.reach
    known = [n for n, value in enumerate(numbers) if value is not None]
    if len(set(numbers)) == 1:
        numbers, at, known, reach = numbers[:1], np.zeros(1, int), [0], len(curve.values)
    sparse = 2 * len(known) < len(values)
    return {
        "name": curve.name,
        "group": curve.group,
        "label": curve.label,
        "unit": curve.unit,
        "about": curve.about,
        "reach": reach,
        "bounds": [[digits(value), kind, rule] for value, kind, rule in curve.bounds],
        "at": at[known].tolist() if sparse else None,
        "values": [numbers[n] for n in known] if sparse else numbers,
    }


def digits(value: float, count: int = _DIGITS) -> float | int | None:
    """A number in so many digits, whole numbers without a point; None if it is not finite."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{count}g}") if abs(value) > _NOISE else 0.0
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def _bounds(curve: Curve, rules: Sequence[Rule]) -> tuple[tuple[float, str, str], ...]:
    found = []
    for rule in rules:
        if OF_METRIC.get(rule.metric) != curve.name:
            continue
        scale = unit_of(rule.metric)[1]
        for value, kind in ((rule.at_least, "at least"), (rule.at_most, "at most")):
            if math.isfinite(value) and curve.name not in _TOLD_APART:
                found.append((value * scale, kind, rule.name))
    return tuple(found)


# Counts and shares of frames: the bound is no height on the curve.
_TOLD_APART = ("through_surface", "label_agreement")
_SHARES = ("_share", "_inlier", "_low_max", "_high_max", "_coupling", "_agreement")
