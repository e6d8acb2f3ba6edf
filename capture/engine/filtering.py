"""Trilinear textures at a chunk of points: first all texels are fetched, then all are filtered."""

from __future__ import annotations

import numpy as np

from capture.engine.compiling import kernel
from capture.engine.materials import CHANNEL_BITS, TEXTURE
from capture.engine.points import BLEND, COARSE_U, COARSE_V, FIELDS, FINE_U, FINE_V, U, V

# Texels of the finer and the coarser mip level, in the order of the bilinear weights.
_FINE_A, _FINE_B, _FINE_C, _FINE_D, _COARSE_A, _COARSE_B, _COARSE_C, _COARSE_D = FIELDS[:8]
NUM_TEXELS = 8
_CHANNEL_MAX = np.int32((1 << CHANNEL_BITS) - 1)
_TO_LINEAR = np.float32(1.0 / float(_CHANNEL_MAX) ** 2)


@kernel(inline="always")
def _corners(texels, start, size, u, v):
    """The four texels of one mip level around (u, v) in 0..1, and the weights between them."""
    x, y = u * size - 0.5, v * size - 0.5
    left, top = np.floor(x), np.floor(y)
    last, ix, iy = size - 1, int(left), int(top)
    x0, x1 = ix & last, (ix + 1) & last
    y0, y1 = start + (iy & last) * size, start + ((iy + 1) & last) * size
    return (
        texels[y0 + x0], texels[y0 + x1], texels[y1 + x0], texels[y1 + x1], x - left, y - top,
    )  # fmt: skip


@kernel()
def fetch(count, kinds, bits, materials, texels, levels, sizes, work, corners):
    """Texels of two neighbouring mip levels at each point of a chunk.

    Args:
        count: Points.
        kinds: Their materials; negative for points without.
        bits: The squared footprints' float32 bits, whose exponent is most of the logarithm.
        materials: float32 [M, 10].
        texels: int32 [N].
        levels: int64 [T, L].
        sizes: int64 [T].
        work: The chunk's fields.
        corners: Out, int32, the chunk's texels.
    """
    for i in range(np.uint64(count)):
        texture = int(materials[max(kinds[i], 0), TEXTURE])
        size, level, blend = sizes[texture], 0, 0.0
        if bits[i] > 0x3F800000:
            mantissa = (bits[i] & 0x7FFFFF) * (1.0 / 0x800000)
            log2 = (bits[i] >> 23) - 127 + mantissa * (1.3465 - 0.3465 * mantissa)
            lod = min(0.5 * log2, levels.shape[1] - 1.001)
            level = int(lod)
            blend = lod - level
        u, v = float(work[U + i]), float(work[V + i])
        a, b, c, d, fu, fv = _corners(texels, levels[texture, level], max(size >> level, 1), u, v)
        corners[_FINE_A + i], corners[_FINE_B + i] = a, b
        corners[_FINE_C + i], corners[_FINE_D + i] = c, d
        work[FINE_U + i], work[FINE_V + i] = fu, fv
        if blend > 0.0:
            level += 1
            a, b, c, d, fu, fv = _corners(
                texels, levels[texture, level], max(size >> level, 1), u, v
            )
        corners[_COARSE_A + i], corners[_COARSE_B + i] = a, b
        corners[_COARSE_C + i], corners[_COARSE_D + i] = c, d
        work[COARSE_U + i], work[COARSE_V + i], work[BLEND + i] = fu, fv, blend


@kernel(inline="always")
def _square(packed, shift):
    """One channel of a packed texel in linear light, times the largest value's square."""
    root = np.float32((packed >> shift) & _CHANNEL_MAX)
    return root * root


@kernel(inline="always")
def _mix(a, b, c, d, u, v, shift):
    """Bilinear mean of one channel of four packed texels."""
    top, low = _square(a, shift), _square(c, shift)
    top += (_square(b, shift) - top) * u
    low += (_square(d, shift) - low) * u
    return top + (low - top) * v


@kernel()
def multiply_texture(count, field, shift, corners, work):
    """Multiply a colour field by the trilinear texture: one channel of a chunk."""
    for i in range(np.uint64(count)):
        fine = _mix(
            corners[_FINE_A + i], corners[_FINE_B + i], corners[_FINE_C + i], corners[_FINE_D + i],
            work[FINE_U + i], work[FINE_V + i], shift,
        )  # fmt: skip
        coarse = _mix(
            corners[_COARSE_A + i], corners[_COARSE_B + i],
            corners[_COARSE_C + i], corners[_COARSE_D + i],
            work[COARSE_U + i], work[COARSE_V + i], shift,
        )  # fmt: skip
        value = fine + (coarse - fine) * work[BLEND + i]
        work[field + i] *= value * _TO_LINEAR
