"""The Wan transformer with conditioning: what must not change, and what must."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from training.data import Windows
from training.model import rope
from training.model.attention import CameraAttention, Conditions
from training.model.conditioning import source_offsets, token_places
from training.model.wan import WorldModel

CHANNELS = 8


@pytest.fixture
def plain(recipe):
    """RELIC's conditioning without departures."""
    return dataclasses.replace(
        recipe.model,
        camera="relic",
        assumed_depths_m=(),
        zero_init=True,
        rope_theta=10_000.0,
        qk_bias=0.0,
        coordinates=False,
    )


@pytest.fixture
def signals(clips, recipe):
    return Windows(clips, recipe).batch(0).signals


def make(config, prediction="v") -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(config, CHANNELS, prediction)


def latents() -> torch.Tensor:
    return torch.randn(2, CHANNELS, 3, 4, 6, generator=torch.Generator().manual_seed(1))


SIGMA = torch.tensor([0.3, 0.9])


def diffusers_forward(model: WorldModel, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """The same weights in an untouched transformer."""
    fresh = type(model.transformer).from_config(model.transformer.config)
    fresh.load_state_dict(model.transformer.state_dict())
    tokens = x.shape[3] // 2 * (x.shape[4] // 2)
    levels = torch.cat([torch.zeros(2, 1), SIGMA[:, None].expand(-1, 2)], 1) * 1000
    return fresh(x, levels.repeat_interleave(tokens, 1), words, return_dict=False)[0]


def test_zero_initialised_conditioning_is_the_base_bitwise(plain, signals):
    base = make(dataclasses.replace(plain, actions=False, camera="none"))
    model = make(plain)
    model.transformer.load_state_dict(base.transformer.state_dict())
    assert torch.equal(model(latents(), SIGMA, signals), base(latents(), SIGMA, signals))


def test_without_conditioning_it_is_diffusers_model(plain, signals):
    model = make(dataclasses.replace(plain, actions=False, camera="none"))
    expected = diffusers_forward(model, latents(), signals.words)
    torch.testing.assert_close(model(latents(), SIGMA, signals), expected, atol=1e-6, rtol=1e-5)


def test_actions_are_added_between_self_and_cross_attention(plain, signals):
    """The hooks equal the block written out with the action in its place."""
    model = make(dataclasses.replace(plain, camera="none"))
    block = model.transformer.blocks[0]
    draw = torch.Generator().manual_seed(2)
    dim = plain.heads * plain.head_dim
    h, action = (torch.randn(2, 18, dim, generator=draw) for _ in range(2))
    text = torch.randn(2, 5, dim, generator=draw)
    temb = torch.randn(2, 18, 6, dim, generator=draw)
    tables = model.transformer.rope(latents())
    model._conditions.actions = [action, action]
    out = block(h, text, temb, tables)
    model._conditions.actions = []
    shift, scale, gate, shift2, scale2, gate2 = (block.scale_shift_table.unsqueeze(0) + temb).chunk(
        6, dim=2
    )
    h = h + block.attn1(
        block.norm1(h) * (1 + scale.squeeze(2)) + shift.squeeze(2), None, None, tables
    ) * gate.squeeze(2)
    h = h + action
    h = h + block.attn2(block.norm2(h), text, None, None)
    ffn = block.ffn(block.norm3(h) * (1 + scale2.squeeze(2)) + shift2.squeeze(2))
    torch.testing.assert_close(out, h + ffn * gate2.squeeze(2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("camera", ["relic", "token", "reproject"])
def test_a_model_that_is_not_zero_initialised_sees_actions_and_camera(plain, signals, camera):
    depths = (1.0, 4.0) if camera == "reproject" else ()
    config = dataclasses.replace(
        plain, camera=camera, assumed_depths_m=depths, zero_init=False, qk_bias=1.0
    )
    model = make(config)
    out = model(latents(), SIGMA, signals)
    for name in ("actions", "poses"):
        changed = dataclasses.replace(signals, **{name: getattr(signals, name) * 1.5})
        assert not torch.allclose(model(latents(), SIGMA, changed), out, atol=1e-5)


def test_values_do_not_see_the_pose(plain):
    """With all weights on one key, attention returns V: the pose must not be in it."""
    model = make(plain)
    attention = model.transformer.blocks[0].attn1
    x = torch.randn(2, 1, plain.heads * plain.head_dim)
    conditions = Conditions()
    processor = CameraAttention(conditions, 0)
    before = processor(attention, x)
    conditions.queries = conditions.keys = [torch.randn_like(x) * 10]
    assert torch.equal(processor(attention, x), before)


def test_the_pose_moves_attention(plain):
    attention = make(plain).transformer.blocks[0].attn1
    x = torch.randn(2, 7, plain.heads * plain.head_dim)
    conditions = Conditions()
    processor = CameraAttention(conditions, 0)
    before = processor(attention, x)
    conditions.queries = conditions.keys = [torch.randn_like(x)]
    assert not torch.allclose(processor(attention, x), before, atol=1e-3)


def test_residual_prediction_starts_with_the_first_frame(recipe, signals):
    model = WorldModel(recipe.model, CHANNELS, "residual")
    assert not model(latents(), SIGMA, signals).any()


def test_place_codes_agree_where_places_agree():
    """A token d away from its source, with the code of d, matches the source's own code best."""
    head_dim, grid = 32, (4, 7)
    tables = rope.embedding(head_dim, (1, 2, 2), 10.0)(torch.zeros(1, 1, 1, 8, 14))
    here = rope.place_code(torch.zeros(28, 1, 2), head_dim, 10.0)[None]
    keys = rope.rotate(here, tables)[0, :, 0]
    offset = torch.tensor([1.0, -2.0]).expand(28, 1, 2)
    queries = rope.rotate(rope.place_code(offset, head_dim, 10.0)[None], tables)[0, :, 0]
    token, source = 1 * grid[1] + 4, 2 * grid[1] + 2
    assert int((keys @ queries[token]).argmax()) == source


def test_standing_still_every_token_is_its_own_source(signals):
    still = dataclasses.replace(signals, poses=signals.poses[:, :1].expand_as(signals.poses))
    offsets = source_offsets(still, (2, 3), torch.tensor([1.0, 9.0]))
    assert offsets.shape == (2, 18, 2, 2) and offsets.abs().max() < 1e-5


def test_source_offsets_follow_the_geometry(signals):
    """After one metre forward, what is one metre away was twice as near to the centre."""
    poses = torch.eye(4)[:3].expand(2, 3, 4, 3, 4).clone()
    poses[:, 2, :, 2, 3] = 1.0
    view = torch.tensor([[0.5, 0.75, 0.5, 0.5]]).expand(2, -1)
    told = dataclasses.replace(signals, poses=poses, view=view, step_m=torch.ones(2))
    grid = (4, 6)
    offset = source_offsets(told, grid, torch.tensor([1.0]))[:, -24:, 0]
    from_centre = (token_places(grid) - 0.5) * torch.tensor(grid)
    torch.testing.assert_close(offset[0], -from_centre / 2, atol=1e-5, rtol=0)
