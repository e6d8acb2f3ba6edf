"""Which clip goes into which shard: the work items, decided from clips.parquet alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capture import files, parquet
from capture.mark import again
from capture.video import GOP
from shards.schema import KEY, SPLITS, TAR_SCHEMA

# About 500 MB a shard for 81 frames of 480x832.
CLIPS_PER_SHARD = 200
_COLUMNS = {
    "clip_id": str,
    "plan_id": str,
    "scene_id": str,
    "start": int,
    "stop": int,
    "keep": bool,
    "caption": str,
    "split": str,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRow:
    """What clips.parquet says of a kept clip: frames [start, stop) of an episode.

    `weight` is how often to draw it; it stands in the manifest, not in the tar.
    """

    clip_id: str
    plan_id: str
    scene_id: str
    start: int
    stop: int
    caption: str
    split: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardJob:
    """One shard to be written.

    Attributes:
        split: "train" or "val".
        number: Of the shard in its split; some may be absent.
        clips: What it holds, in order.
        fingerprint: SHA-256 of the clips' rows and of their episodes; the shard's name carries its
            first digits, so one name always means the same bytes.
    """

    split: str
    number: int
    clips: tuple[ClipRow, ...]
    fingerprint: str

    def __post_init__(self):
        keys = [clip.clip_id for clip in self.clips]
        if bad := [key for key in keys if not KEY.fullmatch(key)]:
            raise ValueError(f"a clip id has only letters, digits, - and _, got {bad[0]!r}")
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the clip id {twice!r} occurs twice in shard {self.name}")

    @property
    def name(self) -> str:
        """The tar's name without its suffix."""
        return f"{self.split}-{self.number:06d}-{self.fingerprint[:8]}"


def plan(dataset: Path, *, clips_per_shard: int = CLIPS_PER_SHARD) -> list[ShardJob]:
    """The shards that clips.parquet asks for: kept clips only, train and val apart.

    The clips are ordered by a hash of their ids, so every shard mixes scenes, and the same clips
    always give the same shards. The hash's first bits are the shard's number, as many as make
    shards of at most about `clips_per_shard`: a clip that comes or goes changes its own shard
    alone, and all only where their number doubles.

    Args:
        dataset: The dataset's folder.
        clips_per_shard: Shards hold between half of it and it, on average.

    Raises:
        ValueError: If clips.parquet is absent or contradicts itself, keeps nothing, or names an
            episode that is not there.
    """
    if clips_per_shard < 1:
        raise ValueError(f"a shard holds at least one clip, got {clips_per_shard = }")
    clips = kept_clips(dataset)
    if not clips:
        raise ValueError(f"{dataset / 'clips.parquet'} keeps no clip; loosen the rules and curate")
    episodes = {clip.plan_id: episode_sha256(dataset, clip.plan_id) for clip in clips}
    jobs = []
    for split in SPLITS:
        mine = sorted((c for c in clips if c.split == split), key=lambda c: _hash(c.clip_id))
        for number, chosen in _packed(mine, clips_per_shard).items():
            mark = fingerprint(chosen, episodes)
            jobs.append(ShardJob(split=split, number=number, clips=chosen, fingerprint=mark))
    return jobs


def _packed(clips: Sequence[ClipRow], clips_per_shard: int) -> dict[int, tuple[ClipRow, ...]]:
    """The clips of each shard by its number, the first bits of the hash of their ids."""
    bits = max(0, math.ceil(math.log2(max(len(clips), 1) / clips_per_shard)))
    packed: dict[int, tuple[ClipRow, ...]] = {}
    for clip in clips:
        number = int(_hash(clip.clip_id)[:8], 16) >> (32 - bits)
        packed[number] = (*packed.get(number, ()), clip)
    return packed


def fingerprint(clips: Sequence[ClipRow], episodes: Mapping[str, str]) -> str:
    """SHA-256 of everything that a shard is made from.

    Args:
        clips: The shard's clips, in order.
        episodes: `episode_sha256` by plan id.
    """
    content = [[dataclasses.asdict(clip), episodes[clip.plan_id]] for clip in clips]
    for row, _ in content:
        del row["weight"]
    return _hash(json.dumps([TAR_SCHEMA, content], sort_keys=True))


def clips_again(dataset: Path) -> str:
    """What to do about a clips.parquet that is damaged."""
    return f"run `relickit curate {dataset}` again, which writes it anew"


def kept_clips(dataset: Path) -> list[ClipRow]:
    """The rows of clips.parquet with keep, checked, in the file's order.

    Raises:
        ValueError: If the file is absent or a row is impossible.
    """
    path = dataset / "clips.parquet"
    if not path.is_file():
        raise ValueError(f"{path} is not there; run `relickit curate` on this dataset first")
    table = parquet.read(path, _COLUMNS, clips_again(dataset), optional={"weight": float})
    rows = table.to_pylist()
    clips = [
        ClipRow(**{name: value for name, value in row.items() if name != "keep"})
        for row in rows
        if row["keep"]
    ]
    _require_possible(path, clips)
    return clips


def episode_sha256(dataset: Path, plan_id: str) -> str:
    """SHA-256 of an episode's commit mark, which names the bytes of its files.

    Raises:
        ValueError: If the episode is absent or unfinished.
    """
    mark = dataset / "episodes" / plan_id / "episode.json"
    if not mark.is_file():
        raise ValueError(
            f"clips.parquet names the episode {plan_id}, but {mark} is not there; "
            f"{again(mark.parent)}, or `relickit curate {dataset}`"
        )
    return files.sha256(mark)


def _require_possible(path: Path, clips: list[ClipRow]) -> None:
    seen: set[str] = set()
    split_of: dict[str, str] = {}
    for clip in clips:
        if clip.clip_id in seen:
            raise ValueError(f"{path}: the clip id {clip.clip_id!r} occurs twice")
        seen.add(clip.clip_id)
        if clip.split not in SPLITS:
            raise ValueError(
                f"{path}: clip {clip.clip_id} has split {clip.split!r}, expected train or val"
            )
        if split_of.setdefault(clip.scene_id, clip.split) != clip.split:
            raise ValueError(
                f"{path}: scene {clip.scene_id} is in train and in val; a split is made by scene"
            )
        if clip.start % GOP or not 0 <= clip.start < clip.stop:
            raise ValueError(
                f"{path}: clip {clip.clip_id} has frames {clip.start} to {clip.stop}; "
                f"it must begin at a multiple of {GOP} and end later"
            )
        if not 0 < clip.weight < math.inf:
            raise ValueError(
                f"{path}: clip {clip.clip_id} is kept with the weight {clip.weight}; "
                "a weight is a positive number"
            )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
