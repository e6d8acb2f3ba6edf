"""Buildings: rooms, walls with openings, windows and doors, on top of `WorldBuilder`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from capture.engine.lighting import Lamp
from capture.engine.materials import Material
from capture.engine.meshes import Mesh, box, join, transform
from capture.engine.world import WorldBuilder

_INSET_M = 0.01  # of the walls' cores behind their panels
_CASING_M = (0.07, 0.018)
_SKIRTING_M = (0.09, 0.014)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A hole in a wall.

    Attributes:
        kind: "door", "passage" (no door leaf) or "window".
        start_m: Along the wall.
        end_m: Along the wall.
        bottom_m: Above the floor.
        top_m: Above the floor.
    """

    kind: str
    start_m: float
    end_m: float
    bottom_m: float = 0.0
    top_m: float = 2.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall:
    """A straight wall with thickness.

    Attributes:
        axis: 0 if it runs along x, 1 along y.
        low_m: Where it begins across its direction.
        high_m: Where it ends across its direction.
        start_m: Along.
        end_m: Along.
        openings: Without overlap.
        outside: -1 or +1 if its low or high side is the outside of the house, else 0.
    """

    axis: int
    low_m: float
    high_m: float
    start_m: float
    end_m: float
    openings: tuple[Opening, ...] = ()
    outside: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """A rectangular room.

    Attributes:
        name: "living room".
        x0_m: Low x.
        y0_m: Low y.
        x1_m: High x.
        y1_m: High y.
        wall: Material.
        floor: Material.
        floor_label: "oak floor".
    """

    name: str
    x0_m: float
    y0_m: float
    x1_m: float
    y1_m: float
    wall: int
    floor: int
    floor_label: str


class Ground(Protocol):
    """What furniture is added to: a `House` or a `site.Site`."""

    def object(self, kind: str, label: str | None = None) -> int:
        """Begin an object; see `WorldBuilder.object`."""
        ...

    def add(self, obj: int, mesh: Mesh, material: int) -> None:
        """Add a mesh of this frame to an object."""
        ...

    def lamp(self, position_m, rgb: tuple[float, float, float], reach_m: float = 6.0) -> None:
        """Add a baked light of this frame."""
        ...


