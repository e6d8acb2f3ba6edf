"""A world model small enough for proofs in float64, and signals for it."""

from __future__ import annotations

import dataclasses

import torch

from training.data import ACTION_DIM, Signals
from training.model.config import ModelConfig
from training.model.context import Context
from training.model.memory import Memory, Piece, Policy
from training.model.wan import WorldModel
from training.recipes import FlowConfig

CHANNELS = 3
# 6 x 10 places of a latent make 3 x 5 tokens: factors 2 and 4 both leave cells cut by the border.
SIZE = (6, 10)
GRID = (3, 5)
CONFIG = ModelConfig(
    heads=2,
    head_dim=12,
    layers=2,
    ffn_dim=32,
    freq_dim=8,
    text_dim=4,
    cond_dim=8,
    zero_init=False,
    rope_theta=100.0,
)
SHORT = (1, 4, 2)


def make_model(**changes) -> WorldModel:
    """Random weights, large enough that camera and actions matter."""
    torch.manual_seed(0)
    model = WorldModel(dataclasses.replace(CONFIG, **changes), CHANNELS, FlowConfig()).double()
    for part in (model.conditioning.camera, model.conditioning.actions):
        if isinstance(part, torch.nn.Sequential) and not model.conditioning.config.zero_init:
            torch.nn.init.normal_(part.get_parameter("4.weight"), std=0.5)
    return model


def make_signals(num_latents: int, batch: int = 2, seed: int = 1) -> Signals:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, generator=draw, dtype=torch.float64)

    return Signals(
        actions=normal(num_latents, ACTION_DIM),
        poses=normal(num_latents, 4, 3, 4),
        step_m=normal().abs(),
        intrinsics=normal(4).abs(),
        words=normal(3, CONFIG.text_dim),
    )


def normal(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def part(signals: Signals, start: int, stop: int) -> Signals:
    return dataclasses.replace(
        signals, actions=signals.actions[:, start:stop], poses=signals.poses[:, start:stop]
    )


def run_block(
    model: WorldModel,
    x: torch.Tensor,
    levels: torch.Tensor,
    signals: Signals,
    memory: Memory,
    *,
    full_from: int | None = None,
) -> tuple[torch.Tensor, tuple[Piece, ...]]:
    """One block of `x` [B, C, n, h, w] after what the memory holds: output, and what it wrote.

    For `full_from` see `Policy.seen`: only masks have it, so what it gives is read here.
    """
    start, count = memory.length, x.shape[2]
    seen = memory.policy.seen(start, start + count, memory.grid, full_from=full_from)
    read = tuple(kept.read(seen[kept.latent]) for kept in memory._kept if kept.latent in seen)
    context = Context(
        latents=tuple(range(start, start + count)),
        grid=GRID,
        policy=memory.policy,
        read=memory.read(count) if full_from is None else read,
        write=True,
    )
    out = model(x, levels, part(signals, start, start + count), context=context)
    return out, context.pieces()


def table_pass(
    model: WorldModel,
    x: torch.Tensor,
    levels: torch.Tensor,
    signals: Signals,
    table: torch.Tensor,
    policy: Policy,
    latents: tuple[int, ...] | None = None,
) -> torch.Tensor:
    """One pass over all latents with a mask."""
    latents = latents or tuple(range(x.shape[2]))
    context = Context(latents=latents, grid=GRID, policy=policy, table=table)
    return model(x, levels, signals, context=context)


def video_gradient(latents: torch.Tensor) -> torch.Tensor:
    """Any function of the whole video, taken as constant, as DMD's difference is."""
    return torch.sin(latents.flip(2)) - torch.tanh(latents.cumsum(2))
