"""Work for two processes that exchange gradients, in a module that a spawned process can import."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel
from toy_world import CHANNELS, SHORT, SIZE, make_model, make_signals, normal, video_gradient

from training import replay
from training.model.memory import Policy
from training.rollout import RolloutConfig, Student, rollout

PROCESSES = 2


def make_student() -> Student:
    """Two videos of 5 latents."""
    return Student(
        model=make_model(),
        signals=make_signals(5),
        first=normal(2, CHANNELS, 1, *SIZE, seed=7),
        config=RolloutConfig(block=2, levels=(1.0, 0.5), policy=Policy(window=3, schedule=SHORT)),
    )


def launch(work: Callable[[int, str], None], folder: Path) -> None:
    spawn(_start, args=(work, str(folder)), nprocs=PROCESSES)


def _start(rank: int, work: Callable[[int, str], None], folder: str) -> None:
    torch.set_num_threads(1)
    torch.Tensor.float = torch.Tensor.double
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=PROCESSES
    )
    try:
        work(rank, folder)
    finally:
        distributed.destroy_process_group()


def streams() -> list[torch.Generator]:
    """Noise of the two videos, whoever makes them."""
    return [torch.Generator().manual_seed(seed) for seed in (3, 4)]


def one_of(student: Student, row: int) -> Student:
    """The same at work on one of its videos."""
    one, signals = slice(row, row + 1), student.signals
    fields = {name: getattr(signals, name)[one] for name in signals.__slots__}
    return dataclasses.replace(
        student, first=student.first[one], signals=dataclasses.replace(signals, **fields)
    )


def replay_one_video(rank: int, folder: str) -> None:
    """Write the gradients that this process ends with, having seen video `rank` alone."""
    found: dict[str, torch.Tensor] = {}
    for way in (replay.truncated, replay.through_cache):
        student = one_of(make_student(), rank)
        whole, silent = student.model, 0
        model = DistributedDataParallel(whole)

        @contextlib.contextmanager
        def no_sync(model: DistributedDataParallel = model):
            nonlocal silent
            silent += 1
            with model.no_sync():
                yield

        student = dataclasses.replace(student, model=model)
        made = rollout(student, streams()[rank : rank + 1])
        way(student, made, video_gradient(made.latents), no_sync=no_sync)
        assert silent == len(made.records) - 1
        grads = [p.grad.flatten() for p in whole.parameters() if p.grad is not None]
        found[way.__name__] = torch.cat(grads)
    torch.save(found, f"{folder}/{rank}.pt")
