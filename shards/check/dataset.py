"""Are plans, episodes and clips what they say they are? Every checksum, count and reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from capture import actions, mark, parquet, video
from capture.actions import Actions
from capture.episode import Episode
from capture.scene import Plan, load_plans
from capture.trajectory import Trajectory
from shards import jobs
from shards.check.problem import Problem, attempt
from shards.planned import require_planned

# Poses -> actions -> poses must agree to this, in metres and in entries of a rotation matrix.
_SAME_POSE = 1e-6
# Frames that are decoded at once.
_CHUNK = 64


def check_plans(path: Path) -> Iterator[Problem]:
    """What is wrong with a plans.parquet; nothing if it is not there."""
    if path.is_file():
        yield from attempt(path, load_plans, path)


def check_episodes(folder: Path, *, deep: bool, plans: Path | None = None) -> Iterator[Problem]:
    """What is wrong with a folder of episodes; nothing if it is not there.

    Args:
        folder: The episodes.
        deep: Decode every frame of their videos too.
        plans: The plans.parquet to compare them with, if it can be read.
    """
    planned = {}
    if plans is not None and plans.is_file() and not list(check_plans(plans)):
        planned = {plan.id: plan for plan in load_plans(plans)}
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if path.is_dir() and not path.name.startswith("."):
            yield from check_episode(path, deep=deep, plan=planned.get(path.name))


def check_episode(path: Path, *, deep: bool, plan: Plan | None = None) -> Iterator[Problem]:
    """What is wrong with one episode.

    Args:
        path: Its folder.
        deep: Decode every frame of its videos too.
        plan: What it shows, if that is known.
    """
    yield from attempt(path, _require_whole_episode, path, deep, plan)


def check_decisions(path: Path) -> Iterator[Problem]:
    """What is wrong with a decisions.jsonl; nothing if it is not there."""
    from curation.decide import load_decisions

    yield from attempt(path, load_decisions, path)


def check_clips(dataset: Path) -> Iterator[Problem]:
    """What is wrong with a dataset's clips.parquet; nothing if it is not there."""
    path = dataset / "clips.parquet"
    if path.is_file():
        yield from attempt(path, _require_possible_clips, dataset)


def require_moves(path: Trajectory, moves: Actions) -> None:
    """Poses and actions must say the same.

    Raises:
        ValueError: If they do not.
    """
    integrated = actions.integrate(moves, path.cam_to_world[0])
    error = float(np.abs(integrated - path.cam_to_world).max())
    if error > _SAME_POSE:
        raise ValueError(f"the actions do not lead along the poses: off by up to {error:.3g}")


def require_decodable(
    name: str,
    source: Path | bytes,
    size_px: tuple[int, int],
    *,
    read: Callable[[Path | bytes, int, int], np.ndarray] = video.read_rgb,
    most: int | None = None,
) -> None:
    """Decode every frame of a video.

    Args:
        name: Of the video, for messages.
        source: The file or its bytes.
        size_px: Expected width and height.
        read: Frames [start, stop) of it.
        most: The largest value that is allowed.

    Raises:
        ValueError: If a frame cannot be decoded, has another size or impossible values.
    """
    count = video.num_frames(source)
    for start in range(0, count, _CHUNK):
        try:
            with video.strict():
                frames = read(source, start, min(start + _CHUNK, count))
        except ValueError as error:
            raise ValueError(f"{name} cannot be decoded: {error}") from error
        found = (frames.shape[2], frames.shape[1])
        if found != size_px:
            raise ValueError(f"{name} has frames of {found[0]}x{found[1]} pixels, not {size_px}")
        if most is not None and frames.max() > most:
            raise ValueError(f"{name} has the value {frames.max()}, the largest one is {most}")


def _require_whole_episode(path: Path, deep: bool, plan: Plan | None) -> None:
    episode = Episode.load(path)
    if episode.id != path.name:
        if (beside := path.with_name(episode.id)).exists():
            raise ValueError(f"holds a copy of the episode {beside}; delete the copy")
        raise ValueError(f"the folder holds the episode {episode.id}; rename it to that")
    for name in mark.FILES:
        episode.require_intact(name)
        count = (
            episode.table.num_rows if name == "frames.parquet" else video.num_frames(path / name)
        )
        if count != len(episode):
            raise ValueError(f"{name} has {count} frames, episode.json says {len(episode)}")
    require_moves(episode.trajectory, episode.actions)
    require_planned(episode)
    if plan is not None and not np.isclose(
        episode.clearance_m, plan.clearance_m, rtol=0, atol=0, equal_nan=True
    ):
        raise ValueError(
            f"{path / mark.NAME} is damaged: clearance_m is {episode.clearance_m}, planned were "
            f"{plan.clearance_m}; {mark.again(path)}"
        )
    if deep:
        size, gray = (episode.intrinsics.width_px, episode.intrinsics.height_px), video.read_gray16
        require_decodable("rgb.mp4", path / "rgb.mp4", size)
        require_decodable("depth.mkv", path / "depth.mkv", size, read=gray)
        most = len(episode.mask_names) - 1
        require_decodable("mask.mkv", path / "mask.mkv", size, read=gray, most=most)


def _require_possible_clips(folder: Path) -> None:
    clips = jobs.kept_clips(folder)
    table = parquet.read(folder / "clips.parquet", {"clip_id": str}, jobs.clips_again(folder))
    ids = table["clip_id"].to_pylist()
    if ids != sorted(set(ids)):
        raise ValueError("the rows are not sorted by clip_id, each once; curate again")
    for clip in clips:
        jobs.episode_sha256(folder, clip.plan_id)  # says so if the episode is absent
        try:
            num_frames = mark.read(folder / "episodes" / clip.plan_id)["num_frames"]
        except ValueError:  # which `check_episode` says
            continue
        if clip.stop > num_frames:
            raise ValueError(
                f"clip {clip.clip_id} ends at frame {clip.stop}, but episode {clip.plan_id} "
                f"has {num_frames}; curate again"
            )
