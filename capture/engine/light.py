"""Baked light of a world: sky through windows, lamps, one traced bounce, contact shadows.

Light here is irradiance over pi: a surface sends out its colour times this. Big flat panels keep it
in a light map, everything else at its vertices. The sun itself is not baked: the shader adds it.
"""

from __future__ import annotations

import hashlib
import logging
import math
import zipfile

import numpy as np
from numba import prange

from capture import files
from capture.engine import bvh
from capture.engine.bvh import trace
from capture.engine.compiling import kernel
from capture.engine.layout import LIGHT, MAPPED, MATERIAL
from capture.engine.materials import TWO_SIDED
from capture.engine.sun import GROUND, HORIZON, SUN_R, SUN_X, ZENITH, sun_share
from capture.engine.world import World

_log = logging.getLogger(__name__)
_VERSION = 4
_GATHER_RAYS = 36
# Outside of a house: what is seen through its windows needs no better.
_OUTSIDE_RAYS = 10
_PORTAL_SIDE = 4
_FILL_REACH_M = 2.2
_BOUNCE_GAIN = 1.5
# A point that sees so many insides of solids lies inside one.
_BURIED_SHARE = 0.3
_GOLDEN_ANGLE = 2.399963229728653
_LIFT_M = 0.004


def apply(world: World, shadow: np.ndarray, to_shadow: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Write the baked light of a world into its vertices, from the cache where it is there.

    Args:
        world: At rest.
        shadow: The sun's shadow map, float32 [S, S].
        to_shadow: World to shadow map, float64 [3, 4].
        light: `Lighting` in the shader's layout.

    Returns:
        The light map, float32 [AH, AW, 3].
    """
    path = files.cache_folder() / "light" / f"{_digest(world)}.npz"
    plain = ~np.isin(np.arange(len(world.vertices)), world.charts[:, 4:5] + np.arange(4))
    try:
        with np.load(path) as stored:
            vertex_light, atlas = stored["vertices"], stored["atlas"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        _log.info("baking the light of %s, once (kept in %s)", world.scene.id, path.parent)
        vertex_light, atlas = _bake(world, plain, shadow, to_shadow, light)
        try:
            with files.replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, vertices=vertex_light, atlas=atlas)
        except OSError as error:
            _log.warning("the baked light could not be kept in %s: %s", path, error)
    world.vertices[plain, LIGHT : LIGHT + 3] = vertex_light
    return atlas


def _digest(world: World) -> str:
    """Hash of everything that the baked light depends on."""
    digest = hashlib.sha256(repr((_VERSION, world.lighting, world.lamps)).encode())
    for array in (
        world.vertices[:, :6], world.faces, world.charts, world.portals_m,
        world.materials.albedo, world.materials.values, np.array(world.scene.bounds_m),
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _bake(world: World, plain, shadow, to_shadow, light) -> tuple[np.ndarray, np.ndarray]:
    """Light of the plain vertices float32 [P, 3], and the light map."""
    triangles = world.vertices[world.faces[:, :3], :3]
    tree = bvh.build(triangles)
    rest, cell_m = world.vertices[plain, :6], world.lighting.cell_m
    per_m, per_normal = (1000, 20) if cell_m == 0 else (1 / cell_m, 1)
    keys = np.round(rest * np.repeat([per_m, per_normal], 3)).astype(np.int32)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    texels, owner = _texel_points(world)
    points = np.concatenate([rest[first], texels[:, :6]])
    lamps = np.array(
        [(*lamp.position_m, *lamp.rgb, lamp.reach_m) for lamp in world.lamps], dtype=np.float64
    ).reshape(-1, 7)
    direct = np.zeros((len(points), 3), dtype=np.float32)
    interior = np.array(world.scene.bounds_m if len(world.portals_m) else [np.inf] * 6)
    _direct(points, tree[0], tree[1], world.portals_m, interior, lamps, light, direct)
    vertex_light = np.zeros((len(world.vertices), 3), dtype=np.float32)
    vertex_light[plain] = direct[: len(first)][inverse.ravel()]
    atlas = np.zeros((*world.atlas_size, 3), dtype=np.float32)
    atlas[owner[:, 1], owner[:, 0]] = direct[len(first) :]
    fill = np.array(world.lighting.fill_rgb)
    two_sided = world.materials.values[:, TWO_SIDED] > 0
    bounced, buried = np.zeros_like(direct), np.zeros(len(points), dtype=np.float32)
    _gather(
        points, *tree, world.faces, world.vertices, vertex_light, atlas, world.materials.albedo,
        two_sided, shadow, to_shadow, light, fill, interior, bounced, buried,
    )  # fmt: skip
    total, valid = direct + bounced, buried < _BURIED_SHARE
    atlas[owner[:, 1], owner[:, 0]] = total[len(first) :]
    good = np.zeros(world.atlas_size, dtype=bool)
    good[owner[:, 1], owner[:, 0]] = valid[len(first) :]
    for x, y, columns, rows, _ in world.charts:
        part = (slice(y, y + rows), slice(x, x + columns))
        atlas[part] = _smooth(atlas[part], good[part])
    out, ok = total[: len(first)][inverse.ravel()], valid[: len(first)][inverse.ravel()]
    if not ok.all() and ok.any():
        out[~ok] = out[ok].mean(axis=0) * np.float32(0.8)
    return out, atlas


def _texel_points(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Where the light map's texels lie: position and normal [P, 6] float32, atlas x, y [P, 2]."""
    points, owner = [np.zeros((0, 6), np.float32)], [np.zeros((0, 2), np.int64)]
    for x, y, columns, rows, v in world.charts:
        corner, end_u, _, end_v = world.vertices[v : v + 4, :3].astype(np.float64)
        # A little inward from the rim, which mostly touches another wall.
        inset_u, inset_v = (
            0.012 / max(float(np.linalg.norm(end - corner)), 0.05) for end in (end_u, end_v)
        )
        s = np.clip(np.linspace(0, 1, columns), inset_u, 1 - inset_u)[None, :, None]
        t = np.clip(np.linspace(0, 1, rows), inset_v, 1 - inset_v)[:, None, None]
        block = np.empty((rows, columns, 6), dtype=np.float32)
        block[..., :3] = corner + s * (end_u - corner) + t * (end_v - corner)
        block[..., 3:] = world.vertices[v, 3:6]
        points.append(block.reshape(-1, 6))
        grid_y, grid_x = np.mgrid[y : y + rows, x : x + columns]
        owner.append(np.stack([grid_x.ravel(), grid_y.ravel()], 1))
    return np.concatenate(points), np.concatenate(owner)


def _smooth(light: np.ndarray, good: np.ndarray) -> np.ndarray:
    """A chart without noise: buried texels [R, C] take their neighbours' light, then a blur."""
    if not good.any():
        return light
    light, good = np.where(good[..., None], light, 0), good.astype(np.float32)
    while not good.all():
        total, weight = _blur(light * good[..., None]), _blur(good[..., None])
        fresh = (good == 0) & (weight[..., 0] > 0)
        light = np.where(fresh[..., None], total / np.maximum(weight, 1e-6), light)
        good = np.maximum(good, fresh)
    return _blur(light).astype(np.float32)


def _blur(image: np.ndarray) -> np.ndarray:
    """1-2-1 in both directions, edges repeated."""
    for axis in (0, 1):
        pad = [(1, 1) if k == axis else (0, 0) for k in range(3)]
        wide = np.pad(image, pad, mode="edge")
        n = image.shape[axis]
        a, b, c = (np.take(wide, np.arange(k, k + n), axis=axis) for k in range(3))
        image = (a + 2 * b + c) / 4
    return image


@kernel(inline="always")
def _sky(dx, dy, dz, light, k):
    """Cloudless sky in a unit direction, one channel."""
    if dz < 0.0:
        return light[HORIZON + k] + (light[GROUND + k] - light[HORIZON + k]) * min(-dz * 6.0, 1.0)
    return light[HORIZON + k] + (light[ZENITH + k] - light[HORIZON + k]) * (
        1.0 - (1.0 - dz) * (1.0 - dz)
    )


@kernel(inline="always")
def _within(box, x, y, z):
    """Whether a point lies in (or just beside) a box (min x, y, z, max x, y, z)."""
    return (
        box[0] - 0.2 <= x <= box[3] + 0.2
        and box[1] - 0.2 <= y <= box[4] + 0.2
        and box[2] - 0.1 <= z <= box[5] + 0.1
    )


@kernel()
def _direct_point(i, points, boxes, corners, portals, interior, lamps, light, out):
    """Sky through the windows and lamps at one point; see `_direct`."""
    stack = np.empty(64, dtype=np.int32)
    p = points[i]
    x, y, z = p[0] + p[3] * _LIFT_M, p[1] + p[4] * _LIFT_M, p[2] + p[5] * _LIFT_M
    inside = _within(interior, x, y, z)
    for k in range(len(portals) if inside else 0):
        c, u, v = portals[k, 0], portals[k, 1], portals[k, 2]
        ax = u[1] * v[2] - u[2] * v[1]
        ay = u[2] * v[0] - u[0] * v[2]
        az = u[0] * v[1] - u[1] * v[0]
        area = math.sqrt(ax * ax + ay * ay + az * az)
        ax, ay, az = ax / area, ay / area, az / area
        if (x - c[0]) * ax + (y - c[1]) * ay + (z - c[2]) * az <= 0.0:
            continue
        # Most windows belong to other rooms: four probes find that out.
        blocked = 0
        for s in range(4):
            a, b = 0.2 + 0.6 * (s % 2), 0.25 + 0.5 * (s // 2)
            dx = c[0] + a * u[0] + b * v[0] - x
            dy = c[1] + a * u[1] + b * v[1] - y
            dz = c[2] + a * u[2] + b * v[2] - z
            blocked += trace(boxes, corners, x, y, z, dx, dy, dz, 0.999, True, stack)[1] >= 0
        if blocked == 4:
            continue
        for s in range(_PORTAL_SIDE * _PORTAL_SIDE):
            a = (s % _PORTAL_SIDE + 0.5) / _PORTAL_SIDE
            b = (s // _PORTAL_SIDE + 0.5) / _PORTAL_SIDE
            dx = c[0] + a * u[0] + b * v[0] - x
            dy = c[1] + a * u[1] + b * v[1] - y
            dz = c[2] + a * u[2] + b * v[2] - z
            r2 = dx * dx + dy * dy + dz * dz
            r = math.sqrt(r2)
            cosine = (dx * p[3] + dy * p[4] + dz * p[5]) / r
            leaving = -(dx * ax + dy * ay + dz * az) / r
            if cosine <= 0.0 or leaving <= 0.0:
                continue
            piece = area / (_PORTAL_SIDE * _PORTAL_SIDE)
            weight = cosine * leaving * piece / (math.pi * r2 + piece)
            if weight < 2e-5:
                continue
            if trace(boxes, corners, x, y, z, dx, dy, dz, 0.999, True, stack)[1] < 0:
                for j in range(3):
                    out[i, j] += weight * _sky(dx / r, dy / r, dz / r, light, j)
    for k in range(len(lamps)):
        dx, dy, dz = lamps[k, 0] - x, lamps[k, 1] - y, lamps[k, 2] - z
        r = math.sqrt(dx * dx + dy * dy + dz * dz)
        cosine = (dx * p[3] + dy * p[4] + dz * p[5]) / r
        if cosine <= 0.0 or r > lamps[k, 6]:
            continue
        if trace(boxes, corners, x, y, z, dx, dy, dz, 0.98, True, stack)[1] < 0:
            fade = 1.0 - r / lamps[k, 6]
            for j in range(3):
                out[i, j] += cosine * fade * lamps[k, 3 + j] / (r * r + 0.05)


@kernel(parallel=True)
def _direct(points, boxes, corners, portals, interior, lamps, light, out):
    """Light that reaches points [P, 6] straight from windows and lamps into `out` [P, 3]."""
    for i in prange(len(points)):
        _direct_point(np.int64(i), points, boxes, corners, portals, interior, lamps, light, out)


@kernel(inline="always")
def _turn(x, y, z):
    """An angle that depends on the position alone, so that equal points get equal light."""
    h = math.floor(x * 500.0) * 73856093 ^ math.floor(y * 500.0) * 19349663
    h = (h ^ math.floor(z * 500.0) * 83492791) & 0xFFFFFF
    h = (h * 1103515245 + 12345) & 0xFFFFFF
    return h / 16777216.0 * 2.0 * math.pi


@kernel()
def _texel(f, c, x, y, z, faces, vertices, atlas):
    """Light-map texel (x, y) of a point on a triangle; `c` [9] is its corner and two edges."""
    wx, wy, wz = x - c[0], y - c[1], z - c[2]
    uu = c[3] * c[3] + c[4] * c[4] + c[5] * c[5]
    uv = c[3] * c[6] + c[4] * c[7] + c[5] * c[8]
    vv = c[6] * c[6] + c[7] * c[7] + c[8] * c[8]
    wu, wv = wx * c[3] + wy * c[4] + wz * c[5], wx * c[6] + wy * c[7] + wz * c[8]
    d = 1.0 / (uu * vv - uv * uv)
    b1, b2 = (vv * wu - uv * wv) * d, (uu * wv - uv * wu) * d
    b0 = 1.0 - b1 - b2
    v0, v1, v2 = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
    tx = int(b0 * v0[8] + b1 * v1[8] + b2 * v2[8] + 0.5)
    ty = int(b0 * v0[9] + b1 * v1[9] + b2 * v2[9] + 0.5)
    return min(max(tx, 0), atlas.shape[1] - 1), min(max(ty, 0), atlas.shape[0] - 1)


@kernel(inline="always")
def _tangents(nx, ny, nz):
    """Two directions across a normal (Duff et al., "Building an orthonormal basis, revisited")."""
    sign = 1.0 if nz >= 0.0 else -1.0
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    return 1.0 + sign * nx * nx * a, sign * b, -sign * nx, b, sign + ny * ny * a, -ny


@kernel(inline="always")
def _cosine_ray(ray, rays, turn):
    """One of `rays` directions spread over the hemisphere about z by the cosine law."""
    radius = math.sqrt((ray + 0.5) / rays)
    phi = ray * _GOLDEN_ANGLE + turn
    z = math.sqrt(max(1.0 - radius * radius, 0.0))
    return radius * math.cos(phi), radius * math.sin(phi), z


@kernel(inline="always")
def _sunlight(gx, gy, gz, scale, x, y, z, shadow, to_shadow, light):
    """Share of the sun's light on a surface at (x, y, z) whose unit normal is g * scale."""
    sun = (gx * light[SUN_X] + gy * light[SUN_X + 1] + gz * light[SUN_X + 2]) * scale
    if sun > 0.0:
        lift = 0.03 * scale
        sun *= sun_share(shadow, to_shadow, x + gx * lift, y + gy * lift, z + gz * lift)
    return max(sun, 0.0)


@kernel()
def _gather_point(
    i, points, boxes, corners, index, faces, vertices, vertex_light, atlas, albedo, two_sided,
    shadow, to_shadow, light, fill, interior, out, buried,
):  # fmt: skip
    """One bounce at one point; see `_gather`."""
    stack = np.empty(64, dtype=np.int32)
    p = points[i]
    nx, ny, nz = float(p[3]), float(p[4]), float(p[5])
    x, y, z = p[0] + nx * _LIFT_M, p[1] + ny * _LIFT_M, p[2] + nz * _LIFT_M
    inside = _within(interior, x, y, z)
    # Without windows all is outside, and worth the full number of rays.
    rays = _GATHER_RAYS if inside or interior[0] == np.inf else _OUTSIDE_RAYS
    t0, t1, t2, s0, s1, s2 = _tangents(nx, ny, nz)
    turn, backs = _turn(p[0], p[1], p[2]), 0
    for ray in range(rays):
        lx, ly, lz = _cosine_ray(ray, rays, turn)
        dx = lx * t0 + ly * s0 + lz * nx
        dy = lx * t1 + ly * s1 + lz * ny
        dz = lx * t2 + ly * s2 + lz * nz
        t, leaf = trace(boxes, corners, x, y, z, dx, dy, dz, 200.0, False, stack)
        if leaf < 0:
            for k in range(3):
                out[i, k] += fill[k] if inside else _sky(dx, dy, dz, light, k)
            continue
        f = index[leaf]
        c = corners[leaf]
        gx, gy, gz = c[4] * c[8] - c[5] * c[7], c[5] * c[6] - c[3] * c[8], c[3] * c[7] - c[4] * c[6]
        scale = 1.0 / math.sqrt(gx * gx + gy * gy + gz * gz)
        back = gx * dx + gy * dy + gz * dz > 0.0
        if back:
            if not two_sided[faces[f, MATERIAL]]:
                backs += 1
                continue
            scale = -scale
        hx, hy, hz = x + t * dx, y + t * dy, z + t * dz
        sun = _sunlight(gx, gy, gz, scale, hx, hy, hz, shadow, to_shadow, light)
        near = min(t / _FILL_REACH_M, 1.0) ** 0.7
        v0, v1, v2 = faces[f, 0], faces[f, 1], faces[f, 2]
        tx, ty = 0, 0
        if faces[f, MAPPED]:
            tx, ty = _texel(f, c, hx, hy, hz, faces, vertices, atlas)
        for k in range(3):
            if faces[f, MAPPED]:
                e = atlas[ty, tx, k]
            else:
                e = (vertex_light[v0, k] + vertex_light[v1, k] + vertex_light[v2, k]) / 3.0
            color = albedo[faces[f, MATERIAL], k]
            out[i, k] += color * (e + sun * light[SUN_R + k]) * _BOUNCE_GAIN
            out[i, k] += near * fill[k] * (0.35 + 0.65 * color)
    for k in range(3):
        out[i, k] /= rays
    buried[i] = backs / rays


@kernel(parallel=True)
def _gather(
    points, boxes, corners, index, faces, vertices, vertex_light, atlas, albedo, two_sided,
    shadow, to_shadow, light, fill, interior, out, buried,
):  # fmt: skip
    """Light that other surfaces send to points [P, 6], and the open sky where there are no windows.

    Writes `out` [P, 3] and the share of rays that met the inside of a solid, `buried` [P].
    """
    for i in prange(len(points)):
        _gather_point(
            np.int64(i),
            points, boxes, corners, index, faces, vertices, vertex_light, atlas, albedo, two_sided,
            shadow, to_shadow, light, fill, interior, out, buried,
        )  # fmt: skip
