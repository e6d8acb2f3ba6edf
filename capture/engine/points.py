"""What a row of the image shades: its points, and what their triangles say about them.

A point's quantities are float32 fields in one flat array that holds a chunk of points: field F of
point i is `work[F + i]`. Fixed places in one array, and constants of the fields' own type, are what
lets the compiler turn loops over a chunk into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np

from capture.engine.compiling import kernel
from capture.engine.materials import GLOSS, GLOW, REPEAT, TEXTURE, TINT, TRANSLUCENCY, TWO_SIDED
from capture.engine.visibility import BACK, NUM_SAMPLES, SAMPLE_X, SAMPLE_Y

CHUNK = 128
# Kinds of points that have no material: nothing was hit; the flat cut of a solid.
SKY_POINT, SECTION_POINT = -1, -2
# Image position, depth, texture coordinates in 0..1, normal; colour (first the material's tint, in
# the end the light that reaches the camera), baked light; material; sunlight; mip filter.
FIELDS = tuple(np.uint64(k * CHUNK) for k in range(28))
(
    X, Y, DEPTH, U, V, NX, NY, NZ, RED, GREEN, BLUE, LIGHT_R, LIGHT_G, LIGHT_B, GLOW_FIELD,
    GLOSS_FIELD, THROUGH, SUN, SHADOW_U, SHADOW_V, SHADOW_KEY, SHEEN, SHINE, FINE_U, FINE_V,
    COARSE_U, COARSE_V, BLEND,
) = FIELDS  # fmt: skip
NUM_FIELDS = len(FIELDS)


@kernel()
def collect(y, seen, slots, columns, weights, xs, ys):
    """The points to shade of a row: one for each triangle (or the sky) that its pixels see.

    A triangle that covers the pixel's centre is shaded there, any other at its first sample.

    Returns:
        How many; written are their slot, pixel column, number of samples, and image position.
    """
    n = 0
    for x in range(seen.shape[2]):
        centre = seen[y, 0, x]
        if (
            seen[y, 1, x] == centre
            and seen[y, 2, x] == centre
            and seen[y, 3, x] == centre
            and seen[y, 4, x] == centre
        ):
            slots[n], columns[n], weights[n] = centre, x, NUM_SAMPLES - 1
            xs[n], ys[n] = x + 0.5, y + 0.5
            n += 1
            continue
        first = n
        for s in range(1, NUM_SAMPLES):
            slot = seen[y, s, x]
            k = first
            while k < n and slots[k] != slot:
                k += 1
            if k < n:
                weights[k] += 1
                continue
            away = slot != centre
            slots[n], columns[n], weights[n] = slot, x, 1
            xs[n] = x + 0.5 + (SAMPLE_X[s] if away else 0.0)
            ys[n] = y + 0.5 + (SAMPLE_Y[s] if away else 0.0)
            n += 1
    return n


@kernel(inline="always")
def _linear(p, a0, a1, a2):
    """Coefficients in the image of an attribute over depth, from its values at the vertices."""
    return (
        p[0] * a0 + p[3] * a1 + p[6] * a2,
        p[1] * a0 + p[4] * a1 + p[7] * a2,
        p[2] * a0 + p[5] * a1 + p[8] * a2,
    )


@kernel()
def _interpolate(start, end, sign, size, repeat, p, v0, v1, v2, work, footprint):
    """Depth, texture coordinates, their squared footprint in texels, and normal of one triangle."""
    wa, wb, wc = _linear(p, 1.0, 1.0, 1.0)
    ua, ub, uc = _linear(p, v0[6] * repeat, v1[6] * repeat, v2[6] * repeat)
    ta, tb, tc = _linear(p, v0[7] * repeat, v1[7] * repeat, v2[7] * repeat)
    xa, xb, xc = _linear(p, v0[3] * sign, v1[3] * sign, v2[3] * sign)
    ya, yb, yc = _linear(p, v0[4] * sign, v1[4] * sign, v2[4] * sign)
    za, zb, zc = _linear(p, v0[5] * sign, v1[5] * sign, v2[5] * sign)
    for i in range(start, end):
        px, py = float(work[X + i]), float(work[Y + i])
        depth = 1.0 / (wa * px + wb * py + wc)
        u = (ua * px + ub * py + uc) * depth
        t = (ta * px + tb * py + tc) * depth
        scale = depth * size
        ux, tx = (ua - u * wa) * scale, (ta - t * wa) * scale
        uy, ty = (ub - u * wb) * scale, (tb - t * wb) * scale
        gx, gy = ux * ux + tx * tx, uy * uy + ty * ty
        # Between the larger footprint (blurs) and the mean one (shimmers): a poor man's anisotropy.
        footprint[i] = max(math.sqrt(gx * gy), 0.16 * max(gx, gy))
        work[DEPTH + i] = depth
        work[U + i], work[V + i] = u - np.floor(u), t - np.floor(t)
        # Over depth is as good: the length is made one later.
        work[NX + i] = xa * px + xb * py + xc
        work[NY + i] = ya * px + yb * py + yc
        work[NZ + i] = za * px + zb * py + zc


@kernel()
def _vertex_light(start, end, p, v0, v1, v2, work):
    """Baked light of a triangle that keeps it at its vertices; after `_interpolate`."""
    ra, rb, rc = _linear(p, v0[8], v1[8], v2[8])
    ga, gb, gc = _linear(p, v0[9], v1[9], v2[9])
    ba, bb, bc = _linear(p, v0[10], v1[10], v2[10])
    for i in range(start, end):
        px, py, depth = float(work[X + i]), float(work[Y + i]), float(work[DEPTH + i])
        work[LIGHT_R + i] = (ra * px + rb * py + rc) * depth
        work[LIGHT_G + i] = (ga * px + gb * py + gc) * depth
        work[LIGHT_B + i] = (ba * px + bb * py + bc) * depth


@kernel()
def _mapped_light(start, end, p, v0, v1, v2, atlas, work):
    """Baked light of a triangle that keeps it in the light map; after `_interpolate`."""
    ua, ub, uc = _linear(p, v0[8], v1[8], v2[8])
    ta, tb, tc = _linear(p, v0[9], v1[9], v2[9])
    for i in range(start, end):
        px, py, depth = float(work[X + i]), float(work[Y + i]), float(work[DEPTH + i])
        u, t = (ua * px + ub * py + uc) * depth, (ta * px + tb * py + tc) * depth
        iu = min(max(int(u), 0), atlas.shape[1] - 2)
        it = min(max(int(t), 0), atlas.shape[0] - 2)
        fu, ft = np.float32(u - iu), np.float32(t - it)
        for k in range(3):
            top = atlas[it, iu, k] + (atlas[it, iu + 1, k] - atlas[it, iu, k]) * fu
            low = atlas[it + 1, iu, k] + (atlas[it + 1, iu + 1, k] - atlas[it + 1, iu, k]) * fu
            work[LIGHT_R + np.uint64(k * CHUNK) + i] = top + (low - top) * ft


@kernel()
def set_points(
    first, count, slots, xs, ys, section, planes, boxes, slot_face, faces, vertices, materials,
    sizes, atlas, kinds, footprint, work,
):  # fmt: skip
    """Everything that a chunk's points take from their triangles, run by run of one triangle."""
    for i in range(np.uint64(count)):
        work[X + i], work[Y + i] = xs[first + i], ys[first + i]
    end = 0
    while end < count:
        start, slot = end, slots[first + end]
        while end < count and slots[first + end] == slot:
            end += 1
        f = slot_face[slot] if slot >= 0 else 0
        material = faces[f, 3]
        m = materials[material]
        kind = material
        if slot < 0:
            kind = SKY_POINT
        elif section and boxes[slot, BACK] and m[TWO_SIDED] == 0.0:
            kind = SECTION_POINT
        kinds[start:end] = kind
        low, high = np.uint64(start), np.uint64(end)
        if kind < 0:
            # Painted over in the end; until then they count as points without sun.
            footprint[start:end] = 1.0
            for k in range(2, NUM_FIELDS):
                work[k * CHUNK + start : k * CHUNK + end] = 0.0
            continue
        p, sign = planes[slot], -1.0 if boxes[slot, BACK] else 1.0
        v0, v1, v2 = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        size = float(sizes[int(m[TEXTURE])])
        _interpolate(low, high, sign, size, m[REPEAT], p, v0, v1, v2, work, footprint)
        if faces[f, 5]:
            _mapped_light(low, high, p, v0, v1, v2, atlas, work)
        else:
            _vertex_light(low, high, p, v0, v1, v2, work)
        for i in range(low, high):
            work[RED + i], work[GREEN + i], work[BLUE + i] = m[TINT], m[TINT + 1], m[TINT + 2]
            work[GLOW_FIELD + i], work[GLOSS_FIELD + i], work[THROUGH + i] = (
                m[GLOW], m[GLOSS], m[TRANSLUCENCY],
            )  # fmt: skip
