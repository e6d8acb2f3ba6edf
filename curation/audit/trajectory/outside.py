"""The page of a clip of anybody's dataset: its path, and what its poses and pictures allow."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from capture.camera import rotation_angle_deg
from capture.formats import Clips, Posed
from capture.trajectory import Trajectory
from curation.audit import checks, table
from curation.audit.trajectory import curves, looks, page, pairs, spans
from curation.audit.trajectory.curves import Curve
from curation.audit.trajectory.spans import Span, runs

# Poses that are rotations to this are good enough to be drawn (`checks` has the same limit).
_NEARLY = 1e-3
_MOST_ACTIONS, _MOST_WORST = 32, 8
# Stretches of good poses that have curves: the longest.
_MOST_PIECES = 100


def write_item(item: Mapping, *, clips: Clips, out: Path, source: str) -> bool:
    """Write the page of a clip that was audited, unless the same one is there.

    A clip that cannot be read gets a page that says so; nothing here raises over bad data.

    Args:
        item: Its entry of `items` in audit.json.
        clips: Of `capture.formats.read`.
        out: The report's folder.
        source: Changes whenever the dataset's files do.

    Returns:
        Whether anything had to be done.
    """
    content: dict = {
        "kind": "audit",
        "id": item["place"],
        "title": item["name"],
        "decide": item["place"],
        "problems": item["problems"],
        "notes": [*item["notes"], *([item["cannot_tell"]] if item["cannot_tell"] else [])],
        "facts": _facts(item),
        "time": {"unit": "frame", "count": 1, "frames": [0], "at": [0]},
        "path": None,
        "curves": [],
        "actions": None,
        "spans": [],
        "rules": [],
        "clips": [],
        "video": None,
    }
    key = table.item_key(item)
    try:
        clip = clips[item["item"]]
        described, listed, compared = _described(clip)
    except Exception as error:  # hostile files raise anything
        note = f"There is nothing to show: {' '.join(str(error).split())}"
        nothing = {"sheet": None, "pairs": [], "note": note}
        return page.store(out, key, content, [source, note], lambda: nothing)
    wanted = [source, listed, [dataclasses.asdict(pair) for pair in compared]]
    camera = page.camera_of(clip)
    content |= described
    content["path"]["view"] = page.view_of(camera)

    def draw() -> dict:
        return page.pictures_of(out, clip, camera, listed, compared)

    return page.store(out, key, content, wanted, draw)


def _described(clip: Posed) -> tuple[dict, list[int], list[looks.Pair]]:
    """Path, curves, actions and spans of a clip; the frames and the pairs worth looking at."""
    poses, at, per, drawn = over_time(clip)
    pieces = _pieces(poses, at)
    shown = curves.thin(len(clip))
    found = _spans(poses)
    described = {
        "time": {
            "unit": per,
            "count": len(clip),
            "frames": shown.tolist(),
            "at": np.round(at[shown] - at[0], 4).tolist(),
        },
        "path": {
            **page.path_json(poses, clip.declared.up, shown, _unit(clip)),
            "ground": None,
        },
        "curves": [curves.to_json(one, shown) for one in drawn],
        "actions": _actions(clip, shown),
        "spans": spans.to_json(found),
    }
    worst = [span.worst for span in found][:_MOST_WORST]
    whole = len(pieces) == 1 and len(pieces[0][1]) == len(clip)
    again = pairs.of_path(pieces[0][1]) if whole and clip.rgb is not None else []
    return described, looks.sheet_frames(len(clip), worst), again


def over_time(clip: Posed) -> tuple[np.ndarray, np.ndarray, str, list[Curve]]:
    """What is known of a clip's poses over time, as far as they are good.

    Returns:
        Poses [N, 4, 4] with rounded rotations put right, times [N], "s" or "frame" for their unit,
        and the curves.
    """
    poses = _orthonormal(clip.cam_to_world)
    at, per = _times(clip)
    return poses, at, per, _curves(len(clip), _pieces(poses, at), _unit(clip), per)


def _unit(clip: Posed) -> str:
    return "m" if clip.declared.unit else "units"


def _times(clip: Posed) -> tuple[np.ndarray, str]:
    """When each pose is, float64 [N], in seconds, or in frames where that is not known."""
    known = clip.t_s
    if known is None and clip.fps and clip.frame_index is not None:
        known = clip.frame_index / clip.fps
    if known is not None and np.isfinite(known).all() and np.all(np.diff(known) > 0):
        return known, "s"
    return np.arange(len(clip), dtype=np.float64), "frame"


def _finite(poses: np.ndarray) -> list[tuple[int, int]]:
    """Half-open stretches of frames whose poses are numbers."""
    finite = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], finite.astype(np.int8), [0]])))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]


def _pieces(poses: np.ndarray, at: np.ndarray) -> list[tuple[int, Trajectory]]:
    """The stretches of good poses, each with its first frame."""
    found = []
    for start, stop in _finite(poses):
        with contextlib.suppress(ValueError):  # no rotations
            found.append((start, Trajectory(t_s=at[start:stop], cam_to_world=poses[start:stop])))
    return found


def _curves(
    num_frames: int, pieces: Sequence[tuple[int, Trajectory]], unit: str, per: str
) -> list[Curve]:
    """The curves of the stretches, NaN between them."""
    merged: dict[str, Curve] = {}
    longest = sorted(pieces, key=lambda piece: -len(piece[1]))[:_MOST_PIECES]
    for start, path in longest:
        for one in curves.of_path(path, unit, per):
            if one.name not in merged:
                whole = np.full(num_frames, np.nan)
                merged[one.name] = dataclasses.replace(one, values=whole)
            merged[one.name].values[start : start + len(path)] = one.values
    return list(merged.values())


def _orthonormal(cam_to_world: np.ndarray) -> np.ndarray:
    """Poses whose rotations are off by rounding, put right; others as they are."""
    poses = np.array(cam_to_world)
    finite = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    rotation = np.where(finite[:, None, None], poses[:, :3, :3], np.eye(3))
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
    near = finite & (error < _NEARLY)
    u, _, v = np.linalg.svd(rotation[near])
    poses[near, :3, :3] = u @ v
    return poses


def _spans(poses: np.ndarray) -> list[Span]:
    """Frames without a usable pose, and those that a jump leads to."""
    finite = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    found = [
        Span(
            rule="poses", start=start, stop=stop, worst=start, clip=-1,
            text="NaN or infinity in the pose",
        )
        for start, stop in runs(~finite)
    ]  # fmt: skip
    for first, last in _finite(poses):
        positions, rotation = poses[first:last, :3, 3], poses[first:last, :3, :3]
        steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        turns = rotation_angle_deg(rotation[:-1], rotation[1:])
        for start, stop in runs(np.append(False, checks.jumps(positions, turns))):
            text = f"a step of {steps[start - 1]:.3g} and {turns[start - 1]:.3g} degrees"
            at = first + start
            found.append(
                Span(rule="jumps", start=at, stop=first + stop, worst=at, clip=-1, text=text)
            )
    return sorted(found, key=lambda span: (span.start, span.rule))


def _actions(clip: Posed, shown: np.ndarray) -> dict | None:
    labels = clip.actions
    if labels is None or len(labels.values) != len(clip):
        return None
    names = labels.names[:_MOST_ACTIONS]
    values = np.nan_to_num(labels.values[:, : len(names)])
    return page.actions_json(names, [""] * len(names), values, shown, f"{labels.meaning}.")


def _facts(item: Mapping) -> list[list[str]]:
    said = item["convention"] or {}
    told = {None: "cannot be told", True: "as declared", False: "not as declared"}
    size = item["size_px"]
    length = f"{item['frames']} frames"
    if item["duration_s"] is not None:
        length = f"{item['duration_s']:.1f} s, {length}"
    has = [name for name, there in item["has"].items() if there]
    return [
        ["Length", length],
        ["Picture", f"{size[0]} x {size[1]}" if size else "size not known"],
        ["Has", ", ".join(["poses", *has])],
        ["Convention", told[said.get("agrees")]],
    ]
