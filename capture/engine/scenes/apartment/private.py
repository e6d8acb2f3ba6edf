"""What stands in the bedroom, the child's room and the bathroom (see `apartment`)."""

from __future__ import annotations

from capture.engine.meshes import cylinder, transform
from capture.engine.scenes.apartment.style import Style
from capture.engine.scenes.parts import decor, fixtures, furniture
from capture.engine.scenes.parts.building import House
from capture.engine.scenes.parts.furniture import FROM_X0, FROM_X1, FROM_Y0, FROM_Y1, standing


def bedroom(house: House, s: Style, rng) -> None:
    """Furnish the bedroom."""
    rest = standing(8.32, 7.95, FROM_X0)
    furniture.rug(house, standing(10.1, 7.95, 90), s.rugs[3], size=(2.2, 1.9))
    furniture.bed(house, rest, s.oak, s.linen, s.cloths[7], s.linen)
    for k, y in enumerate((6.92, 8.97)):
        stand = standing(8.32, y, FROM_X0)
        furniture.cabinet(
            house,
            stand,
            s.oak,
            s.oak,
            s.brass,
            size=(0.4, 0.36, 0.5),
            doors=1,
            rows=2,
            kind="nightstand",
            label="nightstand",
        )
        decor.table_lamp(
            house,
            stand @ transform(0.02, 0.18, 0.5),
            s.shade,
            s.ceramics[k],
            rng,
            light=(0.75, 0.48, 0.25),
        )
    wardrobe = standing(11.72, 6.2, FROM_Y0)
    furniture.cabinet(
        house,
        wardrobe,
        s.lacquer[0],
        s.lacquer[2],
        s.brass,
        size=(1.6, 0.58, 2.2),
        doors=3,
        kind="wardrobe",
        label="wardrobe",
    )
    furniture.picture(
        house, standing(8.32, 7.95, FROM_X0, 1.75), s.pictures[15], s.oak, size=(1.2, 0.7)
    )
    furniture.armchair(house, standing(12.0, 8.85, 135), s.cloths[6], s.walnut)
    decor.plant(
        house, standing(9.2, 8.95), s.ceramics[4], s.soil, s.leaves[0], rng, kind="palm", size=0.9
    )
    furniture.curtain(
        house, standing(10.5, 9.2, FROM_Y1), s.curtains[2], s.brass, width=1.8, height=2.48, seed=6
    )
    furniture.curtain(
        house, standing(12.6, 7.75, FROM_X1), s.curtains[2], s.brass, width=1.3, height=2.48, seed=7
    )


