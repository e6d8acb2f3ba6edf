"""docs/formats.md names every field that there is, and its examples run."""

from __future__ import annotations

import io
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from box_room import box_plan

from capture.scene import save_plans
from shards import depth, encoded
from shards.latents import part_of, starts
from shards.reader import ShardDataset
from shards.schema import Sample

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


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


@pytest.fixture
def encoded_too(sharded, tmp_path) -> Path:
    """A folder with data/demo: shards, latents, text and depth."""
    demo = Path(shutil.copytree(sharded, tmp_path / "data" / "demo", symlinks=True))
    latents = encoded.Encoder(kind="latents", config={"window": 13, "every": 16})
    text = encoded.Encoder(kind="text", config={"encoder": "none"})

    def toy(sample: Sample) -> dict[str, np.ndarray]:
        begins = starts(sample.num_frames, 13, 16)
        lengths = {start: 13 if start else sample.num_frames for start in begins}
        return {part_of(s): np.zeros((n // 4 + 1, 2, 1, 1), np.float16) for s, n in lengths.items()}

    none = {"words": np.zeros((1, 1), np.float16), "empty": np.zeros((0, 1), np.float16)}
    sets = [(latents, toy), (text, lambda _: none), (depth.ENCODER, partial(depth.cut, demo))]
    for encoder, make in sets:
        mine = encoded.start(demo / "shards", encoder)
        planned = encoded.plan(demo / "shards", encoder)
        for job in planned:
            encoded.write(job, mine, make)
        encoded.publish(demo / "shards", encoder, planned)
    return tmp_path


def test_every_field_of_the_sets_is_documented(encoded_too):
    section = SECTIONS["Latents, text and depth"]
    for folder in (encoded_too / "data" / "demo" / "shards").glob("*-*/"):
        says = json.loads((folder / "manifest.json").read_text())
        assert json.loads((folder / "encoder.json").read_text()) == says["encoder"]
        for name in [*says["encoder"], *says["encoder"]["config"], "parent", "encoder"]:
            assert f"`{name}`" in section, name
        assert all("weight" not in pq.read_schema(p).names for p in folder.glob("*.parquet"))


def test_examples_run(encoded_too, monkeypatch):
    pytest.importorskip("webdataset")
    monkeypatch.chdir(encoded_too)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(examples) == 3
    for example in examples:
        exec(example, {})
