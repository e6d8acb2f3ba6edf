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
from numba import prange

from capture.engine.compiling import kernel

# Sample 0 is the pixel centre, all that ground truth uses; 1..4 (a rotated grid) give colour.
NUM_SAMPLES = 5
SAMPLE_X = np.array([0.0, 0.125, -0.125, 0.375, -0.375])
SAMPLE_Y = np.array([0.0, -0.375, 0.375, 0.125, -0.125])
_REACH = 0.375
# Columns of a slot's box; CLIPPED: the near plane bounds it; BACK: it is seen from behind.
X0, X1, Y0, Y1, CLIPPED, BACK, BOX_COLUMNS = 0, 1, 2, 3, 4, 5, 6
PLANE_COLUMNS = 12
# Columns of a cluster's extent: its pixel box as above, and a bound of its keys.
HIGHEST, EXTENT_COLUMNS = 4, 5
_BAND_ROWS = 8
_BLOCK_PX = 16
# How many clusters are drawn before a band's blocks are measured again.
_UPDATE_CLUSTERS = 8
# Relative and absolute, far above what rounding can add to a key.
_SLACK = 1e-6


@kernel()
def interleaved(i, count):
    """The even numbers below `count`, then the odd ones.

    Threads take consecutive runs of a loop: like this each gets its share of floor and ceiling.
    """
    return 2 * i if 2 * i < count else (2 * i - count) | 1


@kernel()
def _pixel_box(h, near, perspective, clipped, width, height):
    """First and last pixel, across and down, of a triangle in homogeneous coordinates [3, 3]."""
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
    return max(x0, 0), min(x1, width - 1), max(y0, 0), min(y1, height - 1)


@kernel()
def _project(face, vertices, m, h):
    """A triangle's corners in homogeneous pixels, into `h` [3, 3]."""
    for i in range(3):
        v = face[i]
        for r in range(3):
            h[i, r] = (
                m[r, 0] * vertices[v, 0]
                + m[r, 1] * vertices[v, 1]
                + m[r, 2] * vertices[v, 2]
                + m[r, 3]
            )


@kernel()
def _set_up_cluster(
    c,
    vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective, cull,
    planes, boxes, slot_face, counts, extents,
):  # fmt: skip
    """One cluster of `set_up`; apart from it because parallel code compiles slowly."""
    width, height = size
    slot, extent = starts[c], extents[c]
    extent[X0] = extent[Y0] = np.inf
    extent[X1] = extent[Y1] = extent[HIGHEST] = -np.inf
    h = np.empty((3, 3))
    for f in range(runs[order[c], 0], runs[order[c], 1]):
        _project(faces[f], vertices, projection, h)
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
        x0, x1, y0, y1 = _pixel_box(h, near, perspective, clipped, width, height)
        if x0 > x1 or y0 > y1:
            continue
        box = boxes[slot]
        box[X0], box[X1], box[Y0], box[Y1] = x0, x1, y0, y1
        box[CLIPPED], box[BACK] = clipped, det > 0.0
        highest = max(k0, k1, k2)
        if perspective:
            highest = 1.0 / (near if clipped else min(k0, k1, k2))
        extent[X0], extent[X1] = min(extent[X0], x0), max(extent[X1], x1)
        extent[Y0], extent[Y1] = min(extent[Y0], y0), max(extent[Y1], y1)
        extent[HIGHEST] = max(extent[HIGHEST], highest + abs(highest) * _SLACK + _SLACK)
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
        slot_face[slot] = f
        slot += 1
    counts[c] = slot - starts[c]


