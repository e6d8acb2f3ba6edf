"""What people built in the valley: hut, chapel, jetty and boat, standing stones, fences."""

from __future__ import annotations

import itertools

import numpy as np

from capture.engine.meshes import box, cylinder, join, rounded_box, sheet, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts import street
from capture.engine.scenes.parts.site import Site, polygon, rectangle, slab, wall


def _timber(site: Site) -> tuple[int, int]:
    """Pale and dark boards."""
    pale = site.paints(textures.boards, color=(0.56, 0.42, 0.29), repeat_m=1.6)
    return pale, site.paints(textures.boards, color=(0.34, 0.25, 0.18), repeat_m=1.6)


def build_hut(site: Site, rng: np.random.Generator) -> None:
    """A log hut with a stone foot, a porch and a chimney; its front faces -y."""
    obj = site.object("hut", "log hut with a porch")
    pale, dark = _timber(site)
    stone = site.paints(textures.ashlar, color=(0.66, 0.64, 0.60), repeat_m=0.9)
    w, d, h = 6.2, 5.0, 2.6
    site.add(obj, box(w + 0.2, d + 0.2, 0.9).at(0, 0, -0.5), stone)
    for turn, length, half in ((0, w, d / 2), (90, d, w / 2), (180, w, d / 2), (270, d, w / 2)):
        side = site.at(turn_deg=turn).at(-length / 2, -half, 0.3)
        logs = [tube([(-0.2, 0.1, z), (length + 0.2, 0.1, z)], 0.14, sides=8)
                for z in np.arange(0.12, h, 0.25)]  # fmt: skip
        side.add(obj, join(logs), pale)
        for x0 in (0.7, length - 1.7):
            if turn == 0 and x0 > 1:
                continue
            view = side.at(x0)
            view.add(obj, rectangle((0, 1.0), -0.1, (0.9, 1.9)), site.paints(textures.window, turn))
            view.add(obj, slab((-0.1, 1.1), (-0.09, 0), (0.8, 2.0)), dark)
    front = site.at(-w / 2, -d / 2, 0.3)
    front.add(obj, rectangle((3.6, 4.6), -0.12, (0.0, 2.05)), site.paints(textures.door, 3,
              color=(0.45, 0.22, 0.16)))  # fmt: skip
    front.add(obj, slab((3.5, 4.7), (-0.1, 0), (0.0, 2.15)), dark)
    _hut_roof(site, obj, w, d)
    site.add(obj, box(0.7, 0.6, 3.2).at(w / 4, d / 4, 2.6), stone)
    _wood_pile(site.at(w / 2 + 0.75, 0.6, turn_deg=90), rng)
    street.build_bench(site.at(-1.6, -d / 2 - 0.55, 0.32))


def _hut_roof(site: Site, obj: int, w: float, d: float) -> None:
    """A gable roof with its ridge along x, and a lean-to over the porch on posts."""
    pale, dark = _timber(site)
    tiles = site.paints(textures.roof_tiles, color=(0.50, 0.44, 0.40))
    eaves, ridge, x = 2.95, 4.85, w / 2 + 0.5
    low = eaves - 0.5 * (ridge - eaves) / (d / 2)
    slopes = [(turn, -d / 2 - 0.5, low, 0.0, ridge) for turn in (0, 180)]
    slopes.append((0, -d / 2 - 1.5, 2.3, -d / 2, 2.68))
    for turn, y0, z0, y1, z1 in slopes:
        half = site.at(turn_deg=turn)
        roof = [(-x, y0, z0), (x, y0, z0), (x, y1, z1), (-x, y1, z1)]
        half.add(obj, polygon(roof), tiles)
        half.add(obj, polygon([(px, y, z - 0.08) for px, y, z in roof[::-1]]), dark)
    for side in (-1, 1):
        gable = [
            (side * w / 2, side * d / 2, eaves - 0.1),
            (side * w / 2, -side * d / 2, eaves - 0.1),
        ]
        site.add(obj, polygon([*gable, (side * w / 2, 0, ridge)][::-1]), pale)
    posts = [box(0.14, 0.14, 2.28).at(px, -d / 2 - 1.2, 0.0) for px in (-w / 2, 0.0, w / 2)]
    site.add(obj, join([*posts, box(w, 1.5, 0.12).at(0, -d / 2 - 0.75, 0.2)]), dark)


