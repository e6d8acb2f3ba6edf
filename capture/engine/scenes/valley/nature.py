"""Spruces, rocks, reeds, bushes and flowers of the valley."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, join, lathe, sheet, smooth, sphere, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts import plants
from capture.engine.scenes.parts.site import Site


def build_spruce(site: Site, seed: int, *, height_m: float = 8.0) -> None:
    """A spruce: tiers of drooping boughs round a trunk."""
    rng = np.random.default_rng(seed)
    obj = site.object("spruce", "spruce")
    bark = site.paints(textures.bark, repeat_m=0.8)
    trunk = tube([(0, 0, -0.3), (0, 0, height_m * 0.55), (0, 0, height_m * 0.97)],
                 [0.03 * height_m, 0.02 * height_m, 0.01], sides=7)  # fmt: skip
    site.add(obj, trunk, bark)
    tone = float(rng.uniform(0.8, 1.1))
    green = site.paints(textures.leaves, color=(0.50 * round(tone, 1), 0.66, 0.52), repeat_m=0.8,
                        two_sided=True)  # fmt: skip
    tiers = []
    for k in range(9):
        share = k / 9
        z, r = height_m * (0.14 + 0.80 * share), 0.24 * height_m * (1 - share) ** 0.85 + 0.12
        tiers.append(_tier(rng, r, 0.30 * r + 0.09 * height_m).at(z_m=z))
    site.add(obj, join(tiers), green)


def _tier(rng: np.random.Generator, radius: float, tall: float) -> Mesh:
    """A ragged cone, open below, of boughs that hang at their tips."""
    count = 11
    turn = 2 * np.pi * (np.arange(2 * count + 1) + rng.uniform(0, 1)) / (2 * count)
    reach = np.where(np.arange(2 * count + 1) % 2 == 0, 1.0, 0.62) * radius
    reach[:-1] *= rng.uniform(0.86, 1.12, 2 * count)
    reach[-1] = reach[0]
    rows = []
    for share, drop in ((0.02, 0.0), (0.5, 0.42), (1.0, 1.0)):
        rim = reach * share
        z = tall * (1 - drop) - 0.16 * rim * share
        rows.append(np.stack([rim * np.cos(turn), rim * np.sin(turn), z], 1))
    return sheet(np.array(rows)[::-1])


def build_rock(site: Site, seed: int, *, size_m: float = 0.7) -> None:
    """A weathered boulder, half sunk."""
    rng = np.random.default_rng(seed)
    stone = site.paints(textures.plaster, color=(0.62, 0.61, 0.58), repeat_m=1.0)
    ball = sphere(1.0, sides=12)
    waves = [np.cos(ball.positions_m @ rng.normal(0, 2.2, 3) + rng.uniform(0, 6)) for _ in range(5)]
    wave = 0.13 * np.sum(waves, axis=0)
    shape = ball.positions_m * (1 + wave)[:, None] * size_m * (1.0, 0.8, 0.65)
    # The poles have vertices that no triangle uses.
    used, faces = np.unique(ball.faces, return_inverse=True)
    mesh = smooth(shape[used], faces.reshape(-1, 3)).at(
        z_m=0.15 * size_m, turn_deg=float(rng.uniform(0, 360))
    )
    site.add(site.object("rock", "grey boulder"), mesh, stone)


def build_reeds(site: Site, seed: int) -> None:
    """A clump of reeds with bulrushes."""
    rng = np.random.default_rng(seed)
    obj = site.object("reeds", "reeds")
    green = site.paints(textures.leaves, color=(0.96, 1.0, 0.60), repeat_m=0.6, two_sided=True,
                        translucency=0.3)  # fmt: skip
    blades, heads = [], []
    for _ in range(26):
        foot = np.array([*rng.normal(0, 0.4, 2), -0.4])
        tip = foot + np.array([*rng.normal(0, 0.16, 2), rng.uniform(1.0, 1.9)])
        blades.append(tube([foot, (foot + tip) / 2, tip], [0.014, 0.011, 0.002], sides=3))
        if rng.random() < 0.3:
            heads.append(lathe([(0, 0), (0.025, 0.02), (0.025, 0.18), (0, 0.2)], sides=6).at(*tip))
    site.add(obj, join(blades), green)
    if heads:
        site.add(obj, join(heads), site.paints.plain((0.34, 0.22, 0.13)))


def build_bush(site: Site, seed: int, blossom: bool) -> None:
    """A round bush, perhaps in flower."""
    rng = np.random.default_rng(seed)
    obj = site.object("bush", "flowering bush" if blossom else "bush")
    green = site.paints(textures.leaves, color=(0.80, 0.92, 0.66), repeat_m=0.7, two_sided=True,
                        translucency=0.3)  # fmt: skip
    clumps = np.column_stack([rng.normal(0, 0.38, (5, 2)), rng.uniform(0.2, 0.5, 5)])
    sizes = rng.uniform(0.35, 0.6, 5)
    core = [sphere(0.7 * r, sides=8).at(*c) for c, r in zip(clumps, sizes, strict=True)]
    site.add(obj, join([*core, plants.foliage(clumps, sizes, 420, 0.16, rng)]), green)
    if blossom:
        petals = site.paints.plain((0.88, 0.62, 0.72), two_sided=True)
        site.add(obj, plants.foliage(clumps, sizes * 1.06, 130, 0.08, rng), petals)


def build_flowers(site: Site, seed: int) -> None:
    """A patch of long grass with flowers of one colour."""
    rng = np.random.default_rng(seed)
    name, color = (
        ("yellow", (0.95, 0.80, 0.22)), ("white", (0.95, 0.95, 0.92)), ("blue", (0.40, 0.46, 0.80)),
        ("red", (0.80, 0.18, 0.16)),
    )[seed % 4]  # fmt: skip
    obj = site.object("flowers", f"{name} wildflowers")
    spots = np.column_stack([rng.normal(0, 0.6, (9, 2)), rng.uniform(0.0, 0.1, 9)])
    sizes = rng.uniform(0.18, 0.34, 9)
    green = site.paints(textures.leaves, color=(0.86, 1.0, 0.62), repeat_m=0.5, two_sided=True,
                        translucency=0.3)  # fmt: skip
    site.add(obj, plants.foliage(spots, sizes, 170, 0.16, rng), green)
    petals = site.paints.plain(color, two_sided=True, translucency=0.2)
    site.add(obj, plants.foliage(spots + np.array([0, 0, 0.12]), sizes, 90, 0.07, rng), petals)
