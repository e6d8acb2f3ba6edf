"""Is a dataset what it says it is? Every checksum, count and cross-reference of a folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import actions, files, video
from capture.actions import Actions
from capture.episode import FILES, Episode
from capture.scene import load_plans
from capture.trajectory import Trajectory
from shards import codec, jobs, manifest
from shards.reader import require_intact, require_size

# Poses -> actions -> poses must agree to this, in metres and in entries of a rotation matrix.
_SAME_POSE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: The file or folder.
        message: What is wrong, and what to do.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        return self.message if str(self.path) in self.message else f"{self.path}: {self.message}"


def check(folder: Path) -> list[Problem]:
    """Everything that is wrong with a dataset's plans, episodes, clips, shards and manifest.

    Reads every byte. A stage that has not run yet is no problem; a stage that contradicts an
    earlier one is.

    Args:
        folder: The dataset's folder, or its shards folder alone.
    """
    if (folder / manifest.NAME).is_file():
        return list(_shards(folder, folder))
    stages = ("plans.parquet", "episodes", "clips.parquet", "shards")
    if not any((folder / name).exists() for name in stages):
        return [
            Problem(
                path=folder, message=f"no dataset: expected at least one of {', '.join(stages)}"
            )
        ]
    return [
        *_plans(folder / "plans.parquet"),
        *_episodes(folder / "episodes"),
        *_clips(folder),
        *_shards(folder / "shards", folder),
    ]


def _attempt(path: Path, function: Callable[..., object], *args: object) -> Iterator[Problem]:
    """The problem that `function(*args)` raises, if any."""
    try:
        function(*args)
    except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
        message = f"lacks the field {error}" if isinstance(error, KeyError) else str(error)
        yield Problem(path=path, message=message)


def _plans(path: Path) -> Iterator[Problem]:
    if path.is_file():
        yield from _attempt(path, load_plans, path)


def _episodes(folder: Path) -> Iterator[Problem]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if path.is_dir() and not path.name.startswith("."):
            yield from _attempt(path, _require_whole_episode, path)


def _require_whole_episode(path: Path) -> None:
    episode = Episode.load(path)
    if episode.id != path.name:
        raise ValueError(f"the folder holds the episode {episode.id}; rename it")
    for name in FILES:
        if files.sha256(path / name) != episode.info["files"][name]["sha256"]:
            raise ValueError(
                f"{name} is damaged: its SHA-256 is not the one in episode.json; "
                "delete the folder and capture it again"
            )
        count = (
            episode.table.num_rows if name == "frames.parquet" else video.num_frames(path / name)
        )
        if count != len(episode):
            raise ValueError(f"{name} has {count} frames, episode.json says {len(episode)}")
    _require_moves(episode.trajectory, episode.actions)


def _clips(folder: Path) -> Iterator[Problem]:
    path = folder / "clips.parquet"
    if not path.is_file():
        return
    yield from _attempt(path, _require_possible_clips, folder)


def _require_possible_clips(folder: Path) -> None:
    ids = pq.read_table(folder / "clips.parquet", columns=["clip_id"])["clip_id"].to_pylist()
    if ids != sorted(set(ids)):
        raise ValueError("the rows are not sorted by clip_id, each once; curate again")
    for clip in jobs.kept_clips(folder):
        jobs.episode_sha256(folder, clip.plan_id)  # says so if the episode is absent
        mark = folder / "episodes" / clip.plan_id / "episode.json"
        num_frames = json.loads(mark.read_text())["num_frames"]
        if clip.stop > num_frames:
            raise ValueError(
                f"clip {clip.clip_id} ends at frame {clip.stop}, but episode {clip.plan_id} "
                f"has {num_frames}; curate again"
            )


def _shards(folder: Path, dataset: Path) -> Iterator[Problem]:
    if not folder.is_dir():
        return
    try:
        content = manifest.load(folder)
        tables = {name: manifest.load_table(folder, content, name) for name in manifest.TABLES}
    except (ValueError, KeyError) as error:
        yield Problem(path=folder / manifest.NAME, message=str(error))
        return
    rows = defaultdict(list)
    for row in tables["index"].to_pylist():
        rows[row["shard"]].append(row)
    samples = {row["key"]: row for row in tables["samples"].to_pylist()}
    for shard in tables["shards"].to_pylist():
        yield from _shard(folder / f"{shard['shard']}.tar", shard, rows[shard["shard"]], samples)
    yield from _attempt(folder, _require_current, dataset, samples)


def _shard(tar: Path, shard: dict, rows: list[dict], samples: dict[str, dict]) -> Iterator[Problem]:
    wrong = list(_attempt(tar, require_size, tar, shard["bytes"]))
    if tar.is_file():
        with tar.open("rb") as file:
            for key, parts in groupby(rows, key=itemgetter("key")):
                wrong += _attempt(tar, _require_whole_sample, file, samples[key], list(parts))
        if not wrong and files.sha256(tar) != shard["sha256"]:
            message = (
                "a header or the padding is damaged: relickit still reads every sample, but "
                "webdataset may lose some without a word; delete it and run `relickit shard` again"
            )
            wrong.append(Problem(path=tar, message=message))
    yield from wrong


def _require_whole_sample(file: BinaryIO, sample: dict, rows: list[dict]) -> None:
    parts = {}
    for row in rows:
        file.seek(row["offset"])
        content = parts[row["part"]] = file.read(row["size"])
        names = {name: row[name] for name in ("shard", "key", "part")}
        require_intact(content, row["size"], row["crc32"], **names)
    path, intrinsics = codec.decode_camera(parts["camera.npz"])
    moves = codec.decode_actions(parts["actions.npz"])
    counts = [len(path), len(moves), video.num_frames(parts["rgb.mp4"]), sample["num_frames"]]
    if len(set(counts)) > 1:
        raise ValueError(
            f"sample {sample['key']}: poses, actions, video and index disagree about the number "
            f"of frames: {counts}"
        )
    if (intrinsics.width_px, intrinsics.height_px) != (sample["width_px"], sample["height_px"]):
        raise ValueError(f"sample {sample['key']}: camera and index disagree about the size")
    _require_moves(path, moves)


def _require_moves(path: Trajectory, moves: Actions) -> None:
    integrated = actions.integrate(moves, path.cam_to_world[0])
    error = float(np.abs(integrated - path.cam_to_world).max())
    if error > _SAME_POSE:
        raise ValueError(f"the actions do not lead along the poses: off by up to {error:.3g}")


def _require_current(dataset: Path, samples: dict[str, dict]) -> None:
    """The shards hold the clips that clips.parquet keeps, and no scene is in both splits."""
    split_of: dict[str, str] = {}
    for row in samples.values():
        if split_of.setdefault(row["scene_id"], row["split"]) != row["split"]:
            raise ValueError(f"scene {row['scene_id']} is in train and in val; shard again")
    if not (dataset / "clips.parquet").is_file():
        return
    kept = {(c.clip_id, c.split, c.caption, c.weight) for c in jobs.kept_clips(dataset)}
    held = {(k, r["split"], r["caption"], r["weight"]) for k, r in samples.items()}
    if kept != held:
        raise ValueError(
            f"clips.parquet changed after the shards were made ({len(kept - held)} clips are "
            f"missing or differ, {len(held - kept)} are too many); run `relickit shard` again"
        )
