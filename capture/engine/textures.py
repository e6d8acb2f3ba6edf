"""Procedural textures: tiling, deterministic, display-encoded uint8 [S, S, 3]."""

from __future__ import annotations

import numpy as np


def noise(
    size: int, seed: int, *, cells: int = 4, octaves: int = 6, gain: float = 0.5
) -> np.ndarray:
    """Tiling value noise in 0..1 (about 0.5), float32 [size, size].

    Args:
        size: Side in texels.
        seed: Of the lattice.
        cells: Lattice cells across in the first octave.
        octaves: Each doubles the cells.
        gain: Weight of an octave relative to the one before.
    """
    rng = np.random.default_rng(seed)
    out, weight, total = np.zeros((size, size), dtype=np.float32), 1.0, 0.0
    for octave in range(octaves):
        n = min(cells << octave, size)
        lattice = rng.random((n, n), dtype=np.float32)
        position = np.arange(size) * n / size
        i = position.astype(int)
        t = (position - i).astype(np.float32)
        t = t * t * (3 - 2 * t)
        rows = lattice[i] * (1 - t)[:, None] + lattice[(i + 1) % n] * t[:, None]
        out += weight * (rows[:, i] * (1 - t) + rows[:, (i + 1) % n] * t)
        total, weight = total + weight, weight * gain
    return out / np.float32(total)
