"""YaRN on Wan's rotary embedding, against the paper's formulas written out."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from toy_world import CHANNELS, GRID, SIZE, make_model, make_signals, normal, run_block

from training.model import memory
from training.model.memory import Memory, Policy
from training.model.rope import Rotary, rotate

PATCH = (1, 2, 2)
LATENTS = torch.zeros(1, 1, 9, *SIZE)


def test_a_factor_of_one_is_wans_embedding_bitwise():
    for ours, wans in zip(
        Rotary(128, PATCH, 10_000.0)(LATENTS),
        WanRotaryPosEmbed(128, PATCH, 1024)(LATENTS),
        strict=True,
    ):
        assert torch.equal(ours, wans)


def angles(rotary: Rotary, time: int) -> torch.Tensor:
    """Of the time channels at a latent, without the temperature's scale."""
    cos, sin = rotary.at(torch.tensor([[float(time), 0.0, 0.0]], dtype=torch.float64))
    return torch.atan2(sin, cos)[0, 0, 0, : rotary.t_dim : 2].double()


def test_frequencies_by_the_papers_formula():
    """arXiv 2309.00071 eq. 20 to 23, with s = 80 / 21, L = 21, alpha = 1, beta = 32."""
    factor = 80 / 21
    stretched = angles(Rotary(128, PATCH, 10_000.0, factor=factor), 1)
    for channel in range(22):
        frequency = 10_000.0 ** (-2 * channel / 44)
        wavelength = 2 * math.pi / frequency
        ramp = min(1.0, max(0.0, (21 / wavelength - 1) / (32 - 1)))
        expected = (1 - ramp) * frequency / factor + ramp * frequency
        assert math.isclose(float(stretched[channel]), expected, rel_tol=1e-5)


def test_fast_channels_keep_their_frequency():
    plain, stretched = (
        angles(Rotary(128, PATCH, 10_000.0, factor=factor, length=1000), 1) for factor in (1.0, 4.0)
    )
    assert torch.allclose(stretched[:2], plain[:2])
    assert torch.allclose(stretched[-2:], plain[-2:] / 4)


def test_rows_and_columns_are_not_stretched():
    plain, stretched = (Rotary(128, PATCH, 10_000.0, factor=f) for f in (1.0, 4.0))
    place = torch.tensor([[0.0, 3.0, 5.0]], dtype=torch.float64)
    (cos, sin), (cos4, sin4) = plain.at(place), stretched.at(place)
    assert torch.allclose(torch.atan2(sin, cos), torch.atan2(sin4, cos4), atol=1e-6)


def test_the_temperature_scales_scores():
    """sec. 3.4: scores are multiplied by (0.1 ln s + 1)^2."""
    tables = Rotary(128, PATCH, 10_000.0, factor=4.0).at(torch.zeros(1, 3, dtype=torch.float64))
    query, key = (normal(1, 1, 1, 128, seed=seed) for seed in (1, 2))
    score = (rotate(query, tables) * rotate(key, tables)).sum()
    assert torch.isclose(score, (query * key).sum() * (0.1 * math.log(4) + 1) ** 2)


def test_grid_and_memory_use_the_same_tables():
    rotary = Rotary(12, PATCH, 100.0, factor=3.0, length=3)
    places = torch.cat([memory.positions(t, 1, GRID, Policy()) for t in range(9)])
    for grid, ours in zip(rotary(LATENTS), rotary.at(places), strict=True):
        assert torch.equal(grid, ours)


@pytest.mark.parametrize("factor, same", [(1.0, True), (80 / 21, False)])
def test_a_model_is_stretched(factor, same):
    x, signals = normal(2, CHANNELS, 3, *SIZE), make_signals(3)
    levels = torch.full((2, 3), 0.5, dtype=torch.float64)
    out = make_model()(x, levels, signals)
    stretched = make_model(yarn_factor=factor)
    assert torch.equal(stretched(x, levels, signals), out) == same
    read, _ = run_block(stretched, x, levels, signals, Memory(policy=Policy(), grid=GRID))
    assert (read - stretched(x, levels, signals)).abs().max() < 1e-6
    stretched.stretch(1.0)
    assert torch.equal(stretched(x, levels, signals), out)
