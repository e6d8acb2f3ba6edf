"""Rotary position embedding: diffusers' tables, applied by us, and stretched by YaRN."""

from __future__ import annotations

import math

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

Tables = tuple[torch.Tensor, torch.Tensor]
_MAX_POSITIONS = 1024
# YaRN's alpha and beta (arXiv 2309.00071 sec. 3.2): channels that turn less often than the first
# over the trained length are interpolated, those that turn more often than the second are kept.
_SLOW, _FAST = 1.0, 32.0


class Rotary(WanRotaryPosEmbed):
    """Wan's embedding with another base, and with its time axis stretched.

    YaRN (arXiv 2309.00071; RELIC sec. 4 has it on Q and K) lets a model trained on `length` latents
    read `factor` times as many: a frequency f, which makes r = length f / 2 pi turns over the
    trained length, becomes

        f (g + (1 - g) / factor)        g = clamp((r - 1) / (32 - 1), 0, 1)

    and queries and keys are scaled by 0.1 ln(factor) + 1 each (the attention's temperature). Rows
    and columns keep their frequencies: images do not grow. With Wan's 21 latents no channel turns
    more than 3.4 times, so time is interpolated almost evenly.

    Args:
        head_dim: Channels of a head.
        patch: Latents, rows and columns of a token.
        theta: Base of the frequencies. 10,000 (Wan's) leaves one usable frequency per axis on a
            grid of a few tokens; a small base lets heads become local there.
        factor: Stretch of time; 1 is Wan's embedding, bitwise.
        length: Latents of the videos that the model was trained on.
    """

    def __init__(
        self,
        head_dim: int,
        patch: tuple[int, int, int],
        theta: float,
        *,
        factor: float = 1.0,
        length: int = 21,
    ):
        super().__init__(head_dim, patch, _MAX_POSITIONS, theta=theta)
        self._theta, self._factor, self._length = theta, factor, length
        if factor != 1:
            places = torch.arange(_MAX_POSITIONS, dtype=torch.float64)[:, None].expand(-1, 3)
            self.freqs_cos, self.freqs_sin = (table[0, :, 0] for table in self.at(places))

    def at(self, positions: torch.Tensor) -> Tables:
        """Tables for any positions, between tokens too; at whole ones they are diffusers' bitwise.

        Args:
            positions: Time, row, column: float64 [N, 3].

        Returns:
            Cosines and sines [1, N, 1, head_dim], as `rotate` takes them.
        """
        frequencies = [
            _frequencies(dim, self._theta, positions.device)
            for dim in (self.t_dim, self.h_dim, self.w_dim)
        ]
        frequencies[0] = self._stretched(frequencies[0])
        angles = [
            torch.outer(*pair) for pair in zip(positions.unbind(-1), frequencies, strict=True)
        ]
        angle = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)[None, :, None]
        scale = 0.1 * math.log(self._factor) + 1
        return (angle.cos() * scale).float(), (angle.sin() * scale).float()

    def _stretched(self, frequencies: torch.Tensor) -> torch.Tensor:
        if self._factor == 1:
            return frequencies
        turns = self._length * frequencies / (2 * math.pi)
        kept = ((turns - _SLOW) / (_FAST - _SLOW)).clamp(0, 1)
        return frequencies * (kept + (1 - kept) / self._factor)


def _frequencies(dim: int, theta: float, device: torch.device) -> torch.Tensor:
    powers = torch.arange(0, dim, 2, dtype=torch.float64, device=device) / dim
    return 1.0 / theta**powers


def rotate(x: torch.Tensor, tables: Tables) -> torch.Tensor:
    """Rotate channel pairs of [B, N, heads, head_dim] by the angles of their positions.

    Args:
        x: Queries or keys.
        tables: Cosines and sines [1, N, 1, head_dim], each angle twice, as diffusers makes them.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    pairs = torch.view_as_complex(x.to(wide).unflatten(-1, (-1, 2)))
    turn = torch.complex(tables[0][..., 0::2].to(wide), tables[1][..., 1::2].to(wide))
    return torch.view_as_real(pairs * turn).flatten(-2).type_as(x)
