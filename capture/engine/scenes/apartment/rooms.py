"""What stands in each room of the apartment, in plan coordinates (see `apartment`)."""

from __future__ import annotations

from capture.engine.meshes import box, cylinder, transform
from capture.engine.scenes.apartment.private import bathroom, bedroom, nursery
from capture.engine.scenes.apartment.style import Style
from capture.engine.scenes.parts import decor, fixtures, furniture
from capture.engine.scenes.parts.building import House
from capture.engine.scenes.parts.furniture import FROM_X0, FROM_X1, FROM_Y0, FROM_Y1, standing


def furnish(house: House, s: Style) -> None:
    """Furnish every room."""
    for room in (_living, _kitchen, _study, _hall, bedroom, nursery, bathroom):
        room(house, s, s.rng)


def _fill_shelf(house: House, s: Style, at, heights, rng, *, width=0.9, depth=0.3) -> None:
    """Books and a few objects on the boards of a shelf."""
    for k, z in enumerate(heights):
        left = at @ transform(-width / 2 + 0.03, 0.03, z)
        share = rng.choice([0.95, 0.7, 0.55]) if k else 0.95
        decor.books(
            house, left, s.covers, s.paper, rng, width=share * (width - 0.06), depth=depth - 0.07
        )
        if share < 0.9:
            spot = at @ transform(width / 2 - (1 - share) * width / 2 - 0.02, depth / 2, z)
            choice = int(rng.integers(3))
            if choice == 0:
                decor.vase(house, spot, s.ceramics[int(rng.integers(5))], rng, height=0.2)
            elif choice == 1:
                decor.plant(
                    house,
                    spot,
                    s.ceramics[int(rng.integers(5))],
                    s.soil,
                    s.leaves[2],
                    rng,
                    kind="leafy",
                    size=0.16,
                )
            else:
                decor.book_pile(house, spot, s.covers, s.paper, rng)


def _living(house: House, s: Style, rng) -> None:
    at = standing(0.42, 2.3, FROM_X0)
    furniture.sofa(
        house, at, s.cloths[0], s.walnut, [s.cloths[3], s.cloths[4], s.throws[0]], width=2.2
    )
    rug_at = standing(2.35, 2.25, 90)
    furniture.rug(house, rug_at, s.rugs[0], size=(2.7, 2.1))
    furniture.table(
        house,
        standing(2.2, 2.3, 90),
        s.oak,
        s.black,
        size=(1.2, 0.62, 0.4),
        kind="coffee_table",
        label="coffee table",
    )
    top = standing(2.2, 2.3, 90, 0.4)
    decor.book_pile(house, top @ transform(-0.35, 0.05), s.covers, s.paper, rng, count=3)
    decor.bowl(house, top @ transform(0.05, 0.0), s.ceramics[1], s.fruit, rng)
    decor.mug(house, top @ transform(0.4, 0.14), s.ceramics[2])
    decor.candle(house, top @ transform(0.42, -0.12), s.wax, s.flame)
    furniture.armchair(house, standing(3.05, 0.42, -14), s.cloths[1], s.walnut)
    furniture.armchair(house, standing(1.4, 0.42, 12), s.cloths[1], s.walnut)
    furniture.round_table(house, standing(2.22, 0.68), s.marble, s.brass, radius=0.24, height=0.5)
    decor.vase(house, standing(2.22, 0.68, 0, 0.5), s.ceramics[0], rng, height=0.22)
    decor.branches(house, standing(2.22, 0.68, 0, 0.68), s.bark, s.cloths[6], rng, height=0.4)
    decor.floor_lamp(house, standing(0.42, 3.85), s.shade, s.brass)
    decor.plant(
        house, standing(0.5, 0.5), s.terracotta, s.soil, s.leaves[0], rng, kind="leafy", size=1.25
    )
    decor.plant(
        house, standing(5.75, 0.5), s.wicker, s.soil, s.leaves[1], rng, kind="palm", size=1.3
    )
    board = standing(6.2, 2.25, FROM_X1)
    furniture.cabinet(
        house,
        board,
        s.oak,
        s.lacquer[1],
        s.brass,
        size=(1.9, 0.42, 0.56),
        doors=4,
        kind="sideboard",
        label="sideboard",
    )
    decor.screen(
        house,
        board @ transform(0, 0.2, 0.56),
        s.black,
        s.screen,
        size=(1.15, 0.66),
        kind="television",
    )
    decor.vase(house, board @ transform(0.78, 0.2, 0.56), s.ceramics[2], rng, height=0.32)
    decor.book_pile(house, board @ transform(-0.78, 0.2, 0.56), s.covers, s.paper, rng, count=2)
    decor.table_lamp(house, board @ transform(-0.78, 0.2, 0.62), s.shade, s.ceramics[1], rng)
    for x in (3.56, 4.48):
        case = standing(x, 4.6, FROM_Y1)
        _fill_shelf(
            house, s, case, furniture.shelf(house, case, s.walnut, size=(0.9, 0.3, 2.1)), rng
        )
    for k, (y, z, w, h) in enumerate(
        ((3.75, 1.75, 0.62, 0.8), (0.95, 1.45, 0.4, 0.5), (0.95, 2.02, 0.4, 0.4))
    ):
        furniture.picture(
            house,
            standing(6.2, y, FROM_X1, z),
            s.pictures[k],
            s.walnut,
            size=(w, h),
            mat=s.paper if k else None,
        )
    furniture.picture(
        house, standing(3.15, 0.0, FROM_Y0, 1.65), s.pictures[3], s.brass, size=(0.6, 0.8)
    )
    furniture.picture(
        house,
        standing(0.6, 4.6, FROM_Y1, 1.65),
        s.pictures[4],
        s.black,
        size=(0.7, 0.9),
        mat=s.paper,
    )
    for x in (1.75, 4.5):
        furniture.curtain(
            house,
            standing(x, 0, FROM_Y0),
            s.curtains[0],
            s.brass,
            width=1.7,
            height=2.48,
            seed=int(x),
        )
    furniture.radiator(house, standing(4.5, 0, FROM_Y0), s.enamel, width=1.2)
    basket = standing(4.9, 0.5)
    decor.basket(house, basket, s.wicker, radius=0.22, height=0.3)


