"""Latents made ahead: used where they are the window's own, and for a whole run or never."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_clips import CountedClips
from toy_runs import content

from shards.damage import DamagedError
from shards.schema import Clip
from training.autoencoder import LinearCodec
from training.data import Windows
from training.run import RunConfig
from training.stages import teacher


class Stored:
    """Latents of windows from every second frame of all clips but the last."""

    name = "latents-0123"

    def __init__(self, clips, codec: LinearCodec, off: float = 0.0):
        self._clips, self._codec, self._off = clips, codec, off
        self.asked = 0

    def starts(self, key: str, num_frames: int) -> list[int]:
        index = int(key.removeprefix("clip-"))
        if index == len(self._clips) - 1:
            return []
        return list(range(0, self._clips.num_frames(index) - num_frames + 1, 2))

    def window(self, key: str, start: int, num_frames: int) -> np.ndarray:
        assert start in self.starts(key, num_frames)
        self.asked += 1
        clip = self._clips.window(int(key.removeprefix("clip-")), start, num_frames)
        made = self._codec.encode(torch.from_numpy(clip.frames[None].copy()))[0] + self._off
        return made.numpy().astype(np.float16)


@pytest.fixture
def codec(clips, recipe) -> LinearCodec:
    return LinearCodec.fit(Windows(clips, recipe).sample(4), recipe.codec.channels)


def windows_of(clips, recipe, **changes) -> Windows:
    changed = dataclasses.replace(recipe.data, **changes)
    return Windows(clips, dataclasses.replace(recipe, data=changed))


def test_stored_latents_are_those_of_the_frames_shown(clips, recipe, codec):
    windows = windows_of(clips, recipe, mirror=True, reverse=True, palindrome=0.3)
    stored = Stored(clips, codec)
    windows.use(stored)
    batch = windows.take(range(60), 9)
    assert 2 < len(batch.stored) == stored.asked < 30
    latents = batch.latents(codec.encode)
    # The first latent is that of the first frame alone, which "warp" looks at in every window.
    first = codec.encode(batch.first[:, None])
    torch.testing.assert_close(latents[:, :, :1], first, rtol=2e-3, atol=2e-3)
    lacking = [place for place in range(60) if place not in batch.stored]
    assert torch.equal(latents[lacking], codec.encode(batch.frames))


@pytest.mark.parametrize(("prediction", "decoded"), [("v", 0), ("warp", 12)])
def test_frames_of_stored_windows_are_not_decoded(recipe, codec, prediction, decoded):
    """But for the first ones where the prediction looks at them; paths and captions are there."""
    if prediction != "warp":
        flow = dataclasses.replace(recipe.flow, prediction=prediction, warp_depths_m=())
        recipe = dataclasses.replace(recipe, flow=flow)
    counted, plain = CountedClips(5), CountedClips(5)
    windows = windows_of(counted, recipe, mirror=False, reverse=False)
    windows.use(Stored(plain, codec))
    places = windows.take(range(20), 9).stored
    counted.decoded, windows = 0, windows_of(counted, recipe, mirror=False, reverse=False)
    windows.use(Stored(plain, codec))
    batch = windows.take(list(places)[:12], 9)
    assert len(batch.stored) == 12 and len(batch.frames) == 0
    assert counted.decoded <= decoded and (counted.decoded > 0) == (decoded > 0)
    assert batch.signals.words.any() and windows.intrinsics == counted.clip(0).intrinsics


def test_only_what_is_not_stored_is_encoded(clips, recipe, codec):
    windows = windows_of(clips, recipe, mirror=False, reverse=False)
    windows.use(Stored(clips, codec))
    batch, seen = windows.take(range(12), 9), []

    def encode(frames: torch.Tensor) -> torch.Tensor:
        seen.append(len(frames))
        return codec.encode(frames)

    batch.latents(encode)
    assert seen == [12 - len(batch.stored)] == [3]
    assert {latents.dtype for latents in batch.stored.values()} == {torch.float32}


def test_windows_without_stored_latents_are_as_before(clips, recipe, codec):
    """Augmented windows are the same frames whether or not others are stored."""
    plain, using = (windows_of(clips, recipe, mirror=True, reverse=True) for _ in range(2))
    using.use(Stored(clips, codec))
    before, after = (w.take(range(20), 9) for w in (plain, using))
    lacking = [place for place in range(20) if place not in after.stored]
    assert 0 < len(lacking) < 20
    assert torch.equal(before.frames[lacking], after.frames)
    assert torch.equal(before.first[lacking], after.first[lacking])


@pytest.mark.parametrize("prediction", ["v", "warp"])
@pytest.mark.parametrize("part", ["camera.npz", "rgb.mp4"])
def test_a_stand_in_never_gets_the_latents_of_the_damaged_clip(recipe, codec, prediction, part):
    """Where its damage is noticed: of the video only where "warp" looks at a frame."""

    class Damaged(CountedClips):
        def part(self, i: int, name: str) -> bytes:
            if i == 0 and name == part:
                raise DamagedError("it has a wrong byte")
            return super().part(i, name)

        def clip(self, i: int) -> Clip:
            return super().clip(max(i, 1))

    if prediction != "warp":
        flow = dataclasses.replace(recipe.flow, prediction=prediction, warp_depths_m=())
        recipe = dataclasses.replace(recipe, flow=flow)
    clips = Damaged()
    windows = windows_of(clips, recipe, mirror=False, reverse=False)
    windows.use(Stored(CountedClips(), codec))
    batch = windows.take(range(8), 9)
    noticed = part == "camera.npz" or prediction == "warp"
    assert set(batch.replaced.values()) == ({"clip-0"} if noticed else set())
    assert batch.stored.keys().isdisjoint(batch.replaced)
    others = [k for k in range(8) if windows._order.sample(k, 9) not in (0, len(clips) - 1)]
    assert set(others) <= batch.stored.keys()
    lacking = [place for place in range(8) if place not in batch.stored]
    assert torch.equal(batch.latents(codec.encode)[lacking], codec.encode(batch.frames))


def test_a_run_reads_the_latents_that_it_began_with(clips, recipe, codec, tmp_path):
    recipe = dataclasses.replace(
        recipe, data=dataclasses.replace(recipe.data, mirror=False, reverse=False)
    )
    asked = []

    def find(found):
        def inner(_, name: str):
            asked.append(name)
            return found

        return inner

    def train(run: Path, found, **options) -> None:
        teacher.train(clips, recipe, run, latents=find(found), **options)

    train(tmp_path / "whole", Stored(clips, codec))
    train(tmp_path / "cut", Stored(clips, codec), steps=3)
    train(tmp_path / "cut", Stored(clips, codec))
    assert asked == ["", "", "latents-0123"]
    assert RunConfig.load(tmp_path / "cut").latents == "latents-0123"
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    train(tmp_path / "other", Stored(clips, codec, off=1.0))
    assert content(tmp_path / "other") != content(tmp_path / "whole")


def test_a_run_that_began_without_latents_goes_on_without(clips, recipe, codec, tmp_path):
    teacher.train(clips, recipe, tmp_path / "whole")
    teacher.train(clips, recipe, tmp_path / "cut", steps=3, latents=lambda *_: None)
    late = Stored(clips, codec)
    teacher.train(clips, recipe, tmp_path / "cut", latents=lambda *_: late)
    assert late.asked == 0 and RunConfig.load(tmp_path / "cut").latents == ""
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
