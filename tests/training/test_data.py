"""Frames, actions and poses that agree after cutting, mirroring and reversing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from capture import actions, config
from capture.camera import Intrinsics
from training import data, recipes, text
from training.data import Windows

INTRINSICS = Intrinsics.from_fov(48, 32, 90.0)
SWAPPED = ("truck", "pan", "roll")


@pytest.fixture
def path(clips) -> np.ndarray:
    return clips.clip(0).trajectory.cam_to_world[:9]


def test_latent_j_sees_frames_4j_minus_3_to_4j():
    groups = data.group_frames(np.arange(13))
    assert groups.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]


def test_a_mirror_swaps_left_and_right_exactly(path):
    before = actions.encode(path)
    after = actions.encode(data.mirrored(path))
    names = list(actions.NAMES)
    order = list(range(len(names)))
    for kind in SWAPPED:
        a, b = (i for i, name in enumerate(names) if name.startswith(kind))
        order[a], order[b] = b, a
    np.testing.assert_allclose(after.values, before.values[:, order], atol=1e-9)
    assert after.step_m == pytest.approx(before.step_m)


def test_a_mirror_twice_is_the_same_path(path):
    np.testing.assert_allclose(data.mirrored(data.mirrored(path)), path, atol=1e-12)


def test_batches_carry_algorithm_1_of_their_own_poses(clips, recipe):
    """Labels of every augmented window equal the actions of the poses that it carries."""
    windows = Windows(clips, recipe)
    for step in range(8):
        signals = windows.batch(step).signals
        for poses, told in zip(signals.poses.double(), signals.actions, strict=True):
            frames = poses.flatten(0, 1)[3:].numpy().copy()
            frames[:, :, 3] *= recipe.data.step_m
            cam_to_world = np.tile(np.eye(4), (len(frames), 1, 1))
            cam_to_world[:, :3] = frames
            expected = actions.encode(cam_to_world, recipe.data.step_m).values.copy()
            expected[:, 6:12] *= recipe.data.rotation_gain
            got = told.reshape(-1, 13)[3:].numpy()
            np.testing.assert_allclose(got, expected, atol=2e-3)


@pytest.mark.parametrize("augmentation", ["mirror", "reverse"])
def test_pixels_and_poses_are_augmented_together(clips, recipe, augmentation):
    """The coin that flips the pictures flips the path, and nothing else does."""
    off = dataclasses.replace(recipe.data, mirror=False, reverse=False)
    on = dataclasses.replace(off, **{augmentation: True})
    plain, changed = (Windows(clips, dataclasses.replace(recipe, data=d)) for d in (off, on))
    seen = set()
    for step in range(6):
        a, b = plain.batch(step), changed.batch(step)
        for k in range(recipe.batch):
            before, after = a.frames[k], b.frames[k]
            frames = before.flip(2) if augmentation == "mirror" else before.flip(0)
            flipped = torch.equal(after, frames)
            assert flipped != torch.equal(after, before)
            same_path = torch.equal(a.signals.poses[k], b.signals.poses[k])
            assert flipped != same_path
            seen.add(flipped)
    assert seen == {True, False}


def test_some_samples_go_without_their_caption(clips, recipe):
    config = dataclasses.replace(recipe.data, caption_dropout=0.5)
    windows = Windows(clips, dataclasses.replace(recipe, data=config))
    words = torch.cat([windows.batch(step).signals.words for step in range(10)])
    told = words.abs().sum((1, 2)) > 0
    assert 0 < int(told.sum()) < len(told)


def test_batches_are_functions_of_seed_and_step(clips, recipe):
    first, second = Windows(clips, recipe), Windows(clips, recipe)
    first.batch(0)
    a, b = first.batch(5), second.batch(5)
    assert torch.equal(a.frames, b.frames) and torch.equal(a.signals.poses, b.signals.poses)
    assert not torch.equal(a.frames, second.batch(6).frames)


def test_processes_share_a_batch(clips, recipe):
    windows = Windows(clips, recipe)
    whole = windows.batch(3).frames
    parts = [windows.batch(3, rank=rank, world=2).frames for rank in range(2)]
    assert torch.equal(torch.cat(parts), whole)


def test_without_a_fixed_step_a_window_has_its_own(path, recipe):
    """RELIC's unit: a path and the same path at twice the size look alike."""
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, step_m=None))
    large = path.copy()
    large[:, :3, 3] *= 2
    told = [data.describe(p, INTRINSICS, "", recipe=recipe) for p in (path, large)]
    torch.testing.assert_close(told[0].poses, told[1].poses)
    torch.testing.assert_close(told[0].actions, told[1].actions)


def test_too_short_clips_are_an_error(clips, recipe):
    config = dataclasses.replace(recipe.data, num_frames=13)
    with pytest.raises(ValueError, match="no clip has the 13 frames"):
        Windows(clips, dataclasses.replace(recipe, data=config))


def test_words_have_fixed_vectors():
    first = text.embed("A room, with books", max_words=6, dim=8)
    second = text.embed("books", max_words=6, dim=8)
    assert torch.equal(first[3], second[0])
    assert not first[4:].any() and not torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_found_by_name_and_by_file(name, tmp_path):
    path = tmp_path / "mine.json"
    config.save(path, recipes.find(name))
    assert recipes.find(str(path)) == recipes.find(name)


def test_a_recipe_file_is_read_strictly(tmp_path):
    stored = config.to_json(recipes.tiny())
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(stored | {"optim": {"lr": 1.0, "learning_rate": 1.0}}))
    with pytest.raises(ValueError, match="unknown key 'learning_rate'"):
        recipes.find(str(path))
    with pytest.raises(ValueError, match="there is no file"):
        recipes.find(str(tmp_path / "other.json"))


def test_an_unknown_recipe_is_an_error():
    with pytest.raises(ValueError, match="tiny"):
        recipes.find("tyni")
