"""A small decoder of Wan's latents, for streaming: TAEHV's, read from its weights.

MotionStream and RELIC (sec. 4.5) decode with a small network because Wan's own decoder costs more
than a 1.3B model's four steps. The layout is that of TAEHV (github.com/madebyollin/taehv, MIT):
two-dimensional convolutions, some of which also see the frame before, and layers that make two
frames of one. Published weights for Wan 2.1 are called taew2_1; convert them to safetensors, names
kept. They have not been tried here: what is tested is the layout, with random weights.

Shapes: B videos, F latents, T = 4 (F - 1) + 1 frames of H x W = 8 h x 8 w pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

_PREFIX = "decoder."
# Places in `decoder` of the four layers whose shapes tell the widths.
_STAGES = ("1.weight", "8.weight", "14.weight", "20.weight")
# Frames that one latent becomes, per stage.
_GROWTH = (1, 2, 2)


class TinyDecoder(nn.Module):
    """Normalised latents to frames.

    Args:
        channels: Of a latent.
        widths: Of the three stages, and of the last layers; 256, 128, 64, 64 in TAEHV.
    """

    def __init__(self, channels: int, widths: tuple[int, ...]):
        super().__init__()
        layers: list[nn.Module] = [_Clamp(), _conv(channels, widths[0]), nn.ReLU()]
        for width, after, growth in zip(widths, widths[1:], _GROWTH, strict=False):
            layers += [_Recurrent(width) for _ in range(3)]
            layers += [nn.Upsample(scale_factor=2), _Grow(width, growth)]
            layers += [_conv(width, after, bias=False)]
        self.decoder = nn.Sequential(*layers, nn.ReLU(), _conv(widths[3], 3))

    @classmethod
    def load(cls, file: Path, channels: int) -> TinyDecoder:
        """Read weights; those of an encoder beside it are left out.

        Raises:
            ValueError: If the file is missing or damaged, or holds no such decoder for latents of
                `channels`.
        """
        if not file.is_file():
            raise ValueError(f"codec.decoder = '{file}' is missing; give a safetensors file")
        try:
            stored = load_file(file)
        except SafetensorError as error:
            raise ValueError(f"{file} is no safetensors file: {error}") from error
        weights = {k: v.float() for k, v in stored.items() if k.startswith(_PREFIX)}
        shapes = [weights[k].shape for k in (_PREFIX + s for s in _STAGES) if k in weights]
        if len(shapes) < len(_STAGES):
            raise ValueError(
                f"{file} holds no tiny decoder: it lacks decoder.{_STAGES[0]} or others"
            )
        if shapes[0][1] != channels:
            raise ValueError(f"{file} decodes {shapes[0][1]} channels, the latents have {channels}")
        decoder = cls(channels, tuple(shape[0] for shape in shapes))
        try:
            decoder.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f"{file} is of another decoder: {error}") from error
        return decoder.eval().requires_grad_(False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [B, C, F, h, w] to frames [B, 3, T, H, W] in [-1, 1]."""
        count = len(latents)
        x = latents.transpose(1, 2).flatten(0, 1).float()
        for layer in self.decoder:
            if isinstance(layer, _Recurrent):
                before = x.unflatten(0, (count, -1))
                before = functional.pad(before, (0, 0) * 3 + (1, 0))[:, :-1].flatten(0, 1)
                x = layer(x, before)
            else:
                x = layer(x)
        # The first latent is one frame: what comes before it is not shown.
        frames = x.unflatten(0, (count, -1))[:, _GROWTH[1] * _GROWTH[2] - 1 :]
        return frames.transpose(1, 2).clamp(0, 1) * 2 - 1


class _Clamp(nn.Module):
    """Soft limits at -3 and 3."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x / 3) * 3


class _Recurrent(nn.Module):
    """A residual block that also sees the frame before."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Sequential(
            _conv(2 * width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width)
        )

    def forward(self, x: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.conv(torch.cat([x, before], dim=1)) + x)


class _Grow(nn.Module):
    """One frame becomes `growth`."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width * growth, 1, bias=False)
        self._width = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).unflatten(1, (-1, self._width)).flatten(0, 1)


def _conv(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
