"""Arcades: arches on columns with a terrace above, in the frame of `site` (the open side is -y)."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, box, cylinder, join, lathe, sheet
from capture.engine.scenes.parts.site import Site

DEPTH_M = 3.2
_SPRING_M, _RISE_M, _TOP_M, _THICK_M = 2.3, 0.95, 3.5, 0.42
_TERRACE_M = 3.62


def arch(width_m: float, *, spring_m: float, rise_m: float, top_m: float, thick_m: float) -> Mesh:
    """The wall over an arch that spans x = 0..width, from y = 0 to `thick_m`.

    Args:
        width_m: From the middle of one column to the middle of the next.
        spring_m: Height at which the arch begins.
        rise_m: How much higher its crown is.
        top_m: Height of the wall.
        thick_m: Of the wall.
    """
    half, pier = width_m / 2, 0.24
    turn = np.linspace(np.pi, 0.0, 17)
    curve = np.stack([half + (half - pier) * np.cos(turn), spring_m + rise_m * np.sin(turn)], 1)
    curve = np.vstack([[(0.0, spring_m)], curve, [(width_m, spring_m)]])
    x, z = curve.T
    low, high = np.stack([x, 0 * x, z], 1), np.stack([x, 0 * x, 0 * x + top_m], 1)
    deep = np.array([0.0, thick_m, 0.0])
    back = sheet(np.stack([low, high]) + deep)
    front = sheet(np.stack([low[::-1], high[::-1]]))
    soffit = sheet(np.stack([low, low + deep]))
    flat = [part.with_uv(part.positions_m[:, ::2].copy()) for part in (front, back)]
    return join([*flat, soffit])


def column(height_m: float, radius_m: float = 0.2) -> Mesh:
    """A round column with base and capital."""
    r, h = radius_m, height_m
    shaft = [(r * 1.15, 0.2), (r * 1.15, 0.28), (r, 0.34), (r * 0.88, h - 0.32), (r, h - 0.28)]
    profile = [(0, 0.14), (r * 1.3, 0.14), (r * 1.3, 0.2), *shaft, (r * 1.25, h - 0.12)]
    block, plinth = box(2.6 * r, 2.6 * r, 0.13), box(3 * r, 3 * r, 0.15)
    return join([plinth, lathe(profile, sides=14), block.at(z_m=h - 0.13)])


def build_arcade(site: Site, obj: int, bays: int, bay_m: float, stone: int, plaster: int) -> None:
    """A row of arches along x that begins at the origin; the wall behind is at y = `DEPTH_M`.

    The first column stands at the origin; the last arch ends where the next side's first column is.
    """
    length = bays * bay_m
    over = {"spring_m": _SPRING_M, "rise_m": _RISE_M, "top_m": _TOP_M, "thick_m": _THICK_M}
    for k in range(bays):
        bay = site.at(k * bay_m)
        bay.add(obj, arch(bay_m, **over), plaster)
        bay.add(obj, column(_SPRING_M).at(0, _THICK_M / 2, 0), stone)
    # The terrace reaches over the corners; its neighbour's begins behind it.
    deck = box(length + DEPTH_M, DEPTH_M + 0.16, _TERRACE_M - _TOP_M)
    site.add(obj, deck.at((length + DEPTH_M) / 2, DEPTH_M / 2 - 0.08, _TOP_M), stone)
    posts = [
        cylinder(0.06, 0.62, top_radius_m=0.04, sides=6).at(x, 0.12, _TERRACE_M)
        for x in np.arange(0.2, length, 0.32)
    ]
    piers = [box(0.26, 0.26, 0.78).at(k * bay_m, 0.12, _TERRACE_M) for k in range(bays)]
    rail = box(length, 0.2, 0.1).at(length / 2, 0.12, _TERRACE_M + 0.62)
    site.add(obj, join([*posts, *piers, rail]), stone)


def build_lantern(site: Site) -> None:
    """A lit lantern that hangs from the arcade's ceiling."""
    obj = site.object("lantern", "hanging lantern")
    iron = site.paints.plain((0.12, 0.13, 0.13), gloss=0.3)
    glass = site.paints.plain((1.0, 0.85, 0.60), glow=1.6)
    site.add(obj, cylinder(0.012, 0.5, sides=5).at(z_m=_TOP_M - 0.5), iron)
    site.add(obj, cylinder(0.16, 0.12, top_radius_m=0.03, sides=6).at(z_m=_TOP_M - 0.6), iron)
    site.add(obj, cylinder(0.09, 0.26, top_radius_m=0.13, sides=6).at(z_m=_TOP_M - 0.86), glass)
    site.lamp((0, 0, _TOP_M - 0.95), (0.9, 0.6, 0.32), 5.0)
