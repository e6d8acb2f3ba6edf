"""The page of an episode of ours: its metrics, its clips, and what was decided about them."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq

from capture.actions import NAMES
from capture.episode import Episode
from capture.formats import episodes
from capture.plan_map import ClearanceMap
from curation import decide
from curation.audit import folder
from curation.audit.trajectory import curves, looks, page, pairs, spans
from curation.audit.trajectory.looks import Pair
from curation.audit.trajectory.spans import Span
from curation.catalogue import ABOUT, FRAME_METRICS
from curation.rules import Rule

_MOST_WORST = 8
# The map, of free space at the camera's height, is drawn just below the path.
_BELOW_M = 0.05
_UNITS = ("steps",) * 6 + ("deg",) * 6 + ("",)


def write_episode(plan_id: str, *, dataset: Path, out: Path) -> bool:
    """Write the page of an episode, unless the same one is there; see `folder` for where.

    Safe to run for many episodes at once, and again after an interruption. After a change of rules,
    decisions or captions no picture is drawn again, unless others are worth looking at.

    Args:
        plan_id: Name of the episode's folder.
        dataset: A curated dataset.
        out: The report's folder.

    Returns:
        Whether anything had to be done.

    Raises:
        ValueError: If the episode is damaged, or the dataset has not been curated.
    """
    episode = Episode.load(dataset / "episodes" / plan_id)
    frames = _columns(dataset, plan_id)
    clips, rules = _clips(dataset, plan_id), decide.rules_of(dataset)
    shown = curves.thin(len(episode))
    found, drawn = _over_time(episode, frames, clips, rules)
    compared = pairs.of_frames(episode.trajectory.t_s, frames)
    worst = list(dict.fromkeys(span.worst for span in found if not span.whole))[:_MOST_WORST]
    listed = looks.sheet_frames(len(episode), worst)
    space = dataset / "scenes" / f"{episode.scene.id}.space.npz"
    content = {
        "kind": "episode",
        "id": episode.id,
        "title": f"{episode.generator.replace('_', ' ')} in {episode.scene.id}",
        "facts": _facts(episode),
        "time": _time(episode, shown),
        "path": {
            **page.path_json(episode.trajectory.cam_to_world, "z", shown, "m"),
            "view": page.view_of(episode.intrinsics),
            "ground": round(float(episode.trajectory.position_m[:, 2].min()) - _BELOW_M, 3),
        },
        "curves": [curves.to_json(curve, shown) for curve in drawn],
        "actions": _actions(episode, shown),
        "spans": spans.to_json(found),
        "rules": [_rule(rule) for rule in rules],
        "clips": [_clip(clip, rules) for clip in clips],
        "problems": [],
        "notes": [],
        "video": _video(episode, out),
    }
    sources = page.source_mark(episode.path / "episode.json", space)
    wanted = [sources, listed, [dataclasses.asdict(pair) for pair in compared]]

    def draw() -> dict:
        return _draw(out, episode, listed, compared, space)

    return page.store(out, folder.page_key(plan_id), content, wanted, draw)


def _over_time(
    episode: Episode,
    frames: Mapping[str, np.ndarray],
    clips: Sequence[Mapping],
    rules: Sequence[Rule],
) -> tuple[list[Span], list[curves.Curve]]:
    """What broke which rule where, and the curves; those that show it are not among "More"."""
    path = episode.trajectory
    drawn = curves.of_path(path) + curves.of_frames(frames)
    found = spans.find(path, frames, drawn, clips, rules)
    metric = {rule.name: rule.metric for rule in rules}
    broken = {curves.OF_METRIC.get(metric[span.rule]) for span in found}
    drawn = [
        dataclasses.replace(curve, group="Broken")
        if curve.group == "More" and curve.name in broken
        else curve
        for curve in drawn
        if np.isfinite(curve.values).any()
    ]
    return found, curves.bounded(drawn, rules)


def _draw(
    out: Path, episode: Episode, listed: Sequence[int], compared: Sequence[Pair], space: Path
) -> dict:
    clip = episodes.posed(episode)
    found = page.pictures_of(out, clip, episode.intrinsics, listed, compared)
    if space.is_file():
        data, edges_m = looks.ground(ClearanceMap.load(space))
        found["ground"] = {"picture": folder.write_picture(out, data, ".png"), "edges": edges_m}
    return found


def _columns(dataset: Path, plan_id: str) -> dict[str, np.ndarray]:
    """The numbers of the episode's frame table, float64 [T] each."""
    part = dataset / "metrics" / "parts" / f"{plan_id}.frames.parquet"
    if not part.is_file():
        raise ValueError(f"{part} does not exist: run `relickit curate` first")
    names = [metric.name for metric in FRAME_METRICS]
    table = pq.read_table(part, columns=names)
    return {name: table[name].to_numpy().astype(np.float64) for name in names}


