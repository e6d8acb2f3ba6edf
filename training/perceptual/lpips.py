"""LPIPS (Zhang et al. 2018, arXiv 1801.03924), version 0.1, AlexNet: how different pictures look.

The same numbers as the package `lpips` 0.1.4, of which linear.safetensors holds the linear layers.
That package needs torchvision, whose builds for GPUs do not load beside a CPU's PyTorch; AlexNet
itself is five convolutions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from training import tensors

_LINEAR = Path(__file__).with_name("linear.safetensors")
# Layer of torchvision's AlexNet, output and input channels, kernel, stride, padding.
_LAYERS = (
    ("features.0", 64, 3, 11, 4, 2),
    ("features.3", 192, 64, 5, 1, 2),
    ("features.6", 384, 192, 3, 1, 1),
    ("features.8", 256, 384, 3, 1, 1),
    ("features.10", 256, 256, 3, 1, 1),
)
# Layers that see the maximum of 3 x 3 places, every second one.
_POOLED = ("features.3", "features.6")
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_SMALLEST_PX = 31
_CHUNK = 16


class Lpips:
    """The distance, place by place.

    Args:
        backbone: AlexNet's convolutions by torchvision's names, float32.
        linear: One weight a channel, by layer.
    """

    def __init__(self, backbone: dict[str, torch.Tensor], linear: list[torch.Tensor]):
        self._backbone, self._linear = backbone, linear

    @classmethod
    def load(cls, weights: Path) -> Lpips:
        """Read AlexNet.

        Args:
            weights: torchvision's checkpoint, `alexnet-owt-7be5be79.pth`; nothing is unpickled.

        Raises:
            ValueError: If it is none.
        """
        try:
            stored = torch.load(weights, map_location="cpu", weights_only=True)
            backbone = {
                f"{name}.{what}": stored[f"{name}.{what}"].float().reshape(shape)
                for name, out, into, kernel, *_ in _LAYERS
                for what, shape in (("weight", (out, into, kernel, kernel)), ("bias", (out,)))
            }
        except Exception as error:  # PyTorch does not say which
            why = str(error).partition("\n")[0] or type(error).__name__
            raise ValueError(
                f"{weights} does not hold the weights of torchvision's AlexNet ({why}); LPIPS "
                "needs alexnet-owt-7be5be79.pth of https://download.pytorch.org/models/"
            ) from error
        linear = tensors.load(_LINEAR)
        return cls(backbone, [linear[f"lin{n}"] for n in range(len(_LAYERS))])

    @torch.no_grad()
    def maps(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distances of pictures at every pixel; their mean is that of the pictures.

        Args:
            a: uint8 [N, H, W, 3], at least 31 x 31.
            b: The same shape.

        Returns:
            float32 [N, H, W]; 0 where the surroundings are equal.
        """
        if min(a.shape[1:3]) < _SMALLEST_PX:
            raise ValueError(f"LPIPS needs {_SMALLEST_PX} x {_SMALLEST_PX} pixels, got {a.shape}")
        parts = [
            self._maps(a[first : first + _CHUNK], b[first : first + _CHUNK])
            for first in range(0, len(a), _CHUNK)
        ]
        return np.concatenate(parts)

    def _maps(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        layers = zip(self._features(a), self._features(b), self._linear, strict=True)
        total = torch.zeros(len(a), 1, *a.shape[1:3])
        for one, other, weight in layers:
            apart = (_unit(one) - _unit(other)).square()
            seen = torch.einsum("nchw,c->nhw", apart, weight)[:, None]
            total += functional.interpolate(
                seen, a.shape[1:3], mode="bilinear", align_corners=False
            )
        return total[:, 0].numpy()

    def _features(self, pictures: np.ndarray) -> list[torch.Tensor]:
        x = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        shift, scale = (torch.tensor(c)[:, None, None] for c in (_SHIFT, _SCALE))
        x, out = (x - shift) / scale, []
        for name, _, _, _, stride, padding in _LAYERS:
            if name in _POOLED:
                x = functional.max_pool2d(x, 3, 2)
            weight, bias = (self._backbone[f"{name}.{what}"] for what in ("weight", "bias"))
            x = functional.conv2d(x, weight, bias, stride=stride, padding=padding).relu()
            out.append(x)
        return out


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