class House:
    """Adds to a `WorldBuilder` in the plan's coordinates; the world may be the plan mirrored."""

    def __init__(
        self, *, size_m: tuple[float, float], height_m: float, mirror: tuple[bool, bool],
        texel_m: float = 0.08,
    ):  # fmt: skip
        """An empty house.

        Args:
            size_m: Of the plan; it is mirrored about its middle.
            height_m: Of the rooms.
            mirror: In x and in y.
            texel_m: Of the light on floors; that on walls is twice as coarse.
        """
        self.builder = WorldBuilder()
        self.size_m, self.height_m = size_m, height_m
        self._texel_m = texel_m
        self.walls: list[Wall] = []
        self._linear = np.diag([-1.0 if m else 1.0 for m in (*mirror, False)])
        self._offset = np.array(
            [s if m else 0.0 for s, m in zip(size_m, mirror, strict=True)] + [0.0]
        )
        self._matrix = np.eye(4)
        self._matrix[:3, :3], self._matrix[:3, 3] = self._linear, self._offset

    def material(self, material: Material) -> int:
        """See `WorldBuilder.material`."""
        return self.builder.material(material)

    def object(self, kind: str, label: str | None = None) -> int:
        """See `WorldBuilder.object`."""
        return self.builder.object(kind, label)

    def add(self, obj: int, mesh: Mesh, material: int) -> None:
        """Add a mesh in plan coordinates."""
        self.builder.add(obj, mesh.moved(self._matrix), material)

    def panel(self, obj: int, corner, side_u, side_v, material: int, texel_m: float) -> None:
        """Add a light-mapped rectangle in plan coordinates; its outside is u x v."""
        corner, u, v = self._parallelogram(corner, side_u, side_v)
        self.builder.panel(obj, corner, u, v, material, texel_m=texel_m)

    def lamp(self, position_m, rgb: tuple[float, float, float], reach_m: float = 6.0) -> None:
        """Add a baked light in plan coordinates."""
        x, y, z = map(float, self.point(position_m))
        self.builder.lamp(Lamp(position_m=(x, y, z), rgb=rgb, reach_m=reach_m))

    def point(self, position_m) -> np.ndarray:
        """World position [3] of a plan position [3]."""
        return self._linear @ np.asarray(position_m, dtype=np.float64) + self._offset

    def direction(self, vector) -> np.ndarray:
        """World direction [3] of a plan direction [3]."""
        return self._linear @ np.asarray(vector, dtype=np.float64)

    def bounds(self, low_m, high_m) -> tuple[float, ...]:
        """World (min, max) of a plan box."""
        ends = np.stack([self.point(low_m), self.point(high_m)])
        return (*map(float, ends.min(axis=0)), *map(float, ends.max(axis=0)))

    def portal(self, corner, side_u, side_v) -> None:
        """A hole that lets sky light in, in plan coordinates; u x v points inward."""
        self.builder.portal(*self._parallelogram(corner, side_u, side_v))

    def shell(
        self, room: Room, ceiling: int, trim: int, *,
        roof_light: tuple[float, float, float, float] | None = None,
    ) -> None:  # fmt: skip
        """Floor, ceiling, inner wall faces and skirting of a room; call after all `wall`s.

        Args:
            room: The room.
            ceiling: Material.
            trim: Material of the skirting.
            roof_light: Hole in the ceiling, x0, y0, x1, y1; none by default.
        """
        x0, y0, x1, y1, h = room.x0_m, room.y0_m, room.x1_m, room.y1_m, self.height_m
        width, depth = x1 - x0, y1 - y0
        floor = self.object("floor", f"{room.floor_label} of the {room.name}")
        self.panel(floor, (x0, y0, 0), (width, 0, 0), (0, depth, 0), room.floor, self._texel_m)
        top = self.object("ceiling", f"ceiling of the {room.name}")
        # A light of no size leaves the ceiling whole.
        a, b, c, d = roof_light or (x1, y1, x1, y1)
        for low_x, low_y, high_x, high_y in (
            (x0, y0, x1, b), (x0, d, x1, y1), (x0, b, a, d), (c, b, x1, d),
        ):  # fmt: skip
            sides = (0, high_y - low_y, 0), (high_x - low_x, 0, 0)
            if high_x > low_x and high_y > low_y:
                self.panel(top, (low_x, low_y, h), *sides, ceiling, 0.25)
        walls = self.object("wall", f"walls of the {room.name}")
        skirting = self.object("skirting", f"skirting of the {room.name}")
        for axis, across, sign in ((1, x0, 1), (1, x1, -1), (0, y0, 1), (0, y1, -1)):
            start, end = ((x0, x1), (y0, y1))[axis]
            holes = self._holes(axis, across, sign, start, end)
            for a, b, low, high in _pieces(start, end, h, holes):
                self._face(walls, axis, across, sign, (a, b), (low, high), room.wall)
            for a, b in _gaps(start, end, [o for o in holes if o.bottom_m == 0]):
                tall, deep = _SKIRTING_M
                # Clear of floor and corners, where a vertex would get no light.
                ends = (a + 0.012, b - 0.012)
                self.add(skirting, self._bar(axis, across, sign * deep, ends, (0.004, tall)), trim)

    def wall(self, wall: Wall, core: int) -> None:
        """The solid inside of a wall; its faces come from the rooms on either side."""
        self.walls.append(wall)
        obj = self.object("wall_core", "wall")
        low = wall.low_m + (_INSET_M if wall.outside >= 0 else 0.0)
        high = wall.high_m - (_INSET_M if wall.outside <= 0 else 0.0)
        for a, b, z0, z1 in _pieces(wall.start_m, wall.end_m, self.height_m + 0.2, wall.openings):
            a = a + _INSET_M if a > wall.start_m else a
            b = b - _INSET_M if b < wall.end_m else b
            z0 = z0 + _INSET_M if z0 > 0 else -0.2
            z1 = z1 - _INSET_M if z1 < self.height_m else z1
            self.add(obj, self._bar(wall.axis, low, high - low, (a, b), (z0, z1)), core)

    def reveal(self, wall: Wall, o: Opening, material: int, bottom: int) -> None:
        """The faces of an opening that lie in the wall's thickness, threshold included."""
        obj = self.object("reveal", f"{o.kind} reveal")
        a, b, z0, z1 = o.start_m, o.end_m, o.bottom_m, o.top_m
        low, thick = wall.low_m, wall.high_m - wall.low_m
        up, deep, along = (0, 0, z1 - z0), _along(1 - wall.axis, thick), _along(wall.axis, b - a)
        right_handed = wall.axis == 0
        for corner, u, v, surface in (
            (_spot(wall.axis, a, low, z0), deep, up, material),
            (_spot(wall.axis, b, low, z0), up, deep, material),
            (_spot(wall.axis, a, low, z1), deep, along, material),
            (_spot(wall.axis, a, low, z0), along, deep, bottom),
        ):
            u, v = (u, v) if right_handed else (v, u)
            self.panel(obj, corner, u, v, surface, 0.12)

    def casing(self, wall: Wall, o: Opening, material: int) -> None:
        """A moulding round an opening on both sides of an inner wall."""
        obj = self.object("door_frame" if o.kind == "door" else "casing")
        wide, deep = _CASING_M
        for across, sign in ((wall.low_m, -1), (wall.high_m, 1)):
            for a, b, z0, z1 in (
                (o.start_m - wide, o.start_m, 0.0, o.top_m),
                (o.end_m, o.end_m + wide, 0.0, o.top_m),
                (o.start_m - wide, o.end_m + wide, o.top_m, o.top_m + wide),
            ):
                self.add(obj, self._bar(wall.axis, across, sign * deep, (a, b), (z0, z1)), material)

    def window(self, wall: Wall, o: Opening, frame: int, sill: int) -> None:
        """Frame, glazing bars and sill of a window in an outer wall; light and no way through."""
        obj = self.object("window", "window")
        glass = wall.low_m + 0.09 if wall.outside < 0 else wall.high_m - 0.09
        inner = wall.high_m if wall.outside < 0 else wall.low_m
        inward = 1.0 if wall.outside < 0 else -1.0
        a, b, z0, z1 = o.start_m, o.end_m, o.bottom_m, o.top_m
        middle, bar, post = (a + b) / 2, 0.055, 0.035
        transom = z0 + (z1 - z0) * 0.72
        spans = [
            ((a, b), (z0, z0 + bar)), ((a, b), (z1 - bar, z1)),
            ((a, a + bar), (z0 + bar, z1 - bar)), ((b - bar, b), (z0 + bar, z1 - bar)),
            ((middle - post, middle + post), (z0 + bar, z1 - bar)),
            ((a + bar, middle - post), (transom - 0.02, transom + 0.02)),
            ((middle + post, b - bar), (transom - 0.02, transom + 0.02)),
        ]  # fmt: skip
        bars = [self._bar(wall.axis, glass - 0.03, 0.06, s, z) for s, z in spans]
        self.add(obj, join(bars), frame)
        board = self._bar(
            wall.axis, glass + 0.03 * inward, inner + 0.05 * inward - glass - 0.03 * inward,
            (a - 0.05, b + 0.05) if z0 > 0.2 else (a, b), (z0 - 0.005, z0 + 0.025),
        )  # fmt: skip
        self.add(self.object("window_sill", "window sill"), board, sill)
        corner, u, v = _spot(wall.axis, a, glass, z0), _along(wall.axis, b - a), (0, 0, z1 - z0)
        self.builder.barrier(*self._parallelogram(corner, u, v))
        shifted = _spot(wall.axis, a, glass + 0.05 * inward, z0)
        # u x v points along -y for a wall along x and along +x for one along y.
        inward_uv = (inward < 0) == (wall.axis == 0)
        sides = (u, v) if inward_uv else (v, u)
        self.builder.portal(*self._parallelogram(shifted, *sides))

    def door(
        self, wall: Wall, o: Opening, material: int, metal: int, *, side: int, angle_deg: float
    ):
        """A door leaf that stands open.

        Args:
            wall: Its wall.
            o: Its opening.
            material: Of the leaf.
            metal: Of the handle.
            side: +1 if it opens toward the wall's high side, else -1.
            angle_deg: From closed.
        """
        width, tall = o.end_m - o.start_m - 0.01, o.top_m - 0.015
        panels = [box(width, 0.036, tall).at(width / 2)]
        for z, h in ((0.15, 0.62), (0.92, tall - 1.07)):
            panels += [box(width - 0.26, 0.012, h).at(width / 2, y, z) for y in (-0.021, 0.021)]
        handle = [box(0.13, 0.018, 0.02).at(width - 0.12, y, 1.02) for y in (-0.06, 0.06)]
        handle += [box(0.018, 0.14, 0.018).at(width - 0.06, 0, 1.021)]
        hinge = wall.high_m if side > 0 else wall.low_m
        turn = angle_deg * side
        if wall.axis == 1:
            turn = 90 - turn
        x, y = (o.start_m, hinge) if wall.axis == 0 else (hinge, o.start_m)
        place = transform(x, y, 0.008, turn_deg=turn)
        obj = self.object("door", "door")
        self.add(obj, join(panels).moved(place), material)
        self.add(obj, join(handle).moved(place), metal)

    def _parallelogram(self, corner, side_u, side_v):
        """Plan rectangle to world; a mirrored one swaps its sides to keep its outside."""
        u, v = self.direction(side_u), self.direction(side_v)
        if np.linalg.det(self._linear) < 0:
            u, v = v, u
        return self.point(corner), u, v

    def _holes(self, axis: int, across: float, sign: int, start: float, end: float):
        """Openings of the walls behind one side of a room."""
        return [
            o
            for w in self.walls
            if w.axis == axis and abs((w.high_m if sign > 0 else w.low_m) - across) < 1e-6
            for o in w.openings
            if o.start_m >= start - 1e-6 and o.end_m <= end + 1e-6
        ]

    def _face(self, obj, axis, across, sign, span, heights, material) -> None:
        """One rectangle of a room's wall, facing into the room."""
        (a, b), (low, high) = span, heights
        forward = (axis == 1) == (sign > 0)
        corner = _spot(axis, a if forward else b, across, low)
        along = _along(axis, (b - a) if forward else (a - b))
        self.panel(obj, corner, along, (0, 0, high - low), material, 2 * self._texel_m)

    @staticmethod
    def _bar(axis, across, deep, span, heights) -> Mesh:
        """A box along a wall: from `across` by `deep` (signed), over a span and heights."""
        (a, b), (low, high) = span, heights
        middle, thick = across + deep / 2, abs(deep)
        x, y = ((a + b) / 2, middle) if axis == 0 else (middle, (a + b) / 2)
        size = (b - a, thick) if axis == 0 else (thick, b - a)
        return box(*size, high - low).at(x, y, low)


