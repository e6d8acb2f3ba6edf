"""Replayed back-propagation: the gradient of a whole rollout at one block's memory (RELIC 4.4.2).

A rollout is made without a graph. The loss gives one gradient `g = dL/dx` for the whole video; then
the blocks are run again one at a time, each with a graph; `<g_b, x_b>` is back-propagated and the
graph freed before the next. With the past constant (`truncated`) this is the gradient of the
truncated loss, `sum_b J_b^T g_b`; only the order of sums differs from doing it at once.

`through_cache` goes beyond RELIC: blocks in reverse, each handing the gradient of the keys and
values that it read to the blocks that wrote them. That is back-propagation through time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from training.model.memory import Memory, Piece
from training.rollout import Record, Rollout, Student

_Key = tuple[int, int]
_Gradients = dict[_Key, list[torch.Tensor]]


def truncated(
    student: Student,
    rollout: Rollout,
    gradient: torch.Tensor,
    *,
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Add the gradient of the parameters, the past of every block held constant.

    Args:
        student: As at the rollout, with the same weights.
        rollout: With the memories of the time or without; they are then made again in order, one
            more pass a block, to the same bits.
        gradient: dL/dx, [B, C, F, h, w].
        no_sync: Entered for all blocks but the last, so that processes exchange gradients once.
    """
    memory = student.memory()
    last = rollout.records[-1]
    for record in rollout.records:
        before = record.memory or memory
        # DistributedDataParallel decides in the forward pass whether the backward one exchanges.
        with nullcontext() if record is last else no_sync():
            x0, _ = student.denoise(record.x, rollout.sigma, record.start, _read(before, record))
            if x0.requires_grad:
                (x0 * _of(gradient, record)).sum().backward()
        if record.memory is None and record is not last:
            with torch.no_grad():
                memory = student.remember(record, memory, rollout.sigma)


def through_cache(
    student: Student,
    rollout: Rollout,
    gradient: torch.Tensor,
    *,
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Add the gradient of the parameters, through what blocks read of earlier ones.

    Only the steps before an exit step are constant. Costs a clean pass with graph a block, and the
    gradients of what was written.

    Args:
        student: As at the rollout, with the same weights, and a policy that stores tensors as they
            are.
        rollout: With its memories.
        gradient: dL/dx, [B, C, F, h, w].
        no_sync: As in `truncated`, for all blocks but the first.

    Raises:
        ValueError: If the memories were not kept, or are quantised.
    """
    if student.config.policy.storage != "same":
        raise ValueError(
            "there is no gradient through a quantised memory; use the storage 'same', got "
            f"{student.config.policy.storage!r}"
        )
    carried: _Gradients = {}
    for record in reversed(rollout.records):
        if record.memory is None:
            raise ValueError("replay through the cache needs a rollout that keeps its memories")
        read = tuple(piece.map(_leaf) for piece in _read(record.memory, record))
        with nullcontext() if record is rollout.records[0] else no_sync():
            roots, gradients = _run(student, record, rollout.sigma, read, carried)
            pairs = zip([*roots], [_of(gradient, record), *gradients], strict=True)
            live = [(root, g) for root, g in pairs if root.requires_grad]
            if live:
                torch.autograd.backward([root for root, _ in live], [g for _, g in live])
        _collect(read, carried)


def _run(
    student: Student, record: Record, sigma: float, read: tuple[Piece, ...], carried: _Gradients
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """A block with its graph: x0, then what it wrote that was read, and the gradients of that."""
    written = {key: carried.pop(key) for key in sorted(carried) if key[0] >= record.start}
    noisy = student.config.noisy_context and bool(written)
    x0, pieces = student.denoise(record.x, sigma, record.start, read, write=noisy)
    roots, gradients = [x0], []
    if written and not noisy:
        clean, pieces = student.denoise(x0, 0.0, record.start, read, write=True)
        # Nobody reads it. But sharded weights are gathered when the gradient of an output arrives,
        # and keys and values are none.
        roots, gradients = [x0, clean], [torch.zeros_like(clean)]
    for piece in pieces:
        if (piece.latent, piece.factor) in written:
            roots += _tensors(piece)
            gradients += written[piece.latent, piece.factor]
    return roots, gradients


def _collect(read: tuple[Piece, ...], carried: _Gradients) -> None:
    for piece in read:
        key, new = (piece.latent, piece.factor), [t.grad for t in _tensors(piece)]
        old = carried.get(key)
        arrived = [
            torch.zeros_like(t) if g is None else g
            for g, t in zip(new, _tensors(piece), strict=True)
        ]
        carried[key] = (
            arrived if old is None else [a + b for a, b in zip(old, arrived, strict=True)]
        )


def _read(memory: Memory, record: Record) -> tuple[Piece, ...]:
    return memory.read(record.x.shape[2])


def _of(gradient: torch.Tensor, record: Record) -> torch.Tensor:
    return gradient[:, :, record.start : record.start + record.x.shape[2]]


def _leaf(x: torch.Tensor) -> torch.Tensor:
    return x.detach().requires_grad_()


def _tensors(piece: Piece) -> list[torch.Tensor]:
    return [t for pair in piece.pairs for t in pair]
