"""Parked cars: lofted bodies with a glazed cabin, wheels and lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.engine.meshes import Mesh, box, join, lathe, rounded_box, sheet, tube
from capture.engine.scenes.parts.site import Color, Site

COLORS: dict[str, Color] = {
    "dark blue": (0.16, 0.24, 0.38),
    "silver": (0.66, 0.68, 0.70),
    "white": (0.86, 0.86, 0.84),
    "dark grey": (0.27, 0.28, 0.30),
    "burgundy": (0.42, 0.12, 0.15),
    "olive": (0.37, 0.39, 0.27),
    "light blue": (0.52, 0.64, 0.72),
    "beige": (0.74, 0.68, 0.56),
    "black": (0.09, 0.09, 0.10),
    "green": (0.19, 0.33, 0.27),
    "red": (0.62, 0.16, 0.13),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Outline of a kind of car, in metres; x runs from the tail to the nose.

    Attributes:
        name: For labels.
        half_width: At the belt.
        top: (x, z) of the body's upper edge from tail to nose: boot, belt line, bonnet.
        cabin: x of the rear glass foot, rear roof edge, front roof edge, windscreen foot.
        roof: Height of the roof.
        axles: x of the rear and the front axle.
    """

    name: str
    half_width: float
    top: tuple[tuple[float, float], ...]
    cabin: tuple[float, float, float, float]
    roof: float
    axles: tuple[float, float]


SHAPES = (
    Shape(
        name="hatchback",
        half_width=0.86,
        top=((-1.95, 0.62), (-1.90, 0.86), (-1.6, 0.95), (0.55, 0.92), (1.45, 0.78), (1.90, 0.60)),
        cabin=(-1.88, -1.35, 0.18, 1.0),
        roof=1.48,
        axles=(-1.22, 1.24),
    ),
    Shape(
        name="car",
        half_width=0.89,
        top=((-2.25, 0.62), (-2.20, 0.92), (-1.4, 0.98), (0.7, 0.93), (1.75, 0.78), (2.22, 0.58)),
        cabin=(-1.72, -0.95, 0.28, 1.12),
        roof=1.43,
        axles=(-1.34, 1.40),
    ),
    Shape(
        name="estate car",
        half_width=0.89,
        top=((-2.30, 0.60), (-2.26, 0.92), (-2.0, 0.97), (0.7, 0.93), (1.75, 0.79), (2.22, 0.58)),
        cabin=(-2.22, -1.85, 0.25, 1.10),
        roof=1.49,
        axles=(-1.36, 1.40),
    ),
    Shape(
        name="van",
        half_width=0.93,
        top=((-2.20, 0.62), (-2.18, 1.00), (-1.9, 1.06), (1.1, 1.04), (1.85, 0.90), (2.15, 0.62)),
        cabin=(-2.16, -2.02, 0.95, 1.70),
        roof=1.86,
        axles=(-1.35, 1.32),
    ),
)
_WHEEL_M = 0.32


def build_car(site: Site, shape: Shape, color: str) -> None:
    """A car whose middle stands at the site's origin and whose nose points along +x."""
    obj = site.builder.object("car", f"parked {color} {shape.name}")
    paint = site.paints.plain(COLORS[color], gloss=0.75, shininess=110.0)
    dark = site.paints.plain((0.075, 0.078, 0.085), gloss=0.15)
    glass = site.paints.plain((0.15, 0.18, 0.21), gloss=1.0, shininess=260.0)
    site.add(obj, _body(shape), paint)
    site.add(obj, _cabin(shape, 0.0), glass)
    site.add(obj, _roof(shape), paint)
    site.add(obj, _pillars(shape), paint)
    _details(site, obj, shape, dark)
    _wheels(site, obj, shape, dark)


