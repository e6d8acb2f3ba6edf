"""The numbers of a report as JSON."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from capture.actions import NAMES
from curation.audit.data import Report, cause
from curation.catalogue import CLIP_METRICS
from curation.convention import dataset as examined
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
        "convention": examined.of(report.path),
        "agreement": agreement(report),
        "rejected_by": dict(causes(report)),
        "problems": report.problems,
        "actions": dict(zip(NAMES, action_shares(report).tolist(), strict=True)),
        "metrics": {metric.name: _spread(report.values(metric.name)) for metric in CLIP_METRICS},
        "episodes": [
            {
                "plan_id": route.episode.id,
                "scene_id": route.episode.scene.id,
                "generator": route.episode.generator,
                "frames": len(route.frames),
                "duration_s": route.duration_s,
                "length_m": route.length_m,
                "clearance_m": float(route.episode.info["clearance_m"]),
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


def causes(report: Report) -> list[tuple[str, int]]:
    """How many clips each check rejects, most first; a clip may count under several."""
    counted = Counter(
        name
        for clip in report.clips
        for name in {cause(report.rules, clip, reason) for reason in clip["reject_reasons"]}
    )
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def action_shares(report: Report) -> np.ndarray:
    """Share of the kept clips' frames on which each action is active, float64 [13]."""
    kept = [clip["action_shares"] for clip in report.clips if clip["keep"]]
    return np.mean(kept, axis=0) if kept else np.zeros(len(NAMES))


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
