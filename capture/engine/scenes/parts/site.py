"""What the parts of the town share: paints, placing, walls with openings, flat polygons.

A part is modelled in its own frame: x to the right as seen from the street, y into the building,
z up; the street side faces -y.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from capture.engine.lighting import Lamp
from capture.engine.materials import DISPLAY_GAMMA, Material, plain
from capture.engine.meshes import Mesh, box, transform
from capture.engine.world import WorldBuilder

# x0, x1, z0, z1 of an opening in a wall, in metres.
Opening = tuple[float, float, float, float]
Color = tuple[float, float, float]


@dataclass(slots=True)
class Paints:
    """Materials by what they are made of and their colour, each registered once.

    Attributes:
        builder: Where materials are registered.
    """

    builder: WorldBuilder
    _textures: dict[Any, np.ndarray] = field(default_factory=dict)
    _materials: dict[Any, int] = field(default_factory=dict)

    def __call__(self, make: Callable[..., np.ndarray], *arguments, color=None, **look) -> int:
        """A material with the texture `make(*arguments)`, tinted by a display colour.

        Args:
            make: A function of `parts.masonry`.
            arguments: Its arguments.
            color: Display-encoded tint in 0..1; None for none.
            look: Further fields of `Material`.
        """
        source = (make.__name__, arguments)
        key = (source, color, tuple(sorted(look.items())))
        if key not in self._materials:
            if source not in self._textures:
                self._textures[source] = make(*arguments)
            tint = (1.0, 1.0, 1.0) if color is None else tuple(c**DISPLAY_GAMMA for c in color)
            material = Material(texture=self._textures[source], tint=tint, **look)
            self._materials[key] = self.builder.material(material)
        return self._materials[key]

    def plain(self, color: Color, **look) -> int:
        """A material of one display colour."""
        return self(plain, *color, **look)


@dataclass(frozen=True, slots=True)
class Site:
    """A frame in the world in which parts are built.

    Attributes:
        builder: Receives the meshes.
        paints: Its materials.
        frame: Part to world, float64 [4, 4].
    """

    builder: WorldBuilder
    paints: Paints
    frame: np.ndarray = field(default_factory=lambda: np.eye(4))

    def at(self, x_m=0.0, y_m=0.0, z_m=0.0, *, turn_deg=0.0) -> Site:
        """A site within this one."""
        frame = self.frame @ transform(x_m, y_m, z_m, turn_deg=turn_deg)
        return Site(self.builder, self.paints, frame)

    def object(self, kind: str, label: str | None = None) -> int:
        """Begin an object; see `WorldBuilder.object`."""
        return self.builder.object(kind, label)

    def lamp(self, position_m, rgb: tuple[float, float, float], reach_m: float = 6.0) -> None:
        """Add a baked light of this frame."""
        x, y, z = map(float, (self.frame @ (*position_m, 1.0))[:3])
        self.builder.lamp(Lamp(position_m=(x, y, z), rgb=rgb, reach_m=reach_m))

    def add(self, obj: int, mesh: Mesh, material: int) -> None:
        """Add a mesh of this frame to an object."""
        self.builder.add(obj, mesh.moved(self.frame), material)

    def panel(self, obj: int, corner, side_u, side_v, material: int, texel_m: float) -> None:
        """Add a light-mapped rectangle of this frame to an object."""
        turn = self.frame[:3, :3]
        corner = turn @ np.asarray(corner) + self.frame[:3, 3]
        sides = turn @ np.asarray(side_u), turn @ np.asarray(side_v)
        self.builder.panel(obj, corner, *sides, material, texel_m=texel_m)


def slab(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Mesh:
    """A box between two corners, open at the back, where it lies on a wall."""
    size = (x[1] - x[0], y[1] - y[0], z[1] - z[0])
    whole = box(*size)
    front = whole.faces[whole.normals[whole.faces[:, 0], 1] < 0.5]
    return replace(whole, faces=front).at((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, z[0])


def polygon(points_m: npt.ArrayLike) -> Mesh:
    """A flat convex polygon, counter-clockwise seen from outside; v runs up its slope."""
    points = np.asarray(points_m, dtype=np.float64)
    # Written out, since `np.cross` costs more than all the rest and a town has thousands of these.
    (ax, ay, az), (bx, by, bz) = (points[1:3] - points[0]).tolist()
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    flat = math.hypot(x, y)
    u, v = (-y / flat, x / flat) if flat > 1e-6 else (1.0, 0.0)
    normal, level, up = np.array([x, y, z]), np.array([u, v, 0.0]), (-z * v, z * u, x * v - y * u)
    count = len(points)
    return Mesh(
        positions_m=points,
        normals=np.tile(normal, (count, 1)),
        uv_m=np.stack([points @ level, points @ np.array(up)], 1),
        faces=np.array([[0, k, k + 1] for k in range(1, count - 1)]),
    )


def rectangle(x: tuple[float, float], y: float, z: tuple[float, float]) -> Mesh:
    """An upright rectangle that faces the street, with texture coordinates 0..1."""
    mesh = polygon([(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])])
    return mesh.with_uv(np.array([(0.004, 0.004), (0.996, 0.004), (0.996, 0.996), (0.004, 0.996)]))


def wall(x: tuple[float, float], z: tuple[float, float], openings: Sequence[Opening] = ()) -> Mesh:
    """A wall in the plane y = 0 with rectangular holes, in cells of at most two metres."""
    xs = _ticks([*x, *(edge for o in openings for edge in o[:2])])
    zs = _ticks([*z, *(edge for o in openings for edge in o[2:])])
    grid_x, grid_z = np.meshgrid(xs, zs)
    index = np.arange(grid_x.size).reshape(grid_x.shape)
    faces = []
    for row in range(len(zs) - 1):
        for column in range(len(xs) - 1):
            at = (xs[column] + xs[column + 1]) / 2, (zs[row] + zs[row + 1]) / 2
            if any(o[0] < at[0] < o[1] and o[2] < at[1] < o[3] for o in openings):
                continue
            a, b = index[row, column], index[row, column + 1]
            c, d = index[row + 1, column + 1], index[row + 1, column]
            faces += [(a, b, c), (a, c, d)]
    positions = np.stack([grid_x.ravel(), np.zeros(grid_x.size), grid_z.ravel()], 1)
    return Mesh(
        positions_m=positions,
        normals=np.tile((0.0, -1.0, 0.0), (len(positions), 1)),
        uv_m=positions[:, ::2].copy(),
        faces=np.array(faces),
    )


def _ticks(edges: list[float]) -> np.ndarray:
    """The edges, sorted, with enough ticks between them."""
    edges = sorted(set(edges))
    parts = [
        np.linspace(low, high, int(np.ceil((high - low) / 2.0)), endpoint=False)
        for low, high in itertools.pairwise(edges)
    ]
    return np.concatenate([*parts, edges[-1:]])


def reveal(opening: Opening, depth_m: float) -> list[Mesh]:
    """The four sides of a hole in a wall."""
    x0, x1, z0, z1 = opening
    y = depth_m
    return [
        polygon([(x0, 0, z0), (x0, y, z0), (x0, y, z1), (x0, 0, z1)]),
        polygon([(x1, y, z0), (x1, 0, z0), (x1, 0, z1), (x1, y, z1)]),
        polygon([(x0, 0, z0), (x1, 0, z0), (x1, y, z0), (x0, y, z0)]),
        polygon([(x0, y, z1), (x1, y, z1), (x1, 0, z1), (x0, 0, z1)]),
    ]
