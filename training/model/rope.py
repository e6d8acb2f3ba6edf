"""Rotary position embedding: diffusers' tables, applied by us."""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed


def embedding(head_dim: int, patch: tuple[int, int, int], theta: float) -> WanRotaryPosEmbed:
    """Wan's embedding with another base.

    10,000 (Wan's) leaves one usable frequency per axis on a grid of a few tokens; a small base lets
    heads become local there.
    """
    return WanRotaryPosEmbed(head_dim, patch, 1024, theta=theta)


def rotate(x: torch.Tensor, tables: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotate channel pairs of [B, N, heads, head_dim] by the angles of their positions.

    Args:
        x: Queries or keys.
        tables: Cosines and sines [1, N, 1, head_dim], each angle twice, as diffusers makes them.
    """
    cos, sin = tables[0][..., 0::2], tables[1][..., 1::2]
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    turned = pairs * torch.complex(cos.float(), sin.float())
    return torch.view_as_real(turned).flatten(-2).type_as(x)
