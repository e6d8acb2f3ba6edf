from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from shards import encoded
from shards.reader import ShardDataset


def test_the_card_says_what_is_inside(sharded):
    text = (sharded / "shards" / "README.md").read_text()
    header = text.split("---\n")[1]
    assert re.findall(r"split: (\w+)\n    path: (\S+)", header) == [
        ("train", "train-*.tar"),
        ("validation", "val-*.tar"),
    ]
    for pattern in re.findall(r"path: (\S+)", header):
        assert list((sharded / "shards").glob(pattern))
    # 3 episodes a split, each with a clip of 33 and one of 65 frames at 16 fps.
    assert re.search(r"\| train \| 1 \| 6 \| 294 \| 0\.3 \| 2 \| 0\.\d \|", text)
    assert "| path generator | loop: 4 clips, out_and_back: 4 clips, pan: 4 clips |" in text
    assert "| frames | 33: 6 clips, 65: 6 clips |" in text
    assert "| size in pixels | 96x64: 12 clips |" in text
    assert "2 different captions of 5 to 5 words" in text
    for kind in get_args(encoded.Kind):
        assert f"| `{kind}-*` |" in text, "how each parallel set is read"


def test_the_header_is_what_the_hub_reads(sharded):
    yaml = pytest.importorskip("yaml")
    header = yaml.safe_load((sharded / "shards" / "README.md").read_text().split("---\n")[1])
    assert header["license"] == "unknown" and header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"][1] == {"split": "validation", "path": "val-*.tar"}


def test_the_five_lines_of_the_card_load_every_clip(sharded, monkeypatch):
    pytest.importorskip("webdataset")
    text = (sharded / "shards" / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(code.strip().splitlines()) == 5
    seen: dict = {"keep": []}
    monkeypatch.chdir(sharded / "shards")
    exec(code + "    keep.append((sample['__key__'], poses, actions, video))\n", seen)
    dataset = ShardDataset(sharded, "train")
    assert sorted(key for key, *_ in seen["keep"]) == list(dataset.keys)
    for key, poses, actions, video in seen["keep"]:
        clip = dataset.clip(list(dataset.keys).index(key))
        np.testing.assert_array_equal(poses, clip.trajectory.cam_to_world)
        np.testing.assert_array_equal(actions, clip.actions.values)
        assert video[4:8] == b"ftyp"


def test_an_empty_split_is_not_promised(sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box", split="train"))
    assert "val-*.tar" not in (folder / "shards" / "README.md").read_text()
