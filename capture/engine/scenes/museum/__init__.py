"""A museum: eight halls in a ring round a glazed atrium, all under roof lights.

Plan (metres; a seed may mirror it in x and y). Doors join each hall to its neighbours, and the four
middle ones to the atrium, so there are short and long ways round. The seed deals the collections
out to the halls, and chooses wall colours, pictures and the sun.

    y 26 +---------+-----------+---------+
         |    3    |     4     |    5    |
    y 18 +---------+-----------+---------+
         |    2    |  atrium   |    6    |
    y 8  +---------+-----------+---------+
         |    1    | entrance  |    7    |
    y 0  +---------+-----------+---------+
         x 0       9           20        29
"""

from __future__ import annotations

import itertools

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.meshes import box, join
from capture.engine.scenes.museum.halls import COLLECTIONS, Collection, furnish_hall
from capture.engine.scenes.museum.lobby import furnish_atrium, furnish_entrance
from capture.engine.scenes.parts import interiors
from capture.engine.scenes.parts.building import House, Opening, Room, Wall
from capture.engine.scenes.parts.site import Paints
from capture.engine.world import World
from capture.scene import Place

_XS, _YS = (0.0, 9.0, 20.0, 29.0), (0.0, 8.0, 18.0, 26.0)
_HEIGHT_M, _INNER_M, _OUTER_M = 4.6, 0.3, 0.35
_DOOR_M = (2.2, 3.1)
# Column and row of the ring's halls; the entrance is apart.
_RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0))
_WALLS = (
    (0.55, 0.24, 0.22), (0.30, 0.40, 0.36), (0.24, 0.32, 0.44), (0.78, 0.66, 0.46),
    (0.66, 0.62, 0.56), (0.42, 0.33, 0.42), (0.84, 0.80, 0.72), (0.46, 0.50, 0.40),
)  # fmt: skip


def build(seed: int = 0) -> World:
    """The museum of a seed."""
    rng = np.random.default_rng([17, seed])
    mirror = (bool(seed & 1), bool(seed & 2))
    house = House(size_m=(_XS[-1], _YS[-1]), height_m=_HEIGHT_M, mirror=mirror, texel_m=0.16)
    paints = Paints(house.builder)
    order = [COLLECTIONS[k] for k in rng.permutation(len(COLLECTIONS))]
    halls = list(zip(_RING, order, strict=False))
    rooms = _raise_shell(house, paints, halls, rng)
    for cell, collection in halls:
        furnish_hall(house, paints, rooms[cell], collection, rng)
    furnish_entrance(house, paints, rooms[1, 0], rng)
    furnish_atrium(house, paints, rooms[1, 1], rng)
    turn = np.radians(float(rng.uniform(0, 360)))
    x, y, z = map(float, house.point((14.5, 2.6, 1.65)))
    heading = house.direction((0.0, 1.0, 0.0))
    clauses = {cell: c.description for cell, c in halls}
    clauses |= {(1, 0): "a front desk, palms and banners", (1, 1): "a fountain under a glass roof"}
    return house.builder.finish(
        name="museum",
        seed=seed,
        bounds_m=house.bounds((0, 0, 0), (_XS[-1], _YS[-1], _HEIGHT_M)),
        spawn_m=(x, y, z),
        spawn_heading_deg=float(np.degrees(np.arctan2(heading[1], heading[0]))),
        setting="a museum with eight halls in a ring round a glazed atrium",
        light="daylight from roof lights and warm spotlights",
        places=tuple(
            Place(
                name=r.name,
                bounds_m=house.bounds((r.x0_m, r.y0_m, 0), (r.x1_m, r.y1_m, _HEIGHT_M)),
                description=clauses[cell],
            )
            for cell, r in rooms.items()
        ),
        lighting=Lighting(
            to_sun=(float(0.6 * np.cos(turn)), float(0.6 * np.sin(turn)), 0.8),
            sun_rgb=(4.6, 4.0, 3.1),
            zenith_rgb=(0.9, 1.2, 1.75),
            horizon_rgb=(1.7, 1.75, 1.8),
            ground_rgb=(0.6, 0.58, 0.5),
            fill_rgb=(0.40, 0.38, 0.36),
            exposure=1.0,
            cell_m=0.3,
            shadow_px=3072,
            seed=seed,
        ),
    )


def _walls() -> list[Wall]:
    """Four outer walls with the front door, and the grid of inner ones with their passages."""
    w, d, out = _XS[-1], _YS[-1], _OUTER_M
    entrance = Opening(kind="window", start_m=13.0, end_m=16.0, bottom_m=0.02, top_m=3.2)
    walls = [
        Wall(axis=0, low_m=-out, high_m=0, start_m=-out, end_m=w + out, outside=-1,
             openings=(entrance,)),
        Wall(axis=0, low_m=d, high_m=d + out, start_m=-out, end_m=w + out, outside=1),
        Wall(axis=1, low_m=-out, high_m=0, start_m=0, end_m=d, outside=-1),
        Wall(axis=1, low_m=w, high_m=w + out, start_m=0, end_m=d, outside=1),
    ]  # fmt: skip
    for axis, lines, across in ((1, _XS[1:3], _YS), (0, _YS[1:3], _XS)):
        for at in lines:
            doors = tuple(_passage((a + b) / 2) for a, b in itertools.pairwise(across))
            low, high = at - _INNER_M / 2, at + _INNER_M / 2
            walls.append(Wall(axis=axis, low_m=low, high_m=high, start_m=0, end_m=across[-1],
                              openings=doors))  # fmt: skip
    return walls