def _kitchen(house: House, s: Style, rng) -> None:
    front = s.lacquer[1 + int(rng.integers(3))]
    back = 9.2
    fixtures.fridge(house, standing(0.36, back, FROM_Y1), s.lacquer[0], s.steel)
    fixtures.counter(
        house, standing(1.6, back, FROM_Y1), s.lacquer[0], front, s.marble, s.steel, units=3, sink=1
    )
    fixtures.stove(house, standing(2.81, back, FROM_Y1), s.steel, s.black)
    fixtures.hood(house, standing(2.81, back, FROM_Y1), s.steel)
    right = standing(3.73, back, FROM_Y1)
    fixtures.counter(house, right, s.lacquer[0], front, s.marble, s.steel, units=2)
    fixtures.wall_units(
        house, standing(3.75, back, FROM_Y1, 1.5), s.lacquer[0], front, s.steel, units=2
    )
    splash = house.object("splashback", "tiled splashback")
    house.add(splash, box(1.8, 0.012, 0.19).at(1.6, back - 0.006, 0.9), s.subway)
    house.add(splash, box(1.9, 0.012, 0.62).at(3.45, back - 0.006, 0.9), s.subway)
    for k, x in enumerate((3.3, 3.45, 3.57)):
        decor.bottle(
            house,
            standing(x, 8.98, 0, 0.915),
            (s.glass, s.ceramics[4], s.glass)[k],
            height=(0.3, 0.2, 0.26)[k],
        )
    decor.vase(house, standing(4.1, 8.92, 0, 0.915), s.ceramics[0], rng, height=0.2, kind="jar")
    decor.mug(house, standing(3.9, 8.75, 40, 0.915), s.ceramics[3])
    decor.plant(
        house,
        standing(0.98, 9.0, 0, 0.915),
        s.ceramics[2],
        s.soil,
        s.leaves[1],
        rng,
        kind="leafy",
        size=0.22,
    )
    decor.bowl(house, standing(2.25, 8.85, 0, 0.915), s.ceramics[1], s.fruit, rng, radius=0.13)
    furniture.rug(house, standing(2.2, 8.15), s.throws[1], size=(1.7, 0.6), label="kitchen runner")
    _dining(house, s, rng)
    dresser = standing(4.4, 5.75, FROM_X1)
    furniture.cabinet(
        house,
        dresser,
        s.birch,
        s.birch,
        s.brass,
        size=(1.3, 0.42, 0.9),
        doors=2,
        rows=2,
        kind="dresser",
        label="dresser",
    )
    for k, x in enumerate((-0.42, 0.0, 0.4)):
        decor.vase(
            house,
            dresser @ transform(x, 0.2, 0.9),
            s.ceramics[(k * 2 + 1) % 5],
            rng,
            height=0.34 - 0.08 * k,
        )
    decor.clock(house, standing(4.4, 6.72, FROM_X1, 1.95), s.paper, s.black)
    furniture.picture(
        house, standing(4.4, 5.75, FROM_X1, 1.75), s.pictures[5], s.oak, size=(0.95, 0.65)
    )
    furniture.picture(
        house,
        standing(0.62, 4.72, FROM_Y0, 1.65),
        s.pictures[6],
        s.black,
        size=(0.5, 0.7),
        mat=s.paper,
    )
    decor.plant(
        house, standing(0.42, 5.1), s.terracotta, s.soil, s.leaves[2], rng, kind="sword", size=0.95
    )
    furniture.radiator(house, standing(0, 6.5, FROM_X0), s.enamel, width=1.1)


