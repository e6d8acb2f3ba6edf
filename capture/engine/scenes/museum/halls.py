"""The museum's collections, and how a hall is filled with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capture.engine.meshes import cylinder, transform
from capture.engine.scenes.museum import exhibits
from capture.engine.scenes.parts import decor, furniture, interiors, masonry
from capture.engine.scenes.parts.building import House, Room
from capture.engine.scenes.parts.site import Paints

Spots = list[np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """What a hall shows.

    Attributes:
        name: Of the hall.
        description: One clause.
        manners: Kinds of `interiors.picture` on its walls.
        pictures_m: Height of its pictures.
        fill: Puts exhibits at spots on the floor, plan transforms that face the hall's middle.
    """

    name: str
    description: str
    manners: tuple[int, ...]
    pictures_m: float
    fill: Callable[[House, Paints, Spots, np.random.Generator], None]


class Stuff:
    """Materials that several halls use."""

    def __init__(self, paints: Paints):
        """Register them once."""
        wood = interiors.wood
        self.marble = paints(interiors.marble, (0.92, 0.91, 0.88), (0.70, 0.68, 0.66), 7, gloss=0.2)
        self.plinth = paints(interiors.paint, (1.0, 1.0, 1.0), 3, color=(0.90, 0.89, 0.86))
        self.bronze = paints.plain((0.40, 0.30, 0.20), gloss=0.7, shininess=40.0)
        self.brass = paints.plain((0.76, 0.60, 0.32), gloss=0.7, shininess=50.0)
        self.steel = paints.plain((0.62, 0.64, 0.66), gloss=0.8, shininess=60.0)
        self.dark = paints.plain((0.13, 0.13, 0.14), gloss=0.3)
        self.red = paints.plain((0.58, 0.14, 0.12), gloss=0.2)
        self.leather = paints.plain((0.34, 0.20, 0.14), gloss=0.25)
        self.walnut = paints(wood, (0.27, 0.17, 0.11), (0.52, 0.36, 0.25), 8, repeat_m=0.8)
        self.gold = paints(wood, (0.60, 0.46, 0.22), (0.84, 0.68, 0.36), 9, repeat_m=0.5, gloss=0.4)
        self.bone = paints(interiors.paint, (0.86, 0.80, 0.68), 10, repeat_m=0.5)


def furnish_hall(
    house: House, paints: Paints, room: Room, collection: Collection, rng: np.random.Generator
) -> None:
    """Pictures on the walls, exhibits on the floor, benches, spotlights."""
    stuff = Stuff(paints)
    hang(house, paints, stuff, room, collection, rng)
    x, y = (room.x0_m + room.x1_m) / 2, (room.y0_m + room.y1_m) / 2
    w, d = room.x1_m - room.x0_m, room.y1_m - room.y0_m
    spots = [transform(x, y)]
    # Between the middle, which the doors' axes cross, and the corners.
    for sx in (-1, 1):
        for sy in (-1, 1):
            turn = np.degrees(np.arctan2(sx, -sy))
            spots.append(transform(x + sx * w * 0.29, y + sy * d * 0.29, turn_deg=float(turn)))
    collection.fill(house, paints, spots, rng)
    for sx in (-1, 1):
        for sy in (-1, 1):
            _spotlight(house, stuff, x + sx * w * 0.3, y + sy * d * 0.3)


def _spotlight(house: House, stuff: Stuff, x: float, y: float) -> None:
    """A lit spotlight under the ceiling."""
    obj = house.object("spotlight", "spotlight")
    z = house.height_m
    house.add(obj, cylinder(0.07, 0.22, sides=10).at(x, y, z - 0.32), stuff.dark)
    house.add(obj, cylinder(0.012, 0.1, sides=5).at(x, y, z - 0.1), stuff.dark)
    house.lamp((x, y, z - 0.4), (2.3, 1.85, 1.3), 7.0)


def hang(
    house: House, paints: Paints, stuff: Stuff, room: Room, collection: Collection, rng
) -> None:
    """Framed pictures left and right of the doors' places, with a label each."""
    card = paints.plain((0.93, 0.92, 0.88))
    outside = ((0.0, house.size_m[1]), (0.0, house.size_m[0]))
    sides = (
        (furniture.FROM_Y0, room.x0_m, room.x1_m, room.y0_m, 0),
        (furniture.FROM_Y1, room.x0_m, room.x1_m, room.y1_m, 0),
        (furniture.FROM_X0, room.y0_m, room.y1_m, room.x0_m, 1),
        (furniture.FROM_X1, room.y0_m, room.y1_m, room.x1_m, 1),
    )
    for turn, start, end, across, axis in sides:
        # The outer walls have no door in their middle.
        outer = min(abs(across - edge) for edge in outside[axis]) < 1e-6
        for share in (0.17, 0.5, 0.83) if outer else (0.17, 0.83):
            along = start + share * (end - start)
            x, y = (along, across) if axis == 0 else (across, along)
            high = collection.pictures_m * float(rng.uniform(0.85, 1.1))
            size = (min(high * float(rng.uniform(0.8, 1.5)), 2.2), high)
            manner = collection.manners[int(rng.integers(len(collection.manners)))]
            canvas = paints(interiors.picture, manner, int(rng.integers(36)))
            frame = (stuff.gold, stuff.walnut, stuff.dark)[int(rng.integers(3))]
            at = furniture.standing(x, y, turn, 1.75)
            furniture.picture(house, at, canvas, frame, size=size, label="painting")
            label = house.object("label", "label of a painting")
            plate = furniture.cushion(0.2, 0.01)
            house.add(label, plate.at(size[0] / 2 + 0.2, 0.012, -0.45).moved(at), card)