def _passage(middle: float) -> Opening:
    wide, tall = _DOOR_M
    return Opening(kind="passage", start_m=middle - wide / 2, end_m=middle + wide / 2, top_m=tall)


def _raise_shell(
    house: House,
    paints: Paints,
    halls: list[tuple[tuple[int, int], Collection]],
    rng: np.random.Generator,
) -> dict[tuple[int, int], Room]:
    """Walls, floors, ceilings with roof lights, and the roof; rooms by column and row."""
    trim = paints(interiors.paint, (1.0, 1.0, 1.0), 3, color=(0.90, 0.88, 0.84), repeat_m=3.0)
    white = paints(interiors.paint, (1.0, 1.0, 1.0), 3, color=(0.93, 0.92, 0.90), repeat_m=3.0)
    oak = (0.50, 0.36, 0.23), (0.78, 0.62, 0.44)
    parquet = paints(interiors.herringbone, *oak, 5, repeat_m=2.4, gloss=0.18)
    marble = paints(interiors.checker, (0.86, 0.83, 0.78), (0.46, 0.44, 0.43), 6, repeat_m=3.2,
                    gloss=0.25)  # fmt: skip
    for wall in _walls():
        house.wall(wall, trim)
        for o in wall.openings:
            house.reveal(wall, o, trim, parquet)
            if o.kind == "window":
                house.window(wall, o, trim, trim)
            else:
                house.casing(wall, o, trim)
    colors = [_WALLS[k] for k in rng.permutation(len(_WALLS))]
    names = {cell: c.name for cell, c in halls} | {(1, 0): "entrance hall", (1, 1): "atrium"}
    rooms = {}
    for k, ((column, row), name) in enumerate(names.items()):
        half = _INNER_M / 2
        color = (0.88, 0.85, 0.78) if column == 1 and row < 2 else colors[k]
        stone = column == 1 and row < 2
        room = Room(
            name=name,
            x0_m=_XS[column] + half * (column > 0), x1_m=_XS[column + 1] - half * (column < 2),
            y0_m=_YS[row] + half * (row > 0), y1_m=_YS[row + 1] - half * (row < 2),
            wall=paints(interiors.paint, (1.0, 1.0, 1.0), 3, color=color, repeat_m=3.0),
            floor=marble if stone else parquet,
            floor_label="marble floor" if stone else "parquet",
        )  # fmt: skip
        rooms[column, row] = room
        house.shell(room, white, trim, roof_light=_roof_light(room, wide=name == "atrium"))
    _roof(house, paints, rooms)
    return rooms


def _roof_light(room: Room, *, wide: bool) -> tuple[float, float, float, float]:
    """Hole in a ceiling: x0, y0, x1, y1."""
    margin = 1.6 if wide else 2.7
    return room.x0_m + margin, room.y0_m + margin, room.x1_m - margin, room.y1_m - margin


def _roof(house: House, paints: Paints, rooms: dict[tuple[int, int], Room]) -> None:
    """The roof round the lights, and their shafts and glazing bars."""
    roof = house.object("roof", "flat roof")
    grey = paints(interiors.paint, (1.0, 1.0, 1.0), 3, color=(0.62, 0.62, 0.62), repeat_m=3.0)
    iron = paints.plain((0.22, 0.24, 0.26), gloss=0.3)
    z, tall = _HEIGHT_M + 0.02, 0.35
    for (column, row), room in rooms.items():
        x0, y0, x1, y1 = _roof_light(room, wide=room.name == "atrium")
        left, right, low, high = _XS[column], _XS[column + 1], _YS[row], _YS[row + 1]
        for a, b, c, d in (
            (left, low, right, y0), (left, y1, right, high), (left, y0, x0, y1),
            (x1, y0, right, y1),
        ):  # fmt: skip
            house.add(roof, box(c - a, d - b, tall).at((a + c) / 2, (b + d) / 2, z), grey)
        bars = house.object("roof_light", f"roof light of the {room.name}")
        across, along = round((x1 - x0) / 1.1), round((y1 - y0) / 1.8)
        rods = [box(0.05, y1 - y0, 0.09).at(x, (y0 + y1) / 2, z + 0.2)
                for x in np.linspace(x0, x1, across + 1)[1:-1]]  # fmt: skip
        rods += [box(x1 - x0, 0.05, 0.07).at((x0 + x1) / 2, y, z + 0.21)
                 for y in np.linspace(y0, y1, along + 1)[1:-1]]  # fmt: skip
        house.add(bars, join(rods), iron)
        house.portal((x0, y0, _HEIGHT_M), (0, y1 - y0, 0), (x1 - x0, 0, 0))