def _dining(house: House, s: Style, rng) -> None:
    furniture.table(
        house,
        standing(1.4, 6.55, 90),
        s.oak,
        s.oak,
        size=(1.7, 0.9, 0.75),
        kind="dining_table",
        label="dining table",
    )
    for k, (x, y) in enumerate(((0.72, 6.15), (0.72, 6.95), (2.08, 6.12), (2.1, 6.98))):
        turn = (-90 if x < 1.4 else 90) + rng.uniform(-9, 9)
        furniture.chair(house, standing(x, y, turn), s.walnut if k % 2 else s.oak, s.cloths[2])
        decor.plate(house, standing(1.4 + (0.25 if x > 1.4 else -0.25), y, 0, 0.75), s.ceramics[0])
    decor.vase(house, standing(1.4, 6.55, 0, 0.75), s.ceramics[3], rng, height=0.25)
    decor.branches(
        house, standing(1.4, 6.55, 0, 0.96), s.bark, s.cloths[3], rng, count=8, height=0.42
    )
    decor.candle(house, standing(1.42, 6.85, 0, 0.75), s.wax, s.flame)
    for y in (6.2, 6.9):
        decor.pendant(
            house, standing(1.4, y, 0, 2.7), s.lacquer[3], s.black, s.bulb, drop=1.0, radius=0.19
        )


def _study(house: House, s: Style, rng) -> None:
    work = standing(6.3, 9.2, FROM_Y1)
    furniture.desk(house, work, s.walnut, s.walnut, s.lacquer[0], width=1.6)
    decor.screen(house, work @ transform(0.0, 0.25, 0.74), s.black, s.screen, size=(0.62, 0.36))
    decor.table_lamp(house, work @ transform(0.62, 0.22, 0.74), s.shade, s.ceramics[4], rng)
    decor.book_pile(house, work @ transform(-0.58, 0.3, 0.74), s.covers, s.paper, rng, count=4)
    decor.mug(house, work @ transform(-0.3, 0.45, 0.74), s.toys[0])
    decor.laptop(house, work @ transform(0.42, 0.5, 0.74, turn_deg=12), s.steel, s.pictures[9])
    furniture.office_chair(house, standing(6.2, 8.1, 8), s.cloths[5], s.black)
    furniture.rug(house, standing(6.3, 7.55), s.rugs[1], size=(2.2, 1.5))
    for y in (8.6, 7.68):
        case = standing(8.2, y, FROM_X1)
        _fill_shelf(
            house, s, case, furniture.shelf(house, case, s.oak, size=(0.9, 0.3, 2.2), levels=6), rng
        )
    low = standing(4.52, 8.65, FROM_X0)
    furniture.cabinet(
        house,
        low,
        s.walnut,
        s.lacquer[2],
        s.brass,
        size=(0.9, 0.4, 0.8),
        doors=1,
        rows=4,
        kind="drawers",
        label="chest of drawers",
    )
    decor.plant(
        house,
        low @ transform(0.15, 0.2, 0.8),
        s.ceramics[1],
        s.soil,
        s.leaves[0],
        rng,
        kind="leafy",
        size=0.4,
    )
    furniture.armchair(house, standing(4.95, 6.42, -38), s.cloths[3], s.oak, label="reading chair")
    decor.floor_lamp(house, standing(5.55, 6.42), s.shade, s.black)
    furniture.picture(
        house, standing(4.52, 8.5, FROM_X0, 1.6), s.pictures[7], s.black, size=(0.6, 0.75)
    )
    furniture.picture(
        house,
        standing(5.3, 6.2, FROM_Y0, 1.85),
        s.pictures[8],
        s.oak,
        size=(0.85, 0.6),
        mat=s.paper,
    )
    furniture.picture(
        house, standing(8.2, 6.7, FROM_X1, 1.6), s.pictures[10], s.walnut, size=(0.55, 0.75)
    )
    furniture.curtain(
        house, standing(6.3, 9.2, FROM_Y1), s.curtains[3], s.black, width=1.8, height=2.48, seed=4
    )


