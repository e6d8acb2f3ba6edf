"""The apartment: seven furnished rooms; one can walk living room - kitchen - study - hall and back.

Plan (metres; a seed may mirror it in x and y, and the sun with it):

    y 9.2 +---------+--------+-----------+
          | kitchen | study  | bedroom   |
    y 6.2 |         +--------+-----------+
          |         | hall               |
    y 4.6 +---------+--+--------+--------+
          | living room | child's| bath- |
          |             | room   | room  |
    y 0.0 +-------------+--------+-------+
          x 0          6.2      9.9    12.6
"""

from __future__ import annotations

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.meshes import box
from capture.engine.scenes.apartment import garden
from capture.engine.scenes.apartment.furnishing import place
from capture.engine.scenes.apartment.private import BATHROOM, BEDROOM, CHILDS_ROOM
from capture.engine.scenes.apartment.rooms import HALL, KITCHEN, LIVING_ROOM, STUDY
from capture.engine.scenes.apartment.style import Style
from capture.engine.scenes.parts.building import House, Opening, Room, Wall
from capture.engine.world import World
from capture.scene import Place

_WIDTH_M, _DEPTH_M, _HEIGHT_M = 12.6, 9.2, 2.7


def _window(start: float, end: float, bottom: float = 0.5, top: float = 2.35) -> Opening:
    return Opening(kind="window", start_m=start, end_m=end, bottom_m=bottom, top_m=top)


def _door(start: float, *, kind: str = "door", width: float = 0.95, top: float = 2.1) -> Opening:
    return Opening(kind=kind, start_m=start, end_m=start + width, top_m=top)


def _walls() -> list[Wall]:
    w, d = _WIDTH_M, _DEPTH_M
    outer, inner = 0.3, 0.12

    def across(axis: int, at: float, start: float, end: float, *openings: Opening) -> Wall:
        return Wall(
            axis=axis, low_m=at, high_m=at + inner, start_m=start, end_m=end, openings=openings
        )

    south = (
        _window(0.9, 2.6),
        _window(3.65, 5.35),
        _window(6.9, 8.5, 0.8),
        _window(10.85, 11.85, 1.25),
    )
    north = (_window(0.95, 2.25, 1.12), _window(5.4, 7.2, 0.9), _window(9.6, 11.4, 0.8))
    west, east = (
        (_window(1.45, 3.15, 0.8), _window(5.6, 7.4, 0.8)),
        (_window(5.0, 5.8, 0.9), _window(7.1, 8.4, 0.8)),
    )

    def around(axis, low, start, end, openings, outside) -> Wall:
        return Wall(
            axis=axis, low_m=low, high_m=low + outer, start_m=start, end_m=end,
            openings=openings, outside=outside,
        )  # fmt: skip

    wide = _door(1.2, kind="passage", width=1.8, top=2.35)
    return [
        around(0, -outer, -outer, w + outer, south, -1),
        around(0, d, -outer, w + outer, north, 1),
        around(1, -outer, 0, d, west, -1),
        around(1, w, 0, d, east, 1),
        across(0, 4.6, 0, w, wide, _door(5.0), _door(7.0), _door(10.9)),
        across(1, 6.2, 0, 4.6),
        across(1, 9.9, 0, 4.6),
        across(1, 4.4, 4.72, d, _door(7.0, kind="passage")),
        across(0, 6.08, 4.52, w, _door(6.6), _door(9.0)),
        across(1, 8.2, 6.2, d),
    ]  # fmt: skip


def _rooms(s: Style) -> list[Room]:
    def room(name, x0, y0, x1, y1, wall, floor, label):
        return Room(
            name=name, x0_m=x0, y0_m=y0, x1_m=x1, y1_m=y1, wall=wall, floor=floor, floor_label=label
        )

    a = s.walls
    return [
        room("living room", 0, 0, 6.2, 4.6, a[0], s.parquet, "herringbone parquet"),
        room("kitchen", 0, 4.72, 4.4, 9.2, a[1], s.checker, "checkered stone floor"),
        room("study", 4.52, 6.2, 8.2, 9.2, a[2], s.boards[0], "dark plank floor"),
        room("hall", 4.52, 4.72, 12.6, 6.08, a[3], s.boards[2], "oak plank floor"),
        room("bedroom", 8.32, 6.2, 12.6, 9.2, a[4], s.boards[1], "pale plank floor"),
        room("child's room", 6.32, 0, 9.9, 4.6, a[5], s.boards[3], "grey plank floor"),
        room("bathroom", 10.02, 0, 12.6, 4.6, s.subway, s.bath_floor, "tiled floor"),
    ]