def _spot(axis: int, along: float, across: float, z: float) -> tuple[float, float, float]:
    return (along, across, z) if axis == 0 else (across, along, z)


def _along(axis: int, length: float) -> tuple[float, float, float]:
    return (length, 0.0, 0.0) if axis == 0 else (0.0, length, 0.0)


def _pieces(start, end, height, holes) -> Iterator[tuple[float, float, float, float]]:
    """Rectangles (start, end, bottom, top) of a wall without its holes."""
    position = start
    for o in sorted(holes, key=lambda o: o.start_m):
        if o.start_m > position:
            yield position, o.start_m, 0.0, height
        if o.bottom_m > 0:
            yield o.start_m, o.end_m, 0.0, o.bottom_m
        if o.top_m < height:
            yield o.start_m, o.end_m, o.top_m, height
        position = o.end_m
    if position < end:
        yield position, end, 0.0, height


def _gaps(start, end, holes) -> Iterator[tuple[float, float]]:
    """Stretches of a wall between holes, door casings left free."""
    position = start
    for o in sorted(holes, key=lambda o: o.start_m):
        if o.start_m - _CASING_M[0] > position:
            yield position, o.start_m - _CASING_M[0]
        position = o.end_m + _CASING_M[0]
    if position < end:
        yield position, end
