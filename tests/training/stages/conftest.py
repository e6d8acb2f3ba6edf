"""Every stage in a few steps, and a teacher to begin with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from training.recipes import Recipe
from training.stages import teacher
from training.stages.config import Phase


@pytest.fixture(scope="session")
def recipe(recipe) -> Recipe:
    """Every stage in a few steps."""
    assert recipe.ode is not None and recipe.distill is not None
    return dataclasses.replace(
        recipe,
        steps=3,
        ode=dataclasses.replace(recipe.ode, steps=3, batch=2, num_frames=9, num_pairs=3),
        distill=dataclasses.replace(
            recipe.distill,
            batch=2,
            phases=(Phase(num_frames=5, steps=2), Phase(num_frames=9, steps=2)),
            dmd=dataclasses.replace(recipe.distill.dmd, critic_updates=1),
        ),
        accumulation=2,
    )


@pytest.fixture(scope="session")
def teacher_run(clips, recipe, tmp_path_factory) -> Path:
    """A teacher, read only."""
    run = tmp_path_factory.mktemp("origin") / "teacher"
    teacher.train(clips, recipe, run)
    return run
