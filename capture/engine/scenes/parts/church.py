"""The town's church: a nave with a gabled front and a clock tower in its middle."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, box, join, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.site import Site, polygon, rectangle, slab, wall

WIDTH_M = 12.0
_DEPTH_M = 17.0
_EAVES_M = 7.6
_TOWER_M = 4.8
_TOWER_TOP_M = 17.5


def build_church(site: Site) -> None:
    """A church whose front is `WIDTH_M` wide; its left corner is the site's origin."""
    obj = site.builder.object("church", "sandstone church with a clock tower")
    stone = site.paints(textures.ashlar, color=(0.92, 0.85, 0.74), repeat_m=1.8)
    trim = site.paints(textures.ashlar, color=(0.80, 0.72, 0.61), repeat_m=1.6)
    slate = site.paints(textures.roof_tiles, color=(0.46, 0.49, 0.55), repeat_m=1.4)
    w, d, z = WIDTH_M, _DEPTH_M, _EAVES_M
    ridge = z + 0.95 * w / 2
    for side, length in ((site, w), (site.at(0, d, turn_deg=-90), d), (site.at(w, turn_deg=90), d)):
        side.add(obj, wall((0, length), (0, z)), stone)
    site.add(obj, polygon([(0, 0, z), (w, 0, z), (w / 2, 0, ridge)]), stone)
    site.add(obj, polygon([(w, d, z), (0, d, z), (w / 2, d, ridge)]), stone)
    over = 0.3
    left = [(-over, d, z - over), (-over, -0.2, z - over), (w / 2, -0.2, ridge), (w / 2, d, ridge)]
    right = [(w + over, -0.2, z - over), (w + over, d, z - over), (w / 2, d, ridge),
             (w / 2, -0.2, ridge)]  # fmt: skip
    site.add(obj, join([polygon(left), polygon(right)]), slate)
    site.add(obj, slab((-0.08, w + 0.08), (-0.1, 0), (0, 0.7)), trim)
    for x in (0.0, w):
        for foot, high, out in ((0, 4.2, 0.75), (4.2, 6.6, 0.5)):
            site.add(obj, slab((x - 0.3, x + 0.3), (-out, 0.1), (foot, high)), stone)
    for x in (1.9, w - 1.9):
        _arched_window(site.at(x), obj, trim, half=0.55, foot=1.9, spring=4.6)
    _tower(site.at((w - _TOWER_M) / 2, -1.1), obj, stone, trim, slate)


def _arch(half: float, foot: float, spring: float, y: float) -> np.ndarray:
    """A round-headed outline, counter-clockwise seen from the street, [N, 3]."""
    turn = np.linspace(0, np.pi, 15)
    head = np.stack([half * np.cos(turn), 0 * turn + y, spring + 1.25 * half * np.sin(turn)], 1)
    return np.vstack([[(-half, y, foot), (half, y, foot)], head])


def _ring(points: np.ndarray, radius: float) -> Mesh:
    """A moulding along the arch of an outline, without its foot."""
    return tube(np.vstack([points[1:], points[:1]]), radius, sides=6)


def _arched_window(site: Site, obj: int, trim: int, half: float, foot: float, spring: float):
    glass = site.paints(textures.stained_glass, gloss=0.8, shininess=120.0, repeat_m=0.9)
    site.add(obj, polygon(_arch(half, foot, spring, -0.012)), glass)
    site.add(obj, _ring(_arch(half + 0.05, foot, spring, -0.02), 0.10), trim)
    site.add(obj, slab((-half - 0.2, half + 0.2), (-0.18, 0.0), (foot - 0.16, foot)), trim)
    mullion = slab((-0.04, 0.04), (-0.06, 0.0), (foot, spring + 1.2 * half))
    site.add(obj, mullion, trim)


