from __future__ import annotations

import re


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
    assert "loop 4, out_and_back 4, pan 4" in text


def test_an_empty_split_is_not_promised(sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box", split="train"))
    assert "val-*.tar" not in (folder / "shards" / "README.md").read_text()
