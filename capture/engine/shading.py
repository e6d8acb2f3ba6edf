"""Colour of every pixel: textures, baked light, sun with soft shadow, sky, haze, tone curve.

A row's points are shaded in chunks, step by step. What follows pointers (texels, shadow map) is a
plain loop; all arithmetic between stands in loops that become vector instructions, see `points`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from capture.engine.compiling import kernel
from capture.engine.filtering import NUM_TEXELS, fetch, multiply_texture
from capture.engine.materials import CHANNEL_BITS, DISPLAY_GAMMA, SHININESS
from capture.engine.points import (
    BLUE,
    CHUNK,
    DEPTH,
    GLOSS_FIELD,
    GLOW_FIELD,
    GREEN,
    LIGHT_R,
    NUM_FIELDS,
    NX,
    NY,
    NZ,
    RED,
    SHADOW_KEY,
    SHADOW_U,
    SHADOW_V,
    SHEEN,
    SHINE,
    SKY_POINT,
    SUN,
    THROUGH,
    X,
    Y,
    collect,
    set_points,
)
from capture.engine.sky import sky_color
from capture.engine.sun import (
    BOUNDS_CELL,
    EXPOSURE,
    HAZE,
    HORIZON,
    SHADOW_BIAS,
    SUN_R,
    SUN_X,
    SUN_Y,
    SUN_Z,
    share_at,
)
from capture.engine.visibility import NUM_SAMPLES, interleaved

_SECTION = (0.10, 0.095, 0.09)
_TONE_SIZE, _TONE_MAX = 4096, 16.0
_ZERO, _HALF, _ONE, _TINY = (np.float32(x) for x in (0.0, 0.5, 1.0, 1e-30))
_SHEEN_FLOOR, _SHEEN_GAIN = np.float32(0.04), np.float32(0.6)
_EIGHTH, _SIXTH = np.float32(1 / 8), np.float32(1 / 6)
_TONE_STEPS, _TONE_TOP = np.float32((_TONE_SIZE - 1) ** 2 / _TONE_MAX), np.float32(_TONE_SIZE - 1)


def tone_curve() -> np.ndarray:
    """Scene light to display values 0..1, float32 [4096], indexed by sqrt(light / 16).

    Hable's filmic curve (Uncharted 2), which keeps the shadows open and rolls off the highlights.
    """
    light = np.linspace(0.0, 1.0, _TONE_SIZE) ** 2 * _TONE_MAX

    def hable(x):
        a, b, c, d, e, f = 0.22, 0.30, 0.10, 0.20, 0.01, 0.30
        return (x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f

    mapped = np.clip(hable(2.0 * light) / hable(9.0), 0.0, 1.0)
    return (mapped ** (1 / DISPLAY_GAMMA)).astype(np.float32)


_TONE = tone_curve() * np.float32(255 / (NUM_SAMPLES - 1))


@kernel()
def _face_sun(count, rays, eye, light, to_shadow, work):
    """Unit normals, sheen, sunlight without shadow, and where to look it up in the shadow map."""
    r0, r1, r2 = rays[0], rays[1], rays[2]
    s0, s1, s2 = to_shadow[0], to_shadow[1], to_shadow[2]
    xa, xb, xc, ya, yb, yc, za, zb, zc = (
        r0[0], r0[1], r0[2], r1[0], r1[1], r1[2], r2[0], r2[1], r2[2],
    )  # fmt: skip
    ua, ub, uc, ud, va, vb, vc, vd, ka, kb, kc, kd = (
        s0[0], s0[1], s0[2], s0[3] - _HALF, s1[0], s1[1], s1[2], s1[3] - _HALF,
        s2[0], s2[1], s2[2], s2[3],
    )  # fmt: skip
    sx, sy, sz, bias = light[SUN_X], light[SUN_Y], light[SUN_Z], light[SHADOW_BIAS]
    ex, ey, ez = eye[0] + sx * bias, eye[1] + sy * bias, eye[2] + sz * bias
    for i in range(np.uint64(count)):
        px, py, depth = work[X + i], work[Y + i], work[DEPTH + i]
        dx, dy, dz = xa * px + xb * py + xc, ya * px + yb * py + yc, za * px + zb * py + zc
        nx, ny, nz = work[NX + i], work[NY + i], work[NZ + i]
        scale = _ONE / math.sqrt(nx * nx + ny * ny + nz * nz + _TINY)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        facing = -(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz)
        grazing = _ONE - max(facing, _ZERO)
        fourth = grazing * grazing * grazing * grazing
        work[SHEEN + i] = work[GLOSS_FIELD + i] * (_SHEEN_FLOOR + _SHEEN_GAIN * fourth * grazing)
        sun = nx * sx + ny * sy + nz * sz
        side = bias if sun > _ZERO else -bias
        x, y, z = (
            ex + depth * dx + nx * side,
            ey + depth * dy + ny * side,
            ez + depth * dz + nz * side,
        )
        work[NX + i], work[NY + i], work[NZ + i] = nx, ny, nz
        work[SHADOW_U + i] = ua * x + ub * y + uc * z + ud
        work[SHADOW_V + i] = va * x + vb * y + vc * z + vd
        work[SHADOW_KEY + i] = ka * x + kb * y + kc * z + kd
        work[SUN + i] = max(sun, -sun * work[THROUGH + i])
        work[SHINE + i] = work[GLOSS_FIELD + i] if sun > _ZERO else _ZERO


@kernel()
def _highlight(i, shininess, rays, light, work):
    """Blinn-Phong highlight of the sun at a point, without shadow."""
    px, py = work[X + i], work[Y + i]
    dx = rays[0, 0] * px + rays[0, 1] * py + rays[0, 2]
    dy = rays[1, 0] * px + rays[1, 1] * py + rays[1, 2]
    dz = rays[2, 0] * px + rays[2, 1] * py + rays[2, 2]
    inverse = _ONE / math.sqrt(dx * dx + dy * dy + dz * dz)
    hx, hy, hz = (
        light[SUN_X] - dx * inverse,
        light[SUN_Y] - dy * inverse,
        light[SUN_Z] - dz * inverse,
    )
    half = work[NX + i] * hx + work[NY + i] * hy + work[NZ + i] * hz
    half = half / math.sqrt(hx * hx + hy * hy + hz * hz)
    return max(half, _ZERO) ** shininess


@kernel()
def _cast_shadow(count, kinds, materials, shadow, bounds, rays, light, work):
    """Dim the sunlight of a chunk by the shadow map and add the highlights."""
    size = shadow.shape[0]
    for i in range(np.uint64(count)):
        if work[SUN + i] <= _ZERO:
            work[SHINE + i] = _ZERO
            continue
        u, v, key = work[SHADOW_U + i], work[SHADOW_V + i], work[SHADOW_KEY + i]
        share = _ONE
        if 1.0 <= u < size - 3 and 1.0 <= v < size - 3:
            cell = bounds[int(v) // BOUNDS_CELL, int(u) // BOUNDS_CELL]
            if key < cell[0]:
                share = _ZERO
            elif key < cell[1]:
                share = np.float32(share_at(shadow, u, v, key))
        work[SUN + i] *= share
        work[SHINE + i] *= share
        if work[SHINE + i] > _ZERO:
            work[SHINE + i] *= _highlight(i, materials[kinds[i], SHININESS], rays, light, work)


@kernel()
def _combine(count, color, baked, sun_rgb, haze_rgb, haze, work):
    """Light toward the camera from texture, baked light, sun and haze: one channel of a chunk."""
    for i in range(np.uint64(count)):
        under = work[baked + i]
        value = work[color + i] * (under + sun_rgb * work[SUN + i] + work[GLOW_FIELD + i])
        value += sun_rgb * work[SHINE + i] + work[SHEEN + i] * under
        # exp(-8 t), good to 1e-3 at any distance.
        t = work[DEPTH + i] * haze * _EIGHTH
        clear = _ONE / (_ONE + t + t * t * _HALF + t * t * t * _SIXTH)
        clear *= clear
        clear *= clear
        clear *= clear
        work[color + i] = haze_rgb + (value - haze_rgb) * clear


@kernel()
def _paint_rest(count, kinds, rays, light, clouds, work):
    """Colours of a chunk's points that lie on no lit surface: the sky, cut solids."""
    out = np.empty(3)
    for i in range(np.uint64(count)):
        if kinds[i] >= 0:
            continue
        out[0], out[1], out[2] = _SECTION
        if kinds[i] == SKY_POINT:
            px, py = work[X + i], work[Y + i]
            sky_color(
                rays[0, 0] * px + rays[0, 1] * py + rays[0, 2],
                rays[1, 0] * px + rays[1, 1] * py + rays[1, 2],
                rays[2, 0] * px + rays[2, 1] * py + rays[2, 2],
                light, clouds, out,
            )  # fmt: skip
        work[RED + i], work[GREEN + i], work[BLUE + i] = out[0], out[1], out[2]


