"""A model that predicts velocities, as Wan does, in every stage of the student."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn
from toy_world import CHANNELS, SIZE, make_signals, normal

from training import flow
from training.model.context import Context
from training.recipes import FlowConfig, Recipe
from training.stages import distill, ode, teacher
from training.stages.config import OdeConfig, Phase

LATENTS = 5
INITS = ["hybrid", "ode_bidir", "ode_causal", "tf", "df"]


@pytest.fixture(scope="module")
def recipe(recipe) -> Recipe:
    """Every stage in a few steps, as Wan's recipes have it but for the sizes."""
    return dataclasses.replace(
        recipe,
        steps=2,
        flow=FlowConfig(prediction="v", shift=12.0, sampler_steps=2),
        ode=dataclasses.replace(recipe.ode, steps=2, batch=2, num_frames=9, num_pairs=2),
        distill=dataclasses.replace(
            recipe.distill,
            batch=2,
            phases=(Phase(num_frames=9, steps=4),),
            dmd=dataclasses.replace(recipe.distill.dmd, critic_updates=1, guidance=3.0),
        ),
    )


def lesson_of(init: str, recipe: Recipe, config: OdeConfig) -> ode.Lesson:
    """From data, or from straight paths, whose velocity is the same everywhere."""
    draw = torch.Generator().manual_seed(0)
    x0, noise = (normal(2, CHANNELS, LATENTS, *SIZE, seed=seed) for seed in (1, 2))
    if init in ("tf", "df"):
        return ode.from_data(x0, recipe, draw)
    levels = torch.tensor([*recipe.rollout.levels, 0.0]).double().view(-1, 1, 1, 1, 1, 1)
    states = flow.mix(x0, noise, levels)
    states[:, :, :, 0] = x0[:, :, 0]
    return ode.from_paths(states, recipe, config, draw)


class Canned(nn.Module):
    """Says the same of a video, whatever it is shown; of the clean copy before it nothing."""

    def __init__(self, output: torch.Tensor):
        super().__init__()
        self.output = output

    def forward(self, x, levels, signals, *, context: Context) -> torch.Tensor:
        assert x.shape[2] == len(context.latents) == levels.shape[1]
        return torch.cat([torch.zeros_like(self.output), self.output], 2)[:, :, -x.shape[2] :]


@pytest.mark.parametrize("init", INITS)
def test_the_right_velocity_has_no_loss(recipe, init):
    assert recipe.ode is not None
    config = dataclasses.replace(recipe.ode, init=init)
    lesson = lesson_of(init, recipe, config)
    sigma = lesson.levels[:, None, :, None, None].double()
    right = torch.where(sigma > 0, (lesson.x - lesson.x0) / sigma, 0.0)

    signals = make_signals(LATENTS)
    for wrong in (0.0, 0.5):
        found = ode.errors(Canned(right + wrong), lesson, signals, recipe, config)
        # Of velocities where the noise is known; a path's are of the data behind it.
        scale = torch.ones(()) if init in ("tf", "df") else lesson.levels[:, lesson.counted]
        expected = (wrong * scale.double()).square().expand_as(found)
        torch.testing.assert_close(found.double(), expected, atol=1e-10, rtol=1e-6)


def test_all_stages_train_it(clips, recipe, tmp_path):
    """With guidance, so that the teacher is asked twice; weights move and no number is lost."""
    teacher.train(clips, recipe, tmp_path / "teacher")
    origin = {"teacher": tmp_path / "teacher"}
    ode.train(clips, recipe, tmp_path / "ode", **origin)
    distill.train(clips, recipe, tmp_path / "distill", **origin, student=tmp_path / "ode")
    for stage, steps in (("teacher", 2), ("ode", 2), ("distill", 4)):
        lines = (tmp_path / stage / "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert len(rows) == steps
        for row in rows:
            assert 0 < row["loss"] < float("inf") and 0 < row["grad_norm"] < float("inf")
