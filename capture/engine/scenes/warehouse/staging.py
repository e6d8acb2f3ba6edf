"""The warehouse's west side: docks, vehicles, office, packing."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import box, cylinder, join, lathe, rounded_box, transform, tube
from capture.engine.scenes.parts import cars, decor, furniture, masonry
from capture.engine.scenes.parts.site import Site, polygon, rectangle, slab, wall
from capture.engine.scenes.warehouse import textures
from capture.engine.scenes.warehouse.goods import build_load, build_pallet

DEPTH_M = 11.0
_NUM_DOCKS = 3
_DOCK_M = 3.4


def dock_y(depth: float, k: int) -> float:
    """Middle of a dock door on the west wall."""
    return depth * (k + 0.75) / (_NUM_DOCKS + 0.5)


def build_docks(site: Site, depth: float) -> None:
    """Roller doors in the west wall with numbers, bumpers and yellow lanes before them."""
    yellow = site.paints.plain((0.90, 0.72, 0.14))
    steel = site.paints.plain((0.30, 0.32, 0.34), gloss=0.3)
    hazard = site.paints(textures.hazard, repeat_m=0.5)
    lanes = site.object("floor_marks", "yellow floor marks")
    hues = ((0.36, 0.50, 0.62), (0.60, 0.30, 0.24), (0.40, 0.54, 0.42))
    for k in range(_NUM_DOCKS):
        # Seen from inside, the wall's right is north.
        door = site.at(0, dock_y(depth, k), turn_deg=90)
        obj = site.object("dock_door", f"roller door of dock {k + 1}")
        half = _DOCK_M / 2
        shutter = site.paints(textures.shutter, color=hues[k], repeat_m=1.4)
        door.add(obj, slab((-half, half), (-0.06, 0.0), (0.0, 3.6)), shutter)
        frame = [slab((s * half - 0.12, s * half + 0.12), (-0.14, 0), (0, 3.8)) for s in (-1, 1)]
        door.add(obj, join([*frame, slab((-half, half), (-0.34, 0), (3.6, 4.1))]), steel)
        plate = site.paints(masonry.sign, f"DOCK {k + 1}", (0.92, 0.76, 0.16), (0.10, 0.10, 0.10))
        door.add(obj, rectangle((-1.2, 1.2), -0.36, (4.2, 4.6)), plate)
        for s in (-1, 1):
            door.add(obj, cylinder(0.11, 1.0, sides=10).at(s * (half + 0.35), -0.45), hazard)
            x = s * (half + 0.1)
            line = [(x - 0.05, -5.4, 0.004), (x + 0.05, -5.4, 0.004), (x + 0.05, -0.6, 0.004),
                    (x - 0.05, -0.6, 0.004)]  # fmt: skip
            door.add(lanes, polygon(line), yellow)
    for x in (DEPTH_M - 2.6, DEPTH_M - 0.2):
        way = [(x, 0.6), (x + 0.1, 0.6), (x + 0.1, depth - 0.6), (x, depth - 0.6)]
        site.add(lanes, polygon([(*spot, 0.005) for spot in way]), yellow)


def build_vehicles(site: Site, depth: float, rng: np.random.Generator) -> None:
    """A van, two forklifts, goods that were just unloaded, stacks of empty pallets."""
    order = [int(k) for k in rng.permutation(_NUM_DOCKS)]
    van = max(cars.SHAPES, key=lambda shape: shape.roof)
    name = list(cars.COLORS)[int(rng.integers(len(cars.COLORS)))]
    cars.build_car(site.at(3.4, dock_y(depth, order[0]), turn_deg=0), van, name)
    build_forklift(site.at(6.6, dock_y(depth, order[1]), turn_deg=float(rng.uniform(150, 210))))
    build_forklift(site.at(9.6, depth - 3.0, turn_deg=-80))
    for x, y in ((1.6, -0.75), (1.6, 0.75), (3.1, -0.75), (3.1, 0.75), (4.6, -0.75)):
        build_load(site.at(x, dock_y(depth, order[1]) + y, turn_deg=90), rng)
    for x, y in ((2.0, -0.8), (2.0, 0.8), (3.6, 0.8)):
        build_load(site.at(x, dock_y(depth, order[2]) + y, turn_deg=90), rng)
    for k, y in enumerate((0.9, 2.3)):
        stack = site.object("pallets", "stack of empty pallets")
        for n in range(9 - 3 * k):
            turn = float(rng.normal(0, 1.5))
            build_pallet(site.at(9.9, y, 0.146 * n, turn_deg=90 + turn), stack)
    cone = site.paints.plain((0.88, 0.34, 0.12))
    for x, y in ((5.6, depth * 0.36), (5.9, depth * 0.64), (8.6, 5.6)):
        obj = site.object("cone", "orange traffic cone")
        foot = rounded_box(0.36, 0.36, 0.04, 0.02, steps=1)
        peak = lathe([(0.14, 0.04), (0.03, 0.52), (0, 0.53)], sides=14)
        site.add(obj, join([foot, peak]).at(x, y), cone)


def build_forklift(site: Site) -> None:
    """A counterbalance forklift that faces +x."""
    obj = site.object("forklift", "yellow forklift")
    yellow = site.paints.plain((0.88, 0.62, 0.10), gloss=0.4)
    dark = site.paints.plain((0.11, 0.11, 0.12), gloss=0.15)
    steel = site.paints.plain((0.34, 0.35, 0.37), gloss=0.4)
    body = [
        rounded_box(1.75, 1.05, 0.5, 0.1).at(-0.25, 0, 0.3),
        rounded_box(0.62, 1.1, 0.8, 0.14).at(-0.95, 0, 0.32),
        rounded_box(0.6, 0.95, 0.3, 0.08).at(-0.4, 0, 0.78),
    ]
    site.add(obj, join(body), yellow)
    roof = [tube([(-0.95, y, 1.05), (-0.85, y, 2.1), (0.35, y, 2.1), (0.58, y, 0.8)], 0.035)
            for y in (-0.45, 0.45)]  # fmt: skip
    roof += [tube([(x, -0.45, 2.11), (x, 0.45, 2.11)], 0.025, sides=5)
             for x in np.linspace(-0.8, 0.32, 6)]  # fmt: skip
    seat = [rounded_box(0.5, 0.5, 0.14, 0.05).at(-0.42, 0, 1.06),
            rounded_box(0.13, 0.48, 0.5, 0.05).at(-0.7, 0, 1.12)]  # fmt: skip
    wheel = cylinder(0.3, 0.24, sides=18).tilted(about_x_deg=90)
    wheels = [wheel.at(x, y + 0.12, 0.3) for x in (-0.9, 0.42) for y in (-0.45, 0.45)]
    column = tube([(0.5, 0, 0.8), (0.2, 0, 1.25)], 0.03)
    site.add(obj, join([*roof, *seat, *wheels, column]), dark)
    mast = [box(0.1, 0.12, 2.3).at(0.82, y, 0.1) for y in (-0.36, 0.36)]
    mast += [box(0.08, 0.8, 0.08).at(0.82, 0, z) for z in (0.5, 1.3, 2.3)]
    forks = [box(1.1, 0.12, 0.045).at(1.45, y, 0.12) for y in (-0.25, 0.25)]
    forks += [box(0.06, 0.12, 0.6).at(0.92, y, 0.12) for y in (-0.25, 0.25)]
    site.add(obj, join([*mast, *forks, box(0.05, 0.9, 0.5).at(0.9, 0, 0.3)]), steel)


def build_office(site: Site, depth: float) -> None:
    """A glazed cabin in the north-west corner."""
    obj = site.object("office", "office cabin with windows")
    wide, deep, tall = 5.2, 3.2, 2.9
    white = site.paints.plain((0.86, 0.87, 0.86))
    frame = site.paints.plain((0.20, 0.34, 0.44), gloss=0.3)
    cabin = site.at(0.4, depth - deep - 0.4)
    holes = [(0.5, 1.9, 1.0, 2.3), (3.4, 4.8, 1.0, 2.3)]
    sides = ((cabin, wide, holes), (cabin.at(wide, 0, turn_deg=90), deep, [(0.6, 2.6, 1.0, 2.3)]))
    for number, (side, length, openings) in enumerate(sides):
        side.add(obj, wall((0, length), (0, tall), openings), white)
        for k, (x0, x1, z0, z1) in enumerate(openings):
            view = site.paints(masonry.display, 3 * number + k, glow=0.5)
            side.add(obj, rectangle((x0, x1), 0.04, (z0, z1)), view)
            bars = [
                slab((x0 - 0.06, x1 + 0.06), (-0.05, 0), (z, z + 0.06)) for z in (z0 - 0.06, z1)
            ]
            bars += [slab((x, x + 0.06), (-0.05, 0), (z0, z1)) for x in (x0 - 0.06, x1)]
            side.add(obj, join(bars), frame)
    door = site.paints(masonry.door, color=(0.26, 0.42, 0.52))
    cabin.add(obj, rectangle((2.15, 3.1), -0.03, (0.02, 2.15)), door)
    cabin.add(obj, slab((2.05, 3.2), (-0.02, 0), (0, 2.25)), frame)
    cabin.add(obj, box(wide + 0.2, deep + 0.2, 0.14).at(wide / 2, deep / 2, tall), frame)
    name = site.paints(masonry.sign, "OFFICE", (0.20, 0.34, 0.44), (0.95, 0.95, 0.93))
    cabin.add(obj, rectangle((1.6, 3.6), -0.06, (2.45, 2.7)), name)


def build_packing(site: Site, depth: float, rng: np.random.Generator) -> None:
    """Packing tables, a roller conveyor and shelves along the south wall."""
    wood = site.paints(masonry.boards, color=(0.72, 0.56, 0.38), repeat_m=1.2)
    steel = site.paints.plain((0.42, 0.45, 0.48), gloss=0.35)
    blue = site.paints.plain((0.20, 0.36, 0.56), gloss=0.2)
    for x in (1.4, 4.4):
        at = transform(x, 0.75)
        furniture.table(site, at, wood, steel, size=(2.0, 0.9, 0.9), kind="packing_table")
        for n in range(3):
            card = site.paints(textures.carton, int(rng.integers(6)))
            obj = site.object("carton", "cardboard box")
            size = rng.uniform(0.25, 0.42, 3)
            turn = float(rng.uniform(-20, 20))
            carton = box(*size).at(x - 0.7 + 0.6 * n, 0.75, 0.9, turn_deg=turn)
            site.add(obj, carton, card)
        furniture.stool(site, transform(x, 1.75), blue, steel)
        decor.clock(site, transform(x, 0.03, 2.4), site.paints.plain((0.95, 0.95, 0.92)), steel)
    obj = site.object("conveyor", "roller conveyor")
    length, y = 5.5, 3.6
    rails = [box(length, 0.05, 0.12).at(3.6, y + s * 0.38, 0.72) for s in (-1, 1)]
    legs = [box(0.06, 0.06, 0.72).at(x, y + s * 0.36) for x in (1.2, 3.6, 6.0) for s in (-1, 1)]
    site.add(obj, join([*rails, *legs]), blue)
    rollers = [
        tube([(x, y - 0.36, 0.8), (x, y + 0.36, 0.8)], 0.03, sides=6)
        for x in np.arange(1.0, 6.3, 0.14)
    ]
    site.add(obj, join(rollers), steel)
    for x in (1.6, 3.1, 5.0):
        card = site.paints(textures.carton, int(rng.integers(6)))
        obj = site.object("carton", "cardboard box")
        turn = float(rng.uniform(-9, 9))
        site.add(obj, box(0.55, 0.45, 0.38).at(x, y, 0.83, turn_deg=turn), card)