def _tower(site: Site, obj: int, stone: int, trim: int, slate: int) -> None:
    """Portal, rose window, clock faces, belfry openings, spire."""
    s, top = _TOWER_M, _TOWER_TOP_M
    sides = (
        site,
        site.at(s, 0, turn_deg=90),
        site.at(s, s, turn_deg=180),
        site.at(0, s, turn_deg=-90),
    )
    clock = site.builder.object("clock", "tower clock")
    dial = site.paints(textures.clock, gloss=0.2)
    dark = site.paints.plain((0.07, 0.07, 0.08))
    for k, side in enumerate(sides):
        side.add(obj, wall((0, s), (0, top)), stone)
        middle = side.at(s / 2)
        middle.add(clock, rectangle((-1.05, 1.05), -0.06, (10.1, 12.2)), dial)
        middle.add(obj, slab((-1.2, 1.2), (-0.05, 0.0), (9.95, 12.35)), trim)
        for x in (-0.75, 0.75):
            shift = np.array([x, 0.0, 0.0])
            opening = _arch(0.42, 13.4, 15.3, -0.012)
            middle.add(obj, polygon(opening + shift), dark)
            middle.add(obj, _ring(opening + shift, 0.09), trim)
            for z in np.arange(13.5, 15.6, 0.28):
                middle.add(obj, slab((x - 0.4, x + 0.4), (-0.08, 0.0), (z, z + 0.05)), trim)
        for z in (6.4, 9.3, 12.9, top - 0.3):
            middle.add(obj, slab((-s / 2 - 0.1, s / 2 + 0.1), (-0.14, 0.0), (z, z + 0.22)), trim)
        if k == 0:
            _portal(middle, obj, trim)
    for x in (0.0, s):
        for y in (0.0, s):
            site.add(obj, box(0.7, 0.7, 6.4).at(x, y), stone)
            site.add(obj, box(0.5, 0.5, top + 0.9).at(x, y), stone)
            cap = [
                (x + a, y + b, top + 0.9)
                for a, b in ((-0.3, -0.3), (0.3, -0.3), (0.3, 0.3), (-0.3, 0.3))
            ]
            _pyramid(site, obj, cap, (x, y, top + 2.1), slate)
    foot = [
        (-0.15, -0.15, top),
        (s + 0.15, -0.15, top),
        (s + 0.15, s + 0.15, top),
        (-0.15, s + 0.15, top),
    ]
    tip = (s / 2, s / 2, top + 8.5)
    _pyramid(site, obj, foot, tip, slate)
    gold = site.paints.plain((0.80, 0.64, 0.28), gloss=0.8)
    site.add(obj, box(0.07, 0.07, 1.3).at(*tip[:2], tip[2] - 0.15), gold)
    site.add(obj, box(0.07, 0.7, 0.07).at(*tip[:2], tip[2] + 0.65), gold)


def _portal(site: Site, obj: int, trim: int) -> None:
    door = site.builder.object("church_door", "arched oak church door")
    oak = site.paints(textures.boards, color=(0.42, 0.28, 0.18), repeat_m=1.6)
    site.add(door, polygon(_arch(1.0, 0.3, 2.5, -0.015)), oak)
    for out, radius in ((0.06, 0.10), (0.24, 0.12), (0.44, 0.13)):
        site.add(obj, _ring(_arch(1.0 + out, 0.0, 2.5, -0.02), radius), trim)
    iron = site.paints.plain((0.12, 0.12, 0.12), gloss=0.3)
    for z in (0.9, 2.1):
        site.add(door, slab((-0.95, 0.95), (-0.03, -0.01), (z, z + 0.07)), iron)
    site.add(door, slab((-0.01, 0.01), (-0.025, -0.01), (0.3, 3.6)), iron)
    for k in range(2):
        step = 0.15 * (2 - k)
        site.add(
            obj,
            slab((-1.7 + 0.2 * k, 1.7 - 0.2 * k), (-0.9 + 0.4 * k, 0.0), (0.0, 0.30 - step + 0.15)),
            trim,
        )
    turn = np.linspace(0, 2 * np.pi, 33)
    rose = np.stack([0.95 * np.cos(turn), 0 * turn - 0.02, 7.9 + 0.95 * np.sin(turn)], 1)
    glass = site.paints(textures.stained_glass, gloss=0.8, shininess=120.0, repeat_m=0.9)
    site.add(obj, polygon(rose[:-1]), glass)
    site.add(obj, tube(rose, 0.13, sides=6), trim)
    for angle in np.arange(8) * np.pi / 4:
        spoke = [(0, -0.03, 7.9), (0.9 * np.cos(angle), -0.03, 7.9 + 0.9 * np.sin(angle))]
        site.add(obj, tube(spoke, 0.035, sides=5), trim)


def _pyramid(site: Site, obj: int, foot: list, tip, material: int) -> None:
    sides = [polygon([a, b, tip]) for a, b in zip(foot, [*foot[1:], foot[0]], strict=True)]
    site.add(obj, join(sides), material)
