"""Which triangle every sample sees: homogeneous rasterization into a visibility buffer.

A triangle's perspective-correct barycentric coordinates over depth are linear in the image, with
coefficients that are rows of the inverse of the 3x3 matrix of its homogeneous pixel coordinates
(Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997). So no triangle
is ever cut: the near plane is one more linear bound. The buffer keeps 1/depth, larger is nearer.

Every sample is decided by one thread in one fixed order, so the result does not depend on threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

# Sample 0 is the pixel centre, all that ground truth uses; 1..4 (a rotated grid) give colour.
NUM_SAMPLES = 5
SAMPLE_X = np.array([0.0, 0.125, -0.125, 0.375, -0.375])
SAMPLE_Y = np.array([0.0, -0.375, 0.375, 0.125, -0.125])
_REACH = 0.375
# Columns of a slot's box; CLIPPED: the near plane bounds it; BACK: it is seen from behind.
X0, X1, Y0, Y1, CLIPPED, BACK, BOX_COLUMNS = 0, 1, 2, 3, 4, 5, 6
PLANE_COLUMNS = 12
_BAND_ROWS = 16


@njit(cache=True, error_model="numpy", nogil=True)
def _set_up_cluster(
    c,
    vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective, cull,
    planes, boxes, slot_face, counts,
):  # fmt: skip
    """One cluster of `set_up`; apart from it because parallel code compiles slowly."""
    width, height = size
    m = projection
    slot = starts[c]
    h = np.empty((3, 3))
    for f in range(runs[order[c], 0], runs[order[c], 1]):
        for i in range(3):
            v = faces[f, i]
            for r in range(3):
                h[i, r] = (
                    m[r, 0] * vertices[v, 0]
                    + m[r, 1] * vertices[v, 1]
                    + m[r, 2] * vertices[v, 2]
                    + m[r, 3]
                )
        k0, k1, k2 = h[0, 2], h[1, 2], h[2, 2]
        if not perspective:
            h[0, 2] = h[1, 2] = h[2, 2] = 1.0
        elif k0 < near and k1 < near and k2 < near:
            continue
        a0 = h[1, 1] * h[2, 2] - h[2, 1] * h[1, 2]
        b0 = h[2, 0] * h[1, 2] - h[1, 0] * h[2, 2]
        c0 = h[1, 0] * h[2, 1] - h[2, 0] * h[1, 1]
        det = h[0, 0] * a0 + h[0, 1] * b0 + h[0, 2] * c0
        if det == 0.0 or (cull and det > 0.0 and not two_sided[faces[f, 3]]):
            continue
        clipped = perspective and (k0 < near or k1 < near or k2 < near)
        x_low, x_high, y_low, y_high = 1e30, -1e30, 1e30, -1e30
        for i in range(3):
            if h[i, 2] >= near or not perspective:
                x, y = h[i, 0] / h[i, 2], h[i, 1] / h[i, 2]
                x_low, x_high = min(x_low, x), max(x_high, x)
                y_low, y_high = min(y_low, y), max(y_high, y)
            j = (i + 1) % 3
            if clipped and (h[i, 2] >= near) != (h[j, 2] >= near):
                t = (near - h[i, 2]) / (h[j, 2] - h[i, 2])
                x = (h[i, 0] + t * (h[j, 0] - h[i, 0])) / near
                y = (h[i, 1] + t * (h[j, 1] - h[i, 1])) / near
                x_low, x_high = min(x_low, x), max(x_high, x)
                y_low, y_high = min(y_low, y), max(y_high, y)
        # A millionth of a pixel more, since the box and the edges round differently.
        x0 = math.ceil(max(x_low, 0.0) - 0.5 - _REACH - 1e-6)
        x1 = math.floor(min(x_high, width + 0.0) - 0.5 + _REACH + 1e-6)
        y0 = math.ceil(max(y_low, 0.0) - 0.5 - _REACH - 1e-6)
        y1 = math.floor(min(y_high, height + 0.0) - 0.5 + _REACH + 1e-6)
        x0, x1 = max(x0, 0), min(x1, width - 1)
        y0, y1 = max(y0, 0), min(y1, height - 1)
        if x0 > x1 or y0 > y1:
            continue
        s = 1.0 / det
        p = planes[slot]
        p[0], p[1], p[2] = a0 * s, b0 * s, c0 * s
        p[3] = (h[2, 1] * h[0, 2] - h[0, 1] * h[2, 2]) * s
        p[4] = (h[0, 0] * h[2, 2] - h[2, 0] * h[0, 2]) * s
        p[5] = (h[2, 0] * h[0, 1] - h[0, 0] * h[2, 1]) * s
        p[6] = (h[0, 1] * h[1, 2] - h[1, 1] * h[0, 2]) * s
        p[7] = (h[1, 0] * h[0, 2] - h[0, 0] * h[1, 2]) * s
        p[8] = (h[0, 0] * h[1, 1] - h[1, 0] * h[0, 1]) * s
        if perspective:
            k0 = k1 = k2 = 1.0
        for i in range(3):
            p[9 + i] = p[i] * k0 + p[3 + i] * k1 + p[6 + i] * k2
        box = boxes[slot]
        box[0], box[1], box[2], box[3] = x0, x1, y0, y1
        box[4], box[5] = clipped, det > 0.0
        slot_face[slot] = f
        slot += 1
    counts[c] = slot - starts[c]


@njit(parallel=True, cache=True, error_model="numpy", nogil=True)
def set_up(
    vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective, cull,
    planes, boxes, slot_face, counts,
):  # fmt: skip
    """Linear functions and pixel boxes of the triangles that may be seen.

    Args:
        vertices: float32 [V, 12].
        faces: int32 [F, 6].
        two_sided: Per material, bool [M].
        runs: Clusters (first face, end face, object), int64 [K, 3].
        order: Clusters to draw, int64 [C].
        starts: First slot of each drawn cluster, int64 [C].
        projection: World to homogeneous pixel coordinates, float64 [3, 4]; without perspective the
            third row is the key itself (larger is nearer).
        size: (width, height).
        near: Near plane in metres (perspective only).
        perspective: False for a parallel projection.
        cull: Whether backs of one-sided triangles are dropped.
        planes: Out, float64 [S, 12]: three barycentric functions over depth, then their key.
        boxes: Out, int32 [S, 6].
        slot_face: Out, int32 [S].
        counts: Out, slots used by each drawn cluster, int64 [C].
    """
    for c in prange(len(order)):
        _set_up_cluster(
            np.int64(c),
            vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective,
            cull, planes, boxes, slot_face, counts,
        )  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True, inline="always")
def _narrow(low, high, slope, inverse, value, offset):
    """The part of [low, high] where slope * (x + offset) + value >= 0; inverse is -1 / slope.

    numba's `math.floor` gives an integer, which a slope near zero overflows; numpy's does not.
    """
    if slope > 0.0:
        low = max(low, np.ceil(value * inverse - offset))
    elif slope < 0.0:
        high = min(high, np.floor(value * inverse - offset))
    elif value < 0.0:
        high = low - 1.0
    return low, high


@njit(cache=True, error_model="numpy", nogil=True)
def _rasterize_band(
    band,
    planes, boxes, starts, counts, num_samples, max_key, key, seen,
):  # fmt: skip
    """Some rows of `rasterize`."""
    height = key.shape[0]
    top = band * _BAND_ROWS
    end = min(top + _BAND_ROWS, height)
    key[top:end] = -np.inf
    seen[top:end] = -1
    for c in range(len(starts)):
        for slot in range(starts[c], starts[c] + counts[c]):
            if boxes[slot, Y0] >= end or boxes[slot, Y1] < top:
                continue
            p = planes[slot]
            a0, b0, c0, a1, b1, c1, a2, b2, c2 = (
                p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8],
            )  # fmt: skip
            ak, bk, ck = p[9], p[10], p[11]
            i0, i1, i2, ik = -1.0 / a0, -1.0 / a1, -1.0 / a2, 1.0 / ak
            clipped = boxes[slot, CLIPPED] != 0
            for y in range(max(boxes[slot, Y0], top), min(boxes[slot, Y1] + 1, end)):
                for s in range(num_samples):
                    py, offset = y + 0.5 + SAMPLE_Y[s], 0.5 + SAMPLE_X[s]
                    low, high = float(boxes[slot, X0]), float(boxes[slot, X1])
                    low, high = _narrow(low, high, a0, i0, b0 * py + c0, offset)
                    low, high = _narrow(low, high, a1, i1, b1 * py + c1, offset)
                    low, high = _narrow(low, high, a2, i2, b2 * py + c2, offset)
                    row = bk * py + ck
                    if clipped:
                        low, high = _narrow(low, high, -ak, ik, max_key - row, offset)
                    if low > high:
                        continue
                    first, count = int(low), int(high) - int(low) + 1
                    z = np.float32(row + ak * (low + offset))
                    dz = np.float32(ak)
                    keys, slots = key[y, s], seen[y, s]
                    for i in range(count):
                        zi = z + dz * np.float32(i)
                        if zi > keys[first + i]:
                            keys[first + i] = zi
                            slots[first + i] = slot


@njit(parallel=True, cache=True, error_model="numpy", nogil=True)
def rasterize(
    planes, boxes, starts, counts, num_samples, max_key, key, seen,
):  # fmt: skip
    """Nearest triangle of every sample.

    Args:
        planes: From `set_up`.
        boxes: From `set_up`.
        starts: As in `set_up`.
        counts: From `set_up`.
        num_samples: 1 (centres) or `NUM_SAMPLES`.
        max_key: 1 / near; bounds the triangles that cross the near plane.
        key: Out, float32 [H, num_samples, W]: 1 / depth, or height in a parallel projection.
        seen: Out, int32 [H, num_samples, W]: slot, or -1 for nothing.
    """
    for band in prange((key.shape[0] + _BAND_ROWS - 1) // _BAND_ROWS):
        _rasterize_band(
            np.int64(band),
            planes, boxes, starts, counts, num_samples, max_key, key, seen,
        )  # fmt: skip


@njit(parallel=True, cache=True, error_model="numpy", nogil=True)
def ground_truth(seen, planes, boxes, slot_face, faces, vertices, depth_m, normal, objects):
    """Depth, normal and object of the pixel centres.

    Args:
        seen: From `rasterize`, int32 [H, S, W].
        planes: From `set_up`.
        boxes: From `set_up`.
        slot_face: From `set_up`.
        faces: int32 [F, 6].
        vertices: float32 [V, 12].
        depth_m: Out, float32 [H, W], planar; infinity for nothing.
        normal: Out, float32 [H, W, 3], world axes, of the side that is seen; zero for nothing.
        objects: Out, uint16 [H, W]; 0 for nothing.
    """
    height, width = depth_m.shape
    for y in prange(height):
        for x in range(width):
            slot = seen[y, 0, x]
            if slot < 0:
                depth_m[y, x] = np.inf
                normal[y, x] = 0.0
                objects[y, x] = 0
                continue
            px, py, p, f = x + 0.5, y + 0.5, planes[slot], slot_face[slot]
            w0 = p[0] * px + p[1] * py + p[2]
            w1 = p[3] * px + p[4] * py + p[5]
            w2 = p[6] * px + p[7] * py + p[8]
            depth_m[y, x] = 1.0 / (w0 + w1 + w2)
            objects[y, x] = faces[f, 4]
            v0, v1, v2 = faces[f, 0], faces[f, 1], faces[f, 2]
            nx = w0 * vertices[v0, 3] + w1 * vertices[v1, 3] + w2 * vertices[v2, 3]
            ny = w0 * vertices[v0, 4] + w1 * vertices[v1, 4] + w2 * vertices[v2, 4]
            nz = w0 * vertices[v0, 5] + w1 * vertices[v1, 5] + w2 * vertices[v2, 5]
            scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-60)
            if boxes[slot, BACK]:
                scale = -scale
            normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx * scale, ny * scale, nz * scale
