"""The Wan transformer with conditioning: what must not change, and what must."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from toy_world import make_signals

from training.model.attention import CameraAttention, Conditions
from training.model.cameras.pose import Added
from training.model.wan import WorldModel
from training.recipes import FlowConfig

CHANNELS = 8


@pytest.fixture
def plain(recipe):
    """RELIC's conditioning without departures."""
    return dataclasses.replace(
        recipe.model,
        camera="relic",
        zero_init=True,
        rope_theta=10_000.0,
        qk_bias=0.0,
        coordinates=False,
    )


@pytest.fixture
def signals(recipe):
    signals = make_signals(3)
    words = torch.randn(2, 3, recipe.model.text_dim, generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(
        signals, actions=signals.actions.float(), poses=signals.poses.float(), words=words
    )


def make(config, prediction="v") -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(config, CHANNELS, FlowConfig(prediction=prediction))


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


def test_without_conditioning_it_is_diffusers_model(plain, signals):
    model = make(dataclasses.replace(plain, action="none", camera="none"))
    expected = diffusers_forward(model, latents(), signals.words)
    torch.testing.assert_close(model(latents(), SIGMA, signals), expected, atol=1e-6, rtol=1e-5)


def test_actions_are_added_between_self_and_cross_attention(plain, signals):
    """The hooks equal the block written out with the action in its place."""
    model = make(dataclasses.replace(plain, camera="none"))
    block: Any = model.transformer.blocks[0]
    draw = torch.Generator().manual_seed(2)
    dim = plain.heads * plain.head_dim
    h, action, temb = (torch.randn(2, n, dim, generator=draw) for n in (18, 3, 3 * 6))
    text = torch.randn(2, 5, dim, generator=draw)
    temb = temb.unflatten(1, (3, 6))
    tables = model.transformer.rope(latents())
    told = Conditions(videos=2, tokens_per_latent=6, actions=[action, action])
    with model._conditions.told(told):
        out = block(h, text, told.runs(temb), tables)
    with model._conditions.told(Conditions(videos=2)):
        temb, action = (t.repeat_interleave(6, dim=1) for t in (temb, action))
        table = block.scale_shift_table.unsqueeze(0)
        shift, scale, gate, shift2, scale2, gate2 = (table + temb).unbind(2)
        normed = block.norm1(h) * (1 + scale) + shift
        h = h + block.attn1(normed, None, None, tables) * gate
        h = h + action
        h = h + block.attn2(block.norm2(h), text, None, None)
        h = h + block.ffn(block.norm3(h) * (1 + scale2) + shift2) * gate2
    assert out.shape == (6, 6, dim)
    torch.testing.assert_close(told.whole(out), h, atol=1e-5, rtol=1e-5)


def test_values_do_not_see_the_pose(plain):
    """With all weights on one key, attention returns V: the pose must not be in it."""
    model = make(plain)
    attention = model.transformer.blocks[0].attn1
    x = torch.randn(2, 1, plain.heads * plain.head_dim)
    conditions = Conditions(videos=2)
    processor = CameraAttention(conditions, 0)
    before = processor(attention, x)
    conditions.camera = Added([torch.randn_like(x) * 10], [torch.randn_like(x) * 10])
    assert torch.equal(processor(attention, x), before)


def test_the_pose_moves_attention(plain):
    attention = make(plain).transformer.blocks[0].attn1
    x = torch.randn(2, 7, plain.heads * plain.head_dim)
    conditions = Conditions(videos=2)
    processor = CameraAttention(conditions, 0)
    before = processor(attention, x)
    conditions.camera = Added([torch.randn_like(x)], [torch.randn_like(x)])
    assert not torch.allclose(processor(attention, x), before, atol=1e-3)


def test_residual_prediction_starts_with_the_first_frame(recipe, signals):
    model = make(recipe.model, "residual")
    assert not model(latents(), SIGMA, signals).any()
