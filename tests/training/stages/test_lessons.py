"""What the student is shown in its initialisation, and what it learns from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_runs import losses

from training import data, noise, sample
from training.model.memory import Policy
from training.model.wan import WorldModel
from training.recipes import Recipe
from training.rollout import Student
from training.run import averaged_weights
from training.stages import ode

INITS = ("hybrid", "ode_bidir", "tf", "df")


@pytest.fixture(scope="module")
def train(clips, recipe, tmp_path_factory) -> Callable[[str, Path], Path]:
    """Runs of an initialisation from an origin, each trained once."""
    folder = tmp_path_factory.mktemp("inits")

    def inner(init: str, origin: Path) -> Path:
        run = folder / init
        config = dataclasses.replace(recipe.ode, init=init, guidance=0.5)
        changed = dataclasses.replace(recipe, ode=config)
        ode.train(clips, changed, run, teacher=origin)
        return run

    return inner


@pytest.mark.parametrize("init", [*INITS, "ode_causal"])
def test_every_initialisation_learns_and_its_student_streams(
    clips, recipe, teacher_run, train, init
):
    origin = train("tf", teacher_run) if init == "ode_causal" else teacher_run
    run = train(init, origin)
    assert len(losses(run)) == recipe.ode.steps and np.isfinite(losses(run)).all()
    moved = load_file(averaged_weights(run)), load_file(averaged_weights(origin))
    assert any(not torch.equal(moved[0][name], moved[1][name]) for name in moved[0])
    video = sample.sample(run, clips.clip(0).frames[0], sample.script(["pan_left"] * 3))
    assert video.shape == (13, 32, 48, 3)
    np.testing.assert_array_equal(video[0], clips.clip(0).frames[0])


def lesson_of(recipe: Recipe, init: str, num_latents: int = 5) -> tuple[Recipe, ode.Lesson]:
    config = dataclasses.replace(recipe.ode, init=init, num_frames=4 * num_latents - 3)
    recipe = dataclasses.replace(recipe, ode=config)
    draw = noise.generators(0, [0, 1], noise.Purpose.FLOW, torch.device("cpu"))
    shape = (2, 8, num_latents, 4, 6)
    states = torch.randn(
        len(recipe.rollout.levels) + 1, *shape, generator=torch.Generator().manual_seed(0)
    )
    states[:, :, :, 0] = states[-1, :, :, 0].clone()
    if init in ("tf", "df"):
        return recipe, ode.from_data(states[-1], recipe, draw)
    return recipe, ode.from_paths(states, recipe, config, draw)


@pytest.mark.parametrize("init", [*INITS, "ode_causal"])
def test_a_lesson_shows_states_at_their_levels(recipe, init):
    recipe, lesson = lesson_of(recipe, init)
    assert not lesson.levels[:, 0].any() and not lesson.counted[0]
    assert torch.equal(lesson.x[:, :, 0], lesson.x0[:, :, 0])
    clean = lesson.levels == 0
    for row, latent in clean.nonzero().tolist():
        assert torch.equal(lesson.x[row, :, latent], lesson.x0[row, :, latent])
    if lesson.noise is None:
        levels = {float(v) for v in lesson.levels.unique()}
        assert levels <= {0.0, *(float(torch.tensor(v)) for v in recipe.rollout.levels)}
        assert len(levels) >= 2
    tail = {"hybrid": [3, 4]}.get(init, [1, 2, 3, 4])
    assert lesson.counted.nonzero().flatten().tolist() == tail


@pytest.mark.parametrize("init", ["ode_causal", "tf", "hybrid", "df", "ode_bidir"])
def test_a_lesson_is_what_a_rollout_will_see(recipe, init, monkeypatch):
    """The masked pass predicts what a stream predicts whose memory holds the same latents.

    With teacher forcing for every block; with the noisy modes for the first block of the tail,
    whose past is clean in a stream too.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    policy = Policy(window=2, schedule=(1, 2))
    recipe = dataclasses.replace(
        recipe,
        flow=dataclasses.replace(recipe.flow, prediction="x0", warp_depths_m=()),
        rollout=dataclasses.replace(recipe.rollout, policy=policy),
    )
    recipe, lesson = lesson_of(recipe, init)
    lesson = dataclasses.replace(
        lesson, x=lesson.x.double(), x0=lesson.x0.double(), levels=lesson.levels.double()
    )
    torch.manual_seed(0)
    model = WorldModel(recipe.model, 8, recipe.flow).double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    signals = data.Signals(
        actions=torch.randn(2, 5, data.ACTION_DIM).double(),
        poses=torch.randn(2, 5, 4, 3, 4).double(),
        step_m=torch.ones(2).double(),
        intrinsics=torch.ones(2, 4).double(),
        words=torch.randn(2, 12, 32).double(),
    )
    found = ode.errors(model, lesson, signals, recipe, recipe.ode)
    for row in range(2):
        one = slice(row, row + 1)
        student = Student(
            model=model,
            signals=data.Signals(**{n: getattr(signals, n)[one] for n in signals.__slots__}),
            first=lesson.x0[one, :, :1],
            config=recipe.rollout,
            prediction="x0",
        )
        memory, wanted = student.memory(), []
        for latent in range(5):
            x, x0 = (t[one, :, latent : latent + 1] for t in (lesson.x, lesson.x0))
            sigma = float(lesson.levels[row, latent])
            said, _ = student.denoise(x, sigma, latent, memory.read(1))
            wanted.append((said - x0).square().mean())
            _, pieces = student.denoise(x0, 0.0, latent, memory.read(1), write=True)
            memory = memory.append(pieces)
        expected = torch.stack(wanted)[lesson.counted]
        same = slice(None) if init in ("tf", "ode_causal") else slice(0, 1)
        assert expected.abs().min() > 1e-3
        assert ((found[row] - expected)[same].abs() < 1e-12).all()
        if init not in ("tf", "ode_causal"):
            assert (found[row] - expected)[1:].abs().max() > 1e-9
