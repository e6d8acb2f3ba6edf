"""A courtyard of an old college: arcades on four sides, a fountain, lawns, a church behind.

x runs east, y north. One walks round under the arches, across on the four paths, and in and out
between any two columns. The seed chooses the size, the houses, what stands on the four lawns, and
from where the low sun comes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.meshes import join, rounded_box
from capture.engine.scenes.courtyard import lawns
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts import plants, street
from capture.engine.scenes.parts.arcade import DEPTH_M, build_arcade, build_lantern
from capture.engine.scenes.parts.church import build_church
from capture.engine.scenes.parts.facades import DOORS, ROOFS, House, Shop
from capture.engine.scenes.parts.houses import build_house
from capture.engine.scenes.parts.site import Paints, Site, polygon
from capture.engine.world import World, WorldBuilder
from capture.scene import Place

_BAY_M = 3.1
_FLOOR_M = 0.14
_HOUSE_DEPTH_M = 7.0
_PERIMETER_M, _PATH_M = 2.4, 1.5
# Walls of the four sides; the seed turns the order.
_SIDES = (
    ("ochre", "cream", "terracotta"),
    ("rose", "sandstone", "cream"),
    ("sage green", "white", "pale blue"),
    ("red brick", "sandstone", "yellow brick"),
)
_SHOPS = (
    ("Bindery", "bookbinder"), ("Old Prints", "print shop"), ("The Refectory", "dining hall"),
    ("Instruments", "violin maker"), ("Herbarium", "herbalist"), ("Globes & Maps", "map shop"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Size of a courtyard.

    Attributes:
        bays_x: Arches along the north and the south side.
        bays_y: Arches along the east and the west side.
    """

    bays_x: int
    bays_y: int

    @property
    def half_m(self) -> tuple[float, float]:
        """Half the open court, x and y."""
        return self.bays_x * _BAY_M / 2, self.bays_y * _BAY_M / 2


def build(seed: int = 0, layout: Layout | None = None) -> World:
    """The courtyard of a seed; a layout overrides the size that the seed would choose."""
    rng = np.random.default_rng([11, seed])
    bays = int(rng.choice((8, 9, 10))), int(rng.choice((6, 7)))
    layout = layout or Layout(bays_x=bays[0], bays_y=bays[1])
    site = Site(builder := WorldBuilder(), Paints(builder))
    hx, hy = layout.half_m
    _ground(site, hx, hy)
    _sides(site, layout, rng)
    _court(site, hx, hy, rng)
    _under_the_arches(site, layout, rng)
    build_church(site.at(hx * 0.5 + 6.0, hy + DEPTH_M + _HOUSE_DEPTH_M + 1.5))
    turn = np.radians(float(rng.uniform(-150, -30)))
    to_sun = np.array([0.84 * np.cos(turn), 0.84 * np.sin(turn), 0.5426])
    x, y = hx + DEPTH_M, hy + DEPTH_M
    return builder.finish(
        name="courtyard",
        seed=seed,
        bounds_m=(-x + 0.1, -y + 0.1, 0.0, x - 0.1, y - 0.1, 2.6),
        spawn_m=(-hx + 1.2, -hy + 1.2, 1.65),
        spawn_heading_deg=float(np.degrees(np.arctan2(hy, hx))),
        setting="a courtyard with arcades on four sides, lawns and a stone fountain",
        light="a low warm sun that draws the shadows of the arches on the floor",
        places=_places(hx, hy),
        lighting=Lighting(
            to_sun=(float(to_sun[0]), float(to_sun[1]), float(to_sun[2])),
            sun_rgb=(4.8, 3.5, 2.1),
            zenith_rgb=(0.22, 0.40, 0.80),
            horizon_rgb=(0.95, 0.86, 0.76),
            ground_rgb=(0.26, 0.22, 0.17),
            cloudiness=0.45,
            fill_rgb=(0.24, 0.22, 0.20),
            exposure=1.05,
            haze_m=600.0,
            cell_m=0.4,
            shadow_px=4096,
            seed=seed,
        ),
    )