_CLAUSES = {
    "living room": "a sofa and armchairs round a coffee table, tall windows to the garden",
    "kitchen": "a dining table under hanging lamps, a counter with stove and sink",
    "study": "a desk at the window, walls of books, a reading chair",
    "hall": "a long passage with pictures, coats and a runner",
    "bedroom": "a double bed between two lamps, a wardrobe",
    "child's room": "a small bed, toys, a round rug and bunting",
    "bathroom": "white tiles, a bathtub under the window, a wooden washstand",
}


# What the light is called, towards the sun and its colour; by every fourth seed in turn.
_HOURS = (
    ("late afternoon sun through tall windows, warm lamps", (-0.42, -0.70, 0.50), (5.2, 4.1, 2.75)),
    ("clear morning sun through tall windows, warm lamps", (0.60, -0.62, 0.48), (4.9, 4.3, 3.4)),
)


def build(seed: int = 0) -> World:
    """The apartment of a seed: its layout (one of four mirrorings), hour, colours and things."""
    light, sun_side, sun_rgb = _HOURS[seed // 4 % len(_HOURS)]
    mirror = (bool(seed & 1), bool(seed & 2))
    house = House(size_m=(_WIDTH_M, _DEPTH_M), height_m=_HEIGHT_M, mirror=mirror)
    style = Style(house, seed)
    rooms = _raise_shell(house, style)
    for pieces in (LIVING_ROOM, KITCHEN, STUDY, HALL, BEDROOM, CHILDS_ROOM, BATHROOM):
        place(house, style, pieces)
    garden.plant_garden(house, style, (_WIDTH_M, _DEPTH_M))
    to_sun = house.direction(np.array(sun_side))
    heading = house.direction((-0.76, -0.5, 0.0))
    places = tuple(
        Place(
            name=r.name,
            bounds_m=house.bounds((r.x0_m, r.y0_m, 0), (r.x1_m, r.y1_m, _HEIGHT_M)),
            description=_CLAUSES[r.name],
        )
        for r in rooms
    )
    x, y, z = map(float, house.point((4.3, 3.45, 1.45)))
    return house.builder.finish(
        name="apartment",
        seed=seed,
        bounds_m=house.bounds((0, 0, 0), (_WIDTH_M, _DEPTH_M, _HEIGHT_M)),
        spawn_m=(x, y, z),
        spawn_heading_deg=float(np.degrees(np.arctan2(heading[1], heading[0]))),
        setting="a furnished apartment with seven rooms",
        light=light,
        places=places,
        lighting=Lighting(
            to_sun=(float(to_sun[0]), float(to_sun[1]), float(to_sun[2])),
            sun_rgb=sun_rgb,
            zenith_rgb=(0.75, 1.15, 1.9),
            horizon_rgb=(1.9, 2.0, 2.1),
            ground_rgb=(0.75, 0.72, 0.5),
            cloudiness=0.5,
            fill_rgb=(0.46, 0.44, 0.42),
            exposure=0.8,
            shadow_px=3072,
            seed=seed,
        ),
    )


def _raise_shell(house: House, s: Style) -> list[Room]:
    """Walls, floors, ceilings, windows, doors and roof."""
    for wall in _walls():
        house.wall(wall, s.facade)
        for o in wall.openings:
            if o.kind == "window":
                house.reveal(wall, o, s.trim, s.trim)
                house.window(wall, o, s.trim, s.trim)
            else:
                house.reveal(wall, o, s.trim, s.boards[2])
                house.casing(wall, o, s.trim)
    across, upper = house.walls[4], house.walls[8]
    house.door(across, across.openings[2], s.trim, s.brass, side=-1, angle_deg=94)
    house.door(across, across.openings[3], s.trim, s.brass, side=-1, angle_deg=92)
    house.door(upper, upper.openings[0], s.trim, s.brass, side=1, angle_deg=93)
    rooms = _rooms(s)
    for room in rooms:
        house.shell(room, s.white, s.trim)
    roof = house.object("roof", "roof")
    lid = box(_WIDTH_M + 1.0, _DEPTH_M + 1.0, 0.12).at(_WIDTH_M / 2, _DEPTH_M / 2, _HEIGHT_M + 0.2)
    house.add(roof, lid, s.facade)
    slab = house.object("foundation", "foundation")
    base = box(_WIDTH_M, _DEPTH_M, 0.15).at(_WIDTH_M / 2, _DEPTH_M / 2, -0.18)
    house.add(slab, base, s.facade)
    return rooms
