"""Self-forcing rollout: a video made block by block from the student's own past (RELIC sec. 4.4).

Per block: noise, a few steps of `denoise and add fresh noise`, an exit step, then the clean block
passes once more at noise level 0 to enter the memory. The first latent is given and stays clean.

Shapes: B videos, F latents, [B, C, F, h, w]; levels are noise levels in [0, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from training import flow, noise
from training.data import Signals
from training.model import masks
from training.model.context import Context
from training.model.memory import Grid, Memory, Piece
from training.model.wan import PATCH
from training.noise import Draw
from training.stages.config import Prediction, RolloutConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """A causal model at work on one batch of videos.

    Attributes:
        model: A `WorldModel`, or what wraps one.
        signals: Of the whole videos; their number of latents is the length of a rollout.
        first: The clean first latent, [B, C, 1, h, w].
        config: See `RolloutConfig`.
        prediction: What the output means; see `FlowConfig`.
        views: For "warp": `training.warp.latents` of the whole videos.
    """

    model: Any
    signals: Signals
    first: torch.Tensor
    config: RolloutConfig
    prediction: Prediction = "v"
    views: torch.Tensor | None = None

    @property
    def grid(self) -> Grid:
        """Rows and columns of tokens of a latent."""
        return self.first.shape[3] // PATCH[1], self.first.shape[4] // PATCH[2]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Half-open ranges of latents of the blocks."""
        return masks.blocks(self.signals.actions.shape[1], self.config.block)

    def memory(self) -> Memory:
        """An empty one."""
        return Memory(policy=self.config.policy, grid=self.grid)

    def denoise(
        self,
        x: torch.Tensor,
        sigma: float,
        start: int,
        read: tuple[Piece, ...],
        *,
        write: bool = False,
    ) -> tuple[torch.Tensor, tuple[Piece, ...]]:
        """One evaluation of the network.

        Args:
            x: A block at level `sigma`, [B, C, n, h, w]; latent 0 of the video is replaced.
            sigma: Noise level.
            start: The block's first latent.
            read: What it sees of the past.
            write: Return what a memory needs, else nothing.

        Returns:
            The data that the network sees in `x`, and the pieces.
        """
        stop = start + x.shape[2]
        # Noise levels need more digits than bfloat16 has.
        exact = torch.promote_types(x.dtype, torch.float32)
        levels = torch.full((len(x), stop - start), sigma, dtype=exact, device=x.device)
        if start == 0:
            x, levels[:, 0] = self._hold(x), 0.0
        context = Context(
            latents=tuple(range(start, stop)),
            grid=self.grid,
            policy=self.config.policy,
            read=read,
            write=write,
        )
        signals = dataclasses.replace(
            self.signals,
            actions=self.signals.actions[:, start:stop],
            poses=self.signals.poses[:, start:stop],
        )
        output = self.model(x, levels, signals, context=context)
        x0 = self._to_x0(output, x, levels, slice(start, stop))
        return self._hold(x0) if start == 0 else x0, context.pieces() if write else ()

    def remember(self, record: Record, memory: Memory, sigma: float) -> Memory:
        """The memory after a block: its clean pass, or its exit step's if `noisy_context`."""
        noisy = self.config.noisy_context
        x, level = (record.x, sigma) if noisy else (record.x0, 0.0)
        _, pieces = self.denoise(x, level, record.start, memory.read(x.shape[2]), write=True)
        return memory.append(pieces)

    def _hold(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first, x[:, :, 1:]], dim=2)

    def _to_x0(
        self, output: torch.Tensor, x: torch.Tensor, levels: torch.Tensor, place: slice
    ) -> torch.Tensor:
        # `flow.to_x0` takes the first frame from the front of the window.
        front = torch.zeros_like(output[:, :, :1])
        views = self.views
        if views is not None:
            views = torch.cat([views[:, :, :, :1], views[:, :, :, place]], dim=3)
        x0 = flow.to_x0(
            torch.cat([front, output], dim=2),
            torch.cat([self.first, x], dim=2),
            torch.nn.functional.pad(levels, (1, 0))[:, None, :, None, None],
            self.prediction,
            views,
        )
        return x0[:, :, 1:].type_as(x)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is needed to run a block's exit step again.

    Attributes:
        start: Its first latent.
        x: What the exit step saw, [B, C, n, h, w].
        x0: What it made of it.
        memory: What the student remembered then; None if it was not kept.
    """

    start: int
    x: torch.Tensor
    x0: torch.Tensor
    memory: Memory | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """A video and how it came about.

    Attributes:
        sigma: Noise level of the exit step.
        records: Of the blocks in order.
    """

    sigma: float
    records: tuple[Record, ...]

    @property
    def latents(self) -> torch.Tensor:
        """The video, [B, C, F, h, w]."""
        return torch.cat([record.x0 for record in self.records], dim=2)


@torch.no_grad()
def stream(
    student: Student,
    draw: Draw,
    *,
    exit_step: int = -1,
    keep: bool = False,
    given: torch.Tensor | None = None,
) -> Iterator[Record]:
    """Make a video block by block; with `keep` off, memory does not grow but for the policy's.

    Args:
        student: Model, signals and first latent.
        draw: Of all noise.
        exit_step: The step whose result counts; in training it is drawn, in use it is the last.
        keep: Let every record hold the memory of its time.
        given: The first latents, [B, C, n, h, w]: blocks inside of them are taken as they are.
    """
    levels = student.config.levels
    steps = levels[: exit_step % len(levels) + 1]
    memory, known = student.memory(), 0 if given is None else given.shape[2]
    for start, stop in student.ranges:
        if given is not None and stop <= known:
            x = x0 = given[:, :, start:stop]
        else:
            x, x0 = _make(student, draw, start, memory.read(stop - start), steps)
        record = Record(start=start, x=x, x0=x0, memory=memory if keep else None)
        yield record
        if (start, stop) != student.ranges[-1]:
            memory = student.remember(record, memory, steps[-1] if stop > known else 0.0)


def rollout(student: Student, draw: Draw, *, exit_step: int = -1, keep: bool = True) -> Rollout:
    """The whole video with its records; see `stream`."""
    levels = student.config.levels
    records = tuple(stream(student, draw, exit_step=exit_step, keep=keep))
    return Rollout(sigma=levels[exit_step % len(levels)], records=records)


def _make(
    student: Student,
    draw: Draw,
    start: int,
    read: tuple[Piece, ...],
    steps: tuple[float, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """One block: what its exit step saw, and what it made of it."""
    count = min(student.config.block, student.ranges[-1][1] - start)
    x = _noise(student.first, count, draw)
    x0, _ = student.denoise(x, steps[0], start, read)
    for sigma in steps[1:]:
        level = torch.tensor(sigma, dtype=x.dtype, device=x.device)
        x = flow.mix(x0, _noise(student.first, count, draw), level)
        x0, _ = student.denoise(x, sigma, start, read)
    return x, x0


def _noise(like: torch.Tensor, count: int, draw: Draw) -> torch.Tensor:
    return noise.normal(like, (*like.shape[:2], count, *like.shape[3:]), draw)
