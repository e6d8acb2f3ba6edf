"""Random numbers that belong to a sample, whichever process or micro-batch it is in.

A stream is a pure function of (seed, number, purpose). So there is no generator state to save, and
one process, eight processes and accumulation all draw the same noise for the same sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import torch

# One generator for a batch, or one per sample.
Draw = torch.Generator | Sequence[torch.Generator]


class Purpose(IntEnum):
    """What random numbers are for; streams of two purposes never meet."""

    FLOW = 0
    PATH = 1
    ROLLOUT = 2
    SCORE = 3
    EXIT = 4


def generator(
    seed: int, number: int, purpose: Purpose | int, device: torch.device
) -> torch.Generator:
    """The stream of a number, such as a sample's place in the sequence or a step."""
    mixed = (seed * 1_000_003 + number) * 1_009 + purpose
    return torch.Generator(device=device).manual_seed(mixed % 2**63)


def generators(
    seed: int, numbers: Sequence[int], purpose: Purpose, device: torch.device
) -> list[torch.Generator]:
    """One stream per sample."""
    return [generator(seed, number, purpose, device) for number in numbers]


def normal(like: torch.Tensor, shape: Sequence[int], draw: Draw) -> torch.Tensor:
    """Normal numbers [B, ...] of the type and device of `like`."""
    if isinstance(draw, torch.Generator):
        return torch.randn(tuple(shape), generator=draw, dtype=like.dtype, device=like.device)
    each = [normal(like, shape[1:], one) for one in _per_sample(draw, shape[0])]
    return torch.stack(each)


def uniform(shape: Sequence[int], draw: Draw) -> torch.Tensor:
    """Numbers in [0, 1): float32 [B, ...] on the generators' device."""
    if isinstance(draw, torch.Generator):
        return torch.rand(tuple(shape), generator=draw, device=draw.device)
    each = [uniform(shape[1:], one) for one in _per_sample(draw, shape[0])]
    return torch.stack(each)


def _per_sample(draw: Sequence[torch.Generator], count: int) -> Sequence[torch.Generator]:
    if len(draw) != count:
        raise ValueError(f"{len(draw)} generators for {count} samples; give one per sample")
    return draw
