"""The teacher's sampling paths, written item by item: what the student first learns from.

A path goes from noise to data in many small steps. Of its states those at the student's own noise
levels are kept, and the data (CausVid, Self-Forcing: 48 Euler steps, indices 0, 12, 24, 36, -1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from training import flow, noise, warp
from training.data import Batch
from training.dmd import ModelScore
from training.model.memory import Memory
from training.noise import Purpose
from training.rollout import Record, Student
from training.stages.config import OdeConfig
from training.stages.student import Origin
from training.state import save_weights

_CLOSE = 1e-4


def kept_levels(sampler: torch.Tensor, student: tuple[float, ...]) -> list[int]:
    """Places of the student's noise levels among the sampler's, and of its last.

    Raises:
        ValueError: If the sampler has no such level.
    """
    places = []
    for level in student:
        distance, place = (sampler - level).abs().min(dim=0)
        if distance > _CLOSE:
            raise ValueError(
                f"the student's noise level {level:.4f} is not among those of a sampler of "
                f"{len(sampler) - 1} steps; use a multiple of the student's steps, and its shift"
            )
        places.append(int(place))
    return [*places, len(sampler) - 1]


def generate(
    origin: Origin,
    config: OdeConfig,
    folder: Path,
    accelerator: Accelerator,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the paths that are missing; processes share the work item by item.

    Args:
        origin: Gives teacher and data.
        config: Number and kind of the paths.
        folder: Gets `<number>.safetensors`, whole or not at all.
        accelerator: Of the run.
        progress: Called with the number of this process' paths that are there.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    mine = range(rank, config.num_pairs, world)
    missing = [k for k in mine if not file_of(folder, k).is_file()]
    if missing:
        teacher = origin.frozen_teacher(config.num_frames)
        make = _causal if config.init == "ode_causal" else _whole
        for done, k in enumerate(missing, len(mine) - len(missing) + 1):
            batch = origin.windows.take([k], config.num_frames).to(origin.device)
            states = make(origin, config, teacher, batch)
            save_weights({"states": states[:, 0].cpu()}, file_of(folder, k))
            if progress:
                progress(done)
    accelerator.wait_for_everyone()


def load(folder: Path, numbers: list[int]) -> torch.Tensor:
    """States of paths, [S, B, C, F, h, w]: at the student's levels, then the data."""
    return torch.stack([load_file(file_of(folder, k))["states"] for k in numbers], dim=1)


def file_of(folder: Path, number: int) -> Path:
    """Where a path is kept."""
    return folder / f"{number:06d}.safetensors"


@torch.no_grad()
def _whole(
    origin: Origin, config: OdeConfig, teacher: torch.nn.Module, batch: Batch
) -> torch.Tensor:
    """Paths of a bidirectional teacher, [S, B, C, F, h, w]."""
    recipe = origin.config.recipe
    first = origin.codec.encode(batch.frames[:, :1])
    score = ModelScore(
        model=teacher,
        signals=batch.signals,
        prediction=recipe.flow.prediction,
        views=_views(origin, batch),
        guidance=config.guidance,
    )
    sigmas = flow.levels(config.sampler_steps, recipe.flow.shift)
    keep = kept_levels(sigmas, recipe.rollout.levels)
    states = flow.path(
        lambda x, sigma: score(x, sigma.expand(len(x))),
        _start(origin, batch, first),
        sigmas.to(first),
        first,
    )
    return torch.stack([state for place, state in enumerate(states) if place in keep])


@torch.no_grad()
def _causal(
    origin: Origin, config: OdeConfig, teacher: torch.nn.Module, batch: Batch
) -> torch.Tensor:
    """Paths of a causal teacher, block by block after its own clean past (Causal Forcing)."""
    recipe = origin.config.recipe
    first = origin.codec.encode(batch.frames[:, :1])
    told = Student(
        model=teacher,
        signals=batch.signals,
        first=first,
        config=dataclasses.replace(recipe.rollout, noisy_context=False),
        prediction=recipe.flow.prediction,
        views=_views(origin, batch),
    )
    words = torch.zeros_like(batch.signals.words)
    silent = dataclasses.replace(told, signals=dataclasses.replace(batch.signals, words=words))
    sigmas = flow.levels(config.sampler_steps, recipe.flow.shift)
    keep = kept_levels(sigmas, recipe.rollout.levels)
    start_noise = _start(origin, batch, first)
    students = (told, silent) if config.guidance else (told,)
    memories = [student.memory() for student in students]
    blocks = []
    for start, stop in told.ranges:
        denoise = _denoiser(students, memories, start, config.guidance)
        x = start_noise[:, :, start:stop]
        states = list(flow.path(denoise, x, sigmas.to(first), first if start == 0 else None))
        blocks.append(torch.stack([states[place] for place in keep]))
        record = Record(start=start, x=x, x0=states[-1], memory=None)
        memories = [
            student.remember(record, memory, 0.0)
            for student, memory in zip(students, memories, strict=True)
        ]
    return torch.cat(blocks, dim=3)


def _denoiser(
    students: Sequence[Student], memories: Sequence[Memory], start: int, guidance: float
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Of one block: `x, sigma -> x0`, guided by the difference of the first and the last."""

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        told, *silent = (
            student.denoise(x, float(sigma), start, memory.read(x.shape[2]))[0]
            for student, memory in zip(students, memories, strict=True)
        )
        return told + guidance * (told - silent[0]) if silent else told

    return denoise


def _views(origin: Origin, batch: Batch) -> torch.Tensor | None:
    depths_m = origin.config.recipe.flow.warp_depths_m
    return warp.latents(origin.codec, batch.frames[:, 0], batch.signals, depths_m)


def _start(origin: Origin, batch: Batch, first: torch.Tensor) -> torch.Tensor:
    seed, device = origin.config.recipe.seed, origin.device
    draw = noise.generators(seed, batch.numbers, Purpose.PATH, device)
    shape = (*first.shape[:2], batch.signals.actions.shape[1], *first.shape[3:])
    return noise.normal(first, shape, draw)
