"""The sky: gradient, glow around the sun, procedural clouds."""

from __future__ import annotations

import math

from capture.engine.compiling import kernel
from capture.engine.sun import CLOUDINESS, GROUND, HORIZON, SUN_R, SUN_X, SUN_Y, SUN_Z, ZENITH


@kernel()
def _cloud_cover(dx, dy, dz, light, clouds):
    """Share of a unit direction above the horizon that clouds hide, 0..0.85."""
    n = clouds.shape[0]
    u = (dx / (dz + 0.08) * 0.06 + 0.31) * n
    v = (dy / (dz + 0.08) * 0.06 + 0.17) * n
    iu, iv = math.floor(u), math.floor(v)
    fu, fv = u - iu, v - iv
    a, b = clouds[iv % n, iu % n], clouds[iv % n, (iu + 1) % n]
    c, d = clouds[(iv + 1) % n, iu % n], clouds[(iv + 1) % n, (iu + 1) % n]
    density = (a + (b - a) * fu) * (1 - fv) + (c + (d - c) * fu) * fv
    edge = 1.0 - light[CLOUDINESS]
    cover = min(max((density - edge) * 3.5, 0.0), 1.0) * min(dz * 6.0, 1.0)
    return cover * cover * (3.0 - 2.0 * cover) * 0.85


@kernel()
def sky_color(dx, dy, dz, light, clouds, out):
    """Linear colour of the sky in a direction (need not be unit) into `out` [3].

    Args:
        dx: Direction, world axes.
        dy: Direction.
        dz: Direction, up.
        light: In the layout of `capture.engine.sun`.
        clouds: Density, float32 [N, N], tiling.
        out: float64 [3].
    """
    inverse = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * inverse, dy * inverse, dz * inverse
    up = max(dz, 0.0)
    blend = 1.0 - (1.0 - up) * (1.0 - up) * (1.0 - up)
    near_sun = max(dx * light[SUN_X] + dy * light[SUN_Y] + dz * light[SUN_Z], 0.0)
    to_8 = near_sun * near_sun
    to_8 *= to_8
    to_8 *= to_8
    to_256 = to_8
    for _ in range(5):
        to_256 *= to_256
    glow = 0.25 * to_8 + 0.6 * to_256
    cover = _cloud_cover(dx, dy, dz, light, clouds) if dz > 0.01 else 0.0
    below = min(max(-dz * 8.0, 0.0), 1.0)
    for k in range(3):
        value = light[HORIZON + k] + (light[ZENITH + k] - light[HORIZON + k]) * blend
        value += glow * light[SUN_R + k] * 0.4
        white = 0.55 * light[HORIZON + k] + 0.16 * light[SUN_R + k] * (1.0 + near_sun)
        value += (white - value) * cover
        out[k] = value + (light[GROUND + k] - value) * below