def _places(hx: float, hy: float) -> tuple[Place, ...]:
    x, y, top = hx + DEPTH_M, hy + DEPTH_M, 4.0
    arcade = {
        "north": (-x, hy, x, y), "south": (-x, -y, x, -hy), "east": (hx, -y, x, y),
        "west": (-x, -y, -hx, y),
    }  # fmt: skip
    lawn = lawns.quadrants(hx - _PERIMETER_M, hy - _PERIMETER_M, _PATH_M)
    boxes = [(f"{name} arcade", b, f"a walk under the arches on the {name} side, with lanterns")
             for name, b in arcade.items()]  # fmt: skip
    boxes += [(f"{name} lawn", b, "grass between clipped hedges") for name, b in lawn.items()]
    boxes += [("court", (-hx, -hy, hx, hy), "paved paths, lawns and a fountain in the middle")]
    return tuple(
        Place(name=name, bounds_m=(x0, y0, 0.0, x1, y1, top), description=text)
        for name, (x0, y0, x1, y1), text in boxes
    )


def _ground(site: Site, hx: float, hy: float) -> None:
    """Gravel paths round and across, the arcade's floor one step higher."""
    paths = site.object("path", "gravel path")
    gravel = site.paints(textures.asphalt, color=(1.65, 1.50, 1.25), repeat_m=1.6)
    x, y = hx - _PERIMETER_M, hy - _PERIMETER_M
    for x0, x1, y0, y1 in (
        (-hx, hx, -hy, -y), (-hx, hx, y, hy), (-hx, -x, -y, y), (x, hx, -y, y),
        (-x, x, -_PATH_M, _PATH_M), (-_PATH_M, _PATH_M, -y, -_PATH_M),
        (-_PATH_M, _PATH_M, _PATH_M, y),
    ):  # fmt: skip
        site.panel(paths, (x0, y0, 0.0), (x1 - x0, 0, 0), (0, y1 - y0, 0), gravel, 0.25)
    floor = site.object("pavement", "stone floor of the arcade")
    slabs = site.paints(textures.slabs, color=(0.98, 0.90, 0.80), repeat_m=2.4)
    out, z = DEPTH_M, _FLOOR_M
    for x0, x1, y0, y1 in (
        (-hx - out, hx + out, -hy - out, -hy), (-hx - out, hx + out, hy, hy + out),
        (-hx - out, -hx, -hy, hy), (hx, hx + out, -hy, hy),
    ):  # fmt: skip
        site.panel(floor, (x0, y0, z), (x1 - x0, 0, 0), (0, y1 - y0, 0), slabs, 0.2)
        site.panel(floor, (x0, y0, 3.49), (0, y1 - y0, 0), (x1 - x0, 0, 0), slabs, 0.3)
    for a, b in (((hx, -hy), (hx, hy)), ((hx, hy), (-hx, hy)), ((-hx, hy), (-hx, -hy)),
                 ((-hx, -hy), (hx, -hy))):  # fmt: skip
        site.add(floor, polygon([(*a, 0), (*b, 0), (*b, z), (*a, z)][::-1]), slabs)


def _frames(site: Site, layout: Layout) -> list[tuple[Site, int]]:
    """The four sides, each seen from the court with its first column at the origin, and bays."""
    hx, hy = layout.half_m
    return [
        (site.at(-hx, hy), layout.bays_x),
        (site.at(hx, hy, turn_deg=-90), layout.bays_y),
        (site.at(hx, -hy, turn_deg=180), layout.bays_x),
        (site.at(-hx, -hy, turn_deg=90), layout.bays_y),
    ]


def _sides(site: Site, layout: Layout, rng: np.random.Generator) -> None:
    stone = site.paints(textures.ashlar, color=(0.93, 0.86, 0.74), repeat_m=1.2)
    plaster = site.paints(textures.plaster, color=(0.95, 0.88, 0.76), repeat_m=2.6)
    shops = [_SHOPS[k] for k in rng.permutation(len(_SHOPS))]
    order = int(rng.integers(4))
    for k, (frame, bays) in enumerate(_frames(site, layout)):
        walls = _SIDES[(k + order) % 4]
        obj = site.object("arcade", f"stone arcade with {walls[0]} houses")
        build_arcade(frame, obj, bays, _BAY_M, stone, plaster)
        # Two of the sides close the corners.
        beyond = DEPTH_M + (_HOUSE_DEPTH_M if k % 2 == 0 else 0.0)
        length = bays * _BAY_M + 2 * beyond
        count = round(length / 7.2)
        edges = np.linspace(-beyond, length - beyond, count + 1)
        for n in range(count):
            shop = None
            if 0 < n < count - 1 and (n + k) % 2 == 0 and shops:
                title, trade = shops.pop()
                shop = Shop(name=title, trade=trade, color=list(DOORS)[n % len(DOORS)], awning="")
            house = House(
                width_m=float(edges[n + 1] - edges[n]),
                depth_m=_HOUSE_DEPTH_M,
                floors=int(rng.choice((2, 3), p=(0.7, 0.3))),
                wall=walls[n % 3],
                trim=(0.92, 0.88, 0.80),
                door=list(DOORS)[int(rng.integers(len(DOORS)))],
                roof=list(ROOFS)[k % 2],
                shutters=((0.30, 0.42, 0.36), None, (0.42, 0.30, 0.26))[int(rng.integers(3))],
                shop=shop,
                seed=int(rng.integers(1 << 30)),
            )
            build_house(frame.at(float(edges[n]), DEPTH_M, _FLOOR_M), house)


