"""Depth as a parallel set: the episodes' own frames, to the bit, under the clips' keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture import video
from capture.episode import Episode
from shards import depth, encoded
from shards.check import check
from shards.depth import ENCODER, Depth
from shards.reader import ShardDataset
from shards.schema import Sample, ShardError


def encode(folder: Path, cut: Callable[[Path, Sample], dict[str, bytes]] = depth.cut) -> Path:
    """The whole set; returns its folder."""
    mine = encoded.start(folder / "shards", ENCODER)
    planned = encoded.plan(folder / "shards", ENCODER)
    for job in planned:
        encoded.write(job, mine, lambda sample: cut(folder, sample))
    assert encoded.publish(folder / "shards", ENCODER, planned) is not None
    return mine


@pytest.fixture
def folder(sharded: Path, tmp_path: Path) -> Path:
    """A sharded dataset that may be changed."""
    return Path(shutil.copytree(sharded, tmp_path / "box"))


def test_every_window_is_the_episode_s_to_the_bit(folder):
    encode(folder)
    found, videos = Depth(folder), ShardDataset(folder, "train")
    for i, key in enumerate(videos.keys):
        clip = videos.clip(i)
        episode = Episode.load(folder / "episodes" / clip.plan_id)
        for first, length in ((0, len(clip)), (5, 7), (len(clip) - 1, 1)):
            window = found.window(key, first, length)
            begin = clip.start + first
            np.testing.assert_array_equal(window, episode.depth_m(begin, begin + length))
            assert window.dtype == np.float32


def test_it_shows_the_same_frames_as_the_colours(numbered, tmp_path):
    folder = Path(shutil.copytree(numbered, tmp_path / "numbered"))
    encode(folder)
    found = Depth(folder / "shards")
    (key,) = found.keys
    near = found.window(key, 3, 40)[:, 0, 0]
    true = np.minimum(1.0 + np.arange(16 + 3, 16 + 43), 100.0)
    assert np.abs(near / true - 1).max() < 6e-5


def test_frames_that_a_clip_does_not_have_are_refused(folder):
    encode(folder)
    found = Depth(folder)
    key = next(key for key in found.keys if found.num_frames(key) == 33)
    for first, length in ((-1, 4), (30, 4), (0, 0)):
        with pytest.raises(ShardError, match=f"has 33 frames, got a window of {length} from"):
            found.window(key, first, length)


def test_another_episode_under_the_same_name_is_refused(folder):
    sample = encoded.plan(folder / "shards", ENCODER)[0].samples[0]
    mark = folder / "episodes" / sample.plan_id / "episode.json"
    mark.write_text(mark.read_text() + "\n")
    with pytest.raises(ShardError, match="episode changed after the shards were made"):
        depth.cut(folder, sample)


def test_damaged_depth_never_gets_into_a_set(folder):
    sample = encoded.plan(folder / "shards", ENCODER)[0].samples[0]
    path = folder / "episodes" / sample.plan_id / "depth.mkv"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"depth.mkv is damaged"):
        depth.cut(folder, sample)


def test_check_looks_at_every_frame(folder):
    mine = encode(folder)
    assert check(folder, deep=True) == []

    def short(folder: Path, sample: Sample) -> dict[str, bytes]:
        path = folder / "episodes" / sample.plan_id / "depth.mkv"
        return {depth.PART: video.cut(path, sample.start, sample.start + 9)}

    shutil.rmtree(mine)
    encode(folder, short)
    (problem,) = check(mine)
    assert "depth has 9 frames, not" in problem.message
