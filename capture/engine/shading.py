"""Colour of every pixel: textures, baked light, sun with soft shadow, sky, haze, tone curve."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from capture.engine.materials import DISPLAY_GAMMA
from capture.engine.visibility import BACK, NUM_SAMPLES, SAMPLE_X, SAMPLE_Y

_LINEAR = ((np.arange(256) / 255) ** DISPLAY_GAMMA).astype(np.float32)
_TONE_MAX = 16.0
# Fields of the `light` vector handed to `shade_image`.
(
    SUN_X, SUN_Y, SUN_Z, SUN_R, SUN_G, SUN_B, ZENITH, HORIZON, GROUND, CLOUDINESS, HAZE,
    SHADOW_BIAS, EXPOSURE, LIGHT_FIELDS,
) = (0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 16, 17, 18, 19)  # fmt: skip
_SECTION = (0.10, 0.095, 0.09)


def tone_curve() -> np.ndarray:
    """Scene light to display values, float32 [4096], indexed by sqrt(light / 16).

    Hable's filmic curve (Uncharted 2), which keeps the shadows open and rolls off the highlights.
    """
    light = np.linspace(0.0, 1.0, 4096) ** 2 * _TONE_MAX

    def hable(x):
        a, b, c, d, e, f = 0.22, 0.30, 0.10, 0.20, 0.01, 0.30
        return (x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f

    mapped = np.clip(hable(2.0 * light) / hable(9.0), 0.0, 1.0)
    return (mapped ** (1 / DISPLAY_GAMMA)).astype(np.float32)


_TONE = tone_curve()


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _tone(value):
    i = math.sqrt(min(max(value, 0.0), 15.99) / 16.0) * 4095.0
    k = int(i)
    return _TONE[k] + (_TONE[k + 1] - _TONE[k]) * (i - k)


@njit(cache=True, error_model="numpy", nogil=True)
def sky_color(dx, dy, dz, light, clouds, out):
    """Linear colour of the sky in a direction (need not be unit) into `out` [3]."""
    inverse = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * inverse, dy * inverse, dz * inverse
    up = max(dz, 0.0)
    blend = 1.0 - (1.0 - up) * (1.0 - up) * (1.0 - up)
    near_sun = max(dx * light[SUN_X] + dy * light[SUN_Y] + dz * light[SUN_Z], 0.0)
    glow = 0.25 * near_sun**8.0 + 0.6 * near_sun**256.0
    cover = 0.0
    if dz > 0.01:
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
        cover = cover * cover * (3.0 - 2.0 * cover) * 0.85
    below = min(max(-dz * 8.0, 0.0), 1.0)
    for k in range(3):
        value = light[HORIZON + k] + (light[ZENITH + k] - light[HORIZON + k]) * blend
        value += glow * light[SUN_R + k] * 0.4
        white = 0.55 * light[HORIZON + k] + 0.16 * light[SUN_R + k] * (1.0 + near_sun)
        value += (white - value) * cover
        out[k] = value + (light[GROUND + k] - value) * below


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _texel(texels, start, size, u, v):
    """Bilinear texel of one mip level in linear light."""
    u, v = (u - math.floor(u)) * size - 0.5, (v - math.floor(v)) * size - 0.5
    iu, iv = math.floor(u), math.floor(v)
    fu, fv = u - iu, v - iv
    last = size - 1
    x0, x1 = iu & last, (iu + 1) & last
    y0, y1 = start + (iv & last) * size, start + ((iv + 1) & last) * size
    a, b, c, d = texels[y0 + x0], texels[y0 + x1], texels[y1 + x0], texels[y1 + x1]
    wa, wb, wc, wd = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
    return (
        _LINEAR[a & 255] * wa + _LINEAR[b & 255] * wb
        + _LINEAR[c & 255] * wc + _LINEAR[d & 255] * wd,
        _LINEAR[a >> 8 & 255] * wa + _LINEAR[b >> 8 & 255] * wb
        + _LINEAR[c >> 8 & 255] * wc + _LINEAR[d >> 8 & 255] * wd,
        _LINEAR[a >> 16 & 255] * wa + _LINEAR[b >> 16 & 255] * wb
        + _LINEAR[c >> 16 & 255] * wc + _LINEAR[d >> 16 & 255] * wd,
    )  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True)
def sun_share(shadow, to_shadow, x, y, z):
    """Share of the sun's disc that a point sees, 0..1: 3x3 bilinear percentage-closer filtering."""
    size = shadow.shape[0]
    u = to_shadow[0, 0] * x + to_shadow[0, 1] * y + to_shadow[0, 2] * z + to_shadow[0, 3] - 0.5
    v = to_shadow[1, 0] * x + to_shadow[1, 1] * y + to_shadow[1, 2] * z + to_shadow[1, 3] - 0.5
    key = to_shadow[2, 0] * x + to_shadow[2, 1] * y + to_shadow[2, 2] * z + to_shadow[2, 3]
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


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _light_map(atlas, u, v, out):
    """Bilinear light at texel coordinates into `out` [3]."""
    iu = min(max(int(u), 0), atlas.shape[1] - 2)
    iv = min(max(int(v), 0), atlas.shape[0] - 2)
    fu, fv = u - iu, v - iv
    for k in range(3):
        top = atlas[iv, iu, k] + (atlas[iv, iu + 1, k] - atlas[iv, iu, k]) * fu
        low = atlas[iv + 1, iu, k] + (atlas[iv + 1, iu + 1, k] - atlas[iv + 1, iu, k]) * fu
        out[k] = top + (low - top) * fv


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _shade(
    slot, px, py, planes, boxes, slot_face, faces, vertices, materials, texels, levels, sizes,
    atlas, shadow, to_shadow, rays, eye, light, baked, out,
):  # fmt: skip
    """Linear colour of a triangle at an image point into `out` [3]; `baked` [3] is scratch."""
    p, f = planes[slot], slot_face[slot]
    w0 = p[0] * px + p[1] * py + p[2]
    w1 = p[3] * px + p[4] * py + p[5]
    w2 = p[6] * px + p[7] * py + p[8]
    depth = 1.0 / (w0 + w1 + w2)
    b1, b2 = w1 * depth, w2 * depth
    b0 = 1.0 - b1 - b2
    v0, v1, v2 = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
    m = materials[faces[f, 3]]
    # Texture coordinates here and one pixel to the right and below give the mip level.
    u10, u20, t10, t20 = v1[6] - v0[6], v2[6] - v0[6], v1[7] - v0[7], v2[7] - v0[7]
    right, below = 1.0 / (w0 + w1 + w2 + p[9]), 1.0 / (w0 + w1 + w2 + p[10])
    d1, d2 = (w1 + p[3]) * right - b1, (w2 + p[6]) * right - b2
    ux, tx = d1 * u10 + d2 * u20, d1 * t10 + d2 * t20
    d1, d2 = (w1 + p[4]) * below - b1, (w2 + p[7]) * below - b2
    uy, ty = d1 * u10 + d2 * u20, d1 * t10 + d2 * t20
    texture = int(m[0])
    size = sizes[texture]
    texels_per_unit = m[9] * size
    gx, gy = math.sqrt(ux * ux + tx * tx), math.sqrt(uy * uy + ty * ty)
    # Between the larger footprint (blurs) and the mean one (shimmers): a poor man's anisotropy.
    footprint = max(math.sqrt(gx * gy), 0.4 * max(gx, gy)) * texels_per_unit
    level, blend = 0, 0.0
    if footprint > 1.0:
        lod = min(math.log2(footprint), levels.shape[1] - 1.001)
        level = int(lod)
        blend = lod - level
    u = (v0[6] + b1 * u10 + b2 * u20) * m[9]
    t = (v0[7] + b1 * t10 + b2 * t20) * m[9]
    r, g, b = _texel(texels, levels[texture, level], max(size >> level, 1), u, t)
    if blend > 0.0:
        r2, g2, bb2 = _texel(texels, levels[texture, level + 1], max(size >> (level + 1), 1), u, t)
        r, g, b = r + (r2 - r) * blend, g + (g2 - g) * blend, b + (bb2 - b) * blend
    r, g, b = r * m[1], g * m[2], b * m[3]
    dx = rays[0, 0] * px + rays[0, 1] * py + rays[0, 2]
    dy = rays[1, 0] * px + rays[1, 1] * py + rays[1, 2]
    dz = rays[2, 0] * px + rays[2, 1] * py + rays[2, 2]
    nx = b0 * v0[3] + b1 * v1[3] + b2 * v2[3]
    ny = b0 * v0[4] + b1 * v1[4] + b2 * v2[4]
    nz = b0 * v0[5] + b1 * v1[5] + b2 * v2[5]
    scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-60)
    facing = -(nx * dx + ny * dy + nz * dz) / math.sqrt(dx * dx + dy * dy + dz * dz) * scale
    if boxes[slot, BACK]:
        scale, facing = -scale, -facing
    facing = max(facing, 0.0)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    if faces[f, 5]:
        lu = v0[8] + b1 * (v1[8] - v0[8]) + b2 * (v2[8] - v0[8])
        lv = v0[9] + b1 * (v1[9] - v0[9]) + b2 * (v2[9] - v0[9])
        _light_map(atlas, lu, lv, baked)
    else:
        for k in range(3):
            baked[k] = b0 * v0[8 + k] + b1 * v1[8 + k] + b2 * v2[8 + k]
    x, y, z = eye[0] + depth * dx, eye[1] + depth * dy, eye[2] + depth * dz
    sun = nx * light[SUN_X] + ny * light[SUN_Y] + nz * light[SUN_Z]
    shine = 0.0
    if sun < 0.0:
        sun = -sun * m[7]
        side = -light[SHADOW_BIAS]
    else:
        side = light[SHADOW_BIAS]
    if sun > 0.0:
        share = sun_share(
            shadow,
            to_shadow,
            x + nx * side + light[SUN_X] * light[SHADOW_BIAS],
            y + ny * side + light[SUN_Y] * light[SHADOW_BIAS],
            z + nz * side + light[SUN_Z] * light[SHADOW_BIAS],
        )
        sun *= share
        if share > 0.0 and m[5] > 0.0 and side > 0.0:
            length = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
            hx, hy = light[SUN_X] - dx * length, light[SUN_Y] - dy * length
            hz = light[SUN_Z] - dz * length
            half = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
            shine = share * m[5] * max(half, 0.0) ** m[6]
    grazing = (1.0 - facing) * (1.0 - facing)
    sheen = m[5] * (0.04 + 0.6 * grazing * grazing * (1.0 - facing))
    haze = 1.0 - math.exp(-depth * light[HAZE]) if light[HAZE] > 0.0 else 0.0
    for k in range(3):
        color = r if k == 0 else (g if k == 1 else b)
        value = color * (baked[k] + light[SUN_R + k] * sun + m[4])
        value += shine * light[SUN_R + k] + sheen * baked[k]
        out[k] = value + (light[HORIZON + k] - value) * haze


