"""The town's facades: walls with windows, doors and shop fronts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.engine.meshes import box, join
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.plants import foliage
from capture.engine.scenes.parts.site import (
    Color,
    Opening,
    Site,
    polygon,
    rectangle,
    reveal,
    slab,
    wall,
)

_REVEAL_M = 0.17
_BAR_M = 0.055
NUM_WINDOWS = 8
NUM_DISPLAYS = 4
WALLS: dict[str, tuple[str, Color]] = {
    "cream": ("plaster", (0.93, 0.86, 0.72)),
    "white": ("plaster", (0.95, 0.94, 0.90)),
    "ochre": ("plaster", (0.90, 0.72, 0.46)),
    "rose": ("plaster", (0.88, 0.66, 0.58)),
    "sage green": ("plaster", (0.70, 0.77, 0.63)),
    "pale blue": ("plaster", (0.68, 0.78, 0.86)),
    "terracotta": ("plaster", (0.83, 0.55, 0.41)),
    "red brick": ("brick", (1.0, 1.0, 1.0)),
    "brown brick": ("brick", (0.88, 0.90, 0.92)),
    "yellow brick": ("brick", (1.1, 1.22, 1.2)),
    "sandstone": ("ashlar", (0.97, 0.88, 0.74)),
    "grey stone": ("ashlar", (0.84, 0.85, 0.86)),
}
DOORS: dict[str, Color] = {
    "green": (0.16, 0.33, 0.24),
    "red": (0.55, 0.13, 0.11),
    "blue": (0.16, 0.27, 0.45),
    "black": (0.10, 0.10, 0.11),
    "oak": (0.50, 0.34, 0.20),
    "yellow": (0.80, 0.62, 0.22),
}
ROOFS: dict[str, Color] = {
    "red": (0.86, 0.48, 0.36),
    "brown": (0.66, 0.46, 0.38),
    "slate": (0.48, 0.51, 0.57),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """A shop on the ground floor.

    Attributes:
        name: On its board.
        trade: For its label: "bakery".
        color: Name of a colour of `DOORS`.
        awning: Colour name of its awning, or "" for none.
    """

    name: str
    trade: str
    color: str
    awning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """A house: `width_m` along the street, `depth_m` into the block.

    Attributes:
        width_m: Along the street.
        depth_m: Into the block.
        floors: With the ground floor.
        wall: A key of `WALLS`.
        trim: Display colour of frames and ledges.
        door: A key of `DOORS`.
        roof: A key of `ROOFS`.
        shutters: Display colour of the shutters, or None.
        shop: What is on the ground floor, or None for a flat.
        sides: Whether the left and the right side are seen from a street, and the back.
        seed: Of the small choices.
    """

    width_m: float
    depth_m: float
    floors: int
    wall: str
    trim: Color
    door: str
    roof: str
    shutters: Color | None
    shop: Shop | None
    sides: tuple[bool, bool, bool] = (False, False, False)
    seed: int = 0

    @property
    def ground_m(self) -> float:
        """Height of the ground floor."""
        return 3.5 if self.shop else 3.1

    @property
    def eaves_m(self) -> float:
        """Height of the walls."""
        return self.ground_m + 2.75 * (self.floors - 1) + 0.25


def masonry_of(site: Site, house: House) -> int:
    """The material of a house's walls."""
    kind, color = WALLS[house.wall]
    make = {"plaster": textures.plaster, "brick": textures.brick, "ashlar": textures.ashlar}[kind]
    repeat_m = {"plaster": 3.0, "brick": 1.0, "ashlar": 1.6}[kind]
    return site.paints(make, color=color, repeat_m=repeat_m)


