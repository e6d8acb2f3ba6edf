"""The teacher's paths: made one by one, kept at the student's levels, the sampler's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_runs import Killed

from training import flow, noise, sample, warp
from training.data import Windows
from training.stages import ode, pairs
from training.stages.config import RolloutConfig


def test_paths_are_made_item_by_item_and_again_the_same(clips, recipe, teacher_run, tmp_path):
    def train(run: Path, **options) -> None:
        ode.train(clips, recipe, run, teacher=teacher_run, **options)

    seen = []

    def die(done: int, count: int) -> None:
        seen.append((done, count))
        if len(seen) == 2:
            raise Killed

    run = tmp_path / "cut"
    with pytest.raises(Killed):
        train(run, preparing=die)
    first, second = sorted((run / "pairs").iterdir())
    before = (first.stat().st_mtime_ns, second.read_bytes())
    second.unlink()
    train(run, preparing=die)
    assert seen == [(1, 3), (2, 3), (2, 3), (3, 3)]
    assert (first.stat().st_mtime_ns, second.read_bytes()) == before


def test_a_path_starts_in_noise_and_ends_where_the_sampler_does(
    clips, recipe, teacher_run, tmp_path
):
    """States at the student's levels; straight between two of the sampler's."""
    run = tmp_path / "ode"
    ode.train(clips, recipe, run, teacher=teacher_run)
    states = pairs.load(run / "pairs", [1])
    assert states.shape[0] == len(recipe.rollout.levels) + 1
    assert torch.equal(states[:, :, :, :1], states[:1, :, :, :1].expand(3, -1, -1, -1, -1, -1))
    batch = Windows(clips, recipe).take([1], 9)
    draw = noise.generators(recipe.seed, [1], noise.Purpose.PATH, torch.device("cpu"))
    start = noise.normal(states, states.shape[1:], draw)
    assert torch.equal(states[0][:, :, 1:], start[:, :, 1:])
    sampler = sample.Sampler.load(teacher_run)
    first = sampler.codec.encode(batch.frames[:, :1])
    views = warp.latents(
        sampler.codec, batch.frames[:, 0], batch.signals, recipe.flow.warp_depths_m
    )

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            output = sampler.model(x, sigma.expand(1), batch.signals)
        return flow.to_x0(output, x, sigma, recipe.flow.prediction, views)

    sigmas = flow.levels(recipe.ode.sampler_steps, recipe.flow.shift)
    *_, last = flow.path(denoise, start, sigmas, first)
    assert torch.equal(states[-1], last)


def test_selfforcings_levels_are_every_twelfth_of_48():
    sampler = flow.levels(48, 5.0)
    assert pairs.kept_levels(sampler, RolloutConfig().levels) == [0, 12, 24, 36, 48]
    with pytest.raises(ValueError, match=r"0.9375 is not among those of a sampler of 47 steps"):
        pairs.kept_levels(flow.levels(47, 5.0), RolloutConfig().levels)
