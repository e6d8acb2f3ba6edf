"""Every way of telling camera and actions: starts as nothing, is seen, goes through the memory."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toy_world import (
    CHANNELS,
    GRID,
    SHORT,
    SIZE,
    make_model,
    make_signals,
    normal,
    run_block,
    table_pass,
)

from capture.camera import pose_from_angles
from training.data import Signals
from training.model import masks
from training.model.cameras import prope, rays
from training.model.cameras.told import add
from training.model.memory import Memory, Policy
from training.model.wan import WorldModel

KINDS = [
    {"camera": "relic"},
    {"camera": "token"},
    {"camera": "raype"},
    {"camera": "prope"},
    {"camera": "plucker_adaln"},
    {"camera": "none", "action": "adaln"},
    {"camera": "none", "action": "post_attn"},
]
LATENTS = 5
LEVELS = torch.tensor([[0.2, 0.7, 1.0, 0.4, 0.6], [0.5, 0.1, 0.9, 0.3, 0.8]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def told(**kind) -> WorldModel:
    """A toy that is told one thing alone."""
    return make_model(**{"action": "none", "head_dim": 16, **kind})


def video() -> torch.Tensor:
    return normal(2, CHANNELS, LATENTS, *SIZE)


def real_signals() -> Signals:
    """Signals whose poses are rigid and whose camera has a field of view of 90 degrees."""
    angle = normal(2 * LATENTS * 4, 3, seed=5).numpy() * 20
    poses = pose_from_angles(normal(2 * LATENTS * 4, 3, seed=6).numpy(), *angle.T)
    return dataclasses.replace(
        make_signals(LATENTS),
        poses=torch.from_numpy(poses[:, :3]).view(2, LATENTS, 4, 3, 4),
        intrinsics=torch.tensor([0.5, 0.8, 0.52, 0.45], dtype=torch.float64).expand(2, 4),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_with_zeroed_outputs_it_is_the_base_bitwise(kind):
    base, model = told(camera="none"), told(**kind, zero_init=True)
    model.transformer.load_state_dict(base.transformer.state_dict())
    signals = real_signals()
    assert torch.equal(model(video(), LEVELS, signals), base(video(), LEVELS, signals))


@pytest.mark.parametrize("kind", KINDS)
def test_zeroed_outputs_learn(kind):
    """The first step has a gradient: nothing is multiplied by two zeros."""
    model = told(**kind, zero_init=True)
    model(video(), LEVELS, real_signals()).square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in model.conditioning.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_is_seen(kind):
    model, signals = told(**kind), real_signals()
    out = model(video(), LEVELS, signals)
    name = "actions" if kind["camera"] == "none" else "poses"
    changed = dataclasses.replace(signals, **{name: getattr(signals, name) * 1.5})
    assert not torch.allclose(model(video(), LEVELS, changed), out, atol=1e-4)


@pytest.mark.parametrize("pool", ["kv", "latent"])
@pytest.mark.parametrize("kind", KINDS)
def test_mask_equals_memory(kind, pool):
    """Verification 2, with window, compression and cut cells."""
    policy, model, signals = (
        Policy(window=2, schedule=SHORT, pool=pool),
        told(**kind),
        real_signals(),
    )
    ranges = masks.blocks(LATENTS, 2)
    table = masks.diffusion_forcing(ranges, policy, GRID)
    whole = table_pass(model, video(), LEVELS, signals, table, policy)
    stream = Memory(policy=policy, grid=GRID)
    for start, stop in ranges:
        now = slice(start, stop)
        out, pieces = run_block(model, video()[:, :, now], LEVELS[:, now], signals, stream)
        stream = stream.append(pieces)
        assert (out - whole[:, :, now]).abs().max() < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointed_blocks_have_the_same_gradient(kind):
    """Verification 7: a block that runs again is told the same."""
    gradients = []
    for again in (False, True):
        model = told(**kind)
        if again:
            model.checkpoint_activations()
        model(video(), LEVELS, real_signals()).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_adding_per_latent_is_adding_to_its_tokens():
    x, y = normal(2, 6, 4), normal(2, 3, 4, seed=3)
    assert torch.equal(add(x, y), x + y.repeat_interleave(2, dim=1))
    assert torch.equal(add(x, x), x + x)


def rigid(seed: int) -> torch.Tensor:
    """Any change of the world's axes, [4, 4]."""
    draw = normal(6, seed=seed).numpy() * 3
    return torch.from_numpy(pose_from_angles(draw[:3], *(draw[3:] * 40)))


def moved(signals: Signals, world: torch.Tensor) -> Signals:
    poses = torch.cat([signals.poses, torch.zeros_like(signals.poses[..., :1, :])], dim=-2)
    poses[..., 3, 3] = 1
    return dataclasses.replace(signals, poses=(world @ poses)[..., :3, :])