def build_facade(
    site: Site, obj: int, house: House, width: float, rng: np.random.Generator, *, front: bool
) -> None:
    """One side of a house: openings in every floor, ledges between them.

    Args:
        site: Its left foot is the origin.
        obj: The house.
        house: What it looks like.
        width: In metres.
        rng: Source of the small choices.
        front: Whether it has a door or a shop.
    """
    columns = max(int(width / 2.35), 1)
    centres = (np.arange(columns) + 0.5) * width / columns
    openings: list[Opening] = []
    for floor in range(1, house.floors):
        foot = house.ground_m + 2.75 * (floor - 1) + 0.75
        tall = 1.55 if floor < house.floors - 1 or house.floors == 2 else 1.35
        openings += [(c - 0.5, c + 0.5, foot, foot + tall) for c in centres]
    doors: list[Opening] = []
    if front and house.shop:
        doors = _shop_front(site, obj, house, width)
    else:
        door_column = int(rng.integers(columns)) if front else -1
        for k, c in enumerate(centres):
            if k == door_column:
                doors.append((c - 0.52, c + 0.52, 0.16, 2.55))
            else:
                openings.append((c - 0.5, c + 0.5, 0.95, 2.45))
    trim = site.paints.plain(house.trim, gloss=0.05)
    masonry = masonry_of(site, house)
    if front and house.shop:
        site.add(obj, wall((0, width), (house.ground_m, house.eaves_m), openings), masonry)
    else:
        site.add(obj, wall((0, width), (0, house.eaves_m), openings + doors), masonry)
        for opening in doors:
            _door(site, obj, opening, house, masonry)
        _plinth(site, obj, width, doors)
    for opening in openings:
        build_window(site, obj, opening, house, trim, masonry, rng)
    ledge = house.ground_m - 0.08
    site.add(obj, slab((-0.02, width + 0.02), (-0.06, 0.0), (ledge, ledge + 0.16)), trim)
    top = house.eaves_m
    site.add(obj, slab((-0.02, width + 0.02), (-0.10, 0.0), (top - 0.42, top - 0.30)), trim)
    site.add(obj, slab((-0.02, width + 0.02), (-0.20, 0.0), (top - 0.16, top)), trim)


def _plinth(site: Site, obj: int, width: float, doors: list[Opening]) -> None:
    stone = site.paints(textures.ashlar, color=(0.62, 0.60, 0.57), repeat_m=1.6)
    edges = [0.0, *(edge for door in doors for edge in (door[0] - 0.12, door[1] + 0.12)), width]
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        if right - left > 0.02:
            site.add(obj, slab((left, right), (-0.05, 0.0), (0.0, 0.55)), stone)


def build_window(
    site: Site,
    obj: int,
    opening: Opening,
    house: House,
    trim: int,
    masonry: int,
    rng: np.random.Generator,
) -> None:
    """Reveal, pane, frame with bars, sill, lintel; maybe shutters or flowers."""
    x0, x1, z0, z1 = opening
    site.add(obj, join(reveal(opening, _REVEAL_M)), masonry)
    pane = site.paints(textures.window, int(rng.integers(NUM_WINDOWS)), gloss=0.9, shininess=220.0)
    site.add(obj, rectangle((x0, x1), _REVEAL_M - 0.02, (z0, z1)), pane)
    y = (_REVEAL_M - 0.07, _REVEAL_M - 0.02)
    middle, transom = (x0 + x1) / 2, z0 + 0.66 * (z1 - z0)
    bars = [
        slab((x0, x0 + _BAR_M), y, (z0, z1)),
        slab((x1 - _BAR_M, x1), y, (z0, z1)),
        slab((x0 + _BAR_M, x1 - _BAR_M), y, (z0, z0 + _BAR_M)),
        slab((x0 + _BAR_M, x1 - _BAR_M), y, (z1 - _BAR_M, z1)),
        slab((middle - 0.03, middle + 0.03), y, (z0 + _BAR_M, z1 - _BAR_M)),
        slab((x0 + _BAR_M, x1 - _BAR_M), y, (transom - 0.02, transom + 0.02)),
    ]
    site.add(obj, join(bars), trim)
    stone = site.paints(textures.ashlar, color=(0.86, 0.83, 0.77), repeat_m=1.6)
    site.add(obj, slab((x0 - 0.08, x1 + 0.08), (-0.09, 0.03), (z0 - 0.09, z0)), stone)
    site.add(obj, slab((x0 - 0.10, x1 + 0.10), (-0.035, 0.0), (z1, z1 + 0.2)), stone)
    upstairs = z0 > house.ground_m
    if house.shutters and upstairs:
        cloth = site.paints(textures.boards, color=house.shutters, repeat_m=0.9)
        for left in (x0 - 0.53, x1 + 0.03):
            leaf = slab((left, left + 0.5), (-0.05, -0.005), (z0, z1))
            site.add(obj, leaf.with_uv(leaf.uv_m[:, ::-1]), cloth)
    elif upstairs and rng.random() < 0.25:
        _flower_box(site, x0, x1, z0, rng)