@njit(cache=True, error_model="numpy", nogil=True)
def _shade_row(
    y,
    seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels, sizes,
    atlas, shadow, to_shadow, rays, eye, light, clouds, rgb,
):  # fmt: skip
    """One row of `shade_image`; apart from it because parallel code compiles slowly."""
    out, baked = np.empty(3), np.empty(3)
    for x in range(rgb.shape[1]):
        total0 = total1 = total2 = 0.0
        shaded, c0, c1, c2 = -2, 0.0, 0.0, 0.0
        centre = seen[y, 0, x]
        for s in range(1, NUM_SAMPLES):
            slot = seen[y, s, x]
            if slot != shaded:
                at_centre = slot == centre
                px = x + 0.5 + (0.0 if at_centre else SAMPLE_X[s])
                py = y + 0.5 + (0.0 if at_centre else SAMPLE_Y[s])
                if slot < 0:
                    sky_color(
                        rays[0, 0] * px + rays[0, 1] * py + rays[0, 2],
                        rays[1, 0] * px + rays[1, 1] * py + rays[1, 2],
                        rays[2, 0] * px + rays[2, 1] * py + rays[2, 2],
                        light, clouds, out,
                    )  # fmt: skip
                elif (
                    section and boxes[slot, BACK] and materials[faces[slot_face[slot], 3], 8] == 0.0
                ):
                    out[0], out[1], out[2] = _SECTION
                else:
                    _shade(
                        slot, px, py, planes, boxes, slot_face, faces, vertices, materials, texels,
                        levels, sizes, atlas, shadow, to_shadow, rays, eye, light, baked, out,
                    )  # fmt: skip
                c0 = _tone(out[0] * light[EXPOSURE])
                c1 = _tone(out[1] * light[EXPOSURE])
                c2 = _tone(out[2] * light[EXPOSURE])
                shaded = slot
            total0, total1, total2 = total0 + c0, total1 + c1, total2 + c2
        rgb[y, x, 0] = int(total0 * 63.75 + 0.5)
        rgb[y, x, 1] = int(total1 * 63.75 + 0.5)
        rgb[y, x, 2] = int(total2 * 63.75 + 0.5)


