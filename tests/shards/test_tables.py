"""The manifest's tables: the bytes that rows would give, whatever the number of shards."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shards import manifest
from shards.publish import publish_shards
from shards.schema import PARTS, Part, Sample, Shard


def shard(number: int, split: str) -> Shard:
    """Three samples."""
    samples = tuple(
        Sample(
            key=f"{split}-{number}-{i}",
            scene_id=f"scene-{split}-{number % 2}",
            plan_id=f"plan-{i}",
            generator="loop",
            start=16 * i,
            num_frames=81 + i,
            fps=16.0,
            width_px=96,
            height_px=64,
            caption=f"Room {number}.",
            episode_sha256=f"{i:064x}",
            parts=tuple(Part(name=p, offset=i, size=9, crc32=2**32 - 1) for p in PARTS),
        )
        for i in range(3)
    )
    name = f"{split}-{number:06d}-00000000"
    return Shard(name=name, split=split, fingerprint="f", bytes=7, sha256="0", samples=samples)


SHARDS = [shard(0, "train"), shard(1, "train"), shard(0, "val")]


def parquet(rows: list[dict]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, compression="zstd")
    return out.getvalue()


def test_tables_have_the_bytes_of_their_rows(tmp_path: Path):
    publish_shards(tmp_path, iter(SHARDS), weights={"train-1-2": 2.5}, more={})
    samples, index = [], []
    for each in SHARDS:
        for sample in each.samples:
            row = {"shard": each.name, "split": each.split, **dataclasses.asdict(sample)}
            for part in row.pop("parts"):
                where = {"shard": each.name, "key": sample.key, "part": part.pop("name")}
                index.append({**where, **part})
            samples.append({**row, "weight": 2.5 if sample.key == "train-1-2" else 1.0})
    tables = manifest.load(tmp_path)["tables"]
    assert (tmp_path / tables["samples"]["file"]).read_bytes() == parquet(samples)
    assert (tmp_path / tables["index"]["file"]).read_bytes() == parquet(index)


def test_what_was_written_is_loaded(tmp_path: Path):
    publish_shards(tmp_path, iter(SHARDS), more={})
    content = manifest.load(tmp_path)
    assert manifest.load_shards(tmp_path, content) == SHARDS
    bare = manifest.load_shards(tmp_path, content, parts=False)
    assert [[dataclasses.replace(s, parts=()) for s in each.samples] for each in SHARDS] == [
        list(each.samples) for each in bare
    ]
    train = content["splits"]["train"]
    assert (train["samples"], train["frames"], train["bytes"]) == (6, 492, 14)
    assert train["scenes"] == ["scene-train-0", "scene-train-1"] and train["sizes_px"] == [[96, 64]]
