"""Rays against triangles, for baking light: a bounding volume hierarchy in arrays.

The tree is a complete binary heap: every node halves its triangles at the median of their centres
along the longest side, all nodes of a level at once.
"""

from __future__ import annotations

import numpy as np

from capture.engine.compiling import kernel

_LEAF = 4


def build(triangles_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tree of triangles float32 [F, 3, 3].

    Returns:
        Boxes (low, high) float32 [N, 6] in heap order; corner and two edges of each triangle in
        leaf order, float32 [F', 9], padded with empty ones; their indices int32 [F'], -1 if empty.
    """
    low, high = triangles_m.min(axis=1), triangles_m.max(axis=1)
    depth = max(int(np.ceil(np.log2(max(len(low) / _LEAF, 1)))), 0)
    leaves = 1 << depth
    centre = np.full((leaves * _LEAF, 3), np.inf, dtype=np.float32)
    centre[: len(low)] = (low + high) / 2
    order = np.arange(len(centre))
    for level in range(depth):
        groups = order.reshape(1 << level, -1)
        points = centre[groups]
        real = np.isfinite(points)
        span = np.where(real, points, -np.inf).max(axis=1) - points.min(axis=1)
        axis = np.nan_to_num(span, nan=0.0, neginf=0.0).argmax(axis=1)
        along = np.take_along_axis(points, axis[:, None, None], axis=2)[..., 0]
        order = np.take_along_axis(groups, np.argsort(along, axis=1, kind="stable"), axis=1)
    order = order.reshape(-1)
    index = np.where(order < len(low), order, -1).astype(np.int32)
    used = index >= 0
    corners = np.zeros((len(index), 9), dtype=np.float32)
    chosen = triangles_m[index[used]]
    corners[used, :3] = chosen[:, 0]
    corners[used, 3:6] = chosen[:, 1] - chosen[:, 0]
    corners[used, 6:] = chosen[:, 2] - chosen[:, 0]
    level_low = np.full((len(index), 3), np.inf, dtype=np.float32)
    level_high = -level_low
    level_low[used], level_high[used] = low[index[used]], high[index[used]]
    level_low = level_low.reshape(leaves, _LEAF, 3).min(axis=1)
    level_high = level_high.reshape(leaves, _LEAF, 3).max(axis=1)
    levels = [np.hstack([level_low, level_high])]
    while len(levels[-1]) > 1:
        pairs = levels[-1].reshape(-1, 2, 6)
        levels.append(np.hstack([pairs[:, :, :3].min(axis=1), pairs[:, :, 3:].max(axis=1)]))
    boxes = np.ascontiguousarray(np.concatenate(levels[::-1]))
    boxes[boxes[:, 0] > boxes[:, 3]] = 1e30  # an empty box that no ray enters
    return boxes, corners, index


@kernel(inline="always")
def _enter(box, ox, oy, oz, ix, iy, iz, limit):
    """Distance at which a ray enters a box, or infinity."""
    ax, bx = (box[0] - ox) * ix, (box[3] - ox) * ix
    ay, by = (box[1] - oy) * iy, (box[4] - oy) * iy
    az, bz = (box[2] - oz) * iz, (box[5] - oz) * iz
    start = max(max(min(ax, bx), min(ay, by)), max(min(az, bz), 0.0))
    end = min(min(max(ax, bx), max(ay, by)), min(max(az, bz), limit))
    return start if start <= end else np.inf


@kernel()
def trace(boxes, corners, ox, oy, oz, dx, dy, dz, limit, any_hit, stack):
    """First triangle that a ray meets before `limit`, or any if `any_hit`.

    Returns:
        Distance in units of the direction's length (or `limit`), and the leaf position of the
        triangle (or -1).
    """
    ix = 1.0 / (dx if abs(dx) > 1e-12 else 1e-12)
    iy = 1.0 / (dy if abs(dy) > 1e-12 else 1e-12)
    iz = 1.0 / (dz if abs(dz) > 1e-12 else 1e-12)
    first_leaf = len(boxes) // 2
    best, hit, top, node = limit, -1, 0, 0
    if _enter(boxes[0], ox, oy, oz, ix, iy, iz, best) == np.inf:
        return best, hit
    while True:
        if node >= first_leaf:
            base = (node - first_leaf) * _LEAF
            for k in range(base, base + _LEAF):
                c = corners[k]
                px, py, pz = dy * c[8] - dz * c[7], dz * c[6] - dx * c[8], dx * c[7] - dy * c[6]
                det = c[3] * px + c[4] * py + c[5] * pz
                if det == 0.0:
                    continue
                inverse = 1.0 / det
                tx, ty, tz = ox - c[0], oy - c[1], oz - c[2]
                u = (tx * px + ty * py + tz * pz) * inverse
                if u < 0.0 or u > 1.0:
                    continue
                qx, qy, qz = ty * c[5] - tz * c[4], tz * c[3] - tx * c[5], tx * c[4] - ty * c[3]
                v = (dx * qx + dy * qy + dz * qz) * inverse
                t = (c[6] * qx + c[7] * qy + c[8] * qz) * inverse
                if v >= 0.0 and u + v <= 1.0 and 0.0 < t < best:
                    best, hit = t, k
                    if any_hit:
                        return best, hit
        else:
            left = 2 * node + 1
            a = _enter(boxes[left], ox, oy, oz, ix, iy, iz, best)
            b = _enter(boxes[left + 1], ox, oy, oz, ix, iy, iz, best)
            if a < np.inf or b < np.inf:
                node = left if a <= b else left + 1
                if a < np.inf and b < np.inf:
                    stack[top] = left + 1 if a <= b else left
                    top += 1
                continue
        # What was put off may lie behind what was found since.
        node = -1
        while top > 0 and node < 0:
            top -= 1
            if _enter(boxes[stack[top]], ox, oy, oz, ix, iy, iz, best) < np.inf:
                node = stack[top]
        if node < 0:
            return best, hit