def nursery(house: House, s: Style, rng) -> None:
    """Furnish the child's room."""
    furniture.bed(
        house,
        standing(9.33, 0.02, FROM_Y0),
        s.birch,
        s.linen,
        s.throws[0],
        s.cloths[3],
        width=0.9,
        label="child's bed",
    )
    furniture.round_rug(house, standing(7.75, 2.1), s.round_rug, radius=0.95)
    decor.toy_blocks(house, standing(7.5, 2.3, 0, 0.014), s.toys, rng)
    decor.ball(house, standing(8.35, 2.75, 0, 0.012), s.toys[0])
    decor.teddy(house, standing(9.3, 0.75, 0, 0.52), s.fur, s.black)
    low = standing(9.9, 3.35, FROM_X1)
    heights = furniture.shelf(
        house, low, s.birch, size=(1.3, 0.32, 0.95), levels=2, label="toy shelf"
    )
    decor.books(
        house, low @ transform(-0.6, 0.04, heights[0]), s.toys, s.paper, rng, width=0.5, depth=0.24
    )
    decor.basket(house, low @ transform(0.3, 0.17, heights[0]), s.wicker, radius=0.12, height=0.2)
    decor.books(
        house,
        low @ transform(-0.1, 0.04, heights[1]),
        s.covers,
        s.paper,
        rng,
        width=0.65,
        depth=0.24,
    )
    decor.ball(house, low @ transform(-0.4, 0.16, heights[1]), s.toys[1], radius=0.09)
    decor.teddy(house, low @ transform(0.35, 0.15, 0.95), s.linen, s.black)
    decor.table_lamp(house, low @ transform(-0.45, 0.16, 0.95), s.shade, s.toys[2], rng)
    desk = standing(6.32, 1.1, FROM_X0)
    furniture.table(
        house,
        desk @ transform(0, 0.3),
        s.birch,
        s.toys[3],
        size=(0.95, 0.55, 0.56),
        kind="play_table",
        label="play table",
    )
    decor.toy_blocks(house, desk @ transform(0.1, 0.3, 0.56), s.toys, rng, count=5)
    furniture.stool(house, standing(7.15, 1.15), s.toys[2], s.birch, height=0.36)
    for k, y in enumerate((0.75, 1.5)):
        furniture.picture(
            house, standing(6.32, y, FROM_X0, 1.45), s.pictures[16 + k], s.toys[k], size=(0.5, 0.6)
        )
    furniture.picture(
        house, standing(9.9, 1.4, FROM_X1, 1.5), s.pictures[1], s.toys[3], size=(0.8, 0.6)
    )
    furniture.cabinet(
        house,
        standing(6.32, 3.1, FROM_X0),
        s.birch,
        s.lacquer[0],
        s.toys[1],
        size=(1.0, 0.45, 0.85),
        doors=2,
        rows=2,
        kind="drawers",
        label="chest of drawers",
    )
    decor.plant(
        house,
        standing(6.55, 3.3, 0, 0.85),
        s.toys[2],
        s.soil,
        s.leaves[2],
        rng,
        kind="leafy",
        size=0.3,
    )
    flags = house.object("bunting", "bunting")
    for k in range(9):
        t = (k + 0.5) / 9
        flag = cylinder(0.09, 0.16, top_radius_m=0.001, sides=3).scaled(1, 0.06, -1)
        house.add(
            flags,
            flag.at(6.55 + t * 2.9, 4.55, 2.52 - 0.35 * (1 - (2 * t - 1) ** 2)),
            s.toys[k % 4],
        )
    furniture.curtain(
        house, standing(7.7, 0, FROM_Y0), s.curtains[1], s.birch, width=1.6, height=2.48, seed=8
    )


def bathroom(house: House, s: Style, rng) -> None:
    """Furnish the bathroom."""
    fixtures.bathtub(house, standing(12.6, 1.25, FROM_X1), s.enamel, s.steel)
    fixtures.toilet(house, standing(10.02, 1.3, FROM_X0), s.enamel)
    vanity = standing(10.02, 2.6, FROM_X0)
    fixtures.washstand(house, vanity, s.walnut, s.oak, s.marble, s.brass)
    furniture.picture(house, standing(10.02, 2.6, FROM_X0, 1.6), s.steel, s.brass, size=(0.8, 0.75))
    decor.bottle(
        house, vanity @ transform(0.34, 0.12, 0.81), s.ceramics[3], height=0.18, radius=0.03
    )
    decor.mug(house, vanity @ transform(-0.36, 0.12, 0.81), s.ceramics[1])
    fixtures.towel(house, standing(12.6, 2.75, FROM_X1, 1.35), s.cloths[6], s.brass)
    fixtures.towel(house, standing(12.6, 3.45, FROM_X1, 1.35), s.linen, s.brass, length=0.6)
    furniture.rug(house, standing(11.35, 1.3, 90), s.throws[1], size=(0.95, 0.6), label="bath mat")
    decor.basket(house, standing(12.25, 4.2), s.wicker, radius=0.23, height=0.5)
    decor.plant(
        house, standing(12.3, 2.35), s.ceramics[2], s.soil, s.leaves[1], rng, kind="palm", size=0.6
    )
    lamp = house.object("ceiling_light", "ceiling light")
    house.add(lamp, cylinder(0.16, 0.05, sides=20).at(11.3, 2.6, 2.65), s.shade)
    house.lamp((11.3, 2.6, 2.6), (0.9, 0.72, 0.52), 5.0)
    furniture.picture(
        house,
        standing(10.02, 3.75, FROM_X0, 1.6),
        s.pictures[2],
        s.oak,
        size=(0.4, 0.5),
        mat=s.paper,
    )