@njit(parallel=True, cache=True, error_model="numpy", nogil=True)
def shade_image(
    seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels, sizes,
    atlas, shadow, to_shadow, rays, eye, light, clouds, rgb,
):  # fmt: skip
    """Colour image: the mean of the tone-mapped samples 1..4 of each pixel.

    A triangle that covers the pixel's centre is shaded once, there, for all samples that see it.

    Args:
        seen: From `visibility.rasterize` with all samples, int32 [H, 5, W].
        planes: From `visibility.set_up`.
        boxes: From `visibility.set_up`.
        slot_face: From `visibility.set_up`.
        section: Whether backs of one-sided triangles show as a flat cut (dollhouse views).
        faces: int32 [F, 6].
        vertices: float32 [V, 12].
        materials: float32 [M, 10].
        texels: uint32 [N].
        levels: int64 [T, L].
        sizes: int64 [T].
        atlas: Light map, float32 [AH, AW, 3].
        shadow: Height toward the sun of the nearest surface, float32 [S, S].
        to_shadow: World to shadow map, float64 [3, 4].
        rays: Pixel coordinates to world directions of depth 1, float64 [3, 3].
        eye: Camera position, float64 [3].
        light: Sun, sky, haze and exposure, float64 [LIGHT_FIELDS].
        clouds: float32 [N, N], tiling.
        rgb: Out, uint8 [H, W, 3].
    """
    for y in prange(rgb.shape[0]):
        _shade_row(
            np.int64(y),
            seen, planes, boxes, slot_face, section, faces, vertices, materials, texels, levels,
            sizes, atlas, shadow, to_shadow, rays, eye, light, clouds, rgb,
        )  # fmt: skip
