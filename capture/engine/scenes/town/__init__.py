"""A small old town: two blocks with an alley between them, four streets, a square with a church.

x runs east, y north. Market Street and Mill Lane run east, Church Street and Garden Street north;
the square lies west of Church Street. Three streets go on past the town's rim and end at a house.
"""

from __future__ import annotations

import itertools

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.meshes import box
from capture.engine.scenes.parts import church, plants, street
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.cars import COLORS, SHAPES, build_car
from capture.engine.scenes.parts.facades import DOORS, ROOFS, WALLS, House, Shop
from capture.engine.scenes.parts.houses import build_house
from capture.engine.scenes.parts.site import Paints, Site, polygon
from capture.engine.world import World, WorldBuilder
from capture.scene import Place

_KERB_M = 0.12
_SHOPS = (
    ("Baker & Sons", "bakery"), ("Books & Maps", "bookshop"), ("Flora", "flower shop"),
    ("Corner Cafe", "cafe"), ("Apothecary", "pharmacy"), ("Fine Cheeses", "cheese shop"),
    ("Old Records", "record shop"), ("Tailor Finch", "tailor"), ("Wool & Thread", "yarn shop"),
    ("Clockmaker", "clockmaker"), ("Green Grocer", "greengrocer"), ("Tea House", "tea house"),
    ("Art Supplies", "art shop"), ("Cobbler", "cobbler"), ("Toy Box", "toy shop"),
    ("Fishmonger", "fishmonger"), ("Lantern Inn", "inn"), ("Cycle Works", "bicycle shop"),
)  # fmt: skip
# Rows of houses: origin x, y, turn, length, and whether the first house's left side and the last
# one's right side face a street.
_ROWS = (
    (-40.0, 19.0, 0.0, 19.5, False, True),
    (-9.5, 19.0, 0.0, 51.5, True, False),
    (13.0, -19.0, 180.0, 53.0, True, False),
    (24.0, 8.0, -90.0, 45.0, True, False),
    (-40.0, -19.0, 90.0, 13.0, False, False),
    (-40.0, 6.0, 90.0, 13.0, False, False),
    (-20.5, 28.0, 90.0, 9.0, False, False),
    (-9.5, 37.0, -90.0, 9.0, False, False),
    (-20.5, 37.0, 0.0, 11.0, False, False),
    (13.0, -37.0, 90.0, 9.0, False, False),
    (24.0, -37.0, 180.0, 11.0, False, False),
    (42.0, 8.0, 180.0, 9.0, False, False),
    (42.0, 19.0, -90.0, 11.0, False, False),
)
_BLOCKS = (
    (-9.5, -8.0, 0.0, 9.7),
    (0.2, 8.0, 180.0, 9.7),
    (3.4, -8.0, 0.0, 9.6),
    (13.0, 8.0, 180.0, 9.6),
)
_ROADS = (
    (-40.0, 21.5, -16.5, -10.5), (-40.0, 42.0, 10.5, 16.5), (-18.0, -12.0, -10.5, 10.5),
    (-18.0, -12.0, 16.5, 37.0), (15.5, 21.5, -10.5, 10.5), (15.5, 21.5, -37.0, -16.5),
)  # fmt: skip
_PAVEMENTS = (
    (-40.0, -18.0, -10.5, 10.5), (-12.0, 15.5, -10.5, 10.5), (-40.0, -18.0, 16.5, 19.0),
    (-20.5, -18.0, 19.0, 37.0), (-12.0, 42.0, 16.5, 19.0), (-12.0, -9.5, 19.0, 37.0),
    (21.5, 24.0, -37.0, 10.5), (24.0, 42.0, 8.0, 10.5), (-40.0, 15.5, -19.0, -16.5),
    (13.0, 15.5, -37.0, -19.0),
)  # fmt: skip
_LAMPS = (
    (-34.0, -16.95), (-34.0, 16.95), (-23.0, -16.95), (-23.0, 16.95), (-6.0, -16.95),
    (-6.0, 16.95), (6.5, -16.95), (6.5, 16.95), (30.0, 16.95), (-11.5, -4.5), (-11.5, 5.5),
    (15.0, -4.5), (15.0, 5.5), (-7.0, -10.05), (9.0, 10.05), (21.95, -24.0), (21.95, 1.0),
    (-11.5, 24.0), (-18.5, 30.0), (-24.5, 9.9), (-33.6, -9.9),
)  # fmt: skip
_BINS = (
    (-4.0, 16.9), (10.5, 16.9), (-28.0, -16.95), (1.8, -16.95), (12.2, -9.9), (-9.9, 10.1),
)  # fmt: skip
_SIGNS = (
    (-8.5, -8.0, 0, "Market Street"), (12.0, -8.0, 0, "Market Street"),
    (-1.0, 8.0, 180, "Mill Lane"), (4.4, 8.0, 180, "Mill Lane"),
    (-9.5, -5.4, -90, "Church Street"), (13.0, -5.4, 90, "Garden Street"),
)  # fmt: skip
# Where cars may stand: x, y, turn.
_PARKING = (
    *((x, -15.4, 0.0) for x in (-35.0, -29.4, -23.8, -5.6, 0.0, 5.6)),
    *((x, 15.4, 180.0) for x in (-34.0, -28.2, -5.4, 0.4, 6.2, 28.0, 33.8)),
    *((20.4, y, 90.0) for y in (-5.0, 0.0, 4.9, -22.0, -28.0)),
    *((-13.1, y, 90.0) for y in (-3.0, 2.8, 22.0, 28.0)),
    (9.0, -11.6, 180.0),
    (-4.0, 11.6, 0.0),
)
_PLACES = (
    Place(
        name="Fountain Square",
        bounds_m=(-40.0, -10.5, 0.0, -18.0, 10.5, 4.0),
        description="a paved square with a stone fountain, trees and a church with a clock tower",
    ),
    Place(
        name="Market Street",
        bounds_m=(-40.0, -19.0, 0.0, 24.0, -8.0, 4.0),
        description="a street of shops with awnings and parked cars",
    ),
    Place(
        name="Mill Lane",
        bounds_m=(-40.0, 8.0, 0.0, 24.0, 19.0, 4.0),
        description="a sunny street with plastered houses and street lamps",
    ),
    Place(
        name="Church Street",
        bounds_m=(-18.0, -19.0, 0.0, -9.5, 19.0, 4.0),
        description="a street between the square and the shops",
    ),
    Place(
        name="Garden Street",
        bounds_m=(13.0, -19.0, 0.0, 24.0, 19.0, 4.0),
        description="a street with a row of trees",
    ),
    Place(
        name="Tailor's Alley",
        bounds_m=(0.2, -8.0, 0.0, 3.4, 8.0, 4.0),
        description="a narrow alley hung with coloured flags",
    ),
)


