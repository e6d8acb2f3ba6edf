"""The town's roofs: gables, hips, dormers, chimneys."""

from __future__ import annotations

import itertools

import numpy as np

from capture.engine.meshes import box, cylinder, join, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.facades import ROOFS, House, build_window, masonry_of
from capture.engine.scenes.parts.site import Opening, Site, polygon, wall


def gable_roof(site: Site, obj: int, house: House) -> None:
    """Ridge along the street, so that houses in a row step up and down."""
    w, d, z, over = house.width_m, house.depth_m, house.eaves_m, 0.38
    tiles = _tiles(site, house)
    pitch = 0.95 if house.seed % 3 else 0.78
    ridge = z + pitch * d / 2
    eave = z - pitch * over
    front = [(0, -over, eave), (w, -over, eave), (w, d / 2, ridge), (0, d / 2, ridge)]
    back = [(w, d + over, eave), (0, d + over, eave), (0, d / 2, ridge), (w, d / 2, ridge)]
    site.add(obj, join([polygon(front), polygon(back)]), tiles)
    gables = [
        polygon([(0, d, z), (0, 0, z), (0, d / 2, ridge)]),
        polygon([(w, 0, z), (w, d, z), (w, d / 2, ridge)]),
    ]
    site.add(obj, join(gables), masonry_of(site, house))
    timber = site.paints.plain((0.34, 0.29, 0.25))
    site.add(obj, polygon([(0, 0, z), (w, 0, z), (w, -over, eave), (0, -over, eave)]), timber)
    gutter = site.paints.plain((0.36, 0.37, 0.38), gloss=0.3)
    edge = [(0, -over - 0.03, eave), (w, -over - 0.03, eave)]
    site.add(obj, tube(edge, 0.07, sides=6), gutter)
    pipe = [(w - 0.12, -0.12, 0.1), (w - 0.12, -0.12, z - 0.3), (w - 0.12, -over, eave)]
    site.add(obj, tube(pipe, 0.045, sides=6), gutter)
    cap = tube([(0, d / 2, ridge + 0.02), (w, d / 2, ridge + 0.02)], 0.13, sides=6)
    site.add(obj, cap, tiles)
    if house.width_m > 5.5 and house.seed % 2:
        for x in [w / 2] if w < 7.5 else [w * 0.3, w * 0.7]:
            _dormer(site, obj, house, x, pitch)


def hip_roof(site: Site, obj: int, house: House) -> None:
    """Slopes on all sides, for houses at corners."""
    over, pitch = 0.38, 0.85
    x0, x1, y0, y1 = -over, house.width_m + over, -over, house.depth_m + over
    half = min(x1 - x0, y1 - y0) / 2
    low, high = house.eaves_m - 0.02, house.eaves_m - 0.02 + pitch * half
    if x1 - x0 > y1 - y0:
        ends = (x0 + half, (y0 + y1) / 2, high), (x1 - half, (y0 + y1) / 2, high)
        first, second = ends
        front = [(x0, y0, low), (x1, y0, low), second, first]
        back = [(x1, y1, low), (x0, y1, low), first, second]
        left, right = [(x0, y1, low), (x0, y0, low), first], [(x1, y0, low), (x1, y1, low), second]
    else:
        first, second = ((x0 + x1) / 2, y0 + half, high), ((x0 + x1) / 2, y1 - half, high)
        front, back = [(x0, y0, low), (x1, y0, low), first], [(x1, y1, low), (x0, y1, low), second]
        left = [(x0, y1, low), (x0, y0, low), first, second]
        right = [(x1, y0, low), (x1, y1, low), second, first]
    slopes = [polygon(points) for points in (front, back, left, right)]
    site.add(obj, join(slopes), _tiles(site, house))
    timber = site.paints.plain((0.34, 0.29, 0.25))
    soffit = polygon([(x0, y1, low), (x1, y1, low), (x1, y0, low), (x0, y0, low)])
    site.add(obj, soffit, timber)
    rim = [(x0, y0, low), (x1, y0, low), (x1, y1, low), (x0, y1, low), (x0, y0, low)]
    gutter = site.paints.plain((0.36, 0.37, 0.38), gloss=0.3)
    for start, end in itertools.pairwise(rim):
        site.add(obj, tube([start, end], 0.07, sides=6), gutter)


def _tiles(site: Site, house: House) -> int:
    repeat_m = 1.5 if house.roof == "slate" else 1.8
    return site.paints(textures.roof_tiles, color=ROOFS[house.roof], repeat_m=repeat_m)


def _dormer(site: Site, obj: int, house: House, x: float, pitch: float) -> None:
    """A small gabled window in the front slope."""
    half, foot, y = 0.62, house.eaves_m + 0.35, 0.28
    head, peak = foot + 1.25, foot + 1.75
    run = lambda z: (z - house.eaves_m) / pitch  # noqa: E731
    front = site.at(x, y, 0.0)
    trim = site.paints.plain(house.trim, gloss=0.05)
    masonry = masonry_of(site, house)
    hole: Opening = (-0.4, 0.4, foot + 0.12, head - 0.12)
    rng = np.random.default_rng(house.seed + 1)
    front.add(obj, wall((-half, half), (foot, head), [hole]), masonry)
    build_window(front, obj, hole, house, trim, masonry, rng)
    front.add(obj, polygon([(-half, 0, head), (half, 0, head), (0, 0, peak)]), masonry)
    deep_head, deep_peak = run(head) - y, run(peak) - y
    cheeks = [
        polygon([(-half, deep_head, head), (-half, 0, foot), (-half, 0, head)]),
        polygon([(half, 0, head), (half, 0, foot), (half, deep_head, head)]),
    ]
    front.add(obj, join(cheeks), masonry)
    out, drop = half + 0.14, 0.11
    slopes = [
        polygon([(-out, deep_head, head - drop), (-out, -0.2, head - drop), (0, -0.2, peak + 0.03),
                 (0, deep_peak, peak + 0.03)]),
        polygon([(out, -0.2, head - drop), (out, deep_head, head - drop),
                 (0, deep_peak, peak + 0.03), (0, -0.2, peak + 0.03)]),
    ]  # fmt: skip
    front.add(obj, join(slopes), site.paints(
        textures.roof_tiles, color=ROOFS[house.roof], repeat_m=1.8, two_sided=True
    ))  # fmt: skip


def chimneys(site: Site, obj: int, house: House, rng: np.random.Generator) -> None:
    """A brick stack with three pots on the ridge."""
    bricks = site.paints(textures.brick, color=(0.85, 0.82, 0.82), repeat_m=1.0)
    pot = site.paints.plain((0.66, 0.40, 0.30))
    hipped = house.sides[0] or house.sides[1]
    span = min(house.width_m, house.depth_m) if hipped else house.depth_m
    ridge = house.eaves_m + 0.9 * span / 2
    x = house.width_m * (0.5 if hipped else 0.2 if rng.random() < 0.5 else 0.8)
    stack = site.at(x, house.depth_m / 2, ridge - 1.6)
    stack.add(obj, box(0.85, 0.55, 2.5), bricks)
    stack.add(obj, box(1.0, 0.7, 0.14).at(z_m=2.42), bricks)
    for dx in (-0.24, 0.0, 0.24):
        stack.add(obj, cylinder(0.09, 0.42, top_radius_m=0.07, sides=8).at(dx, 0, 2.55), pot)
