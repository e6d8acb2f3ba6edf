"""Schema 1 to 2: what was written before weights came is read, resumed and brought up to date."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shards import manifest
from shards.check import check
from shards.reader import ShardDataset
from shards.schema import SCHEMA, ShardError
from shards.windows import WindowOrder

# What schema 1 lacked.
ADDED = {"samples": ["weight"], "shards": ["fingerprint"], "index": []}


@pytest.fixture
def old(sharding, tmp_path: Path) -> Path:
    """A dataset whose shards are as schema 1 wrote them."""
    folder = sharding.shard(sharding.dataset(tmp_path / "box")) / "shards"
    content = json.loads((folder / manifest.NAME).read_text())
    shards = []
    for name, lacking in ADDED.items():
        path = folder / content["tables"][name]["file"]
        table = pq.read_table(path)
        if name == "shards":
            shards = sorted([r["shard"], r["sha256"], r["bytes"]] for r in table.to_pylist())
        path.unlink()
        pq.write_table(table.drop_columns(lacking), path, compression="zstd")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(folder / f"{name}-{digest[:8]}.parquet")
        content["tables"][name].update(file=f"{name}-{digest[:8]}.parquet", sha256=digest)
    kept = ("tables", "splits", "parts", "conventions")
    content = {name: content[name] for name in kept} | {"schema": 1}
    content["manifest_sha"] = hashlib.sha256(json.dumps([1, shards]).encode()).hexdigest()
    (folder / manifest.NAME).write_text(json.dumps(content))
    return folder.parent


def test_schema_1_is_read_with_even_weights(old, sharded):
    dataset, new = ShardDataset(old, "train"), ShardDataset(sharded, "train")
    assert dataset.keys == new.keys
    assert dataset.weights.tolist() == [1.0] * len(dataset)
    for i in range(len(dataset)):
        assert dataset.window(i, 3, 4).frames.tobytes() == new.window(i, 3, 4).frames.tobytes()
    assert check(old) == []


def test_a_run_on_schema_1_goes_on(old):
    dataset = ShardDataset(old, "train")
    recorded = json.loads((old / "shards" / manifest.NAME).read_text())["manifest_sha"]
    order = WindowOrder(
        dataset.lengths,
        seed=0,
        global_batch=4,
        phases=[(9, 1)],
        weights=dataset.weights,
        manifest_sha=dataset.manifest_sha,
    )
    assert order.resume({**order.state(7), "manifest_sha": recorded}) == 7


def test_sharding_again_brings_it_up_to_date_without_writing_a_tar(old, sharding, sharded):
    before = {tar: tar.stat().st_mtime_ns for tar in (old / "shards").glob("*.tar")}
    assert sum(1 for _ in before) == 4
    sharding.change_clips(old, lambda row: {**row, "weight": 1.0 + row["start"] / 32})
    sharding.shard(old)
    assert {tar: tar.stat().st_mtime_ns for tar in (old / "shards").glob("*.tar")} == before
    content = manifest.load(old / "shards")
    assert content["schema"] == SCHEMA
    dataset = ShardDataset(old, "train")
    wanted = [2.0 if key.endswith("00032") else 1.0 for key in dataset.keys]
    np.testing.assert_array_equal(dataset.weights, wanted)
    assert dataset.manifest_sha != ShardDataset(sharded, "train").manifest_sha  # other weights
    assert check(old) == []


def test_a_newer_schema_is_refused_by_name(sharded, tmp_path):
    folder = Path(shutil.copytree(sharded / "shards", tmp_path / "shards"))
    content = json.loads((folder / manifest.NAME).read_text())
    (folder / manifest.NAME).write_text(json.dumps({**content, "schema": SCHEMA + 1}))
    with pytest.raises(ShardError, match=rf"schema {SCHEMA + 1}, newer than {SCHEMA}; update"):
        ShardDataset(folder, "train")