def test_prope_does_not_depend_on_the_worlds_axes():
    """Verification 12; RELIC's own camera, an absolute pose, does."""
    signals = real_signals()
    other = moved(signals, rigid(7))
    model = told(camera="prope")
    out = model(video(), LEVELS, signals)
    assert (model(video(), LEVELS, other) - out).abs().max() < 1e-12
    absolute = told(camera="relic")
    out = absolute(video(), LEVELS, signals)
    assert (absolute(video(), LEVELS, other) - out).abs().max() > 1e-3


def test_prope_between_tokens_of_one_camera_is_plain_attention():
    """P P^-1 = 1: without motion the camera's channels are as if they had none."""
    signals = real_signals()
    still = dataclasses.replace(signals, poses=signals.poses[:, :1, :1].expand_as(signals.poses))
    identity = torch.eye(4, dtype=torch.float64)[:3].expand_as(signals.poses)
    lens = torch.tensor([1.0, 1.0, 0.5, 0.5], dtype=torch.float64).expand(2, 4)
    plain = dataclasses.replace(signals, poses=identity, intrinsics=lens)
    assert torch.equal(
        prope.projections(plain.poses[:, :, -1], lens)[0, 0], torch.eye(4, dtype=torch.float64)
    )
    model = told(camera="prope")
    difference = model(video(), LEVELS, still) - model(video(), LEVELS, plain)
    assert difference.abs().max() < 1e-12


def test_a_projection_sends_points_to_their_pixels():
    signals = real_signals()
    matrix = prope.projections(signals.poses[:, :, -1], signals.intrinsics)[0, 2]
    pose, k = signals.poses[0, 2, -1], signals.intrinsics[0]
    point = torch.tensor([0.3, -0.2, 2.0], dtype=torch.float64)
    world = pose[:, :3] @ (point * prope.STEPS) + pose[:, 3]
    u, v, depth, one = matrix @ torch.cat([world / prope.STEPS, torch.ones(1).double()])
    assert torch.allclose(depth, point[2]) and one == 1
    assert torch.allclose(u / depth, k[0] * point[0] / point[2] + k[2] - 0.5)
    assert torch.allclose(v / depth, k[1] * point[1] / point[2] + k[3] - 0.5)


def reciprocal(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    (d1, m1), (d2, m2) = first.split(3, -1), second.split(3, -1)
    return (d1 * m2).sum(-1) + (m1 * d2).sum(-1)


def test_pluecker_coordinates_by_hand():
    """A camera at (1, 2, 3) looking along z, its image twice as wide as its focal length."""
    pose = torch.eye(4, dtype=torch.float64)[:3].clone()
    pose[:, 3] = torch.tensor([1.0, 2.0, 3.0])
    lens = torch.tensor([[0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)
    seen = rays.plucker(pose.view(1, 1, 1, 3, 4), lens, (2, 4)).view(2, 4, 6)
    direction = torch.tensor([-0.75, 0.5, 1.0], dtype=torch.float64)
    direction /= direction.norm()
    assert torch.allclose(seen[1, 0, :3], direction)
    x, y, z = direction
    moment = torch.stack([2 * z - 3 * y, 3 * x - 1 * z, 1 * y - 2 * x])
    assert torch.allclose(seen[1, 0, 3:], moment)


def test_reciprocal_product_is_zero_for_rays_that_meet_and_the_same_in_all_axes():
    signals = real_signals()
    first = rays.plucker(signals.poses, signals.intrinsics, GRID).flatten(0, 3)
    other = moved(signals, rigid(8))
    second = rays.plucker(other.poses, other.intrinsics, GRID).flatten(0, 3)
    # Rays of one camera meet in it.
    assert reciprocal(first[0], first[1]).abs() < 1e-12
    products = [reciprocal(seen[:, None], seen) for seen in (first, second)]
    assert products[0].abs().max() > 0.1
    assert (products[0] - products[1]).abs().max() < 1e-9


def test_rayes_dot_product_is_the_reciprocal_product():
    """Verification 12: with equal projections, before the norm, and the gate as it starts."""
    signals = real_signals()
    seen = rays.plucker(signals.poses[:, :, -1:], signals.intrinsics, GRID).flatten(1, 3)
    gate = rays.Gate().double()
    direction, moment = gate(seen)
    query, key = torch.cat([moment, direction], -1), torch.cat([direction, moment], -1)
    expected = reciprocal(seen[:, :, None], seen[:, None])
    assert (query @ key.mT - expected).abs().max() < 1e-12


def test_rayes_gate_makes_scales_alike():
    gate = rays.Gate().double()
    torch.nn.init.zeros_(gate.slope)
    seen = normal(9, 6)
    large = torch.cat([seen[:, :3], seen[:, 3:] * 100], -1)
    assert torch.allclose(gate(seen)[1], gate(large)[1])


def test_head_dim_must_fit_prope():
    with pytest.raises(ValueError, match="multiple of 8 for the camera 'prope', got 12"):
        told(camera="prope", head_dim=12)
