"""Ways back: what is given stays, geometry finds what was seen, scores say what they mean."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toy_clips import INTRINSICS, picture

from capture import config
from capture.camera import pose_from_angles
from training import revisit
from training.autoencoder import LinearCodec
from training.model.memory import Policy
from training.model.wan import WorldModel
from training.revisit import Truth
from training.run import RunConfig
from training.sample import Sampler


def turn(out_deg: float, length: int = 17) -> np.ndarray:
    """Out and back, poses [T, 4, 4]."""
    way = np.minimum(np.arange(length), np.arange(length)[::-1]) / (length // 2) * out_deg
    return pose_from_angles(np.zeros((length, 3)), way, np.zeros(length))


@pytest.fixture(scope="module")
def truth() -> Truth:
    """A sphere of radius 2 m, twice."""
    poses = np.stack([turn(60.0), turn(-60.0)])
    k = INTRINSICS
    rows, columns = np.mgrid[0:32, 0:48] + 0.5
    ray = np.stack([(columns - k.cx_px) / k.fx_px, (rows - k.cy_px) / k.fy_px], -1)
    depth = 2 / np.sqrt(1 + np.square(ray).sum(-1))
    depth_m = np.broadcast_to(depth.astype(np.float32), (*poses.shape[:2], 32, 48)).copy()
    frames = np.stack([picture(path) for path in poses])
    return Truth(frames=frames, depth_m=depth_m, poses=poses, camera=k, given=9)


@pytest.fixture(scope="module")
def sampler(recipe, truth) -> Sampler:
    codec = LinearCodec.fit(torch.from_numpy(truth.frames), recipe.codec.channels)
    torch.manual_seed(0)
    model = WorldModel(recipe.model, codec.channels, recipe.flow).eval()
    torch.nn.init.normal_(model.transformer.proj_out.weight, std=0.1)
    config = RunConfig(recipe=recipe, manifest_sha="", intrinsics=INTRINSICS, stage="ode")
    return Sampler(config=config, codec=codec, model=model)


def test_all_of_a_way_back_was_seen_and_of_a_way_on_only_what_overlaps(truth):
    assert truth.seen().mean() > 0.98
    further = dataclasses.replace(truth, poses=np.stack([turn(60.0, 33)[:17], turn(-60, 33)[:17]]))
    share = further.seen().mean(axis=(0, 2, 3))
    assert (np.diff(share) < 0.01).all() and 0.3 < share[-1] < 0.8


def test_scores_count_what_was_seen_alone(truth):
    seen = truth.seen()
    seen[:, :, :, 24:] = False
    made = truth.frames.copy()
    made[:, 9:, :, 24:] = 0
    assert revisit.scores(made, truth, seen)["psnr_db"] > 60
    made[:, 9:, :, :24] ^= 8
    found = revisit.scores(made, truth, seen)
    assert found["psnr_db"] == pytest.approx(20 * np.log10(255 / 8), abs=0.01)
    assert found["ssim"] < 0.99 and found["drift_db"] == [pytest.approx(30.07, abs=0.01)] * 8


def test_equal_pictures_are_alike(truth):
    alike = revisit.ssim_map(truth.frames[0, 0], truth.frames[0, 0])
    np.testing.assert_allclose(alike, 1.0)


def test_the_given_latents_are_kept_and_decide_the_rest(sampler, truth):
    policy = sampler.config.recipe.rollout.policy
    captions = ["", ""]
    made = revisit.ways_back(sampler, truth, captions, policy)
    coded = sampler.codec.decode(sampler.codec.encode(torch.from_numpy(truth.frames))).numpy()
    assert np.array_equal(made[:, :9], coded[:, :9])
    later = dataclasses.replace(truth, frames=truth.frames.copy())
    later.frames[:, 9:] = 0
    assert np.array_equal(revisit.ways_back(sampler, later, captions, policy), made)
    other = dataclasses.replace(truth, frames=truth.frames.copy())
    other.frames[:, 1:4] = 0
    assert not np.array_equal(
        revisit.ways_back(sampler, other, captions, policy)[:, 9:], made[:, 9:]
    )
    blind = revisit.ways_back(sampler, truth, captions, Policy(window=2, budget=0))
    assert np.array_equal(blind[:, :9], made[:, :9]) and not np.array_equal(blind, made)


def test_a_teacher_has_no_memory_to_measure(recipe, tmp_path):
    run = RunConfig(recipe=recipe, manifest_sha="", intrinsics=INTRINSICS)
    config.save(tmp_path / "config.json", run)
    with pytest.raises(ValueError, match="revisits are measured of students"):
        revisit.require_student(tmp_path)