def _wood_pile(site: Site, rng: np.random.Generator) -> None:
    obj = site.object("wood_pile", "pile of firewood")
    pale, _ = _timber(site)
    logs = []
    for row in range(5):
        for k in range(12 - row % 2):
            r = float(rng.uniform(0.075, 0.095))
            log = cylinder(r, 0.7, sides=7).tilted(about_x_deg=90)
            logs.append(log.at(0.19 * k + 0.09 * (row % 2) - 1.1, 0.35, 0.1 + 0.165 * row))
    site.add(obj, join(logs), pale)


def build_chapel(site: Site) -> None:
    """A small white chapel with a bell turret; its front faces -y."""
    obj = site.object("chapel", "white chapel with a bell turret")
    white = site.paints(textures.plaster, color=(0.96, 0.95, 0.92), repeat_m=2.6)
    stone = site.paints(textures.ashlar, color=(0.70, 0.67, 0.62), repeat_m=1.0)
    slate = site.paints(textures.roof_tiles, color=(0.44, 0.47, 0.53), repeat_m=1.4)
    w, d, h, ridge = 4.4, 6.6, 3.2, 5.6
    site.add(obj, box(w + 0.3, d + 0.3, 1.0).at(0, d / 2, -0.6), stone)
    sides = ((site.at(-w / 2), w), (site.at(-w / 2, d, turn_deg=-90), d),
             (site.at(w / 2, turn_deg=90), d), (site.at(w / 2, d, turn_deg=180), w))  # fmt: skip
    glass = site.paints(textures.stained_glass, gloss=0.8, shininess=120.0, repeat_m=0.9)
    for k, (side, length) in enumerate(sides):
        side.add(obj, wall((0, length), (0, h)), white)
        for x in (1.4, 3.3, 5.2) if k in (1, 2) else ():
            side.add(obj, slab((x - 0.36, x + 0.36), (-0.06, 0), (1.0, 2.6)), stone)
            side.add(obj, rectangle((x - 0.26, x + 0.26), -0.075, (1.1, 2.5)), glass)
        if length == w:
            side.add(obj, polygon([(0, 0, h), (w, 0, h), (w / 2, 0, ridge)]), white)
    for turn, at in ((90, site), (-90, site.at(0, d))):
        slope = at.at(turn_deg=turn)
        far = d + 0.25
        roof = [(-0.25, -w / 2 - 0.3, h - 0.32), (far, -w / 2 - 0.3, h - 0.32), (far, 0, ridge),
                (-0.25, 0, ridge)]  # fmt: skip
        slope.add(obj, polygon(roof), slate)
        slope.add(obj, polygon([(x, y, z - 0.1) for x, y, z in roof[::-1]]), stone)
    door = site.paints(textures.door, 4, color=(0.36, 0.24, 0.16))
    site.add(obj, slab((-0.75, 0.75), (-0.12, 0), (0.0, 2.4)), stone)
    site.add(obj, rectangle((-0.55, 0.55), -0.135, (0.02, 2.2)), door)
    site.add(obj, box(1.1, 1.1, 2.4).at(0, 0.9, ridge - 0.9), white)
    spire = cylinder(0.95, 1.7, top_radius_m=0.02, sides=4)
    site.add(obj, spire.at(0, 0.9, ridge + 1.5, turn_deg=45), slate)
    dark = site.paints.plain((0.08, 0.08, 0.09))
    site.add(obj, rectangle((-0.3, 0.3), 0.33, (ridge + 0.5, ridge + 1.3)), dark)


