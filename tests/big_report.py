"""Reports of datasets that nobody rendered: as many clips as a test wants, in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture.actions import NAMES
from capture.schedule import SPEEDS
from curation.audit.data import Report, Route
from curation.catalogue import CLIP_METRICS
from curation.decide import Decision
from curation.filters import RULES, judge
from curation.geometry import LAGS

GENERATORS = ("roam", "loop", "look_around", "out_and_back")
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028'\""
_CLIPS_A_ROUTE = 2
# Typical values where random ones in [0, 1] would break a rule everywhere.
_USUAL = {
    "speed_max_m_s": 6.0, "turn_max_deg_s": 90.0, "turn_acceleration_max_deg_s2": 390.0,
    "luma_mean": 120.0, "clearance_m": 0.6, "geometry_inlier": 0.95, "label_agreement": 1.0,
    "sharpness_p10": 20.0, "edge_blur_px": 0.8, "sharpening_max": 0.5, "nothing_share_max": 0.6,
}  # fmt: skip
_ZERO = ("teleports", "stutters", "black_frames", "frozen_frames", "passes_through", "lag_frames",
         "magenta_share_max", "checker_share_max", "hole_share_max", "popped_share_max",
         "pose_error_max_m", "pose_error_max_deg", "near_share_max", "still_share",
         "clipped_low_max", "clipped_high_max", "jitter_deg")  # fmt: skip


def big_report(num_clips: int, num_scenes: int = 3, seed: int = 0) -> Report:
    """A report with two clips a trajectory; the first scene has a hostile setting and captions."""
    rng = np.random.default_rng(seed)
    columns = {metric.name: rng.random(num_clips) for metric in CLIP_METRICS}
    columns |= {
        name: usual * (0.7 + 0.31 * rng.random(num_clips)) for name, usual in _USUAL.items()
    }
    columns |= {name: np.zeros(num_clips) for name in _ZERO}
    columns["flicker"][rng.random(num_clips) < 0.02] = 9.0
    columns["geometry_inlier"] = columns["geometry_inlier"].clip(0.8, 1.0)
    columns["label_agreement"][:] = 1.0
    columns["new_m2"][rng.random(num_clips) < 0.1] = np.nan
    routes = []
    for start in range(0, num_clips, _CLIPS_A_ROUTE):
        number = start // _CLIPS_A_ROUTE
        scene = f"town-{number * _CLIPS_A_ROUTE * num_scenes // num_clips:03d}"
        values = [
            {name: float(values[row]) for name, values in columns.items()}
            for row in range(start, min(start + _CLIPS_A_ROUTE, num_clips))
        ]
        routes.append(_route(number, scene, GENERATORS[number % len(GENERATORS)], values, rng))
    decided = routes[0].clips[0]["clip_id"]
    return Report(
        path=Path("big"),
        scenes={scene: _card(scene) for scene in sorted({route.scene_id for route in routes})},
        routes=routes,
        problems={},
        decisions={decided: Decision(clip_id=decided, keep=False, note="a <b>lamp</b>")},
        shards=[],
        rules=RULES,
        convention=None,
    )


def _route(number: int, scene: str, generator: str, values: list[dict], rng) -> Route:
    plan_id = f"{number:016x}"
    clips = []
    for place, metrics in enumerate(values):
        verdict = judge(metrics, RULES)
        clips.append(
            metrics
            | {
                "clip_id": f"{scene}-{plan_id}-{80 * place:05d}", "plan_id": plan_id,
                "scene_id": scene, "generator": generator, "start": 80 * place,
                "stop": 80 * place + 81, "raw_pixels": True, "keep": verdict.keep,
                "reject_reasons": list(verdict.reasons), "weight": float(verdict.keep),
                "caption": f"A town. {HOSTILE}" if number == 0 else "A town with a square.",
                "split": "val" if scene == "town-000" else "train",
                "action_shares": rng.dirichlet(np.ones(len(NAMES))),
                "lag_errors": [3.0, 2.0, 1.0, 2.0, 3.0][: len(LAGS)],
            }
        )  # fmt: skip
    return Route(
        id=plan_id, scene_id=scene, generator=generator, fps=16.0, size_px=(832, 480),
        num_frames=161, duration_s=10.0, length_m=8.0, clearance_m=0.5,
        path_m=rng.random((120, 2)).cumsum(0), clips=clips,
        balance=rng.integers(0, 20, (len(NAMES), len(SPEEDS))),
    )  # fmt: skip


def _card(scene: str) -> dict:
    return {
        "name": scene, "bounds_m": [0, 0, 0, 60, 60, 9], "labels": {}, "places": [],
        "setting": HOSTILE if scene == "town-000" else "a town", "light": "noon",
    }  # fmt: skip
