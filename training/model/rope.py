"""Rotary position embedding: diffusers' tables, applied by us, also used as a place code."""

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
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    rotated = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return rotated.flatten(-2).type_as(x)


def place_code(offset: torch.Tensor, head_dim: int, theta: float) -> torch.Tensor:
    """A vector that, added to a query before `rotate`, makes it look `offset` tokens away.

    With p a token's place, `rotate` turns the code of d into the code of p + d, and the product of
    two codes is largest where p + d agrees.

    Args:
        offset: Rows and columns, [..., 2].
        head_dim: Width of a head.
        theta: Base of the rotary embedding.

    Returns:
        [..., head_dim]; the entries of the time axis are 1 in the even channels, 0 in the odd.
    """
    axis_dim = 2 * (head_dim // 6)
    exponent = torch.arange(0, axis_dim, 2, device=offset.device, dtype=offset.dtype) / axis_dim
    angle = offset[..., None] * theta**-exponent
    pairs = torch.stack([angle.cos(), angle.sin()], dim=-1).flatten(-3)
    time = torch.zeros(*offset.shape[:-1], head_dim - 2 * axis_dim).to(offset)
    time[..., 0::2] = 1
    return torch.cat([time, pairs], dim=-1)