def _body(shape: Shape) -> Mesh:
    """Loft of rounded sections along the car; its ends are drawn in."""
    tail, nose = shape.top[0][0], shape.top[-1][0]
    x = tail + (nose - tail) * (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 19)))
    xs, zs = np.array(shape.top).T
    top = np.interp(x, xs, zs)
    top[1:-1] = 0.25 * top[:-2] + 0.5 * top[1:-1] + 0.25 * top[2:]
    along = 2 * (x - tail) / (nose - tail) - 1
    width = shape.half_width * (1 - 0.13 * np.abs(along) ** 5 - 0.07 * (along > 0) * along**4)
    low = 0.24 + 0.06 * np.abs(along) ** 6
    # Half a section from the sill up over the shoulder to the middle: (share of the width, height).
    half = np.array(
        [(0.86, 0.0), (0.965, 0.06), (0.995, 0.26), (1.0, 0.5), (0.992, 0.74), (0.965, 0.90),
         (0.90, 0.985), (0.78, 1.015), (0.40, 1.045), (0.0, 1.055)]
    )  # fmt: skip
    section = np.concatenate([half * (-1, 1), half[-2::-1]])
    height = low[:, None] + (top - low)[:, None] * section[None, :, 1]
    grid = np.stack(
        [np.broadcast_to(x[:, None], height.shape), width[:, None] * section[None, :, 0], height],
        -1,
    )
    # Flat ends; not quite closed in the middle, where a line would have no normal.
    ends = [grid[:1] * (1, 0.02, 1), grid[-1:] * (1, 0.02, 1)]
    caps = [np.concatenate([ends[0], grid[:1]]), np.concatenate([grid[-1:], ends[1]])]
    return join([sheet(grid), sheet(caps[0]), sheet(caps[1])])


def _outline(shape: Shape, share: float) -> np.ndarray:
    """Side view of the cabin, (x, z) at a height 0 (belt) .. 1 (roof), rear and front, [2, 2]."""
    rear, rear_top, front_top, front = shape.cabin
    xs, zs = np.array(shape.top).T
    feet = np.interp([rear, front], xs, zs) - 0.02
    roof = shape.roof - 0.03
    return np.array(
        [
            [rear + (rear_top - rear) * share, feet[0] + (roof - feet[0]) * share],
            [front + (front_top - front) * share, feet[1] + (roof - feet[1]) * share],
        ]
    )


def _side(shape: Shape, share: float) -> float:
    """Half the cabin's width at a height 0..1; it leans inward."""
    return shape.half_width * (0.93 - 0.17 * share)


def _cabin(shape: Shape, swell: float) -> Mesh:
    """Glass on four sides: rings of rounded rectangles from the belt to the roof."""
    rings = []
    for share in np.linspace(0.0, 1.0, 5):
        (rear, z_rear), (front, z_front) = _outline(shape, share)
        half = _side(shape, share) + swell
        turn = np.linspace(0, 2 * np.pi, 25)
        cx, sy = np.cos(turn), np.sin(turn)
        x = np.sign(cx) * np.abs(cx) ** 0.22
        y = np.sign(sy) * np.abs(sy) ** 0.30
        bow = 0.07 * (1 - y**2) * np.where(x > 0, 1, -0.6)
        px = (front + rear) / 2 + (front - rear) / 2 * x + bow
        pz = z_rear + (z_front - z_rear) * np.clip((px - rear) / (front - rear), 0, 1)
        rings.append(np.stack([px, half * y, pz], -1))
    # Rows go up and columns around, so the outside needs the columns reversed.
    return sheet(np.array(rings)[:, ::-1])


def _roof(shape: Shape) -> Mesh:
    """A domed sheet over the cabin's upper rim, with rounded edges."""
    (rear, z), (front, _) = _outline(shape, 1.0)
    half = _side(shape, 1.0)
    u, v = np.meshgrid(np.linspace(-1, 1, 13), np.linspace(-1, 1, 11), indexing="ij")
    x = (front + rear) / 2 + (front - rear + 0.16) / 2 * u * (1 - 0.05 * v**2)
    y = (half + 0.02) * v * (1 - 0.06 * u**4)
    dome = 0.075 * (1 - np.abs(u) ** 2.6) + 0.05 * (1 - np.abs(v) ** 3)
    return sheet(np.stack([x, y, z - 0.045 + dome], -1))


def _pillars(shape: Shape) -> Mesh:
    """Painted pillars at the corners and between the doors, and the rail along the roof."""
    tubes = []
    for side in (-1.0, 1.0):
        rear = [_outline(shape, s)[0] for s in (0.0, 0.5, 1.0)]
        front = [_outline(shape, s)[1] for s in (0.0, 0.5, 1.0)]
        widths = [side * (_side(shape, s) - 0.015) for s in (0.0, 0.5, 1.0)]
        for line, radius, shift in ((rear, 0.075, 0.05), (front, 0.045, -0.05)):
            path = [(p[0] + shift, w, p[1]) for p, w in zip(line, widths, strict=True)]
            tubes.append(tube(path, radius, sides=6))
        middle = (shape.cabin[1] + shape.cabin[2]) / 2 - 0.05
        xs, zs = np.array(shape.top).T
        belt = float(np.interp(middle, xs, zs)) - 0.02
        tops = shape.roof - 0.03
        path = [(middle, widths[0] + side * 0.01, belt), (middle, widths[2] + side * 0.015, tops)]
        tubes.append(tube(path, 0.04, sides=6))
        rail = [(rear[2][0], widths[2], rear[2][1]), (front[2][0], widths[2], front[2][1])]
        tubes.append(tube(rail, 0.045, sides=6))
    return join(tubes)


