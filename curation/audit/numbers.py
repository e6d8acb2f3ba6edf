"""The numbers of a report as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from capture.actions import NAMES
from capture.schedule import SPEEDS
from curation.audit.data import Report
from curation.catalogue import CLIP_METRICS
from curation.decide import cause
from curation.geometry import LAGS

AGREEMENT = ("geometry_inlier", "lag_frames", "pose_error_max_m", "pose_error_max_deg")


def of(report: Report) -> dict:
    """What the page shows, ready for JSON; NaN becomes null."""
    clips = report.clips
    return {
        "scenes": sorted(report.scenes),
        "trajectories": len(report.routes),
        "clips": len(clips),
        "kept": sum(clip["keep"] for clip in clips),
        "convention": report.convention,
        "agreement": agreement(report),
        "rejected_by": {step["name"]: step["count"] for step in funnel(causes(report))},
        "problems": report.problems,
        "actions": dict(zip(NAMES, action_shares(report).tolist(), strict=True)),
        "balance": {
            name: dict(zip(SPEEDS, row, strict=True))
            for name, row in zip(NAMES, balance(report).tolist(), strict=True)
        },
        "splits": splits(report),
        "metrics": {metric.name: _spread(report.values(metric.name)) for metric in CLIP_METRICS},
        "episodes": [
            {
                "plan_id": route.id,
                "scene_id": route.scene_id,
                "generator": route.generator,
                "frames": route.num_frames,
                "duration_s": route.duration_s,
                "length_m": route.length_m,
                "clearance_m": _finite(route.clearance_m),
                "clips": {clip["clip_id"]: clip["reject_reasons"] for clip in route.clips},
            }
            for route in report.routes
        ],
        "shards": [
            {name: row[name] for name in ("shard", "split", "samples", "bytes")}
            for row in report.shards
        ],
    }


def agreement(report: Report) -> dict:
    """Whether pose, depth, colour and time agree, over all clips."""
    rules = [rule for rule in report.rules if rule.metric in AGREEMENT]
    apart = [
        clip["clip_id"]
        for clip in report.clips
        if any(rule.reason(clip[rule.metric]) for rule in rules)
    ]
    errors = np.array([clip["lag_errors"] for clip in report.clips], dtype=np.float64)
    known = errors[np.isfinite(errors).all(axis=1)] if len(errors) else errors
    mean = known.mean(axis=0) if len(known) else np.full(len(LAGS), np.nan)
    return {
        "disagreeing_clips": apart,
        "inlier_median": _number(report.values("geometry_inlier"), np.median),
        "inlier_min": _number(report.values("geometry_inlier"), np.min),
        "lag_errors": [_finite(value) for value in mean],
        "lag_clips": len(known),
        "lag_margin_median": _number(report.values("lag_margin"), np.median),
        "pose_error_max_m": _number(report.values("pose_error_max_m"), np.max),
        "pose_error_max_deg": _number(report.values("pose_error_max_deg"), np.max),
    }


def causes(report: Report) -> list[set[str]]:
    """The checks that each clip fails; none where it is kept."""
    return [
        {cause(report.rules, reason) for reason in clip["reject_reasons"]} for clip in report.clips
    ]


def funnel(broken: Sequence[set[str]]) -> list[dict]:
    """What each check takes away, most first.

    Args:
        broken: The checks that each clip fails.

    Returns:
        name; count, the clips that fail it; alone, those that fail nothing else; left, the clips
        that fail neither it nor one above it.
    """
    counted = Counter(name for names in broken for name in names)
    alone = Counter(next(iter(names)) for names in broken if len(names) == 1)
    steps, left = [], list(broken)
    for name, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        left = [names for names in left if name not in names]
        steps.append({"name": name, "count": count, "alone": alone[name], "left": len(left)})
    return steps


def action_shares(report: Report) -> np.ndarray:
    """Share of the kept clips' frames on which each action is active, float64 [13]."""
    kept = [clip["action_shares"] for clip in report.clips if clip["keep"]]
    return np.mean(kept, axis=0) if kept else np.zeros(len(NAMES))


def balance(report: Report) -> np.ndarray:
    """Frames of kept clips by action and speed, int64 [13, 4]; a frame may take several actions."""
    empty = np.zeros((len(NAMES), len(SPEEDS)), dtype=np.int64)
    return sum((route.balance for route in report.routes), empty)


def splits(report: Report) -> dict[str, dict]:
    """Split -> how many scenes, trajectories, clips, kept clips and kept seconds it has."""
    found: dict[str, dict] = {}
    for route in report.routes:
        for clip in route.clips:
            one = found.setdefault(
                clip["split"],
                {"scenes": set(), "routes": set(), "clips": 0, "kept": 0, "kept_s": 0},
            )
            one["scenes"].add(route.scene_id)
            one["routes"].add(route.id)
            one["clips"] += 1
            one["kept"] += clip["keep"]
            one["kept_s"] += clip["keep"] * (clip["stop"] - clip["start"]) / route.fps
    return {
        name: {
            "scenes": len(one["scenes"]),
            "trajectories": len(one["routes"]),
            "clips": one["clips"],
            "kept": one["kept"],
            "kept_s": round(one["kept_s"], 3),
        }
        for name, one in sorted(found.items())
    }


def _spread(values: np.ndarray) -> dict:
    if not len(values):
        return {"count": 0}
    p5, p50, p95 = np.percentile(values, (5, 50, 95))
    named = {"min": values.min(), "p5": p5, "median": p50, "p95": p95, "max": values.max()}
    return {"count": len(values), **{name: _finite(value) for name, value in named.items()}}


def _number(values: np.ndarray, how) -> float | None:
    return _finite(how(values)) if len(values) else None


def _finite(value: float) -> float | None:
    return float(f"{value:.9g}") if math.isfinite(value) else None
