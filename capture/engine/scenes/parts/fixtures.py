"""Kitchen and bathroom fixtures. Backs on local y = 0, fronts toward +y, centred in x."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import (
    box,
    cylinder,
    flat,
    join,
    lathe,
    quad,
    rounded_box,
    sheet,
    tube,
)
from capture.engine.scenes.parts.building import Ground


def counter(
    house: Ground,
    at,
    body: int,
    front: int,
    top: int,
    metal: int,
    *,
    units=4,
    sink: int | None = None,
):
    """Base units of 0.6 m with fronts, worktop and an optional sink in unit number `sink`."""
    obj = house.object("counter", "kitchen counter")
    width, depth, height = 0.6 * units, 0.6, 0.88
    house.add(
        obj, box(width, depth - 0.02, height - 0.1).at(0, depth / 2 - 0.01, 0.1).moved(at), body
    )
    house.add(obj, box(width, depth - 0.1, 0.1).at(0, depth / 2 - 0.05).moved(at), metal)
    fronts, bars = [], []
    for k in range(units):
        x = (k + 0.5) * 0.6 - width / 2
        spans = [(0.11, 0.76)] if k % 2 == 0 else [(0.11, 0.24), (0.355, 0.24), (0.6, 0.27)]
        for z, h in spans:
            fronts.append(
                rounded_box(0.592, 0.02, h - 0.006, 0.004, steps=1).at(x, depth - 0.008, z)
            )
            bars.append(box(0.2, 0.022, 0.012).at(x, depth + 0.012, z + h - 0.07))
    house.add(obj, join(fronts).moved(at), front)
    house.add(obj, join(bars).moved(at), metal)
    pieces = [(-width / 2, width / 2)]
    if sink is not None:
        x = (sink + 0.5) * 0.6 - width / 2
        pieces = [(-width / 2, x - 0.22), (x + 0.22, width / 2)]
        rails = [box(0.44, 0.13, 0.035).at(x, y, height) for y in (0.065, depth - 0.055)]
        house.add(obj, join(rails).moved(at), top)
        basin = house.object("sink", "sink")
        walls = [box(0.44, 0.006, 0.19).at(x, y, height - 0.155) for y in (0.13, depth - 0.12)]
        walls += [box(0.006, 0.35, 0.19).at(x + s * 0.217, 0.305, height - 0.155) for s in (-1, 1)]
        walls.append(box(0.44, 0.35, 0.006).at(x, 0.305, height - 0.155))
        neck = np.linspace(0, np.pi, 9)
        spout = np.stack(
            [np.full(9, x), 0.13 - 0.065 * np.cos(neck) + 0.0, 1.18 + 0.065 * np.sin(neck)], 1
        )
        tap = [
            tube(np.vstack([[(x, 0.065, height + 0.03)], spout]), 0.011, sides=8),
            box(0.02, 0.08, 0.012).at(x + 0.04, 0.08, 0.98),
        ]
        house.add(basin, join(walls + tap).moved(at), metal)
    for a, b in pieces:
        house.add(
            obj,
            box(b - a, depth + 0.02, 0.035).at((a + b) / 2, depth / 2 + 0.01, height).moved(at),
            top,
        )


def wall_units(house: Ground, at, body: int, front: int, metal: int, *, units=3):
    """Upper cupboards of 0.6 m; local z = 0 is their underside."""
    obj = house.object("wall_cupboard", "wall cupboard")
    width = 0.6 * units
    house.add(obj, box(width, 0.33, 0.7).at(0, 0.165).moved(at), body)
    fronts = [
        rounded_box(0.592, 0.02, 0.692, 0.004, steps=1).at((k + 0.5) * 0.6 - width / 2, 0.34, 0.004)
        for k in range(units)
    ]
    bars = [
        box(0.012, 0.022, 0.16).at(
            (k + 0.5) * 0.6 - width / 2 + (0.25 if k % 2 == 0 else -0.25), 0.36, 0.06
        )
        for k in range(units)
    ]
    house.add(obj, join(fronts).moved(at), front)
    house.add(obj, join(bars).moved(at), metal)


def splashback(house: Ground, at, tile: int, *, size=(1.8, 0.6)):
    """Tiles on the wall behind a worktop; local z = 0 is their lower edge."""
    obj = house.object("splashback", "tiled splashback")
    house.add(obj, box(size[0], 0.012, size[1]).at(0, 0.006).moved(at), tile)


def stove(house: Ground, at, steel: int, black: int):
    """A free-standing stove with hob, oven door and knobs."""
    obj = house.object("stove", "stove")
    house.add(obj, box(0.6, 0.6, 0.91).at(0, 0.3).moved(at), steel)
    house.add(obj, box(0.58, 0.56, 0.008).at(0, 0.3, 0.91).moved(at), black)
    plates = ((-0.14, 0.18, 0.09), (0.14, 0.18, 0.07), (-0.14, 0.42, 0.07), (0.14, 0.42, 0.09))
    rings = []
    for x, y, r in plates:
        rim = [(r, 0), (r, 0.006), (r - 0.012, 0.006), (r - 0.012, 0)]
        rings.append(lathe(rim, sides=20).at(x, y, 0.918))
    knobs = [
        cylinder(0.018, 0.025, sides=12).tilted(about_x_deg=-90).at(x, 0.6, 0.84)
        for x in np.linspace(-0.22, 0.22, 5)
    ]
    house.add(obj, join(rings + knobs).moved(at), steel)
    house.add(obj, quad((0.22, 0.602, 0.25), (-0.44, 0, 0), (0, 0, 0.36)).moved(at), black)
    house.add(obj, tube([(-0.24, 0.63, 0.7), (0.24, 0.63, 0.7)], 0.011, sides=8).moved(at), steel)
    pot = house.object("pot", "cooking pot")
    profile = [
        (0, 0),
        (0.1, 0),
        (0.105, 0.01),
        (0.105, 0.14),
        (0.1, 0.14),
        (0.098, 0.02),
        (0, 0.02),
    ]
    ears = [box(0.05, 0.02, 0.012).at(s * 0.125, 0, 0.11) for s in (-1, 1)]
    house.add(pot, join([lathe(profile, sides=24), *ears]).at(-0.14, 0.2, 0.925).moved(at), steel)


def hood(house: Ground, at, steel: int, *, top_m=2.7):
    """An extractor hood over a stove, up to the ceiling."""
    obj = house.object("hood", "cooker hood")
    low, high = (
        np.array([[-0.3, 0], [0.3, 0], [0.3, 0.48], [-0.3, 0.48]]),
        np.array([[-0.13, 0], [0.13, 0], [0.13, 0.26], [-0.13, 0.26]]),
    )
    points = np.vstack(
        [np.column_stack([low, np.full(4, 1.62)]), np.column_stack([high, np.full(4, 1.86)])]
    )
    faces = [(0, 3, 2), (0, 2, 1)]
    for k in range(4):
        n = (k + 1) % 4
        faces += [(k, n, n + 4), (k, n + 4, k + 4)]
    house.add(obj, flat(points, np.array(faces)).moved(at), steel)
    house.add(obj, box(0.6, 0.48, 0.06).at(0, 0.24, 1.56).moved(at), steel)
    house.add(obj, box(0.26, 0.26, top_m - 1.86).at(0, 0.13, 1.86).moved(at), steel)


def fridge(house: Ground, at, body: int, metal: int):
    """A tall fridge-freezer."""
    obj = house.object("fridge", "fridge")
    house.add(obj, rounded_box(0.6, 0.6, 1.85, 0.02).at(0, 0.31, 0.02).moved(at), body)
    doors = [
        rounded_box(0.59, 0.05, h, 0.02).at(0, 0.63, z) for z, h in ((0.06, 0.62), (0.7, 1.16))
    ]
    house.add(obj, join(doors).moved(at), body)
    bars = [
        tube([(0.24, 0.68, z), (0.24, 0.68, z + h)], 0.011, sides=8)
        for z, h in ((0.36, 0.28), (0.76, 0.45))
    ]
    house.add(obj, join(bars).moved(at), metal)


def bathtub(house: Ground, at, enamel: int, metal: int, *, length=1.7):
    """A bathtub along local x."""
    obj = house.object("bathtub", "bathtub")
    w, d, h, rim = length, 0.75, 0.57, 0.07
    outer = [
        box(w, 0.02, h).at(0, d - 0.01),
        box(0.02, d, h).at(w / 2 - 0.01, d / 2),
        box(0.02, d, h).at(0.01 - w / 2, d / 2),
    ]
    top = [box(w, rim, 0.03).at(0, y, h - 0.03) for y in (rim / 2, d - rim / 2)]
    top += [
        box(rim + 0.03, d, 0.03).at(s * (w / 2 - rim / 2 - 0.015), d / 2, h - 0.031)
        for s in (-1, 1)
    ]
    house.add(obj, join(outer + top).moved(at), enamel)
    t, s = np.meshgrid(np.linspace(0, 2 * np.pi, 41), np.linspace(0, 1, 9), indexing="ij")
    superellipse = (np.abs(np.cos(t)) ** 4 + np.abs(np.sin(t)) ** 4) ** -0.25
    shrink = np.where(
        s < 0.55,
        1 - 0.12 * s,
        (1 - 0.12 * s) * np.sqrt(np.clip(1 - ((s - 0.55) / 0.45) ** 2, 0, 1)),
    )
    x = np.cos(t) * superellipse * (w / 2 - rim) * shrink
    y = d / 2 + np.sin(t) * superellipse * (d / 2 - rim + 0.01) * shrink
    z = h - 0.012 - 0.4 * np.sin(np.clip(s / 0.8, 0, 1) * np.pi / 2)
    house.add(obj, sheet(np.stack([x, y, z], -1)).moved(at), enamel)
    tap = [
        tube([(0.1, 0.03, h + 0.12), (0.1, 0.14, h + 0.12), (0.1, 0.16, h + 0.09)], 0.012, sides=8),
        tube([(0.1, 0.0, h + 0.12), (0.1, 0.06, h + 0.12)], 0.03, sides=12),
    ]
    house.add(obj, join(tap).moved(at), metal)


def toilet(house: Ground, at, enamel: int):
    """A toilet with cistern."""
    obj = house.object("toilet", "toilet")
    house.add(obj, rounded_box(0.38, 0.17, 0.38, 0.04).at(0, 0.09, 0.4).moved(at), enamel)
    t = np.linspace(0, 1, 6)
    bowl = np.stack([0.12 + 0.08 * t**2, 0.4 * t], 1)
    seat = [(0.2, 0.4), (0.205, 0.41), (0.2, 0.425), (0.0, 0.432)]
    body = lathe(np.vstack([[(0, 0)], bowl[:1], bowl, seat]), sides=28).scaled(0.95, 1.25, 1)
    house.add(obj, body.at(0, 0.42).moved(at), enamel)
    house.add(obj, box(0.22, 0.25, 0.4).at(0, 0.2).moved(at), enamel)


def washstand(house: Ground, at, body: int, front: int, enamel: int, metal: int):
    """A vanity unit with basin and tap."""
    obj = house.object("washstand", "washstand")
    house.add(obj, box(0.9, 0.46, 0.56).at(0, 0.23, 0.22).moved(at), body)
    fronts = [
        rounded_box(0.44, 0.02, 0.54, 0.005, steps=1).at(x, 0.468, 0.23) for x in (-0.225, 0.225)
    ]
    house.add(obj, join(fronts).moved(at), front)
    t = np.linspace(0, 1, 7)
    outer = np.stack([0.08 + 0.13 * np.sin(t * np.pi / 2), 0.13 * t], 1)
    inner = np.stack([outer[::-1, 0] - 0.012, 0.012 + 0.118 * t[::-1]], 1)
    basin = lathe(np.vstack([[(0, 0)], outer, inner, [(0, 0.012)]]), sides=32).scaled(1.2, 0.95, 1)
    house.add(obj, box(0.92, 0.48, 0.03).at(0, 0.24, 0.78).moved(at), enamel)
    house.add(house.object("basin", "wash basin"), basin.at(0, 0.26, 0.81).moved(at), enamel)
    tap = tube(
        [(0, 0.04, 0.81), (0, 0.04, 1.06), (0, 0.08, 1.09), (0, 0.16, 1.08), (0, 0.17, 1.05)],
        0.012,
        sides=8,
    )
    house.add(obj, tap.moved(at), metal)


def towel(house: Ground, at, cloth: int, metal: int, *, width=0.5, length=0.7):
    """A towel over a rail; local y = 0 is the wall, z = 0 the rail."""
    obj = house.object("towel", "towel")
    u, v = np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 25), indexing="ij")
    x = (u - 0.5) * width * (1 - 0.04 * np.sin(v * 9))
    run = (v - 0.5) * 2 * length
    z = np.where(np.abs(run) < 0.03, 0.015, -np.abs(run) * np.where(run > 0, 1.0, 0.8))
    y = (
        0.07
        + np.clip(run, -0.018, 0.018)
        + 0.008 * np.sin(u * 14 + v * 2) * np.clip(np.abs(run) * 3, 0, 1)
    )
    house.add(obj, sheet(np.stack([x, y, z], -1)).moved(at), cloth)
    rail = [tube([(-width / 2 - 0.06, 0.07, 0), (width / 2 + 0.06, 0.07, 0)], 0.009, sides=8)]
    rail += [
        tube([(s * (width / 2 + 0.05), 0, 0), (s * (width / 2 + 0.05), 0.07, 0)], 0.012, sides=8)
        for s in (-1, 1)
    ]
    house.add(house.object("towel_rail", "towel rail"), join(rail).moved(at), metal)