def _details(site: Site, obj: int, shape: Shape, dark: int) -> None:
    """Bumpers, lights, plates, mirrors, door lines and handles."""
    tail, nose, half = shape.top[0][0], shape.top[-1][0], shape.half_width
    lamp = site.paints.plain((0.90, 0.92, 0.92), gloss=1.0, shininess=80.0, glow=0.1)
    red = site.paints.plain((0.62, 0.06, 0.05), gloss=0.9, shininess=80.0, glow=0.1)
    plate = site.paints.plain((0.88, 0.87, 0.80))
    trim = site.paints.plain((0.05, 0.05, 0.055))
    for side in (-1.0, 1.0):
        lens = rounded_box(0.18, 0.32, 0.15, 0.06, steps=1)
        site.add(obj, lens.at(nose - 0.06, side * half * 0.58, 0.47, turn_deg=-side * 12), lamp)
        light = rounded_box(0.12, 0.26, 0.17, 0.05, steps=1)
        site.add(obj, light.at(tail + 0.08, side * half * 0.66, 0.70, turn_deg=side * 10), red)
        (_, _), (front, z) = _outline(shape, 0.12)
        mirror = rounded_box(0.12, 0.20, 0.14, 0.05, steps=1)
        site.add(obj, mirror.at(front - 0.12, side * (half + 0.10), z - 0.02), dark)
        y = side * (half + 0.001)
        for x in (shape.cabin[3] - 0.18, (shape.cabin[1] + shape.cabin[2]) / 2 - 0.05):
            site.add(obj, box(0.012, 0.012, 0.48).at(x, y * 0.993, 0.42), trim)
        handle_x = (shape.cabin[1] + shape.cabin[2]) / 2 + 0.12
        site.add(obj, box(0.16, 0.03, 0.03).at(handle_x, y * 0.995, 0.79), dark)
        sill = box(shape.axles[1] - shape.axles[0] - 0.74, 0.05, 0.11)
        site.add(obj, sill.at(sum(shape.axles) / 2, side * (half - 0.035), 0.22), dark)
    grille = rounded_box(0.10, half * 0.92, 0.13, 0.05, steps=1)
    site.add(obj, grille.at(nose - 0.02, 0, 0.33), dark)
    site.add(
        obj, rounded_box(0.10, half * 1.35, 0.12, 0.05, steps=1).at(tail + 0.05, 0, 0.32), dark
    )
    for x, z in ((nose + 0.02, 0.43), (tail - 0.01, 0.52)):
        site.add(obj, box(0.03, 0.46, 0.10).at(x, 0, z), plate)


def _wheels(site: Site, obj: int, shape: Shape, dark: int) -> None:
    """Four wheels with hubs in dark arches."""
    r = _WHEEL_M
    tyre = lathe(
        [(r - 0.03, -0.10), (r, -0.05), (r, 0.05), (r - 0.03, 0.10), (0.2, 0.10)],
        sides=16,
    )
    rim = lathe([(0.06, 0.06), (0.18, 0.075), (0.21, 0.10)], sides=16)
    spokes = [box(0.05, 0.17, 0.02).at(0, 0.12, 0.068).at(turn_deg=72 * k) for k in range(5)]
    hub = join([rim, *spokes])
    rubber = site.paints.plain((0.10, 0.10, 0.105))
    alloy = site.paints.plain((0.60, 0.61, 0.62), gloss=0.6, shininess=60.0)
    inside = site.paints.plain((0.03, 0.03, 0.03))
    arch = lathe([(r + 0.075, 0.0), (0.0, 0.0)], sides=20)
    for x in shape.axles:
        for side in (-1.0, 1.0):
            out = shape.half_width - 0.07
            upright = arch.tilted(about_x_deg=-90 * side)
            site.add(obj, upright.at(x, side * (shape.half_width + 0.006), r + 0.02), inside)
            for mesh, material in ((tyre, rubber), (hub, alloy)):
                site.add(obj, mesh.tilted(about_x_deg=-90 * side).at(x, side * out, r), material)