@kernel()
def _tone(count, field, exposure, work, index):
    """Positions in the tone curve of one channel of a chunk."""
    scale = exposure * _TONE_STEPS
    for i in range(np.uint64(count)):
        root = math.sqrt(max(work[field + i], _ZERO) * scale) + _HALF
        index[field - RED + i] = np.int32(min(root, _TONE_TOP))


@kernel()
def _shade_row(
    y,
    seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels, sizes,
    atlas, shadow, bounds, to_shadow, rays, eye, light, clouds, rgb,
):  # fmt: skip
    """One row of `shade_image`; apart from it because parallel code compiles slowly."""
    most = rgb.shape[1] * (NUM_SAMPLES - 1)
    slots, columns = np.empty(most, np.int32), np.empty(most, np.int32)
    weights = np.empty(most, np.int32)
    xs, ys = np.empty(most, np.float32), np.empty(most, np.float32)
    total = collect(y, seen, slots, columns, weights, xs, ys)
    work, corners = (
        np.empty(NUM_FIELDS * CHUNK, np.float32),
        np.empty(NUM_TEXELS * CHUNK, np.int32),
    )
    footprint, kinds = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.int32)
    bits, index = footprint.view(np.int32), np.empty(3 * CHUNK, np.int32)
    row = np.zeros((rgb.shape[1], 3), np.float32)
    for first in range(0, total, CHUNK):
        count = min(CHUNK, total - first)
        set_points(
            first, count, slots, xs, ys, section, planes, boxes, slot_face, faces, vertices,
            materials, sizes, atlas, kinds, footprint, work,
        )  # fmt: skip
        fetch(count, kinds, bits, materials, texels, levels, sizes, work, corners)
        _face_sun(count, rays, eye, light, to_shadow, work)
        _cast_shadow(count, kinds, materials, shadow, bounds, rays, light, work)
        for k in range(3):
            field = np.uint64(k * CHUNK)
            multiply_texture(count, RED + field, np.int32(k * CHANNEL_BITS), corners, work)
            _combine(
                count, RED + field, LIGHT_R + field, light[SUN_R + k], light[HORIZON + k],
                light[HAZE], work,
            )  # fmt: skip
        _paint_rest(count, kinds, rays, light, clouds, work)
        for k in range(3):
            _tone(count, RED + np.uint64(k * CHUNK), light[EXPOSURE], work, index)
        for i in range(count):
            x, weight = columns[first + i], np.float32(weights[first + i])
            for k in range(3):
                row[x, k] += weight * _TONE[index[k * CHUNK + i]]
    for x in range(rgb.shape[1]):
        for k in range(3):
            rgb[y, x, k] = np.uint8(row[x, k] + _HALF)


