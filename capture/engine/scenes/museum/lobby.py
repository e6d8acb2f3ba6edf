"""The museum's entrance hall and its atrium."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import box, cylinder, lathe, quad, rounded_box, sphere, transform
from capture.engine.scenes.museum import exhibits
from capture.engine.scenes.museum.halls import Stuff
from capture.engine.scenes.parts import decor, furniture, interiors, masonry
from capture.engine.scenes.parts.building import House, Room
from capture.engine.scenes.parts.houseplants import plant
from capture.engine.scenes.parts.site import Paints


def furnish_entrance(house: House, paints: Paints, room: Room, rng: np.random.Generator) -> None:
    """A front desk, banners, coat stands, palms."""
    stuff = Stuff(paints)
    x, y = (room.x0_m + room.x1_m) / 2, (room.y0_m + room.y1_m) / 2
    desk = house.object("front_desk", "front desk")
    house.add(desk, rounded_box(2.8, 0.8, 1.05, 0.03).at(x - 3.4, y + 0.6), stuff.walnut)
    house.add(desk, box(3.0, 1.0, 0.05).at(x - 3.4, y + 0.6, 1.05), stuff.marble)
    lamp = transform(x - 4.3, y + 0.6, 1.1)
    shade = paints.plain((0.95, 0.86, 0.70), glow=1.1, two_sided=True)
    decor.table_lamp(house, lamp, shade, stuff.brass, rng)
    decor.book_pile(house, transform(x - 2.7, y + 0.6, 1.1), [stuff.red, stuff.dark], stuff.plinth,
                    rng, count=5)  # fmt: skip
    exhibits.bench(house, transform(x + 3.6, y + 0.4, turn_deg=90), stuff.leather, stuff.dark)
    exhibits.rope_barrier(house, transform(x - 1.2, y - 2.0, turn_deg=90), stuff.brass, stuff.red)
    for k, dx in enumerate((-3.4, 3.4)):
        banner = house.object("banner", "hanging banner")
        cloth = paints(interiors.picture, 1 + k, int(rng.integers(36)))
        face = quad((0.55, 0.05, -1.2), (-1.1, 0, 0), (0, 0, 2.4))
        house.add(banner, face.moved(furniture.standing(x + dx, room.y1_m, 180, 2.6)), cloth)
    _palms(house, paints, rng, [(x + 4.7, room.y0_m + 0.9), (x - 4.7, room.y0_m + 0.9)])
    house.lamp((x, y, house.height_m - 0.5), (2.2, 1.9, 1.5), 8.0)


def furnish_atrium(house: House, paints: Paints, room: Room, rng: np.random.Generator) -> None:
    """A fountain with a sphere, benches round it, trees in tubs, statues in the corners."""
    stuff = Stuff(paints)
    x, y = (room.x0_m + room.x1_m) / 2, (room.y0_m + room.y1_m) / 2
    obj = house.object("fountain", "round fountain with a granite ball")
    rim = [(1.7, 0), (1.7, 0.4), (1.78, 0.44), (1.78, 0.5), (1.45, 0.5), (1.45, 0.2)]
    basin = lathe(np.repeat(rim, 2, axis=0)[1:-1], sides=32)
    house.add(obj, basin.at(x, y), stuff.marble)
    water = paints.plain((0.30, 0.44, 0.46), gloss=1.0, shininess=160.0)
    house.add(obj, cylinder(1.46, 0.38, sides=32).at(x, y), water)
    granite = paints(interiors.marble, (0.45, 0.36, 0.34), (0.25, 0.22, 0.22), 12, gloss=0.6)
    foot = lathe([(0.5, 0.2), (0.3, 0.6), (0.34, 0.75)], sides=24)
    house.add(obj, foot.at(x, y), stuff.marble)
    house.add(obj, sphere(0.55, sides=32).at(x, y, 1.22), granite)
    for k in range(4):
        turn = 45.0 + 90 * k
        ring = transform(x, y, turn_deg=turn)
        exhibits.bench(house, ring @ transform(0, 2.7), stuff.leather, stuff.dark)
        corner = transform(x, y, turn_deg=90.0 * k)
        top = exhibits.plinth(
            house, corner @ transform(3.6, 3.3), stuff.marble, size=0.7, height=0.9
        )
        if k % 2:
            exhibits.knot(house, top, stuff.bronze, turns=(2, 5), size=0.45)
        else:
            exhibits.torso(house, top, stuff.marble, rng)
    spots = [(x + sx * 4.6, y + sy * 2.6) for sx in (-1, 1) for sy in (-1, 1)]
    _palms(house, paints, rng, spots)
    clock = house.object("clock", "great wall clock")
    face = quad((0.9, 0.06, -0.9), (-1.8, 0, 0), (0, 0, 1.8))
    at = furniture.standing(x - 3.6, room.y1_m, 180, 3.1)
    house.add(clock, face.moved(at), paints(masonry.clock))


def _palms(house: House, paints: Paints, rng, spots: list[tuple[float, float]]) -> None:
    tub = paints.plain((0.62, 0.40, 0.28))
    soil = paints.plain((0.22, 0.17, 0.13))
    leaf = paints(interiors.leaf, 25, (0.25, 0.40, 0.20), two_sided=True, translucency=0.35)
    for px, py in spots:
        plant(house, transform(px, py), tub, soil, leaf, rng, kind="palm", size=1.3)
