"""Pictures that carry a number, so that a test can say which frame it got."""

from __future__ import annotations

import numpy as np


def picture_of(number: int) -> np.ndarray:
    """A number as seven black or white stripes, uint8 [64, 96, 3]: no codec can blur it away."""
    bits = (number >> np.arange(7)) & 1
    stripes = np.repeat(bits * 200 + 20, 12).astype(np.uint8)
    return np.broadcast_to(np.pad(stripes, (0, 12))[None, :, None], (64, 96, 3))


def numbers_in(frames: np.ndarray) -> list[int]:
    """The numbers that pictures [T, 64, 96, 3] carry."""
    bits = frames[:, 32, 6:84:12, 1] > 120
    return (bits @ (1 << np.arange(7))).tolist()
