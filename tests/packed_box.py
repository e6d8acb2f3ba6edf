"""A sharded dataset of short clips of the box room, in as many shards at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from box_room import box_plan, box_scene, write_box_episode

from shards import jobs, writer
from shards.publish import publish

NUM_FRAMES = 17


@dataclass(frozen=True, kw_only=True)
class BoxClip:
    """A whole episode as a clip; `name` is its key and its caption."""

    name: str
    kind: str = "pan"
    seed: int = 0
    split: str = "train"


def pack(folder: Path, clips: Sequence[BoxClip]) -> Path:
    """Render, cut and shard; returns the dataset's folder."""
    rows = []
    for clip in sorted(clips, key=lambda clip: clip.name):
        scene, plan = box_scene(clip.seed), box_plan(clip.kind, clip.seed, num_frames=NUM_FRAMES)
        episode = write_box_episode(folder / "episodes", plan, scene)
        row = {"clip_id": clip.name, "plan_id": episode.id, "scene_id": scene.id, "keep": True}
        span = {"start": 0, "stop": NUM_FRAMES}
        rows.append({**row, **span, "caption": clip.name, "split": clip.split})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    planned = jobs.plan(folder, clips_per_shard=1)
    for job in planned:
        writer.write(job, folder)
    publish(folder, planned)
    return folder