def _bench_in_the_middle(house: House, paints: Paints, at: np.ndarray) -> None:
    stuff = Stuff(paints)
    exhibits.bench(house, at @ transform(0, -0.45), stuff.leather, stuff.dark)
    exhibits.bench(house, at @ transform(0, 0.45), stuff.leather, stuff.dark)


def _landscapes(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    _bench_in_the_middle(house, paints, spots[0])
    for at in spots[1::2]:
        exhibits.torso(house, exhibits.plinth(house, at, stuff.marble), stuff.marble, rng)


def _sculptures(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    low = exhibits.plinth(house, spots[0], stuff.plinth, size=1.0, height=0.5)
    exhibits.knot(house, low, stuff.bronze, size=0.75)
    for k, at in enumerate(spots[1:]):
        top = exhibits.plinth(house, at, stuff.plinth, size=0.55)
        if k % 2:
            exhibits.torso(house, top, stuff.marble, rng)
        else:
            exhibits.knot(house, top, stuff.brass, turns=(3, 2 + k), size=0.36)


def _porcelain(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    glazes = [paints.plain(c, gloss=0.5) for c in (
        (0.90, 0.92, 0.94), (0.22, 0.34, 0.56), (0.45, 0.62, 0.55), (0.72, 0.36, 0.24),
        (0.86, 0.76, 0.50),
    )]  # fmt: skip
    for k, at in enumerate(spots):
        heights = (1.1, 0.8, 0.95) if k else (1.25,)
        for n, height in enumerate(heights):
            spot = at @ transform(0.62 * (n - (len(heights) - 1) / 2), 0)
            size = 0.42 if k else 0.9
            top = exhibits.plinth(house, spot, stuff.plinth, size=size, height=height * 0.85)
            tall = 0.55 if k else 1.3
            decor.vase(house, top, glazes[(k + n) % 5], rng, height=tall)


def _giants(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    exhibits.skeleton(house, spots[0] @ transform(turn_deg=38), stuff.bone, stuff.dark)
    case = paints.plain((0.80, 0.84, 0.84), gloss=0.6)
    for at in spots[2:4]:
        top = exhibits.plinth(house, at @ transform(0, -1.0), case, size=0.8, height=0.9)
        decor.bowl(house, top, stuff.bone, [], rng, radius=0.25)


def _modern(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    colors = [paints.plain(c, gloss=0.15) for c in (
        (0.80, 0.25, 0.18), (0.20, 0.36, 0.60), (0.92, 0.74, 0.22), (0.92, 0.91, 0.88),
        (0.12, 0.12, 0.13),
    )]  # fmt: skip
    exhibits.rings(house, spots[0], stuff.red, stuff.dark, radius=0.95)
    for k, at in enumerate(spots[1:]):
        if k % 2:
            exhibits.bench(house, at, colors[4], stuff.steel)
        else:
            exhibits.stack(house, at, colors, rng, size=0.7)


def _maps(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    chart = paints(interiors.picture, 3, 4, repeat_m=1.2)
    exhibits.globe(house, spots[0], chart, stuff.walnut, stuff.brass, radius=0.62)
    covers = [paints.plain(c) for c in ((0.5, 0.2, 0.16), (0.2, 0.3, 0.4), (0.74, 0.62, 0.38))]
    paper = paints.plain((0.90, 0.87, 0.78))
    for at in spots[1:]:
        furniture.table(house, at, stuff.walnut, stuff.walnut, size=(1.5, 0.8, 0.85),
                        kind="map_table")  # fmt: skip
        decor.book_pile(house, at @ transform(-0.4, 0, 0.85), covers, paper, rng)
        sheet = paints(interiors.picture, int(rng.integers(6)), int(rng.integers(36)))
        furniture.rug(
            house, at @ transform(0.25, 0, 0.85), sheet, size=(0.8, 0.55), label="old map"
        )


def _machines(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    green = paints.plain((0.14, 0.30, 0.22), gloss=0.4)
    exhibits.engine(house, spots[0] @ transform(turn_deg=25), green, stuff.brass, stuff.red)
    exhibits.rope_barrier(house, spots[0] @ transform(0, 1.5), stuff.brass, stuff.red)
    exhibits.rope_barrier(house, spots[0] @ transform(0, -1.5), stuff.brass, stuff.red)
    dial = paints(masonry.clock)
    for k, at in enumerate(spots[1:]):
        exhibits.longcase_clock(house, at @ transform(0, -0.9), stuff.walnut, dial, stuff.brass)
        if k % 2:
            exhibits.bench(house, at @ transform(0, 0.3), stuff.leather, stuff.dark)


def _armoury(house: House, paints: Paints, spots: Spots, rng) -> None:
    stuff = Stuff(paints)
    _bench_in_the_middle(house, paints, spots[0])
    for at in spots[1:]:
        exhibits.armour(house, at, stuff.steel, stuff.dark)
        exhibits.rope_barrier(house, at @ transform(0, 0.75), stuff.brass, stuff.red, width=1.5)


COLLECTIONS = (
    Collection(name="hall of landscapes", description="paintings of hills, busts on plinths",
               manners=(0, 4), pictures_m=1.3, fill=_landscapes),
    Collection(name="sculpture hall", description="knots of bronze, marble heads",
               manners=(3,), pictures_m=0.9, fill=_sculptures),
    Collection(name="porcelain room", description="vases on plinths of many heights",
               manners=(5,), pictures_m=0.8, fill=_porcelain),
    Collection(name="hall of giants", description="the skeleton of a dinosaur",
               manners=(5, 0), pictures_m=1.0, fill=_giants),
    Collection(name="gallery of modern art", description="abstract paintings, coloured blocks",
               manners=(1, 2), pictures_m=1.7, fill=_modern),
    Collection(name="map room", description="a great globe, tables with maps",
               manners=(3, 4), pictures_m=1.1, fill=_maps),
    Collection(name="hall of machines", description="a steam engine and tall clocks",
               manners=(2, 4), pictures_m=0.9, fill=_machines),
    Collection(name="armoury", description="suits of armour behind ropes",
               manners=(0, 2), pictures_m=1.2, fill=_armoury),
)  # fmt: skip