# What the light is called; towards the sun, its colour, zenith, horizon, clouds: by seed in turn.
_HOURS = (
    ("low warm sun with long shadows under a half cloudy sky", (0.50, -0.62, 0.55),
     (4.4, 3.45, 2.35), (0.20, 0.40, 0.84), (0.86, 0.84, 0.82), 0.68),
    ("bright midday sun under a clear sky", (-0.22, -0.38, 0.90),
     (4.0, 3.75, 3.3), (0.17, 0.38, 0.88), (0.72, 0.84, 0.96), 0.35),
    ("cool morning sun through a light haze", (0.48, 0.66, 0.58),
     (3.7, 3.35, 2.8), (0.30, 0.46, 0.78), (0.86, 0.89, 0.93), 0.6),
)  # fmt: skip


def build(seed: int = 0) -> World:
    """The town of a seed: other seeds change facades, shops, cars, trees, colours and the light."""
    light, to_sun, sun, zenith, horizon, clouds = _HOURS[seed % len(_HOURS)]
    rng = np.random.default_rng([7, seed])
    builder = WorldBuilder()
    site = Site(builder, Paints(builder))
    _ground(site)
    _houses(site, rng)
    church.build_church(site.at(-40.0, -6.0, _KERB_M, turn_deg=90))
    _square(site, rng)
    _streets(site, rng)
    _cars(site, rng)
    return builder.finish(
        name="town",
        seed=seed,
        bounds_m=(-39.0, -18.5, 0.0, 23.5, 18.5, 2.4),
        spawn_m=(-21.6, -4.4, 1.65),
        spawn_heading_deg=158.0,
        setting="an old town with two blocks of houses, shops, and a square with a church",
        light=light,
        places=_PLACES,
        lighting=Lighting(
            to_sun=to_sun,
            sun_rgb=sun,
            zenith_rgb=zenith,
            horizon_rgb=horizon,
            ground_rgb=(0.24, 0.21, 0.17),
            cloudiness=clouds,
            fill_rgb=(0.22, 0.21, 0.20),
            exposure=1.0,
            haze_m=520.0,
            cell_m=0.5,
            shadow_px=4096,
            seed=seed,
        ),
    )