def _clips(dataset: Path, plan_id: str) -> list[dict]:
    """The episode's clips by time: metrics and verdict of each."""
    both = []
    for path in (dataset / "metrics" / "clips.parquet", dataset / "clips.parquet"):
        if not path.is_file():
            raise ValueError(f"{path} does not exist: run `relickit curate` first")
        both.append(pq.read_table(path, filters=[("plan_id", "=", plan_id)]).to_pylist())
    verdicts = {row["clip_id"]: row for row in both[1]}
    rows = [row | verdicts[row["clip_id"]] for row in both[0] if row["clip_id"] in verdicts]
    return sorted(rows, key=lambda row: (row["start"], row["stop"], row["clip_id"]))


def _clip(clip: Mapping, rules: Sequence[Rule]) -> dict:
    names = (
        "start", "stop", "keep", "caption", "caption_short", "split", "weight", "place",
        "duplicate_of",
    )  # fmt: skip
    values = [_shown(rule.metric, clip.get(rule.metric)) for rule in rules]
    return {
        "id": clip["clip_id"],
        "reasons": clip["reject_reasons"],
        **{name: clip[name] for name in names},
        "values": values,
    }


def _rule(rule: Rule) -> dict:
    unit, _ = curves.unit_of(rule.metric)
    low, high = (_shown(rule.metric, bound) for bound in (rule.at_least, rule.at_most))
    return {
        "name": rule.name,
        "about": ABOUT[rule.metric],
        "unit": unit,
        "at_least": low,
        "at_most": high,
        "required": rule.required,
        "curve": curves.OF_METRIC.get(rule.metric, ""),
    }


def _shown(metric: str, value: object) -> float | int | None:
    """A number in the unit in which people see it; None where it is not known."""
    if not isinstance(value, int | float):
        return None
    return curves.digits(float(value) * curves.unit_of(metric)[1])


def _facts(episode: Episode) -> list[list[str]]:
    path, k = episode.trajectory, episode.intrinsics
    length_m = float(np.linalg.norm(np.diff(path.position_m, axis=0), axis=1).sum())
    seconds = float(path.t_s[-1] - path.t_s[0])
    engine = episode.info["engine"]
    measured = math.isfinite(episode.clearance_m)
    clearance = f", clearance {episode.clearance_m:.2f} m" if measured else ""
    return [
        ["Length", f"{seconds:.1f} s, {len(path)} frames at {episode.fps:g} fps"],
        ["Path", f"{length_m:.2f} m{clearance}"],
        ["Picture", f"{k.width_px} x {k.height_px}, {_fov_deg(k.width_px / k.fx_px):.0f} deg wide"],
        ["Rendered by", f"{engine.get('name', '?')} {engine.get('version', '')}".strip()],
        ["Seed", str(episode.info["seed"])],
    ]


def _fov_deg(width: float) -> float:
    return math.degrees(2 * math.atan(width / 2))


def _time(episode: Episode, shown: np.ndarray) -> dict:
    t_s = np.round(episode.trajectory.t_s[shown], 4).tolist()
    return {"unit": "s", "count": len(episode), "frames": shown.tolist(), "at": t_s}


def _actions(episode: Episode, shown: np.ndarray) -> dict:
    said = (
        f"of the step to each frame: moves in steps of {episode.actions.step_m:.3g} m, turns in "
        "degrees; the darker, the more."
    )
    return page.actions_json(NAMES, _UNITS, episode.actions.values, shown, said)


def _video(episode: Episode, out: Path) -> str | None:
    """The video from the report's place, if the report lies in the dataset; else None."""
    dataset = episode.path.parent.parent.resolve()
    if dataset not in out.resolve().parents:
        return None
    return quote(os.path.relpath(episode.path.resolve() / "rgb.mp4", out.resolve()))
