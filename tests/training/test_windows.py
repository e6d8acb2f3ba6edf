"""Windows: phases, palindromes, accumulation, and reading piece by piece."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toy_clips import CountedClips, FakeClips

from capture import actions
from training import clips as training_clips
from training import data, recipes
from training.data import Windows
from training.stages.config import Phase

PHASES = (Phase(num_frames=5, steps=2), Phase(num_frames=9, steps=3))


def changed(recipe, **changes):
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **changes))


def poses_of(signals, row: int, step_m: float) -> np.ndarray:
    """Poses [T, 4, 4] that a window carries, in metres."""
    frames = signals.poses[row].double().flatten(0, 1)[3:].numpy().copy()
    frames[:, :, 3] *= step_m
    cam_to_world = np.tile(np.eye(4), (len(frames), 1, 1))
    cam_to_world[:, :3] = frames
    return cam_to_world


@pytest.mark.parametrize("length", [5, 9, 81, 161, 317])
def test_a_palindrome_has_its_length_and_never_leaves_the_clip(length):
    """RELIC sec. 3, with the turning frame shown once; every turn from the middle on."""
    for turn in range(length // 2, length):
        shown = data.palindrome(length, turn)
        assert len(shown) == length and shown.min() >= 0 and shown.max() == turn
        assert shown[0] == 0 and (np.abs(np.diff(shown)) == 1).all()
        assert np.count_nonzero(shown == turn) == 1


def test_palindromes_come_back_and_are_labelled_anew(clips, recipe):
    """Frames come back bitwise, poses to 1e-6, and actions are Algorithm 1 of these poses."""
    recipe = changed(recipe, palindrome=1.0, mirror=False, reverse=False)
    windows, turns = Windows(clips, recipe), set()
    for step in range(8):
        batch = windows.batch(step)
        for row, frames in enumerate(batch.frames):
            poses = poses_of(batch.signals, row, recipe.data.step_m)
            told = batch.signals.actions[row].reshape(-1, 13)[3:].numpy()
            expected = actions.encode(poses, recipe.data.step_m).values.copy()
            expected[:, 6:12] *= recipe.data.rotation_gain
            np.testing.assert_allclose(told, expected, atol=2e-3)
            turn = next(t for t in range(4, 8) if torch.equal(frames[t - 1], frames[t + 1]))
            turns.add(turn)
            for away in range(1, 8 - turn + 1):
                assert torch.equal(frames[turn - away], frames[turn + away])
                np.testing.assert_allclose(poses[turn - away], poses[turn + away], atol=1e-6)
    assert len(turns) > 1 and turns <= {4, 5, 6, 7}


def test_the_share_of_palindromes_is_the_recipes(clips, recipe):
    count = 150
    recipe = changed(recipe, palindrome=0.2, mirror=False, reverse=False)
    straight = Windows(clips, changed(recipe, palindrome=0.0))
    windows = Windows(clips, recipe)
    differs = [
        not torch.equal(windows.take([k], 9).signals.poses, straight.take([k], 9).signals.poses)
        for k in range(count)
    ]
    assert 0.1 < sum(differs) / count < 0.3


def test_phases_have_their_lengths_and_the_last_goes_on(clips, recipe):
    windows = Windows(clips, recipe, PHASES, 2)
    lengths = [windows.batch(step).frames.shape[1] for step in range(7)]
    assert lengths == [5, 5, 9, 9, 9, 9, 9]
    assert [windows.length(step) for step in range(7)] == lengths


def test_short_clips_serve_short_phases(clips, recipe):
    class Mixed:
        """Three clips of 12 frames and one of 6."""

        manifest_sha = clips.manifest_sha
        weights = clips.weights
        key = clips.key
        part = clips.part

        def __len__(self):
            return len(clips)

        def num_frames(self, i):
            return 6 if i == 0 else 12

        def window(self, i, start, length):
            assert start + length <= self.num_frames(i)
            return clips.window(i, start, length)

        def clip(self, i):
            return self.window(i, 0, self.num_frames(i))

    windows = Windows(Mixed(), recipe, PHASES, 4)
    for step in range(5):
        windows.batch(step)
    with pytest.raises(ValueError, match="of at most 6 frames"):
        Mixed.num_frames = lambda self, i: 6
        Windows(Mixed(), recipe, PHASES, 4)


def test_clips_come_as_often_as_their_weights_say(clips, recipe):
    few = type(clips)()
    few.weights = np.array([0.0, 1.0, 1.0, 2.0])
    windows = Windows(few, recipe, PHASES[-1:], 4)
    told = windows.take(range(400), 9).signals.poses[:, 1]
    even = Windows(clips, recipe, PHASES[-1:], 4).take(range(400), 9).signals.poses[:, 1]
    assert not torch.equal(told, even)
    drawn = [windows._order.sample(k, 9) for k in range(400)]
    assert np.bincount(drawn, minlength=4).tolist() == [0, 100, 100, 200]


def test_accumulation_sees_the_same_windows(clips, recipe):
    windows = Windows(clips, recipe, PHASES, 4)
    whole = windows.batch(3)
    parts = [
        windows.batch(3, rank=rank, world=2, micro=micro, accumulation=2)
        for micro in range(2)
        for rank in range(2)
    ]
    assert torch.equal(torch.cat([p.frames for p in parts]), whole.frames)
    assert sum((p.numbers for p in parts), ()) == whole.numbers


def test_reading_piece_by_piece_changes_nothing(clips, recipe, monkeypatch):
    kept = Windows(clips, recipe)
    monkeypatch.setattr(training_clips, "_KEEP_BYTES", 0)
    read = Windows(clips, recipe)
    for step in range(4):
        a, b = kept.batch(step), read.batch(step)
        assert torch.equal(a.frames, b.frames) and torch.equal(a.signals.poses, b.signals.poses)
        assert torch.equal(a.first, b.first)
    assert kept.intrinsics == read.intrinsics


@pytest.mark.parametrize("keep_bytes", [0, 2**30])
def test_first_frames_alone_are_those_of_whole_windows(recipe, monkeypatch, keep_bytes):
    """Mirrored, reversed and turned too; no other frame is decoded."""
    monkeypatch.setattr(training_clips, "_KEEP_BYTES", keep_bytes)
    recipe, clips = changed(recipe, palindrome=0.3), CountedClips()
    whole, single = Windows(FakeClips(), recipe), Windows(clips, recipe, first_only=True)
    assert clips.decoded == 0
    for step in range(4):
        a, b = whole.batch(step), single.batch(step)
        assert torch.equal(a.first, a.frames[:, 0]) and torch.equal(a.first, b.first)
        assert torch.equal(a.signals.poses, b.signals.poses)
        assert torch.equal(a.signals.words, b.signals.words)
        assert len(b.frames) == 0
    assert 0 < clips.decoded <= 4 * recipe.batch


def test_a_stand_in_comes_with_its_own_path(recipe):
    """The first frame of another clip never gets the path of the damaged one."""

    class Damaged(CountedClips):
        def window(self, i: int, start: int, length: int):
            return super().window(max(i, 1), start, length)

        def clip(self, i: int):
            return super().clip(max(i, 1))

    recipe = changed(recipe, palindrome=0.0)
    batch = Windows(Damaged(), recipe, first_only=True).take(range(8), 9)
    intact = Windows(FakeClips(), recipe).take(range(8), 9)
    differ = [not torch.equal(a, b) for a, b in zip(batch.first, intact.first, strict=True)]
    other = [
        not torch.equal(a, b)
        for a, b in zip(batch.signals.poses, intact.signals.poses, strict=True)
    ]
    assert differ == other and 0 < sum(differ) < 8


def test_relics_numbers():
    """RELIC sec. 4.2 and 4.4: the curricula of teacher and student."""
    for name in ("1.3b", "14b"):
        recipe = recipes.find(name)
        assert [(p.num_frames, p.steps) for p in recipe.phases] == [
            (81, 5000),
            (161, 1000),
            (317, 4000),
        ]
        updates = [(p.num_frames, p.steps * 5 // 6) for p in recipe.distill.phases]
        assert updates == [(81, 250), (161, 150), (317, 150)]
        assert recipe.rollout.levels == (1.0, 15 / 16, 5 / 6, 5 / 8)
        assert recipe.data.palindrome == 0.2


def test_a_curriculum_must_leave_steps(recipe):
    with pytest.raises(ValueError, match="leaves no step of 6"):
        dataclasses.replace(recipe, curriculum=(Phase(num_frames=5, steps=6),))
    with pytest.raises(ValueError, match="multiple of accumulation"):
        dataclasses.replace(recipe, accumulation=3)
