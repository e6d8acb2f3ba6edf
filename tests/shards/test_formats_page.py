"""docs/formats.md names every field that there is, and its examples run."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from box_room import box_plan

from capture.scene import save_plans
from shards.reader import ShardDataset

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def missing(section: str, names: list[str]) -> list[str]:
    words = set(re.findall(r"\w+", SECTIONS[section]))
    return [name for name in names if name not in words]


def test_every_field_is_documented(sharded, tmp_path):
    save_plans(tmp_path / "plans.parquet", [box_plan("pan")])
    assert missing("plans.parquet", pq.read_schema(tmp_path / "plans.parquet").names) == []
    episode = next((sharded / "episodes").iterdir())
    names = [*pq.read_schema(episode / "frames.parquet").names]
    names += json.loads((episode / "episode.json").read_text())
    assert missing("episodes/", names) == []
    assert missing("clips.parquet", pq.read_schema(sharded / "clips.parquet").names) == []


def test_every_field_of_the_shards_is_documented(sharded):
    folder = sharded / "shards"
    manifest = json.loads((folder / "manifest.json").read_text())
    names = [*manifest, *manifest["tables"]["index"], *manifest["splits"]["train"]]
    for path in folder.glob("*.parquet"):
        names += pq.read_schema(path).names
    dataset = ShardDataset(sharded, "train")
    names += json.loads(dataset.part(0, "meta.json"))
    for part in ("camera.npz", "actions.npz"):
        with np.load(io.BytesIO(dataset.part(0, part))) as arrays:
            names += list(arrays)
    assert missing("shards/", names) == []


def test_examples_run(sharded, tmp_path, monkeypatch):
    pytest.importorskip("webdataset")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(sharded)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})
