"""The valley's ground: a lake in a level meadow, hills all round."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from capture.engine.meshes import Mesh, sheet
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.site import Site
from capture.engine.textures import noise

WATER_M = -0.35
_BOWL_M, _REACH_M = 44.0, 330.0  # where the hills begin, where they end
_BANK_M, _PATH_M = 7.5, 0.9  # from the shore to the path, and half its width


@dataclass(frozen=True, slots=True)
class Terrain:
    """Heights of a seed.

    Attributes:
        lobes: Amplitude and phase of the shore's five waves, [5, 2].
        bumps: Tiling noise, [256, 256].
        lake_m: Mean radius of the lake.
    """

    lobes: np.ndarray
    bumps: np.ndarray
    lake_m: float

    @classmethod
    def of(cls, seed: int, lake_m: float) -> Terrain:
        """The terrain of a seed."""
        rng = np.random.default_rng([19, seed])
        amplitude = np.array([0.10, 0.13, 0.08, 0.05, 0.03]) * rng.uniform(0.5, 1.0, 5)
        lobes = np.stack([amplitude, rng.uniform(0, 2 * np.pi, 5)], 1)
        return cls(lobes, noise(256, 1000 + seed, cells=6, octaves=5), lake_m)

    def shore_m(self, turn) -> np.ndarray:
        """Distance of the shore from the middle in directions, radians."""
        turn = np.asarray(turn)
        waves = [a * np.cos((k + 1) * turn + p) for k, (a, p) in enumerate(self.lobes)]
        return self.lake_m * (1 + np.sum(waves, axis=0))

    def path_m(self, count: int = 160) -> np.ndarray:
        """The middle of the path round the lake, closed, [count + 1, 3]."""
        turn = np.linspace(0, 2 * np.pi, count + 1)
        r = self.shore_m(turn) + _BANK_M * (0.8 + 0.25 * np.sin(3 * turn + self.lobes[0, 1]))
        return self.on(np.stack([r * np.cos(turn), r * np.sin(turn)], 1))

    def on(self, xy) -> np.ndarray:
        """Points on the ground, [..., 3], over plan points [..., 2]."""
        xy = np.asarray(xy, dtype=np.float64)
        return np.concatenate([xy, self.height_m(xy[..., 0], xy[..., 1])[..., None]], -1)

    def height_m(self, x, y) -> np.ndarray:
        """Height of the ground."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        r, turn = np.hypot(x, y), np.arctan2(y, x)
        shore = self.shore_m(turn)
        wide, fine = self._bump(x / 90, y / 90), self._bump(x / 16, y / 16)
        meadow = 0.5 * (wide - 0.5) + 0.12 * (fine - 0.5)
        bank = np.clip((r - shore) / 2.6, -1.0, 1.0)
        out = np.where(bank < 1, WATER_M + 0.05 + (0.30 + meadow) * bank, meadow)
        out = np.where(bank < 0, WATER_M + 0.05 + 1.5 * bank, out)
        far = np.clip((r - _BOWL_M) / 120.0, 0.0, 2.5)
        ridge = 0.45 + 0.9 * self._bump(np.cos(turn) * 0.4 + 0.5, np.sin(turn) * 0.4 + 0.5)
        rough = 0.7 + 0.6 * self._bump(x / 160, y / 160)
        return out + 46.0 * far**1.35 * ridge * rough / (1 + 0.35 * far)

    def _bump(self, u, v) -> np.ndarray:
        """Noise at texture coordinates, bilinear, 0..1."""
        n = len(self.bumps)
        u, v = np.asarray(u) * n, np.asarray(v) * n
        i, j = np.floor(u).astype(int), np.floor(v).astype(int)
        s, t = u - i, v - j
        low = self.bumps[i % n, j % n] * (1 - t) + self.bumps[i % n, (j + 1) % n] * t
        high = self.bumps[(i + 1) % n, j % n] * (1 - t) + self.bumps[(i + 1) % n, (j + 1) % n] * t
        return low * (1 - s) + high * s


def build_ground(site: Site, land: Terrain) -> None:
    """Meadow and hills in rings, the water, the path, and a wall that nobody sees at the shore."""
    grass = site.paints(textures.grass, color=(0.86, 0.90, 0.72), repeat_m=3.2)
    wood = site.paints(textures.leaves, color=(0.92, 0.98, 0.74), repeat_m=9.0)
    for kind, label, radii, material in (
        ("meadow", "meadow", np.concatenate([np.arange(9.0, 46, 1.1), [46.0]]), grass),
        ("hills", "wooded hills", 46.0 + (_REACH_M - 46) * np.linspace(0, 1, 40) ** 1.5, wood),
    ):
        count = 181
        turn = np.linspace(0, 2 * np.pi, count)
        xy = radii[:, None, None] * np.stack([np.cos(turn), np.sin(turn)], -1)
        # The seam needs no care: the first and the last column are the same points.
        mesh = sheet(land.on(xy))
        flat = mesh.with_uv(mesh.positions_m[:, :2].copy())
        site.add(site.object(kind, label), flat, material)
    water = site.paints.plain((0.20, 0.33, 0.38), gloss=1.0, shininess=200.0)
    lake = site.object("lake", "lake")
    turn = np.linspace(0, 2 * np.pi, 73)
    r = land.shore_m(turn) + 1.0
    for share in range(6):
        inner, outer = r * max(share / 6, 0.01), r * (share + 1) / 6
        grid = np.stack([_ring(inner, turn), _ring(outer, turn)])
        site.add(lake, sheet(grid), water)
    edge = _ring(land.shore_m(turn[::2]) + 0.4, turn[::2])
    for a, b in itertools.pairwise(edge):
        site.builder.barrier((*a[:2], -1.0), b - a, (0.0, 0.0, 5.0))
    gravel = site.paints(textures.asphalt, color=(1.55, 1.36, 1.06), repeat_m=1.6)
    site.add(site.object("path", "gravel path"), _ribbon(land, land.path_m()), gravel)


def _ring(radius, turn) -> np.ndarray:
    """Points of the water's surface."""
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), 0 * turn + WATER_M], 1)


def _ribbon(land: Terrain, line: np.ndarray) -> Mesh:
    """A strip along a line [N, 3] on the ground, a little above it."""
    along = np.gradient(line, axis=0)
    along[[0, -1]] = along[0] + along[-1]
    side = np.stack([-along[:, 1], along[:, 0]], 1)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    shares = np.linspace(1, -1, 5)[:, None, None] * _PATH_M
    grid = land.on(line[None, :, :2] + shares * side[None])
    grid[..., 2] += np.array([0.012, 0.04, 0.05, 0.04, 0.012])[:, None]
    mesh = sheet(grid[:, ::-1] if sheet(grid).normals[:, 2].mean() < 0 else grid)
    return mesh.with_uv(mesh.positions_m[:, :2].copy())
