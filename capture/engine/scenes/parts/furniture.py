"""Furniture. Every piece stands with its back on local y = 0, its front toward +y, centred in x.

Functions take the house, where to stand (a plan transform from `standing`) and materials.
"""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import (
    Mesh,
    box,
    cylinder,
    join,
    lathe,
    quad,
    rounded_box,
    sheet,
    transform,
    tube,
)
from capture.engine.scenes.parts.building import Ground

# Turns of things that stand against the walls at y0 (facing +y), x1, y1, x0.
FROM_Y0, FROM_X1, FROM_Y1, FROM_X0 = 0.0, 90.0, 180.0, -90.0


def standing(x_m: float, y_m: float, turn_deg: float = 0.0, z_m: float = 0.0) -> np.ndarray:
    """Transform [4, 4] of a piece whose back is at a plan point; turn 0 faces +y, 90 faces -x."""
    return transform(x_m, y_m, z_m, turn_deg=turn_deg)


def sofa(house: Ground, at, cloth: int, leg: int, pillows: list[int], *, width=2.1, label="sofa"):
    """A sofa with seat and back cushions and loose pillows."""
    obj = house.object("sofa", label)
    arm, depth = 0.2, 0.92
    inner = width - 2 * arm
    soft = [
        rounded_box(width, depth, 0.22, 0.05).at(0, depth / 2, 0.12),
        rounded_box(width - 0.1, 0.24, 0.5, 0.08).at(0, 0.13, 0.3),
    ]
    soft += [
        rounded_box(arm, depth, 0.5, 0.07).at(side * (width - arm) / 2, depth / 2, 0.12)
        for side in (-1, 1)
    ]
    count = 3 if width > 1.9 else 2
    for k in range(count):
        x = (k + 0.5) / count * inner - inner / 2
        soft.append(rounded_box(inner / count - 0.01, 0.66, 0.17, 0.06).at(x, 0.58, 0.32))
        back = rounded_box(inner / count - 0.02, 0.18, 0.44, 0.08).tilted(about_x_deg=11)
        soft.append(back.at(x, 0.28, 0.46))
    house.add(obj, join(soft).moved(at), cloth)
    legs = [
        cylinder(0.018, 0.13, top_radius_m=0.026, sides=10).at(x, y)
        for x in (-width / 2 + 0.1, width / 2 - 0.1)
        for y in (0.1, depth - 0.1)
    ]
    house.add(obj, join(legs).moved(at), leg)
    for k, material in enumerate(pillows):
        pillow = house.object("pillow", "cushion")
        side = -1 if k % 2 else 1
        place = transform(side * (inner / 2 - 0.2 - 0.3 * (k // 2)), 0.45, 0.5, turn_deg=-14 * side)
        house.add(pillow, cushion(0.44).tilted(about_x_deg=24).moved(at @ place), material)


def cushion(size_m: float, thick_m: float = 0.15) -> Mesh:
    """A pillow that stands on its edge, its face toward +y."""
    t = np.linspace(-1, 1, 9)
    u, v = np.meshgrid(t, t, indexing="ij")
    bulge = (1 - u**4) * (1 - v**4) * thick_m / 2
    pinch = 1 - 0.08 * (1 - u**2) * np.abs(v) - 0.08 * (1 - v**2) * np.abs(u)
    x, z = u * size_m / 2 * pinch, (v * pinch + 1) * size_m / 2
    return join(
        [sheet(np.stack([x, -bulge, z], -1)), sheet(np.stack([x[::-1], bulge[::-1], z], -1))]
    )


def armchair(house: Ground, at, cloth: int, leg: int, *, label="armchair"):
    """A lounge chair on four splayed legs."""
    obj = house.object("armchair", label)
    soft = [
        rounded_box(0.74, 0.72, 0.18, 0.07).at(0, 0.4, 0.27),
        rounded_box(0.74, 0.17, 0.62, 0.08).tilted(about_x_deg=14).at(0, 0.13, 0.36),
        rounded_box(0.11, 0.62, 0.3, 0.05).at(-0.37, 0.4, 0.3),
        rounded_box(0.11, 0.62, 0.3, 0.05).at(0.37, 0.4, 0.3),
    ]
    house.add(obj, join(soft).moved(at), cloth)
    house.add(obj, _legs(0.62, 0.6, 0.3, 0.018, y=0.4).moved(at), leg)


def table(
    house: Ground, at, top: int, leg: int, *, size=(1.6, 0.9, 0.74), kind="table",
    label: str | None = None,
):  # fmt: skip
    """A table with square legs; its centre is at local (0, 0)."""
    width, depth, height = size
    obj = house.object(kind, label)
    house.add(
        obj,
        rounded_box(width, depth, 0.035, 0.012, steps=1).at(0, 0, height - 0.035).moved(at),
        top,
    )
    thick = 0.05 if height > 0.6 else 0.035
    parts = [
        box(thick, thick, height - 0.035).at(x * (width / 2 - 0.06), y * (depth / 2 - 0.06))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    parts += [
        box(width - 0.14, 0.02, 0.07).at(0, y * (depth / 2 - 0.06), height - 0.105) for y in (-1, 1)
    ]
    parts += [
        box(0.02, depth - 0.14, 0.07).at(x * (width / 2 - 0.06), 0, height - 0.105) for x in (-1, 1)
    ]
    house.add(obj, join(parts).moved(at), leg)


def round_table(
    house: Ground, at, top: int, foot: int, *, radius=0.3, height=0.48, kind="side_table"
):
    """A round table on one foot; its centre is at local (0, 0)."""
    obj = house.object(kind, kind.replace("_", " "))
    r = radius
    low = height - 0.03
    rim = [(r + 0.008, height - 0.015), (r, height), (r, height)]
    profile = [(0, low), (r, low), (r, low), *rim, (0, height)]
    house.add(obj, lathe(profile, sides=32).moved(at), top)
    base = [
        (0, 0),
        (r * 0.6, 0),
        (r * 0.6, 0.012),
        (0.05, 0.03),
        (0.022, 0.07),
        (0.022, height - 0.03),
    ]
    house.add(obj, lathe(base, sides=20).moved(at), foot)


def chair(house: Ground, at, frame: int, seat: int, *, label="chair"):
    """A dining chair with a slatted back; its centre is at local (0, 0), its front toward +y."""
    obj = house.object("chair", label)
    parts = [_legs(0.38, 0.38, 0.44, 0.017)]
    for x in (-0.18, 0.18):
        parts.append(tube([(x, -0.19, 0.42), (x, -0.2, 0.6), (x, -0.26, 0.9)], 0.015, sides=8))
    for z, y in ((0.84, -0.245), (0.72, -0.225), (0.6, -0.205)):
        t = np.linspace(-1, 1, 5)
        bend = np.stack([t * 0.18, y - 0.03 * (1 - t * t), np.full(5, z)], 1)
        parts.append(tube(bend, 0.018, sides=6))
    house.add(obj, join(parts).moved(at), frame)
    house.add(obj, rounded_box(0.44, 0.43, 0.05, 0.022).at(0, 0, 0.43).moved(at), seat)


def stool(house: Ground, at, seat: int, leg: int, *, height=0.65):
    """A bar stool; its centre is at local (0, 0)."""
    obj = house.object("stool", "bar stool")
    h = height
    profile = [(0, h - 0.05), (0.15, h - 0.05), (0.17, h - 0.03), (0.165, h), (0, h)]
    house.add(obj, lathe(profile, sides=24).moved(at), seat)
    legs = [
        tube([(0.08 * x, 0.08 * y, height - 0.05), (0.17 * x, 0.17 * y, 0)], 0.013, sides=8)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    turn = np.linspace(0, 2 * np.pi, 25)
    ring = np.stack([0.185 * np.cos(turn), 0.185 * np.sin(turn), np.full(25, 0.22)], 1)
    house.add(obj, join([*legs, tube(ring, 0.008, sides=6)]).moved(at), leg)


def bed(
    house: Ground, at, frame: int, linen: int, cover: int, pillow: int, *, width=1.6, label="bed"
):
    """A bed with headboard, a folded-back cover and pillows."""
    obj = house.object("bed", label)
    length = 2.05
    wood = [
        rounded_box(width + 0.12, 0.06, 1.0, 0.025).at(0, 0.035),
        box(width + 0.08, 0.03, 0.2).at(0, length + 0.02, 0.12),
    ]
    wood += [
        box(0.03, length, 0.2).at(x * (width / 2 + 0.025), length / 2 + 0.03, 0.12) for x in (-1, 1)
    ]
    wood += [box(0.06, 0.06, 0.2).at(x * width / 2, length) for x in (-1, 1)]
    house.add(obj, join(wood).moved(at), frame)
    house.add(
        obj,
        rounded_box(width, length - 0.06, 0.24, 0.07).at(0, length / 2 + 0.04, 0.24).moved(at),
        linen,
    )
    spread = house.object("blanket", "bed cover")
    u, v = np.meshgrid(np.linspace(-1, 1, 37), np.linspace(0, 1, 25), indexing="ij")
    across = u * (width / 2 + 0.26)
    over = np.clip(np.abs(across) - width / 2, 0, None)
    x = np.clip(across, -width / 2 - 0.02, width / 2 + 0.02) + 0.02 * np.sign(u) * (over > 0)
    y = 0.72 + v * (length - 0.67)
    fold = 0.008 * np.sin(9 * u + 5 * v) + 0.006 * np.sin(17 * v - 4 * u)
    z = 0.5 + fold - np.where(over > 0, over, 0) - 0.03 * np.clip(np.abs(u) - 0.8, 0, 1)
    house.add(spread, sheet(np.stack([x, y, z], -1)).moved(at), cover)
    roll = [
        tube(
            [(-width / 2, 0.74, 0.505), (0, 0.73, 0.512), (width / 2, 0.74, 0.505)], 0.04, sides=10
        )
    ]
    house.add(spread, join(roll).moved(at), linen)
    for x in (-width / 4, width / 4) if width > 1.2 else (0.0,):
        soft = house.object("pillow", "pillow")
        lying = cushion(0.62, 0.2).scaled(1, 1, 0.68).tilted(about_x_deg=62)
        house.add(soft, lying.at(x, 0.42, 0.5).moved(at), pillow)


def cabinet(
    house: Ground, at, body: int, front: int, knob: int, *, size=(1.6, 0.45, 0.6), doors=3, rows=1,
    kind="cabinet", label: str | None = None, lift=0.1,
):  # fmt: skip
    """A chest with `rows` x `doors` fronts: sideboards, wardrobes, drawers."""
    width, depth, height = size
    obj = house.object(kind, label)
    house.add(
        obj, box(width, depth - 0.02, height - lift).at(0, depth / 2 - 0.01, lift).moved(at), body
    )
    house.add(obj, box(width - 0.08, depth - 0.1, lift).at(0, depth / 2 - 0.03).moved(at), body)
    fronts, knobs = [], []
    w, h = width / doors, (height - lift) / rows
    for i in range(doors):
        for j in range(rows):
            x, z = (i + 0.5) * w - width / 2, lift + j * h
            fronts.append(
                rounded_box(w - 0.008, 0.022, h - 0.008, 0.004, steps=1).at(
                    x, depth - 0.009, z + 0.004
                )
            )
            if h > w:
                side = 1 if i % 2 == 0 else -1
                bar = box(0.014, 0.02, min(0.22, h / 3))
                knobs.append(bar.at(x + side * (w / 2 - 0.05), depth + 0.012, z + h * 0.5))
            else:
                knobs.append(box(min(0.16, w / 3), 0.02, 0.014).at(x, depth + 0.012, z + h * 0.62))
    house.add(obj, join(fronts).moved(at), front)
    house.add(obj, join(knobs).moved(at), knob)


def shelf(
    house: Ground, at, wood: int, *, size=(0.9, 0.3, 2.0), levels=5, label="bookshelf"
):  # fmt: skip
    """An open shelf; returns the heights of its boards' upper sides."""
    width, depth, height = size
    obj = house.object("shelf", label)
    thick = 0.024
    boards = np.linspace(0.06, height - thick, levels + 1)
    parts = [box(thick, depth, height).at(x * (width - thick) / 2, depth / 2) for x in (-1, 1)]
    parts += [box(width - 2 * thick, depth - 0.01, thick).at(0, depth / 2, z) for z in boards]
    parts.append(box(width - 2 * thick, 0.012, height - 0.06).at(0, 0.006, 0.06))
    house.add(obj, join(parts).moved(at), wood)
    return [float(z) + thick for z in boards[:-1]]


def desk(house: Ground, at, top: int, leg: int, front: int, *, width=1.4):
    """A desk with a drawer unit; its back is at local y = 0."""
    obj = house.object("desk", "desk")
    house.add(obj, rounded_box(width, 0.7, 0.03, 0.01, steps=1).at(0, 0.35, 0.71).moved(at), top)
    frame = [
        box(0.04, 0.6, 0.71).at(-width / 2 + 0.08, 0.35),
        box(width - 0.5, 0.02, 0.3).at(-0.15, 0.05, 0.4),
    ]
    house.add(obj, join(frame).moved(at), leg)
    house.add(obj, box(0.42, 0.6, 0.71).at(width / 2 - 0.24, 0.35).moved(at), leg)
    drawers = [box(0.38, 0.02, 0.2).at(width / 2 - 0.24, 0.655, z) for z in (0.06, 0.28, 0.5)]
    house.add(obj, join(drawers).moved(at), front)


def office_chair(house: Ground, at, cloth: int, metal: int):
    """A swivel chair; its centre is at local (0, 0)."""
    obj = house.object("office_chair", "office chair")
    soft = [
        rounded_box(0.48, 0.46, 0.08, 0.035).at(0, 0.02, 0.44),
        rounded_box(0.44, 0.07, 0.52, 0.033).tilted(about_x_deg=8).at(0, -0.22, 0.58),
    ]
    house.add(obj, join(soft).moved(at), cloth)
    parts = [cylinder(0.028, 0.4, sides=12).at(0, 0, 0.06), box(0.05, 0.06, 0.3).at(0, -0.23, 0.42)]
    for k in range(5):
        a = k * 2 * np.pi / 5 + 0.3
        foot = (0.29 * np.cos(a), 0.29 * np.sin(a), 0.05)
        parts.append(tube([(0, 0, 0.1), foot], 0.018, sides=6))
        parts.append(cylinder(0.028, 0.05, sides=10).at(foot[0], foot[1]))
    parts += [
        tube([(x, -0.1, 0.46), (x, -0.1, 0.66), (x, 0.14, 0.67)], 0.015, sides=6)
        for x in (-0.26, 0.26)
    ]
    house.add(obj, join(parts).moved(at), metal)


def rug(house: Ground, at, material: int, *, size=(2.4, 1.7), label="rug"):
    """A rug with its texture once over it; its centre is at local (0, 0)."""
    obj = house.object("rug", label)
    width, depth = size
    edge = rounded_box(width, depth, 0.012, 0.005, steps=1)
    house.add(obj, edge.with_uv(np.zeros_like(edge.uv_m)).moved(at), material)
    # The light on a rug changes across it, so its face is a grid.
    n, m = max(int(width / 0.12), 2), max(int(depth / 0.12), 2)
    x, y = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1), indexing="ij")
    points = np.stack([(x - 0.5) * width, (y - 0.5) * depth, np.full_like(x, 0.0135)], -1)
    face = sheet(points).with_uv(np.stack([x.ravel(), y.ravel()], 1))
    house.add(obj, face.moved(at), material)


def round_rug(house: Ground, at, material: int, *, radius=0.9, label="round rug"):
    """A round rug; its centre is at local (0, 0)."""
    obj = house.object("rug", label)
    r, a = np.meshgrid(np.linspace(0.002, 1, 9), np.linspace(0, 2 * np.pi, 41), indexing="ij")
    x, y = r * np.cos(a), r * np.sin(a)
    face = sheet(np.stack([x * radius, y * radius, np.full_like(x, 0.012)], -1))
    house.add(
        obj, face.with_uv(np.stack([x.ravel(), y.ravel()], 1) * 0.39 + 0.5).moved(at), material
    )
    rim = lathe([(radius, 0.0), (radius + 0.004, 0.006), (radius, 0.012)], sides=40)
    house.add(obj, rim.with_uv(np.full_like(rim.uv_m, 0.02)).moved(at), material)


def picture(
    house: Ground,
    at,
    canvas: int,
    frame: int,
    mat: int | None = None,
    *,
    size=(0.7, 0.5),
    label="framed picture",
):
    """A framed picture on a wall; local y = 0 is the wall, z = 0 the picture's middle."""
    obj = house.object("picture", label)
    w, h = size
    bars = [box(w + 0.05, 0.03, 0.025).at(0, 0.015, z) for z in (-h / 2 - 0.025, h / 2)]
    bars += [box(0.025, 0.03, h).at(x * (w / 2 + 0.0125), 0.015, -h / 2) for x in (-1, 1)]
    house.add(obj, join(bars).moved(at), frame)
    edge = 0.0
    if mat is not None:
        house.add(obj, quad((w / 2, 0.014, -h / 2), (-w, 0, 0), (0, 0, h)).moved(at), mat)
        edge = 0.07
    face = quad((w / 2 - edge, 0.017, -h / 2 + edge), (2 * edge - w, 0, 0), (0, 0, h - 2 * edge))
    house.add(obj, face.moved(at), canvas)


def curtain(
    house: Ground, at, material: int, rod: int, *, width=1.0, height=2.3, spread=0.35, seed=0
):
    """A pair of curtains left and right of a window; local y = 0 is the wall, centred in x."""
    obj = house.object("curtain", "curtains")
    rng = np.random.default_rng(seed)
    for side in (-1, 1):
        u, z = np.meshgrid(np.linspace(0, 1, 49), np.linspace(0, 1, 10), indexing="ij")
        folds = 6 + rng.random()
        wave = np.sin(u * folds * 2 * np.pi + 0.7 * np.sin(z * 2 + rng.random() * 6))
        x = side * (width / 2 + 0.04 - u * spread * (0.92 + 0.08 * z) + 0.22)
        y = 0.085 + 0.032 * wave * (1 - 0.25 * z) + 0 * x
        points = np.stack([x, y, 0.03 + z * (height - 0.05)], -1)
        house.add(obj, sheet(points if side > 0 else points[::-1]).moved(at), material)
    bar = house.object("curtain_rod", "curtain rod")
    end = width / 2 + 0.32
    rail = tube([(-end, 0.085, height), (end, 0.085, height)], 0.012, sides=8)
    knobs = [
        cylinder(0.022, 0.04, sides=10).tilted(about_y_deg=90).at(s * end - 0.02, 0.085, height)
        for s in (-1, 1)
    ]
    house.add(bar, join([rail, *knobs]).moved(at), rod)


def radiator(house: Ground, at, material: int, *, width=1.0):
    """A ribbed radiator under a window; local y = 0 is the wall."""
    obj = house.object("radiator", "radiator")
    n = max(int(width / 0.06), 2)
    ribs = [
        rounded_box(0.045, 0.07, 0.5, 0.02, steps=1).at(
            (k + 0.5) * width / n - width / 2, 0.08, 0.12
        )
        for k in range(n)
    ]
    house.add(obj, join(ribs).moved(at), material)


def _legs(width: float, depth: float, height: float, radius: float, *, y=0.0) -> Mesh:
    """Four slightly splayed round legs about (0, y)."""
    legs = [
        tube(
            [
                (sx * (width / 2 - 0.03), y + sy * (depth / 2 - 0.03), height),
                (sx * width / 2, y + sy * depth / 2, 0),
            ],
            [radius, radius * 0.75],
            sides=8,
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    return join(legs)