def _flower_box(site: Site, x0: float, x1: float, z: float, rng) -> None:
    name, bloom = [
        ("red", (0.80, 0.16, 0.14)),
        ("pink", (0.88, 0.46, 0.60)),
        ("white", (0.93, 0.92, 0.88)),
        ("yellow", (0.92, 0.76, 0.24)),
    ][rng.integers(4)]
    obj = site.builder.object("flower_box", f"{name} flowers on a window sill")
    wood = site.paints(textures.boards, color=(0.46, 0.33, 0.24), repeat_m=1.0)
    site.add(obj, slab((x0, x1), (-0.26, -0.09), (z - 0.06, z + 0.10)), wood)
    green = site.paints(textures.leaves, repeat_m=0.6, two_sided=True, translucency=0.3)
    petals = site.paints.plain(bloom, two_sided=True, translucency=0.3)
    middle = np.linspace(x0 + 0.1, x1 - 0.1, 5)
    clumps = np.stack([middle, 0 * middle - 0.17, 0 * middle + z + 0.14], 1)
    for material, count, size in ((green, 80, 0.12), (petals, 50, 0.14)):
        site.add(obj, foliage(clumps, np.full(5, size), count, 0.09, rng), material)


def _door(site: Site, obj: int, opening: Opening, house: House, masonry: int) -> None:
    x0, x1, z0, z1 = opening
    site.add(obj, join(reveal(opening, 0.26)), masonry)
    stone = site.paints(textures.ashlar, color=(0.86, 0.83, 0.77), repeat_m=1.6)
    surround = [
        slab((x0 - 0.16, x0), (-0.05, 0.0), (z0, z1 + 0.16)),
        slab((x1, x1 + 0.16), (-0.05, 0.0), (z0, z1 + 0.16)),
        slab((x0, x1), (-0.05, 0.0), (z1, z1 + 0.16)),
        slab((x0 - 0.28, x1 + 0.28), (-0.22, 0.0), (z1 + 0.16, z1 + 0.26)),
        slab((x0 - 0.2, x1 + 0.2), (-0.38, 0.26), (0.0, z0)),
    ]
    site.add(obj, join(surround), stone)
    leaf = site.builder.object("door", f"{house.door} door")
    paint = site.paints(textures.door, color=DOORS[house.door], gloss=0.25, shininess=40.0)
    head = z1 - 0.42
    site.add(leaf, rectangle((x0, x1), 0.24, (z0, head)), paint)
    light = site.paints(textures.window, 1, gloss=0.9, shininess=220.0)
    site.add(leaf, rectangle((x0, x1), 0.24, (head + 0.06, z1)), light)
    site.add(leaf, slab((x0, x1), (0.19, 0.24), (head, head + 0.06)), paint)
    brass = site.paints.plain((0.75, 0.60, 0.30), gloss=0.8, shininess=60.0)
    site.add(leaf, box(0.05, 0.07, 0.05).at(x1 - 0.14, 0.2, z0 + 1.0), brass)