def _ground(site: Site) -> None:
    """Roads, raised pavements with kerbs, and the marks on the roads."""
    road = site.builder.object("road", "asphalt road")
    asphalt = site.paints(textures.asphalt, repeat_m=3.0)
    for x0, x1, y0, y1 in _ROADS:
        site.panel(road, (x0, y0, 0.0), (x1 - x0, 0, 0), (0, y1 - y0, 0), asphalt, 0.35)
    pavement = site.builder.object("pavement", "stone pavement")
    stone = site.paints(textures.slabs, color=(0.96, 0.93, 0.88), repeat_m=2.4)
    kerb = site.paints(textures.plaster, color=(0.66, 0.65, 0.62), repeat_m=1.2)
    for x0, x1, y0, y1 in _PAVEMENTS:
        site.panel(pavement, (x0, y0, _KERB_M), (x1 - x0, 0, 0), (0, y1 - y0, 0), stone, 0.3)
        for low, high in (((x0, y0), (x1, y0 + 0.16)), ((x0, y1 - 0.16), (x1, y1))):
            _kerb_row(site, pavement, low, high, kerb)
        for low, high in (((x0, y0), (x0 + 0.16, y1)), ((x1 - 0.16, y0), (x1, y1))):
            _kerb_row(site, pavement, low, high, kerb)
    _marks(site)


def _kerb_row(site: Site, obj: int, low, high, material: int) -> None:
    """Kerb stones of two metres between two corners."""
    along = 0 if high[0] - low[0] > high[1] - low[1] else 1
    count = max(round((high[along] - low[along]) / 2), 1)
    edges = np.linspace(low[along], high[along], count + 1)
    for a, b in itertools.pairwise(edges):
        span = [(low[0], high[0]), (low[1], high[1])]
        span[along] = (a + 0.004, b - 0.004)
        stone = box(span[0][1] - span[0][0], span[1][1] - span[1][0], _KERB_M + 0.026)
        site.add(obj, stone.at(sum(span[0]) / 2, sum(span[1]) / 2, -0.02), material)


def _marks(site: Site) -> None:
    """Crossings, centre lines and manhole covers."""
    obj = site.builder.object("road_marks", "white road marks")
    white = site.paints(textures.plaster, color=(0.90, 0.90, 0.88), repeat_m=2.0)
    for x, y, turn in (
        (-19.6, -16.5, 90), (-10.4, -16.5, 90), (14.0, -16.5, 90), (-19.6, 10.5, 90),
        (-10.4, 10.5, 90), (14.0, 10.5, 90), (-18.0, -8.6, 0), (-18.0, 8.6, 0), (15.5, -8.6, 0),
        (15.5, 8.6, 0),
    ):  # fmt: skip
        street.zebra(site.at(x, y, turn_deg=turn), obj, 6.0, white)
    lines = [
        (-38.0, -13.5, 0, 4), (-8.0, -13.5, 0, 5), (-38.0, 13.5, 0, 4), (-8.0, 13.5, 0, 5),
        (-15.0, -6.0, 90, 3), (18.5, -6.0, 90, 3), (-15.0, 20.0, 90, 4), (18.5, -36.0, 90, 4),
        (26.0, 13.5, 0, 4),
    ]  # fmt: skip
    for x, y, turn, count in lines:
        for k in range(count):
            dash = [(0, -0.06, 0.004), (1.8, -0.06, 0.004), (1.8, 0.06, 0.004), (0, 0.06, 0.004)]
            site.at(x, y, turn_deg=turn).at(4.2 * k).add(obj, polygon(dash), white)
    iron = site.paints.plain((0.20, 0.20, 0.20), gloss=0.25)
    for x, y in (
        (-24.0, -12.2),
        (4.0, -14.8),
        (-2.0, 12.0),
        (19.6, 3.0),
        (-13.4, -2.0),
        (-29.0, 14.6),
    ):
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        disc = np.stack([x + 0.34 * np.cos(turn), y + 0.34 * np.sin(turn), 0 * turn + 0.005], 1)
        site.add(site.builder.object("manhole", "manhole cover"), polygon(disc), iron)


