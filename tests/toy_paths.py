"""What two processes do with a teacher's paths, in a module that spawned processes can import.

FOLDER/teacher is a teacher's run, FOLDER/wan the model that it began with.
"""

from __future__ import annotations

import dataclasses
import weakref
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tiny_wan import write_transformer
from toy_clips import FakeClips
from toy_parallel import Found, share

from training.model import deferred
from training.parallel import shard
from training.parallel.config import ParallelConfig
from training.parallel.world import World
from training.recipes import FlowConfig, Recipe
from training.run import RunConfig
from training.stages import pairs, student, teacher
from training.stages.config import Phase
from training.stages.student import Origin

FRAMES, PATHS = 9, 4
WAYS = {
    "split": ParallelConfig(shard=0),
    "shared": ParallelConfig(context=2),
    "both": ParallelConfig(shard=0, context=2),
}


def train_teacher(recipe: Recipe, folder: Path) -> None:
    """One step from a tiny model in Wan's format, of which a teacher need not be built whole."""
    assert recipe.ode is not None
    write_transformer(folder / "wan", channels=recipe.codec.channels)
    recipe = dataclasses.replace(
        recipe,
        steps=1,
        accumulation=1,
        flow=FlowConfig(shift=recipe.flow.shift),
        model=dataclasses.replace(
            recipe.model,
            freq_dim=8,
            text_dim=4,
            rope_theta=10_000.0,
            qk_bias=0.0,
            zero_init=True,
            coordinates=False,
            camera="relic",
            pretrained=str(folder / "wan"),
        ),
        optim=dataclasses.replace(recipe.optim, kind="adamw", lr=1e-2, warmup_steps=0),
        ode=dataclasses.replace(recipe.ode, num_pairs=PATHS, guidance=1.0),
    )
    teacher.train(FakeClips(), recipe, folder / "teacher")


def begin(folder: Path, name: str, parallel: ParallelConfig, device: torch.device) -> Origin:
    """A run `name` with that teacher."""
    recipe = RunConfig.load(folder / "teacher").recipe
    assert recipe.ode is not None
    recipe = dataclasses.replace(recipe, parallel=parallel)
    return student.begin(
        "ode",
        recipe,
        FakeClips(),
        folder / name,
        teacher=folder / "teacher",
        student=None,
        phases=(Phase(num_frames=FRAMES, steps=1),),
        batch=recipe.ode.batch,
        device=device,
        first_only=True,
    )


def make(folder: Path, name: str, parallel: ParallelConfig, accelerator: Accelerator) -> list[int]:
    """Make a run's paths; what progress was told."""
    origin, told = begin(folder, name, parallel, accelerator.device), []
    config = origin.config.recipe.ode
    assert config is not None
    pairs.generate(origin, config, folder / name / "pairs", accelerator, told.append)
    return told


def everything(accelerator: Accelerator, folder: Path) -> Found:
    """Paths in every way, and what the teachers are: how large, and whether any is left."""
    found: Found = {}
    teachers: list[weakref.ref[torch.nn.Module]] = []
    prepare = World.prepare

    def watched(world: World, model: torch.nn.Module, *, trained: bool = True) -> torch.nn.Module:
        empty = deferred.is_empty(model)
        made = prepare(world, model, trained=trained)
        found[f"{name}/empty"] = empty
        found[f"{name}/share"] = share(made) if shard.is_split(made) else 1.0
        found[f"{name}/frozen"] = not any(p.requires_grad for p in made.parameters())
        teachers.append(weakref.ref(made))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "prepare", watched)
        for name, parallel in WAYS.items():
            found[f"{name}/told"] = make(folder, name, parallel, accelerator)
            found[f"{name}/left"] = sum(made() is not None for made in teachers)
    return found