@kernel(parallel=True)
def shade_image(
    seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels, sizes,
    atlas, shadow, bounds, to_shadow, rays, eye, light, clouds, rgb,
):  # fmt: skip
    """Colour image: the mean of the tone-mapped samples 1..4 of each pixel.

    Every triangle that a pixel sees is shaded once, at the pixel's centre if it covers that.

    Args:
        seen: From `visibility.rasterize` with all samples, int32 [H, 5, W].
        planes: From `visibility.set_up`.
        boxes: From `visibility.set_up`.
        slot_face: From `visibility.set_up`.
        section: Whether backs of one-sided triangles show as a flat cut (dollhouse views).
        faces: int32 [F, 6].
        vertices: float32 [V, 12].
        materials: float32 [M, 10].
        texels: int32 [N].
        levels: int64 [T, L].
        sizes: int64 [T].
        atlas: Light map, float32 [AH, AW, 3].
        shadow: Height toward the sun of the nearest surface, float32 [S, S].
        bounds: From `sun.shadow_bounds`.
        to_shadow: World to shadow map, float32 [3, 4].
        rays: Pixel coordinates to world directions of depth 1, float32 [3, 3].
        eye: Camera position, float32 [3].
        light: Sun, sky, haze and exposure, float32 [LIGHT_FIELDS].
        clouds: float32 [N, N], tiling.
        rgb: Out, uint8 [H, W, 3].
    """
    for i in prange(rgb.shape[0]):
        _shade_row(
            interleaved(np.int64(i), rgb.shape[0]),
            seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels,
            sizes, atlas, shadow, bounds, to_shadow, rays, eye, light, clouds, rgb,
        )  # fmt: skip