class _Draw:
    """Choices for houses; neighbours differ in wall, shops never repeat before all were used."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self._shops = [_SHOPS[k] for k in rng.permutation(len(_SHOPS))]
        self._used = 0
        self._last_wall = ""

    def house(
        self, width: float, depth: float, sides: tuple[bool, bool, bool], shop: bool
    ) -> House:
        rng = self._rng
        walls = [name for name in WALLS if name != self._last_wall]
        self._last_wall = walls[rng.integers(len(walls))]
        plastered = WALLS[self._last_wall][0] == "plaster"
        tones = ((0.24, 0.34, 0.30), (0.30, 0.37, 0.47), (0.47, 0.25, 0.20), (0.55, 0.52, 0.46))
        with_shutters = plastered and rng.random() < 0.5
        trim = ((0.93, 0.92, 0.88), (0.88, 0.85, 0.78), (0.80, 0.78, 0.74))[rng.integers(3)]
        return House(
            width_m=width,
            depth_m=depth,
            floors=int(rng.choice([2, 3], p=[0.55, 0.45])),
            wall=self._last_wall,
            trim=trim,
            door=_pick(rng, DOORS),
            roof=_pick(rng, ROOFS),
            shutters=tones[rng.integers(4)] if with_shutters else None,
            shop=self._shop() if shop else None,
            sides=sides,
            seed=int(rng.integers(1 << 30)),
        )

    def _shop(self) -> Shop:
        name, trade = self._shops[self._used % len(self._shops)]
        self._used += 1
        awning = _pick(self._rng, ("red", "blue", "green", "")) if self._used % 4 else "red"
        return Shop(name=name, trade=trade, color=_pick(self._rng, DOORS), awning=awning)


def _pick(rng: np.random.Generator, names) -> str:
    names = list(names)
    return names[rng.integers(len(names))]


def _houses(site: Site, rng: np.random.Generator) -> None:
    draw = _Draw(rng)
    for index, (x, y, turn, length, open_left, open_right) in enumerate(_ROWS):
        row = site.at(x, y, _KERB_M, turn_deg=turn)
        count = max(round(length / 6.8), 1)
        weights = rng.uniform(0.88, 1.12, count)
        edges = np.concatenate([[0.0], np.cumsum(weights / weights.sum() * length)])
        for k in range(count):
            sides = (open_left and k == 0, open_right and k == count - 1, False)
            shop = index < 4 and (k + index) % 2 == 0
            width = float(edges[k + 1] - edges[k])
            build_house(row.at(float(edges[k])), draw.house(width, 9.0, sides, shop))
    for index, (x, y, turn, length) in enumerate(_BLOCKS):
        row = site.at(x, y, _KERB_M, turn_deg=turn)
        share = float(rng.uniform(0.47, 0.53)) * length
        first = draw.house(share, 8.0, (True, False, False), True)
        second = draw.house(length - share, 8.0, (False, True, False), index % 2 == 0)
        build_house(row, first)
        build_house(row.at(share), second)


def _square(site: Site, rng: np.random.Generator) -> None:
    """The fountain on its round of setts, trees, benches, a cafe, planters, bollards."""
    ground = site.at(0, 0, _KERB_M)
    paving = site.builder.object("paving", "cobbled circle")
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for radius, z, make, color in (
        (5.6, 0.004, textures.slabs, (0.62, 0.58, 0.53)),
        (5.3, 0.008, textures.cobbles, (1.0, 0.96, 0.90)),
    ):
        ring = np.stack([radius * np.cos(turn) - 29.0, radius * np.sin(turn), 0 * turn + z], 1)
        centre = np.array([[-29.0, 0.0, z]])
        fan = [polygon([centre[0], ring[k], ring[(k + 1) % 48]]) for k in range(48)]
        flat = [part.with_uv(part.positions_m[:, :2].copy()) for part in fan]
        for part in flat:
            ground.add(paving, part, site.paints(make, color=color, repeat_m=1.5))
    street.build_fountain(ground.at(-29.0, 0.0))
    kind = _pick(rng, plants.GREENS)
    for k, x in enumerate((-36.2, -31.4, -26.6, -21.8)):
        for y in (-8.6, 8.6):
            seed = int(rng.integers(1 << 30))
            plants.build_tree(ground.at(x, y), kind, seed, height_m=6.4 + 0.5 * (k % 2))
    for angle in (35, 90, 145, 215, 270, 325):
        street.build_bench(ground.at(-29.0, 0.0, turn_deg=angle + 90).at(0.0, -4.5, turn_deg=180))
    for x, y in ((-24.2, 5.6), (-33.8, -5.6), (-25.6, -6.6)):
        street.build_bin(ground.at(x, y))
    name, cloth = (
        ("white", (0.90, 0.87, 0.80)),
        ("green", (0.36, 0.52, 0.42)),
        ("red", (0.72, 0.30, 0.25)),
    )[rng.integers(3)]
    for k, (x, y) in enumerate(((-20.6, 4.6), (-20.9, 1.6), (-20.5, -1.6), (-22.9, 3.2))):
        table = ground.at(x, y, turn_deg=float(rng.uniform(0, 360)))
        street.build_cafe_table(table, name, cloth, parasol=k % 2 == 0)
    for y in np.arange(-9.0, 9.1, 1.8):
        if abs(y) > 1.0:
            street.build_bollard(ground.at(-18.4, float(y)))
    for x, y in ((-37.4, -4.2), (-37.4, 4.2), (-31.2, -10.0), (-26.8, 10.0)):
        _planter(ground.at(x, y), rng)
    street.build_post_box(ground.at(-19.2, -9.7))


def _planter(site: Site, rng: np.random.Generator) -> None:
    blooms = {"red": (0.80, 0.17, 0.15), "yellow": (0.93, 0.78, 0.25), "white": (0.93, 0.92, 0.88),
              "violet": (0.52, 0.36, 0.68)}  # fmt: skip
    name = _pick(rng, blooms)
    plants.build_planter(site, name, blooms[name], int(rng.integers(1 << 30)))


def _streets(site: Site, rng: np.random.Generator) -> None:
    """Lamps, trees, bins, benches, signs and flags along the streets."""
    ground = site.at(0, 0, _KERB_M)
    for x, y in _LAMPS:
        street.build_lamp(ground.at(x, y))
    kind = _pick(rng, plants.GREENS)
    for y in (-13.0, -7.2, -1.6, 4.0, 9.4):
        plants.build_tree(ground.at(22.25, y), kind, int(rng.integers(1 << 30)), height_m=5.6)
    for x, y in ((-30.0, 17.2), (0.5, 17.2), (32.0, 17.2), (-11.6, 29.0), (22.2, -28.0)):
        plants.build_tree(ground.at(x, y), kind, int(rng.integers(1 << 30)), height_m=5.4)
    for x, y in _BINS:
        street.build_bin(ground.at(x, y))
    for x, y, turn in ((6.0, 17.3, 0), (-26.5, 17.3, 0), (22.5, -4.4, -90), (-14.0, -17.3, 180)):
        street.build_bench(ground.at(x, y, turn_deg=turn))
    for x in (-9.2, -0.2, 3.9, 12.6):
        for y in (-8.45, 8.45):
            _planter(ground.at(x, y), rng)
    for x, y, turn in ((-37.0, -17.2, 4), (-2.5, 17.4, 3), (14.2, 3.2, 92), (2.8, 4.4, 88)):
        color = _pick(rng, COLORS)
        street.build_bicycle(ground.at(x, y, turn_deg=turn), color, COLORS[color])
    for x, y, turn, name in _SIGNS:
        street.street_sign(ground.at(x, y, turn_deg=turn), name)
    for y in (-5.0, -1.5, 2.0, 5.5):
        street.bunting(ground.at(0.2, y), 3.2, 4.6)


def _cars(site: Site, rng: np.random.Generator) -> None:
    """Cars along the kerbs, with gaps."""
    names = [list(COLORS)[k] for k in rng.permutation(len(COLORS))]
    for k, (x, y, turn) in enumerate(_PARKING):
        if rng.random() < 0.22:
            continue
        shape = SHAPES[int(rng.choice(len(SHAPES), p=[0.36, 0.30, 0.22, 0.12]))]
        flip = 180.0 * (rng.random() < 0.25)
        place = site.at(x + float(rng.normal(0, 0.1)), y, turn_deg=turn + flip)
        build_car(place, shape, names[k % len(names)])
