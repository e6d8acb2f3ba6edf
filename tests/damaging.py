"""Ways to damage a sharded dataset of the box room, and a parallel set to damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from box_room import box_plan

from capture import files
from shards import encoded

LATENTS = encoded.Encoder(kind="latents", config={"window": 0, "every": 0})


def lose_index(folder: Path) -> None:
    first(folder, "index-*").unlink()


def damage_samples(folder: Path) -> None:
    flip(first(folder, "samples-*"), 40)


def say(path: Path, version: str, change: Callable[[dict], object]) -> None:
    """Change the first sample in a file beside a tar, maybe as an earlier version wrote it."""
    said = json.loads(path.read_text())
    assert len(said["json_sha256"]) == 64
    if version == "old":
        del said["json_sha256"]
    change(said["samples"][0])
    path.write_text(json.dumps(said))


def encode(folder: Path) -> Path:
    """A parallel set of toy latents."""
    mine = encoded.start(folder / "shards", LATENTS)
    planned = encoded.plan(folder / "shards", LATENTS)
    for job in planned:
        encoded.write(job, mine, lambda _: {"latents_00000": np.zeros((3, 1, 1, 1), np.float16)})
    encoded.publish(folder / "shards", LATENTS, planned)
    return mine


def first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(bytes(content))


def change_index(folder: Path, name: str, **changes: object) -> None:
    """Forge a table together with the hash that the manifest has of it."""
    mark = folder / "shards" / "manifest.json"
    content = json.loads(mark.read_text())
    path = folder / "shards" / content["tables"][name]["file"]
    rows = [{**row, **changes} for row in pq.read_table(path).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), path)
    content["tables"][name]["sha256"] = files.sha256(path)
    mark.write_text(json.dumps(content))


def change_manifest(folder: Path, **changes: object) -> None:
    path = folder / "shards" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_episode(folder: Path, **changes: object) -> None:
    """Of the one episode that is in plans.parquet too."""
    path = folder / "episodes" / box_plan("pan").id / "episode.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def copy_tar(folder: Path) -> None:
    tar = first(folder, "shards/train-*.tar")
    shutil.copy(tar, tar.with_name("train-000009-00000000.tar"))


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change_clips(folder: Path, **changes: object) -> None:
    path = folder / "clips.parquet"
    rows = [{**row, **changes} for row in pq.read_table(path).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), path)


def change_clip(folder: Path, *, keep: bool, weight: float) -> None:
    """Whether the first clip is kept, and how often all are drawn."""
    change_clips(folder, weight=weight)
    path = folder / "clips.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["keep"] = keep
    pq.write_table(pa.Table.from_pylist(rows), path)


def reverse_clips(folder: Path) -> None:
    path = folder / "clips.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(np.arange(len(table))[::-1].copy()), path)
