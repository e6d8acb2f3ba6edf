"""Small datasets with a clips.parquet, cut from the box room's episodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from box_room import BOX_NAMES, box_plan, box_scene
from numbered import picture_of

from capture.episode import Episode, EpisodeWriter
from shards import jobs, writer
from shards.publish import publish

SPLIT_OF = {"box-0": "train", "box-1": "val"}


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Helpers around the public functions, so that a test names only what it is about."""

    box_dataset: Path

    def dataset(self, folder: Path, **changes: object) -> Path:
        """A dataset folder with the box room's episodes and two clips of each."""
        folder.mkdir(parents=True)
        (folder / "episodes").symlink_to(self.box_dataset / "episodes")
        rows = []
        for path in sorted((folder / "episodes").iterdir()):
            episode = Episode.load(path)
            rows += [clip_row(episode, start=0, stop=33), clip_row(episode, start=32, stop=97)]
        self.save_clips(folder, [{**row, **changes} for row in rows])
        return folder

    def save_clips(self, folder: Path, rows: list[dict]) -> None:
        """Write clips.parquet, sorted as curation sorts it."""
        rows = sorted(rows, key=lambda row: row["clip_id"])
        pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")

    def change_clips(self, folder: Path, change: Callable[[dict], dict]) -> None:
        """Pass every row of clips.parquet through a function."""
        rows = pq.read_table(folder / "clips.parquet").to_pylist()
        self.save_clips(folder, [change(row) for row in rows])

    def shard(self, folder: Path, clips_per_shard: int = 4) -> Path:
        """Plan, write and publish; returns the dataset's folder."""
        planned = jobs.plan(folder, clips_per_shard=clips_per_shard)
        for job in planned:
            writer.write(job, folder)
        publish(folder, planned)
        return folder


def clip_row(episode: Episode, *, start: int, stop: int) -> dict:
    """One row of clips.parquet."""
    return {
        "clip_id": f"{episode.scene.id}-{episode.id}-{start:05d}",
        "plan_id": episode.id,
        "scene_id": episode.scene.id,
        "start": start,
        "stop": stop,
        "keep": True,
        "reject_reasons": [],
        "caption": f"An empty room, frame {start}.",
        "split": SPLIT_OF[episode.scene.id],
    }


@pytest.fixture(scope="module", autouse=True)
def no_flushing() -> Iterator[None]:
    """A killed process loses nothing that was not flushed to the disk; only a machine does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def sharding(box_dataset: Path) -> Sharding:
    """Makes datasets and shards of them."""
    return Sharding(box_dataset=box_dataset)


@pytest.fixture(scope="session")
def sharded(sharding: Sharding, tmp_path_factory) -> Path:
    """A dataset of twelve clips in four shards (read only)."""
    return sharding.shard(sharding.dataset(tmp_path_factory.mktemp("sharded") / "box"))


@pytest.fixture(scope="session")
def numbered(sharding: Sharding, tmp_path_factory) -> Path:
    """A sharded dataset of one clip whose pictures carry their frame's number (read only)."""
    folder = tmp_path_factory.mktemp("numbered") / "box"
    plan = box_plan("pan", num_frames=97)
    with EpisodeWriter(
        folder / "episodes", plan=plan, scene=box_scene(), mask_names=BOX_NAMES, engine={}
    ) as episode_writer:
        for number in range(97):
            episode_writer.add(
                rgb=picture_of(number),
                depth_m=np.full((64, 96), 1.0 + number, dtype=np.float32),
                mask=np.full((64, 96), number, dtype=np.uint16),
                reported_cm_deg=np.zeros(6),
            )
    episode = Episode.load(folder / "episodes" / plan.id)
    sharding.save_clips(folder, [clip_row(episode, start=16, stop=97)])
    return sharding.shard(folder)