def _hall(house: House, s: Style, rng) -> None:
    furniture.rug(house, standing(7.0, 5.4), s.rugs[2], size=(3.4, 0.8), label="hall runner")
    furniture.rug(house, standing(10.9, 5.4), s.throws[2], size=(1.5, 0.75), label="doormat")
    console = standing(8.28, 6.08, FROM_Y1)
    furniture.table(
        house,
        standing(8.28, 5.93, 180),
        s.walnut,
        s.black,
        size=(0.85, 0.28, 0.8),
        kind="console_table",
        label="console table",
    )
    decor.table_lamp(house, console @ transform(0.26, 0.15, 0.8), s.shade, s.ceramics[3], rng)
    decor.bowl(house, console @ transform(-0.2, 0.15, 0.8), s.ceramics[2], [], rng, radius=0.1)
    furniture.picture(
        house, standing(8.28, 6.08, FROM_Y1, 1.75), s.pictures[11], s.brass, size=(0.62, 0.62)
    )
    bench = standing(9.25, 4.72, FROM_Y0)
    furniture.cabinet(
        house,
        bench,
        s.birch,
        s.birch,
        s.black,
        size=(1.1, 0.32, 0.46),
        doors=3,
        kind="shoe_cabinet",
        label="shoe cabinet",
    )
    rail = house.object("coat_rack", "coat rack")
    house.add(rail, box(1.1, 0.02, 0.12).at(0, 0.01, 1.66).moved(bench), s.oak)
    for k, x in enumerate((-0.4, -0.15, 0.12, 0.38)):
        house.add(
            rail,
            cylinder(0.012, 0.07, sides=8).tilted(about_x_deg=-90).at(x, 0.02, 1.71).moved(bench),
            s.brass,
        )
        if k != 1:
            coat = furniture.cushion(0.34, 0.16).scaled(1.0, 1.0, 2.6)
            coat_obj = house.object("coat", "coat")
            house.add(
                coat_obj,
                coat.at(x, 0.12, 0.82).moved(bench),
                (s.cloths[5], s.cloths[0], s.cloths[1], s.cloths[7])[k],
            )
    for k, x in enumerate((6.55, 8.35)):
        furniture.picture(
            house,
            standing(x - 0.05, 4.72, FROM_Y0, 1.6),
            s.pictures[12 + k],
            s.black,
            size=(0.5, 0.66),
            mat=s.paper,
        )
    furniture.picture(
        house, standing(10.9, 6.08, FROM_Y1, 1.6), s.pictures[14], s.oak, size=(1.1, 0.7)
    )
    decor.plant(
        house, standing(12.25, 5.78), s.wicker, s.soil, s.leaves[1], rng, kind="sword", size=0.8
    )
    for x in (5.6, 8.0, 10.6):
        spot = house.object("ceiling_light", "ceiling light")
        house.add(spot, cylinder(0.13, 0.05, sides=20).at(x, 5.4, 2.65), s.shade)
        house.lamp((x, 5.4, 2.6), (0.8, 0.6, 0.4), 5.0)
