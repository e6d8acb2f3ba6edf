"""The warehouse's shell: floor, walls, roof with lights, girders, lamps."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import box, cylinder, join
from capture.engine.scenes.parts.site import Site
from capture.engine.scenes.warehouse import textures

HEIGHT_M = 7.4
_WALL_M = 0.3
_LIGHT_WIDE_M = 1.7


def build_hall(site: Site, width: float, depth: float) -> None:
    """An empty steel hall over (0, 0)..(width, depth)."""
    h = HEIGHT_M
    floor = site.object("floor", "concrete floor")
    concrete = site.paints(textures.concrete, repeat_m=4.0, gloss=0.10)
    site.panel(floor, (0, 0, 0), (width, 0, 0), (0, depth, 0), concrete, 0.25)
    metal = site.paints(textures.sheet_metal, color=(0.86, 0.88, 0.90), repeat_m=1.8)
    plinth = site.paints(textures.concrete, color=(0.95, 0.95, 0.95), repeat_m=4.0)
    for turn, x, y, length, name in (
        (0, 0, depth, width, "north"), (180, width, 0, width, "south"),
        (-90, width, depth, depth, "east"), (90, 0, 0, depth, "west"),
    ):  # fmt: skip
        side = site.at(x, y, turn_deg=turn)
        wall = site.object("wall", f"{name} wall of sheet metal")
        side.panel(wall, (0, 0, 0), (length, 0, 0), (0, 0, 1.1), plinth, 0.3)
        side.panel(wall, (0, 0, 1.1), (length, 0, 0), (0, 0, h - 1.1), metal, 0.4)
        core = box(length + 2 * _WALL_M, _WALL_M, h + 0.3).at(length / 2, _WALL_M / 2 + 0.01, -0.1)
        side.add(wall, core, metal)
        posts = [box(0.22, 0.16, h).at(px, -0.08) for px in np.arange(0.2, length, 5.4)]
        side.add(wall, join(posts), site.paints.plain((0.36, 0.40, 0.44), gloss=0.2))
    _roof(site, width, depth)
    _lamps(site, width, depth)


def lights(width: float, depth: float) -> list[tuple[float, float, float, float]]:
    """Roof lights x0, x1, y0, y1: two rows of four."""
    out = []
    for y in (depth * 0.25, depth * 0.75):
        for k in range(4):
            x = width * (k + 0.5) / 4
            half = width / 8 - 0.8
            out.append((x - half, x + half, y - _LIGHT_WIDE_M / 2, y + _LIGHT_WIDE_M / 2))
    return out


def _roof(site: Site, width: float, depth: float) -> None:
    """Sheets between the roof lights, bars across them, girders below."""
    obj = site.object("roof", "steel roof")
    metal = site.paints(textures.sheet_metal, color=(0.80, 0.81, 0.83), repeat_m=1.8)
    steel = site.paints.plain((0.44, 0.47, 0.50), gloss=0.25)
    z, holes = HEIGHT_M, lights(width, depth)
    rows = sorted({(y0, y1) for _, _, y0, y1 in holes})
    edges = [0.0, *(y for row in rows for y in row), depth]
    pieces = [(0.0, width, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    for row in rows:
        xs = [0.0, *(x for x0, x1, y0, _ in holes if y0 == row[0] for x in (x0, x1)), width]
        pieces += [(a, b, *row) for a, b in zip(xs[::2], xs[1::2], strict=True)]
    for x0, x1, y0, y1 in pieces:
        site.panel(obj, (x0, y0, z), (0, y1 - y0, 0), (x1 - x0, 0, 0), metal, 0.5)
        lid = box(x1 - x0 + 0.02, y1 - y0 + 0.02, 0.2).at((x0 + x1) / 2, (y0 + y1) / 2, z + 0.01)
        site.add(obj, lid, metal)
    bars = site.object("roof_light", "roof light")
    for x0, x1, y0, y1 in holes:
        count = int((x1 - x0) / 1.1)
        rods = [box(0.05, y1 - y0, 0.08).at(x, (y0 + y1) / 2, z + 0.02)
                for x in np.linspace(x0, x1, count + 1)]  # fmt: skip
        site.add(bars, join(rods), steel)
        u, v = (0, y1 - y0, 0), (x1 - x0, 0, 0)
        site.builder.portal((x0, y0, z - 0.02), u, v)
    girders = []
    for y in np.arange(2.7, depth - 1, 5.4):
        girders += [box(width, 0.24, 0.03).at(width / 2, y, z - top) for top in (0.06, 0.52)]
        girders.append(box(width, 0.03, 0.44).at(width / 2, y, z - 0.5))
    site.add(site.object("girder", "steel girder"), join(girders), steel)


def _lamps(site: Site, width: float, depth: float) -> None:
    """High-bay lamps in a grid."""
    shade = site.paints.plain((0.30, 0.32, 0.34), gloss=0.3)
    glass = site.paints.plain((1.0, 0.96, 0.88), glow=3.0)
    for x in np.linspace(4.0, width - 5.0, 4):
        for y in np.linspace(4.5, depth - 4.5, 3):
            obj = site.object("lamp", "high-bay lamp")
            lamp = site.at(float(x), float(y), HEIGHT_M - 1.3)
            lamp.add(obj, cylinder(0.02, 1.0, sides=5).at(z_m=0.3), shade)
            lamp.add(obj, cylinder(0.26, 0.28, top_radius_m=0.09, sides=14).at(z_m=0.02), shade)
            lamp.add(obj, cylinder(0.22, 0.02, sides=14), glass)
            lamp.lamp((0, 0, -0.1), (8.5, 8.0, 7.0), 12.0)
