"""The sun: the layout of the shader's light, and how much of it reaches a point."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from capture.engine.compiling import kernel

# Fields of the `light` vector handed to the kernels.
(
    SUN_X, SUN_Y, SUN_Z, SUN_R, SUN_G, SUN_B, ZENITH, HORIZON, GROUND, CLOUDINESS, HAZE,
    SHADOW_BIAS, EXPOSURE, LIGHT_FIELDS,
) = (0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 16, 17, 18, 19)  # fmt: skip
# Side of the cells of `shadow_bounds` in texels.
BOUNDS_CELL = 4


@kernel()
def sun_share(shadow, to_shadow, x, y, z):
    """Share of the sun's disc that a point sees, 0..1: 3x3 bilinear percentage-closer filtering."""
    u = to_shadow[0, 0] * x + to_shadow[0, 1] * y + to_shadow[0, 2] * z + to_shadow[0, 3] - 0.5
    v = to_shadow[1, 0] * x + to_shadow[1, 1] * y + to_shadow[1, 2] * z + to_shadow[1, 3] - 0.5
    key = to_shadow[2, 0] * x + to_shadow[2, 1] * y + to_shadow[2, 2] * z + to_shadow[2, 3]
    return share_at(shadow, u, v, key)


@kernel()
def share_at(shadow, u, v, key):
    """`sun_share` of a point at texel (u, v) of the shadow map and `key` metres toward the sun."""
    size = shadow.shape[0]
    iu, iv = math.floor(u), math.floor(v)
    if iu < 1 or iv < 1 or iu > size - 4 or iv > size - 4:
        return 1.0
    fu, fv = u - iu, v - iv
    lit = 0.0
    for j in range(4):
        wv = 1.0 - fv if j == 0 else (fv if j == 3 else 1.0)
        row = shadow[iv - 1 + j]
        part = (1.0 - fu) * (row[iu - 1] <= key) + (row[iu] <= key)
        lit += wv * (part + (row[iu + 1] <= key) + fu * (row[iu + 2] <= key))
    return lit / 9.0


@kernel()
def _bound_row(cell_y, shadow, bounds):
    """One row of `shadow_bounds`."""
    size = shadow.shape[0]
    top, bottom = max(cell_y * BOUNDS_CELL - 1, 0), min((cell_y + 1) * BOUNDS_CELL + 2, size)
    low, high = shadow[top].copy(), shadow[top].copy()
    for y in range(top + 1, bottom):
        for x in range(size):
            low[x], high[x] = min(low[x], shadow[y, x]), max(high[x], shadow[y, x])
    for cell_x in range(bounds.shape[1]):
        left, right = max(cell_x * BOUNDS_CELL - 1, 0), min((cell_x + 1) * BOUNDS_CELL + 2, size)
        bounds[cell_y, cell_x, 0] = low[left:right].min()
        bounds[cell_y, cell_x, 1] = high[left:right].max()


@kernel(parallel=True)
def shadow_bounds(shadow, bounds):
    """Lowest and highest texel that `share_at` may read from each cell of 4 x 4 texels.

    Where a point lies above or below both, the filter need not be evaluated.

    Args:
        shadow: float32 [S, S], S divisible by 4.
        bounds: Out, float32 [S / 4, S / 4, 2].
    """
    for cell_y in prange(bounds.shape[0]):
        _bound_row(np.int64(cell_y), shadow, bounds)