def _shop_front(site: Site, obj: int, house: House, width: float) -> list[Opening]:
    """A shop front with a name board, filling the ground floor; returns its door."""
    shop = house.shop
    assert shop is not None
    paints, top = site.paints, house.ground_m
    front = site.builder.object("shop_front", f"{shop.color} {shop.trade} front")
    color = DOORS[shop.color]
    paint = paints.plain(color, gloss=0.2, shininess=40.0)
    stone = paints(textures.ashlar, color=(0.62, 0.60, 0.57), repeat_m=1.6)
    door_x = width * (0.5 if house.seed % 2 else 0.76)
    door: Opening = (door_x - 0.55, door_x + 0.55, 0.12, 2.6)
    bays = [(0.42, door[0] - 0.14), (door[1] + 0.14, width - 0.42)]
    bays = [bay for bay in bays if bay[1] - bay[0] > 0.5]
    holes = [(x0, x1, 0.75, 2.6) for x0, x1 in bays]
    site.add(front, wall((0, width), (0, top), [*holes, door]), paint)
    for k, hole in enumerate(holes):
        site.add(front, join(reveal(hole, 0.12)), paint)
        pane = paints(textures.display, (house.seed + k) % NUM_DISPLAYS, glow=0.25, gloss=0.8)
        site.add(front, rectangle(hole[:2], 0.11, hole[2:]), pane)
        panes = max(round((hole[1] - hole[0]) / 1.1), 1)
        for x in np.linspace(hole[0], hole[1], panes + 1)[1:-1]:
            site.add(front, slab((x - 0.03, x + 0.03), (0.05, 0.11), hole[2:]), paint)
        site.add(front, slab(hole[:2], (0.05, 0.11), (2.12, 2.17)), paint)
        site.add(front, slab((hole[0] - 0.04, hole[1] + 0.04), (-0.07, 0.02), (0.68, 0.75)), paint)
        site.add(front, slab(hole[:2], (-0.03, 0.0), (0.18, 0.6)), paint)
    site.add(front, join(reveal(door, 0.5)), paint)
    site.add(front, slab((door[0] - 0.1, door[1] + 0.1), (-0.15, 0.5), (0.0, 0.12)), stone)
    leaf = paints(textures.display, house.seed % NUM_DISPLAYS, glow=0.2, gloss=0.8)
    site.add(front, rectangle(door[:2], 0.48, door[2:]), paint)
    glass = (door[0] + 0.14, door[1] - 0.14)
    site.add(front, rectangle(glass, 0.47, (0.85, 2.4)), leaf)
    pilasters = [slab((x, x + 0.26), (-0.09, 0.0), (0, 2.72)) for x in (0.06, width - 0.32)]
    cornice = slab((0.0, width), (-0.24, 0.0), (top - 0.16, top - 0.06))
    site.add(front, join([*pilasters, cornice]), paint)
    _board(site, shop, width, top, color)
    if shop.awning:
        _awning(site, shop, width)
    return [door]


def _board(site: Site, shop: Shop, width: float, top: float, color: Color) -> None:
    board = site.builder.object("shop_sign", f'shop sign "{shop.name}"')
    pale = sum(color) > 1.5
    letters = (0.16, 0.13, 0.10) if pale else (0.93, 0.87, 0.68)
    face = site.paints(textures.sign, shop.name, color, letters, gloss=0.1)
    long = min(width - 0.5, 5.2)
    x = ((width - long) / 2, (width + long) / 2)
    z = (top - 0.76, top - 0.76 + long / 8)
    site.add(board, slab(x, (-0.10, 0.0), z), site.paints.plain(color, gloss=0.1))
    site.add(board, rectangle(x, -0.104, z), face)


def _awning(site: Site, shop: Shop, width: float) -> None:
    """A sloping striped cloth with a valance."""
    awning = site.builder.object("awning", f"{shop.awning} awning")
    tint = {**DOORS, "red": (0.80, 0.26, 0.22), "blue": (0.36, 0.50, 0.72)}[shop.awning]
    tint = tuple(min(1.0, 0.25 + c) for c in tint)
    cloth = site.paints(textures.stripes, color=tint, two_sided=True, translucency=0.35)
    x0, x1, reach = 0.3, width - 0.3, 1.35
    back, front, hem = (-0.1, 2.78), (-reach, 2.26), 2.04
    top = polygon([(x0, front[0], front[1]), (x1, front[0], front[1]), (x1, *back), (x0, *back)])
    low = polygon([(x0, front[0], hem), (x1, front[0], hem), (x1, *front), (x0, *front)])
    repeats = max(round((x1 - x0) / 2.4), 1)
    for part in (top, low):
        u = (part.positions_m[:, 0] - x0) / (x1 - x0) * repeats
        site.add(awning, part.with_uv(np.stack([u, u * 0], 1)), cloth)
    ends = [
        polygon([(x0, *back), (x0, *front), (x0, front[0], hem + 0.1)]),
        polygon([(x1, front[0], hem + 0.1), (x1, *front), (x1, *back)]),
    ]
    site.add(awning, join([end.with_uv(end.uv_m * 0.0) for end in ends]), cloth)