def _court(site: Site, hx: float, hy: float, rng: np.random.Generator) -> None:
    """The fountain on its round of setts, hedged lawns, and what stands on them."""
    disc = site.object("paving", "cobbled circle")
    turn = np.linspace(0, 2 * np.pi, 49)
    for radius, z, make, color in (
        (5.0, 0.07, textures.slabs, (0.66, 0.61, 0.55)),
        (4.7, 0.08, textures.cobbles, (1.0, 0.95, 0.88)),
    ):
        ring = np.stack([radius * np.cos(turn), radius * np.sin(turn), 0 * turn + z], 1)
        for a, b in itertools.pairwise(ring):
            part = polygon([(0, 0, z), a, b])
            flat = part.with_uv(part.positions_m[:, :2].copy())
            site.add(disc, flat, site.paints(make, color=color, repeat_m=1.5))
    street.build_fountain(site.at(z_m=0.06))
    grass = site.paints(textures.grass, repeat_m=3.0)
    green = site.paints(textures.leaves, color=(0.78, 0.92, 0.66), repeat_m=0.8)
    quadrants = lawns.quadrants(hx - _PERIMETER_M, hy - _PERIMETER_M, _PATH_M)
    features = [lawns.FEATURES[k] for k in rng.permutation(len(lawns.FEATURES))]
    for (name, (x0, y0, x1, y1)), feature in zip(quadrants.items(), features, strict=True):
        lawn = site.object("lawn", f"{name} lawn")
        site.panel(lawn, (x0, y0, 0.05), (x1 - x0, 0, 0), (0, y1 - y0, 0), grass, 0.25)
        hedge = site.object("hedge", "clipped box hedge")
        # Hedges on the two outer sides.
        wide, deep, inset = x1 - x0, y1 - y0, 0.3
        x = x0 + inset if x0 < 0 else x1 - inset
        y = y0 + inset if y0 < 0 else y1 - inset
        along_x = rounded_box(wide - 0.2, 0.45, 0.55, 0.12).at((x0 + x1) / 2, y, 0.03)
        along_y = rounded_box(0.45, deep - 0.2, 0.55, 0.12).at(x, (y0 + y1) / 2, 0.03)
        site.add(hedge, join([along_x, along_y]), green)
        feature(site.at((x0 + x1) / 2 + np.sign(x0 + x1), (y0 + y1) / 2, 0.05), rng)
    for angle in (45, 135, 225, 315):
        bench = site.at(0, 0, 0.06, turn_deg=angle + 90).at(0.0, -4.1, turn_deg=180)
        street.build_bench(bench)


def _under_the_arches(site: Site, layout: Layout, rng: np.random.Generator) -> None:
    """Lanterns, benches at the wall, tubs at the columns, bicycles."""
    colors = {"red": (0.80, 0.17, 0.15), "white": (0.93, 0.92, 0.88), "violet": (0.52, 0.36, 0.68)}
    for k, (frame, bays) in enumerate(_frames(site, layout)):
        walk = frame.at(0, 0, _FLOOR_M)
        for n in range(bays):
            middle = (n + 0.5) * _BAY_M
            if n % 2 == k % 2:
                build_lantern(frame.at(middle, DEPTH_M / 2))
            if n % 3 == 1:
                # Deep enough at the wall to leave the walk open.
                street.build_bench(walk.at(middle, DEPTH_M - 0.45))
            if rng.random() < 0.4 and n:
                name = list(colors)[int(rng.integers(3))]
                tub = walk.at(n * _BAY_M, 0.95)
                plants.build_planter(tub, name, colors[name], int(rng.integers(1 << 30)))
        bicycle = walk.at(1.3, DEPTH_M - 0.4, turn_deg=3)
        street.build_bicycle(bicycle, ("blue", "green", "red", "black")[k],
                             ((0.2, 0.3, 0.5), (0.2, 0.36, 0.26), (0.6, 0.16, 0.14),
                              (0.1, 0.1, 0.1))[k])  # fmt: skip
