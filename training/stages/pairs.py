"""The teacher's sampling paths, written item by item: what the student first learns from.

A path goes from noise to data in many small steps. Of its states those at the student's own noise
levels are kept, and the data (CausVid, Self-Forcing: 48 Euler steps, indices 0, 12, 24, 36, -1).
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from training import flow, noise, sample, tensors
from training.model.memory import Memory
from training.noise import Draw, Purpose
from training.parallel.world import World
from training.rollout import Record, Student
from training.stages.config import OdeConfig
from training.stages.student import Origin
from training.state import is_main, save_weights

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

    A teacher whose weights are split, or whose tokens are shared, needs all of its processes for
    every pass: so they go through equally many paths side by side, the last ones perhaps twice.

    Args:
        origin: Gives teacher and data.
        config: Number and kind of the paths.
        folder: Gets `<number>.safetensors`, whole or not at all.
        accelerator: Of the run.
        progress: Called with the number of paths that are there.
    """
    missing = _missing(folder, config.num_pairs)
    if not missing:
        return
    world = World.join(origin.config.recipe.parallel, accelerator)
    teacher = origin.frozen_teacher(config.num_frames, world)
    # Processes that share a video make the same path; one of them writes it.
    writes = accelerator.process_index % world.config.context == 0
    for start in range(0, len(missing), world.data_size):
        place = start + world.data_rank
        k = missing[min(place, len(missing) - 1)]
        states = _path(origin, config, teacher, k)
        if writes and place < len(missing):
            save_weights({"states": states[:, 0].cpu()}, file_of(folder, k))
        if progress:
            left = max(0, len(missing) - start - world.data_size)
            progress(config.num_pairs - left)
    accelerator.wait_for_everyone()
    del teacher
    # What splits and casts a model points back at it.
    gc.collect()


def _missing(folder: Path, count: int) -> list[int]:
    """Paths that are not there: what the main process sees, before any is added."""
    told: list[list[int] | None] = [None]
    if is_main():
        told = [[k for k in range(count) if not file_of(folder, k).is_file()]]
    broadcast_object_list(told)
    assert told[0] is not None
    return told[0]


def load(folder: Path, numbers: list[int]) -> torch.Tensor:
    """States of paths, [S, B, C, F, h, w]: at the student's levels, then the data."""
    return torch.stack([tensors.load(file_of(folder, k))["states"] for k in numbers], dim=1)


def file_of(folder: Path, number: int) -> Path:
    """Where a path is kept."""
    return folder / f"{number:06d}.safetensors"


@torch.no_grad()
def _path(origin: Origin, config: OdeConfig, teacher: torch.nn.Module, number: int) -> torch.Tensor:
    """What is kept of one path, [S, 1, C, F, h, w]."""
    recipe = origin.config.recipe
    batch = origin.windows.take([number], config.num_frames).to(origin.device)
    begun = sample.begin(teacher, origin.codec, recipe, batch.first, batch.signals)
    draw = noise.generators(recipe.seed, [number], Purpose.PATH, origin.device)
    sigmas = flow.levels(config.sampler_steps, recipe.flow.shift)
    kept = kept_levels(sigmas, recipe.rollout.levels)
    causal = config.init == "ode_causal"
    states = list((_causal if causal else sample.path)(begun, sigmas, draw, config.guidance))
    return torch.stack([states[place] for place in kept])


def _causal(
    begun: Student, sigmas: torch.Tensor, draw: Draw, guidance: float
) -> Iterator[torch.Tensor]:
    """A causal teacher's way, block by block after its own clean past (Causal Forcing)."""
    begun = dataclasses.replace(
        begun, config=dataclasses.replace(begun.config, noisy_context=False)
    )
    words = torch.zeros_like(begun.signals.words)
    silent = dataclasses.replace(begun, signals=dataclasses.replace(begun.signals, words=words))
    students = (begun, silent) if guidance else (begun,)
    memories = [student.memory() for student in students]
    first, blocks = begun.first, []
    shape = (*first.shape[:2], begun.signals.actions.shape[1], *first.shape[3:])
    noisy = noise.normal(first, shape, draw)
    for start, stop in begun.ranges:
        denoise = _denoiser(students, memories, start, guidance)
        x = noisy[:, :, start:stop]
        states = list(flow.path(denoise, x, sigmas.to(first), first if start == 0 else None))
        blocks.append(torch.stack(states))
        record = Record(start=start, x=x, x0=states[-1], memory=None)
        memories = [
            student.remember(record, memory, 0.0)
            for student, memory in zip(students, memories, strict=True)
        ]
    yield from torch.cat(blocks, dim=3)


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