def build_jetty(site: Site) -> None:
    """A jetty that runs along +x over the water, with a boat beside it."""
    obj = site.object("jetty", "wooden jetty")
    pale, dark = _timber(site)
    planks = [box(0.2, 1.7, 0.05).at(x, 0, 0.32) for x in np.arange(-1.5, 6.5, 0.23)]
    site.add(obj, join(planks), pale)
    pile = cylinder(0.1, 2.4, sides=8)
    piles = [pile.at(x, y, -1.4) for x in (0.2, 3.2, 6.2) for y in (-0.8, 0.8)]
    beams = [box(8.0, 0.12, 0.12).at(2.5, y, 0.2) for y in (-0.7, 0.7)]
    site.add(obj, join([*piles, *beams]), dark)
    boat = site.object("boat", "red rowing boat")
    t, s = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(-1, 1, 9), indexing="ij")
    wide = 0.66 * (1 - np.abs(t) ** 2.4)
    hull = np.stack([1.9 * t, wide * s, 0.05 + 0.5 * s**2 + 0.16 * t**2], -1)
    red = site.paints.plain((0.60, 0.16, 0.13), gloss=0.3, two_sided=True)
    afloat = site.at(4.2, 1.9, -0.05, turn_deg=6)
    afloat.add(boat, sheet(hull), red)
    seats = [rounded_box(0.24, 1.1, 0.05, 0.02, steps=1).at(x, 0, 0.36) for x in (-0.7, 0.5)]
    oars = [tube([(-0.6, y, 0.58), (0.9, 1.7 * y, 0.62)], 0.025, sides=6) for y in (-0.6, 0.6)]
    afloat.add(boat, join([*seats, *oars]), pale)


def build_stones(site: Site, rng: np.random.Generator) -> None:
    """A ring of standing stones."""
    grey = site.paints(textures.plaster, color=(0.58, 0.58, 0.56), repeat_m=1.2)
    for k in range(9):
        obj = site.object("standing_stone", "standing stone")
        tall = float(rng.uniform(1.5, 2.8))
        stone = rounded_box(float(rng.uniform(0.6, 0.95)), 0.42, tall + 0.5, 0.14)
        lean = stone.tilted(about_x_deg=float(rng.normal(0, 4)))
        site.at(turn_deg=40.0 * k + float(rng.normal(0, 4))).add(obj, lean.at(0, -4.4, -0.5), grey)
    altar = site.object("altar_stone", "flat stone")
    site.add(altar, rounded_box(1.9, 1.1, 0.55, 0.12).at(z_m=-0.05, turn_deg=20), grey)


def build_fence(site: Site, points: np.ndarray) -> None:
    """Posts and two rails through points [N, 3] on the ground."""
    obj = site.object("fence", "wooden fence")
    pale, _ = _timber(site)
    posts = [box(0.12, 0.12, 1.35).at(x, y, z - 0.3) for x, y, z in points]
    rails = [
        tube([a, b], 0.04, sides=5).at(z_m=high)
        for a, b in itertools.pairwise(points)
        for high in (0.45, 0.9)
    ]
    site.add(obj, join([*posts, *rails]), pale)


def build_signpost(site: Site, names: tuple[str, ...]) -> None:
    """A post with pointing boards."""
    obj = site.object("signpost", "signpost")
    pale, dark = _timber(site)
    site.add(obj, box(0.12, 0.12, 2.6).at(z_m=-0.3), dark)
    for k, name in enumerate(names):
        arm = site.at(0, 0, 2.0 - 0.28 * k, turn_deg=70.0 * k)
        text = site.paints(textures.sign, name, (0.40, 0.29, 0.19), (0.95, 0.92, 0.84))
        for turn in (0, 180):
            arm.at(turn_deg=turn).add(obj, rectangle((-0.8, 0.8), -0.09, (0, 0.2)), text)
        arm.add(obj, box(1.64, 0.12, 0.22).at(0, 0, -0.01), pale)
