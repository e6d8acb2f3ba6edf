"""The first frame seen again: equal to what a camera really sees when the depth is right."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from box_room import render_box

from capture.camera import Intrinsics, pose_from_angles
from training import data, flow, warp
from training.autoencoder import LinearCodec
from training.clips import resize
from training.data import Signals, Windows
from training.evaluate import motion
from training.model.wan import WorldModel
from training.run import RunConfig
from training.sample import Sampler
from training.stages import teacher

DEPTH_M = 2.5
# In the box room, 2.5 m before the wall at x = 0, which fills the picture of a narrow camera.
EYE = (DEPTH_M, 2.4, 1.5)
NARROW = Intrinsics.from_fov(112, 64, 40.0)


def look(forward_m: float = 0.0, left_m: float = 0.0, turn_deg: float = 0.0, num_frames: int = 5):
    """Poses that look along -x, move and turn; the turn is to the left."""
    t = np.linspace(0, 1, num_frames)[:, None]
    positions = np.array(EYE) + t * [-forward_m, -left_m, 0.0]
    return pose_from_angles(positions, 180 + turn_deg * t[:, 0], 0.0)


def film(poses: np.ndarray, camera: Intrinsics = NARROW) -> np.ndarray:
    return np.stack([render_box(pose, camera)[0] for pose in poses])


def told(poses: np.ndarray, recipe, camera: Intrinsics = NARROW) -> Signals:
    return data.describe(poses, camera, "", recipe=recipe)


def seen(frames: np.ndarray, signals: Signals, *depths_m: float) -> np.ndarray:
    """Views of one window, uint8 [D, T, H, W, 3]."""
    return warp.views(torch.from_numpy(frames[:1].copy()), signals, depths_m)[0].numpy()


@pytest.mark.parametrize(
    "move",
    [
        {"forward_m": 0.5},
        {"left_m": 0.2},
        {"left_m": -0.2},
        {"turn_deg": 8.0},
        {"turn_deg": -8.0, "forward_m": 0.4, "left_m": 0.1},
    ],
)
def test_a_plane_at_the_assumed_depth_is_seen_as_it_is(recipe, move):
    poses = look(**move)
    real = film(poses).astype(float)
    right, wrong = seen(film(poses), told(poses, recipe), DEPTH_M, 0.5).astype(float)
    # What came in over the border is not in the first frame; the middle is.
    middle = np.s_[1:, 12:-12, 28:-28]
    assert np.abs(right - real)[middle].mean() < 1.5
    assert np.abs(real[:1] - real)[middle].mean() > 3
    if move.get("turn_deg") is None:
        assert np.abs(wrong - real)[middle].mean() > 3


def test_turning_needs_no_depth(recipe):
    near, far = seen(film(look()), told(look(turn_deg=10.0), recipe), 0.5, 50.0)
    np.testing.assert_array_equal(near, far)


def test_without_motion_every_view_is_the_first_frame(recipe):
    still = look()
    views = seen(film(still), told(still, recipe), 0.5, 2.5, 100.0)
    np.testing.assert_array_equal(views, np.broadcast_to(film(still)[0], views.shape))


@pytest.mark.parametrize("move", ["forward_m", "left_m", "turn_deg"])
def test_views_move_as_the_actions_say(recipe, move):
    """A step forward spreads the picture; a step or a turn to the left moves it to the right."""
    size = 6.0 if move == "turn_deg" else 0.2
    axis, least = (1, 0.005) if move == "forward_m" else (0, 1.0)
    for sign in (1, -1):
        poses = look(**{move: sign * size})
        (views,) = seen(film(poses), told(poses, recipe), DEPTH_M)
        assert sign * motion(views, 1)[axis] > least


def test_extreme_paths_stay_finite(recipe):
    """Through the plane, away from it, and looking back."""
    for move in ({"forward_m": 4.0}, {"forward_m": -40.0}, {"turn_deg": 179.0}):
        views = seen(film(look()), told(look(**move), recipe), 0.5, DEPTH_M)
        assert views.shape == (2, 5, 64, 112, 3) and views.std() > 0


def test_a_mirror_mirrors_the_views(recipe):
    """Also with a principal point beside the centre."""
    camera = dataclasses.replace(NARROW, cx_px=48.0)
    poses = look(forward_m=0.3, left_m=0.2, turn_deg=5.0)
    frames = film(poses, camera)
    plain = seen(frames, told(poses, recipe, camera), DEPTH_M)
    swapped = told(data.mirrored(poses), recipe, data.mirrored_camera(camera))
    mirrored = seen(frames[:, :, ::-1], swapped, DEPTH_M)
    assert np.abs(mirrored[..., ::-1, :].astype(int) - plain).max() <= 1


def test_the_size_of_the_frames_does_not_matter(recipe):
    """Focal lengths are told as shares of the image: the same signals serve every size."""
    poses = look(forward_m=0.4, turn_deg=5.0)
    signals = told(poses, recipe)
    large = film(poses, NARROW.scaled(224, 128))
    small = resize(seen(large, signals, DEPTH_M)[0], 64, 112)
    direct = seen(resize(large, 64, 112), signals, DEPTH_M)[0]
    middle = np.s_[1:, 8:-8, 8:-8]
    assert np.abs(small.astype(float) - direct)[middle].mean() < 1.5


def test_views_are_windows_for_the_codec(recipe):
    poses = [look(forward_m=0.3, num_frames=9), look(turn_deg=5.0, num_frames=9)]
    frames = torch.from_numpy(np.stack([film(p) for p in poses]))
    signals = data.collate([told(p, recipe) for p in poses])
    codec = LinearCodec.fit(frames, 12)
    codes = warp.latents(codec, frames[:, 0], signals, (1.0, DEPTH_M))
    assert codes is not None and codes.shape == (2, 2, 12, 3, 8, 14)
    first = codec.encode(frames[:, :1])
    torch.testing.assert_close(codes[:, :, :, :1], first[:, None].expand(-1, 2, -1, -1, -1, -1))
    views = warp.views(frames[:, 0], signals, (1.0, DEPTH_M))
    torch.testing.assert_close(codes[1, 0], codec.encode(views[1, :1])[0])
    assert warp.latents(codec, frames[:, 0], signals, ()) is None


def test_an_output_of_zero_repeats_the_first_latent_bitwise(clips, recipe):
    batch = Windows(clips, recipe).batch(0)
    codec = LinearCodec.fit(batch.frames, 8)
    torch.manual_seed(0)
    model = WorldModel(recipe.model, 8, recipe.flow)
    x, sigma = codec.encode(batch.frames), torch.tensor([0.5, 0.5])
    output = model(x, sigma, batch.signals)
    depths_m = recipe.flow.warp_depths_m
    assert output.shape[1] == 8 + len(depths_m)
    codes = warp.latents(codec, batch.frames[:, 0], batch.signals, depths_m)
    x0 = flow.to_x0(output, x, sigma.view(-1, 1, 1, 1, 1), "warp", codes)
    assert torch.equal(x0, x[:, :, :1].expand_as(x))


def test_a_weight_of_one_shows_its_view(recipe):
    draw = torch.Generator().manual_seed(0)
    x, codes = torch.randn(2, 4, 3, 2, 2, generator=draw), torch.randn(2, 2, 4, 3, 2, 2)
    output = torch.zeros(2, 6, 3, 2, 2)
    output[:, 5] = 1.0
    x0 = flow.to_x0(output, x, torch.tensor(0.5), "warp", codes)
    torch.testing.assert_close(x0, codes[:, 1])


def test_training_and_sampling_are_given_the_same_views(recipe):
    """A model that shows the nearest plane, in a world of that plane: no loss, true samples."""
    poses = look(forward_m=0.4, turn_deg=4.0, num_frames=9)
    signals = told(poses, recipe)
    depths_m = recipe.flow.warp_depths_m
    world = warp.views(torch.from_numpy(film(poses)[:1]), signals, depths_m)[:, 0]
    codec = LinearCodec.fit(world, recipe.codec.channels)
    model = WorldModel(recipe.model, codec.channels, recipe.flow)
    bias = model.transformer.proj_out.bias.data.view(-1, codec.channels + len(depths_m))
    bias[:, codec.channels] = 1.0
    draw = torch.Generator().manual_seed(0)
    batch = data.Batch(frames=world, first=world[:, 0], signals=signals, numbers=(0,))
    with torch.no_grad():
        assert teacher.batch_errors(model, batch, codec, recipe, draw)[0].max() < 1e-9
    config = RunConfig(recipe=recipe, manifest_sha="", intrinsics=NARROW)
    video = Sampler(config=config, codec=codec, model=model).window(world[:, 0].numpy(), signals)
    shown = codec.decode(codec.encode(world)).numpy()
    assert np.abs(video[:, 1:].astype(int) - shown[:, 1:]).max() <= 1
