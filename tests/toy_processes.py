"""Work for two processes that exchange gradients, in a module that a spawned process can import."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed, multiprocessing
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
    multiprocessing.spawn(_start, args=(work, str(folder)), nprocs=PROCESSES)


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


def replay_one_video(rank: int, folder: str) -> None:
    """Write the gradients that this process ends with, having seen video `rank` alone."""
    student = make_student()
    made = rollout(student, torch.Generator().manual_seed(3))
    one = slice(rank, rank + 1)
    signals = student.signals
    model, silent = DistributedDataParallel(student.model), 0

    @contextlib.contextmanager
    def no_sync():
        nonlocal silent
        silent += 1
        with model.no_sync():
            yield

    alone = dataclasses.replace(
        student,
        model=model,
        first=student.first[one],
        signals=type(signals)(**{n: getattr(signals, n)[one] for n in signals.__slots__}),
    )
    records = tuple(
        dataclasses.replace(r, x=r.x[one], x0=r.x0[one], memory=None) for r in made.records
    )
    replay.truncated(
        alone,
        dataclasses.replace(made, records=records),
        video_gradient(made.latents)[one],
        no_sync=no_sync,
    )
    assert silent == len(records) - 1
    grads = [p.grad.flatten() for p in student.model.parameters() if p.grad is not None]
    torch.save(torch.cat(grads), f"{folder}/{rank}.pt")