@kernel(parallel=True)
def set_up(
    vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective, cull,
    planes, boxes, slot_face, counts, extents,
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
        extents: Out, box and nearest key of each cluster's used slots, float64 [C, 5].
    """
    for c in prange(len(order)):
        _set_up_cluster(
            np.int64(c),
            vertices, faces, two_sided, runs, order, starts, projection, size, near, perspective,
            cull, planes, boxes, slot_face, counts, extents,
        )  # fmt: skip


@kernel(fastmath={"nnan"})
def _narrow(first, end, slope, across, value, ys, offsets, low, high):
    """Narrow the spans [low, high] of sample rows to where an edge's function is not negative.

    The function is slope * (x + offset) + across * y + value; arrays are over a band's sample rows.
    """
    inverse = -1.0 / slope
    if slope > 0.0:
        for t in range(first, end):
            low[t] = max(low[t], np.ceil((across * ys[t] + value) * inverse - offsets[t]))
    elif slope < 0.0:
        for t in range(first, end):
            high[t] = min(high[t], np.floor((across * ys[t] + value) * inverse - offsets[t]))
    else:
        for t in range(first, end):
            if across * ys[t] + value < 0.0:
                high[t] = low[t] - 1.0


@kernel()
def _highest(p, box):
    """A bound of a triangle's keys in its pixel box."""
    key = p[11] + max(p[9] * box[X0], p[9] * (box[X1] + 1.0))
    key += max(p[10] * box[Y0], p[10] * (box[Y1] + 1.0))
    return key + abs(key) * _SLACK + _SLACK


@kernel()
def _hidden(x0, x1, highest, lowest):
    """Whether nothing with keys up to `highest` can show in the blocks of columns x0..x1."""
    first, last = x0 // _BLOCK_PX, x1 // _BLOCK_PX
    return highest <= lowest[first : last + 1].min()


@kernel(fastmath={"nnan"})
def _update_blocks(x0, x1, key, column, lowest):
    """Lowest key of each block of columns of a band's keys [R, S, W] into `lowest` [B].

    Column by column into `column` [W] first, which takes vector instructions.
    """
    first, last = x0 // _BLOCK_PX, x1 // _BLOCK_PX
    left, right = first * _BLOCK_PX, min((last + 1) * _BLOCK_PX, key.shape[2])
    column[left:right] = key[0, 0, left:right]
    for y in range(key.shape[0]):
        for s in range(key.shape[1]):
            row = key[y, s]
            for x in range(left, right):
                column[x] = min(column[x], row[x])
    for block in range(first, last + 1):
        low = column[block * _BLOCK_PX]
        for x in range(block * _BLOCK_PX, min((block + 1) * _BLOCK_PX, right)):
            low = min(low, column[x])
        lowest[block] = low


@kernel()
def _draw_triangle(slot, top, p, box, max_key, ys, offsets, low, high, key, seen):
    """Enter one triangle into a band's keys and slots [R, S, W]; ys .. high: its sample rows."""
    num_samples, ak, bk, ck = key.shape[1], p[9], p[10], p[11]
    first = max(box[Y0] - top, 0) * num_samples
    end = min(box[Y1] + 1 - top, key.shape[0]) * num_samples
    low[first:end], high[first:end] = box[X0], box[X1]
    for edge in range(0, 9, 3):
        _narrow(first, end, p[edge], p[edge + 1], p[edge + 2], ys, offsets, low, high)
    if box[CLIPPED]:
        _narrow(first, end, -ak, -bk, max_key - ck, ys, offsets, low, high)
    dz, mine = np.float32(ak), np.int32(slot)
    for t in range(first, end):
        if low[t] > high[t]:
            continue
        left, right = int(low[t]), int(high[t]) + 1
        y, s = t // num_samples, t % num_samples
        z = np.float32(bk * ys[t] + ck + ak * (low[t] + offsets[t]))
        keys, slots = key[y, s, left:right], seen[y, s, left:right]
        # Written so that it becomes vector instructions: short integers, and no branch.
        for i in range(right - left):
            zi, before, last = z + dz * np.float32(np.int32(i)), keys[i], slots[i]
            nearer = zi > before
            keys[i] = zi if nearer else before
            slots[i] = mine if nearer else last


@kernel()
def _rasterize_band(
    band,
    planes, boxes, starts, counts, extents, num_samples, max_key, key, seen,
):  # fmt: skip
    """Some rows of `rasterize`."""
    top = band * _BAND_ROWS
    end = min(top + _BAND_ROWS, key.shape[0])
    keys, slots = key[top:end], seen[top:end]
    keys[:], slots[:] = -np.inf, -1
    rows = (end - top) * num_samples
    ys, offsets, low, high = np.empty(rows), np.empty(rows), np.empty(rows), np.empty(rows)
    for t in range(rows):
        ys[t] = top + t // num_samples + 0.5 + SAMPLE_Y[t % num_samples]
        offsets[t] = 0.5 + SAMPLE_X[t % num_samples]
    # What lies behind everything in the blocks that it covers is passed over.
    lowest = np.full((key.shape[2] + _BLOCK_PX - 1) // _BLOCK_PX, -np.inf, np.float32)
    column = np.empty(key.shape[2], np.float32)
    fresh, left, right = 0, key.shape[2], 0
    for c in range(len(starts)):
        extent = extents[c]
        if extent[Y0] >= end or extent[Y1] < top:
            continue
        x0, x1 = int(extent[X0]), int(extent[X1])
        if _hidden(x0, x1, extent[HIGHEST], lowest):
            continue
        for slot in range(starts[c], starts[c] + counts[c]):
            box = boxes[slot]
            if box[Y0] >= end or box[Y1] < top:
                continue
            p = planes[slot]
            if _hidden(box[X0], box[X1], min(_highest(p, box), extent[HIGHEST]), lowest):
                continue
            _draw_triangle(slot, top, p, box, max_key, ys, offsets, low, high, keys, slots)
        fresh, left, right = fresh + 1, min(left, x0), max(right, x1)
        if fresh == _UPDATE_CLUSTERS:
            _update_blocks(left, right, keys, column, lowest)
            fresh, left, right = 0, key.shape[2], 0


@kernel(parallel=True)
def rasterize(
    planes, boxes, starts, counts, extents, num_samples, max_key, key, seen,
):  # fmt: skip
    """Nearest triangle of every sample.

    Args:
        planes: From `set_up`.
        boxes: From `set_up`.
        starts: As in `set_up`.
        counts: From `set_up`.
        extents: From `set_up`.
        num_samples: 1 (centres) or `NUM_SAMPLES`.
        max_key: 1 / near; bounds the triangles that cross the near plane.
        key: Out, float32 [H, num_samples, W]: 1 / depth, or height in a parallel projection.
        seen: Out, int32 [H, num_samples, W]: slot, or -1 for nothing.
    """
    bands = (key.shape[0] + _BAND_ROWS - 1) // _BAND_ROWS
    for i in prange(bands):
        _rasterize_band(
            interleaved(np.int64(i), bands),
            planes, boxes, starts, counts, extents, num_samples, max_key, key, seen,
        )  # fmt: skip


@kernel(parallel=True)
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
