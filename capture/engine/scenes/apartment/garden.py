"""What one sees through the windows: a lawn, hedges, trees."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, rounded_box, sphere, tube
from capture.engine.scenes.apartment.style import Style
from capture.engine.scenes.parts.building import House


def plant_garden(house: House, style: Style, size_m: tuple[float, float]) -> None:
    """Lay out the garden round a house whose plan begins at (0, 0)."""
    width, depth = size_m
    ground = house.object("lawn", "lawn")
    reach = 45.0
    # Tiles around the house, so that none lies under its rooms.
    for x0, x1, y0, y1 in (
        (-reach, width + reach, -reach, -0.3), (-reach, width + reach, depth + 0.3, depth + reach),
        (-reach, -0.3, -0.3, depth + 0.3), (width + 0.3, width + reach, -0.3, depth + 0.3),
    ):  # fmt: skip
        house.panel(ground, (x0, y0, -0.2), (x1 - x0, 0, 0), (0, y1 - y0, 0), style.grass, 2.5)
    rng = np.random.default_rng(int(style.rng.integers(1 << 30)))
    for x, y, length, along_x in (
        (width / 2, -9.0, 34.0, True), (width / 2, depth + 8.0, 34.0, True),
        (-8.5, depth / 2, 26.0, False), (width + 8.5, depth / 2, 26.0, False),
    ):  # fmt: skip
        hedge = house.object("hedge", "hedge")
        size = (length, 0.9) if along_x else (0.9, length)
        house.add(hedge, rounded_box(*size, 1.5, 0.25).at(x, y, -0.2), style.hedge)
    for k in range(14):
        a = (k + rng.uniform(-0.3, 0.3)) / 14 * 2 * np.pi
        x = width / 2 + (width / 2 + rng.uniform(9.5, 15)) * np.cos(a)
        y = depth / 2 + (depth / 2 + rng.uniform(10, 15)) * np.sin(a)
        _tree(house, style, rng, x, y)
    for x, y in ((2.0, -3.2), (8.6, -4.0), (-3.2, 6.6), (6.4, depth + 3.4), (width + 3.2, 7.9)):
        bush = house.object("bush", "bush")
        for _ in range(4):
            dx, dy = rng.normal(0, 0.45, 2)
            house.add(bush, _clump(rng, 0.75, 90, 0.16).at(x + dx, y + dy, 0.25), style.leaves[1])


def _tree(house: House, style: Style, rng, x: float, y: float) -> None:
    tree = house.object("tree", "tree")
    tall = rng.uniform(3.4, 5.2)
    lean = rng.normal(0, 0.25, 2)
    path = [
        (x, y, -0.25),
        (x + 0.3 * lean[0], y + 0.3 * lean[1], tall * 0.5),
        (x + lean[0], y + lean[1], tall),
    ]
    house.add(tree, tube(path, [0.17, 0.12, 0.06], sides=8), style.bark)
    leaf = style.leaves[int(rng.integers(3))]
    for _ in range(7):
        offset = rng.normal(0, 1.0, 3) * (0.85, 0.85, 0.6)
        clump = _clump(rng, rng.uniform(0.9, 1.4), 110, 0.3)
        house.add(
            tree, clump.at(x + lean[0] + offset[0], y + lean[1] + offset[1], tall + offset[2]), leaf
        )


def _clump(rng, radius_m: float, count: int, leaf_m: float) -> Mesh:
    """Leaves on a ball, lit like the ball: quads whose normals point outward."""
    out = rng.normal(0, 1, (count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    spot = out * radius_m * rng.uniform(0.55, 1.0, (count, 1)) * (1, 1, 0.8)
    u = np.cross(out, rng.normal(0, 1, (count, 3)))
    u *= leaf_m / np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(out, u) + 0.6 * leaf_m * out * rng.uniform(-1, 1, (count, 1))
    corners = np.stack([spot - u, spot - 0.55 * v, spot + u, spot + 0.55 * v], 1).reshape(-1, 3)
    index = 4 * np.arange(count)[:, None]
    core = sphere(radius_m * 0.6, sides=8)
    n = len(core.positions_m)
    return Mesh(
        positions_m=np.vstack([core.positions_m * (1, 1, 0.8), corners]),
        normals=np.vstack([core.normals, np.repeat(out, 4, axis=0)]),
        uv_m=np.vstack([core.uv_m, np.tile([[0, 0.5], [0.5, 0], [1, 0.5], [0.5, 1]], (count, 1))]),
        faces=np.vstack(
            [core.faces, n + np.vstack([index + np.array(t) for t in ((0, 1, 2), (0, 2, 3))])]
        ),
    )
