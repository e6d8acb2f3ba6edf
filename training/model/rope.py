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


def at(
    rotary: WanRotaryPosEmbed, theta: float, positions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tables for any positions, between tokens too; at whole ones they are diffusers' bitwise.

    Args:
        rotary: Says how a head's channels are shared among time, rows and columns.
        theta: Its base.
        positions: Time, row, column: float64 [N, 3].

    Returns:
        Cosines and sines [1, N, 1, head_dim], as `rotate` takes them.
    """
    angles = []
    for place, dim in zip(
        positions.unbind(-1), (rotary.t_dim, rotary.h_dim, rotary.w_dim), strict=True
    ):
        powers = torch.arange(0, dim, 2, dtype=torch.float64, device=positions.device) / dim
        angles.append(torch.outer(place, 1.0 / theta**powers))
    angle = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)[None, :, None]
    return angle.cos().float(), angle.sin().float()


def rotate(x: torch.Tensor, tables: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotate channel pairs of [B, N, heads, head_dim] by the angles of their positions.

    Args:
        x: Queries or keys.
        tables: Cosines and sines [1, N, 1, head_dim], each angle twice, as diffusers makes them.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    pairs = torch.view_as_complex(x.to(wide).unflatten(-1, (-1, 2)))
    turn = torch.complex(tables[0][..., 0::2].to(wide), tables[1][..., 1::2].to(wide))
    return torch.view_as_real(pairs * turn).flatten(-2).type_as(x)
