"""Our shards as records for an audit: read from the tars alone, damaged ones in a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from capture import formats
from shards.reader import ShardDataset


def test_clips_of_shards_are_those_of_the_reader(sharded: Path):
    format = formats.recognise(sharded / "shards")
    assert format is not None and format.name == "shards"
    clips = {clip.name: clip for clip in formats.read(sharded / "shards")}
    known = {key for split in ("train", "val") for key in ShardDataset(sharded, split).keys}
    assert set(clips) == known
    dataset = ShardDataset(sharded, "train")
    clip = dataset.clip(0)
    found = clips[clip.key]
    np.testing.assert_array_equal(found.cam_to_world, clip.trajectory.cam_to_world)
    assert found.actions is not None
    np.testing.assert_array_equal(found.actions.values, clip.actions.values)
    assert found.camera() == clip.intrinsics and found.fps == clip.fps
    assert np.array_equal(next(iter(found.pictures().frames(0, 1))), clip.frames[0])


def test_a_shard_that_is_cut_short_loses_its_end_only(sharded: Path, tmp_path: Path):
    tar = sorted((sharded / "shards").glob("*.tar"))[0]
    size = tar.stat().st_size
    shutil.copy(tar, tmp_path / "cut.tar")
    with (tmp_path / "cut.tar").open("r+b") as file:
        file.truncate(size * 6 // 10)
    clips = formats.read(tmp_path, "shards")
    outcomes = []
    for index in range(len(clips)):
        try:
            outcomes.append(len(clips[index].pictures()) > 0)
        except ValueError as error:
            outcomes.append(False)
            assert "cut.tar" in str(error)
    assert outcomes[0] and not outcomes[-1]
    with pytest.raises(ValueError, match="holds no shard of ours"):
        formats.find("shards").read(tmp_path / "nothing")
