"""Procedural textures: tiling, deterministic, display-encoded uint8 [S, S, 3]."""

from __future__ import annotations

import numpy as np


def noise(
    size: int,
    seed: int,
    *,
    cells: int | tuple[int, int] = 4,
    octaves: int = 6,
    gain: float = 0.5,
) -> np.ndarray:
    """Tiling value noise in 0..1 (about 0.5), float32 [size, size].

    Args:
        size: Side in texels.
        seed: Of the lattice.
        cells: Lattice cells in the first octave, both ways or (rows, columns) for a grain.
        octaves: Each doubles the cells.
        gain: Weight of an octave relative to the one before.
    """
    rng = np.random.default_rng(seed)
    out, weight, total = np.zeros((size, size), dtype=np.float32), 1.0, 0.0
    first = (cells, cells) if isinstance(cells, int) else cells
    for octave in range(octaves):
        rows, columns = (min(n << octave, size) for n in first)
        lattice = rng.random((rows, columns), dtype=np.float32)
        i, s = _steps(size, rows)
        j, t = _steps(size, columns)
        band = lattice[i] * (1 - s)[:, None] + lattice[(i + 1) % rows] * s[:, None]
        left, right = band.take(j, axis=1), band.take((j + 1) % columns, axis=1)
        out += weight * (left * (1 - t) + right * t)
        total, weight = total + weight, weight * gain
    return out / np.float32(total)


def _steps(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Cell of every texel and how far it is into it, eased, 0..1."""
    position = np.arange(size) * cells / size
    cell = position.astype(int)
    t = (position - cell).astype(np.float32)
    return cell, t * t * (3 - 2 * t)
