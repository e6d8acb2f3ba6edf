"""The encoder that actions and poses share, and the places of tokens."""

from __future__ import annotations

import torch
from torch import nn

from training.model.config import ModelConfig


def encoder(inputs: int, config: ModelConfig, outputs: int) -> nn.Sequential:
    """Two hidden layers of width `config.cond_dim`; the last layer is zero if `zero_init`."""
    hidden = config.cond_dim
    last = output_layer(hidden, outputs, config)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
    )


def output_layer(inputs: int, outputs: int, config: ModelConfig) -> nn.Linear:
    """A linear layer, zero if `zero_init`."""
    layer = nn.Linear(inputs, outputs)
    if config.zero_init:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def token_places(grid: tuple[int, int]) -> torch.Tensor:
    """Centres of the tokens of a latent as shares of height and width, [rows * columns, 2]."""
    rows, columns = ((torch.arange(n) + 0.5) / n for n in grid)
    return torch.cartesian_prod(rows, columns)


def to_tokens(per_latent: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """[B, F, d] to [B, F * rows * columns, d]."""
    return per_latent.repeat_interleave(grid[0] * grid[1], dim=1)
