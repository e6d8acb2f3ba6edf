"""Street furniture: lamps, benches, bins, bollards, cafe tables, the fountain."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, box, cylinder, join, lathe, rounded_box, sphere, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.site import Color, Site, polygon, rectangle, slab

_IRON: Color = (0.13, 0.16, 0.15)


def build_lamp(site: Site) -> None:
    """A cast-iron street lamp with a four-sided lantern, 4.2 m high."""
    obj = site.builder.object("street_lamp", "iron street lamp")
    iron = site.paints.plain(_IRON, gloss=0.35, shininess=30.0)
    profile = [
        (0.0, 0.0), (0.19, 0.0), (0.19, 0.10), (0.14, 0.16), (0.12, 0.55), (0.15, 0.62),
        (0.09, 0.72), (0.055, 0.95), (0.045, 3.1), (0.075, 3.16), (0.075, 3.22), (0.04, 3.28),
        (0.035, 3.55), (0.0, 3.55),
    ]  # fmt: skip
    site.add(obj, lathe(profile, sides=12), iron)
    bar = tube([(-0.32, 0, 3.05), (0.32, 0, 3.05)], 0.018, sides=6)
    site.add(obj, join([bar, sphere(0.03, sides=8).at(-0.32, 0, 3.05)]), iron)
    glass = site.paints.plain((0.98, 0.93, 0.80), glow=0.35, gloss=0.6, shininess=120.0)
    site.add(obj, cylinder(0.13, 0.42, top_radius_m=0.21, sides=4).at(z_m=3.55, turn_deg=45), glass)
    for k in range(4):
        turn = np.pi / 2 * k + np.pi / 4
        c, s = np.cos(turn), np.sin(turn)
        edge = [(0.13 * c, 0.13 * s, 3.55), (0.215 * c, 0.215 * s, 3.98)]
        site.add(obj, tube(edge, 0.014, sides=5), iron)
    roof = lathe([(0.25, 3.96), (0.25, 3.99), (0.09, 4.14), (0.05, 4.2), (0.0, 4.3)], sides=8)
    site.add(obj, roof, iron)


def build_bench(site: Site) -> None:
    """A slatted bench, 1.7 m long, seen from -y."""
    obj = site.builder.object("bench", "wooden bench")
    wood = site.paints(textures.boards, color=(0.60, 0.42, 0.27), repeat_m=2.4)
    iron = site.paints.plain(_IRON, gloss=0.3)
    slats = [box(1.7, 0.085, 0.035).at(0, 0.10 * k - 0.2, 0.43) for k in range(5)]
    back = [box(1.7, 0.03, 0.085).at(0, 0.27 + 0.025 * k, 0.55 + 0.115 * k) for k in range(3)]
    site.add(obj, join([*slats, *back]), wood)
    for x in (-0.68, 0.68):
        foot = [(x, -0.26, 0.0), (x, -0.22, 0.42), (x, 0.24, 0.42), (x, 0.35, 0.88)]
        rear = [(x, 0.34, 0.0), (x, 0.22, 0.42)]
        arm = [(x, -0.24, 0.42), (x, -0.24, 0.64), (x, 0.28, 0.66)]
        site.add(obj, join([tube(path, 0.026, sides=6) for path in (foot, rear, arm)]), iron)


def build_bin(site: Site) -> None:
    """A litter bin."""
    obj = site.builder.object("bin", "green litter bin")
    paint = site.paints.plain((0.17, 0.28, 0.22), gloss=0.3)
    dark = site.paints.plain((0.06, 0.06, 0.06))
    profile = [(0, 0.06), (0.22, 0.06), (0.22, 0.06), (0.25, 0.78), (0.27, 0.80), (0.27, 0.86),
               (0.22, 0.86), (0.22, 0.80)]  # fmt: skip
    site.add(obj, lathe(profile, sides=16), paint)
    ribs = [
        tube([(0.232, 0, 0.1), (0.258, 0, 0.77)], 0.012, sides=4).at(turn_deg=30 * k)
        for k in range(12)
    ]
    site.add(obj, join(ribs), paint)
    site.add(obj, cylinder(0.23, 0.02, sides=16).at(z_m=0.72), dark)
    site.add(obj, cylinder(0.20, 0.06, sides=16), dark)


def build_bollard(site: Site) -> None:
    """An iron bollard."""
    obj = site.builder.object("bollard", "iron bollard")
    profile = [(0, 0), (0.10, 0), (0.10, 0.06), (0.07, 0.1), (0.06, 0.72), (0.085, 0.75),
               (0.085, 0.79), (0.055, 0.83), (0.06, 0.88), (0.045, 0.93), (0, 0.95)]  # fmt: skip
    site.add(obj, lathe(profile, sides=12), site.paints.plain(_IRON, gloss=0.35))


def build_post_box(site: Site) -> None:
    """A red pillar box."""
    obj = site.builder.object("post_box", "red post box")
    red = site.paints.plain((0.66, 0.12, 0.10), gloss=0.5, shininess=50.0)
    profile = [(0, 0), (0.25, 0), (0.25, 0.12), (0.225, 0.14), (0.225, 1.28), (0.26, 1.32),
               (0.26, 1.40), (0.20, 1.47), (0.10, 1.51), (0, 1.52)]  # fmt: skip
    site.add(obj, lathe(profile, sides=22), red)
    dark = site.paints.plain((0.05, 0.05, 0.05))
    site.add(obj, box(0.22, 0.03, 0.04).at(0, -0.222, 1.14), dark)
    site.add(obj, box(0.14, 0.02, 0.18).at(0, -0.222, 0.86), site.paints.plain((0.9, 0.9, 0.86)))


def build_cafe_table(site: Site, name: str, cloth: Color, *, parasol: bool) -> None:
    """A round table with two or three chairs, perhaps under a parasol."""
    obj = site.builder.object("cafe_table", "round cafe table")
    metal = site.paints.plain((0.36, 0.37, 0.38), gloss=0.5)
    top = site.paints.plain((0.82, 0.80, 0.76), gloss=0.4)
    site.add(
        obj, lathe([(0, 0.72), (0.36, 0.72), (0.38, 0.735), (0.36, 0.75), (0, 0.75)], sides=20), top
    )
    foot = lathe([(0, 0), (0.22, 0), (0.22, 0.03), (0.03, 0.06), (0.03, 0.72)], sides=12)
    site.add(obj, foot, metal)
    cup = lathe([(0, 0.75), (0.035, 0.75), (0.045, 0.82), (0.04, 0.82), (0.03, 0.77)], sides=10)
    site.add(obj, cup.at(0.12, 0.1), site.paints.plain((0.92, 0.91, 0.88), gloss=0.5))
    for turn in (20, 150, 260)[: 2 + parasol]:
        _chair(site.at(turn_deg=turn).at(0.62, 0.0, turn_deg=90), metal)
    if parasol:
        _parasol(site, name, cloth)


def _chair(site: Site, metal: int) -> None:
    obj = site.builder.object("chair", "bistro chair")
    wood = site.paints(textures.boards, color=(0.66, 0.47, 0.29), repeat_m=1.6)
    site.add(obj, rounded_box(0.40, 0.40, 0.035, 0.015, steps=1).at(z_m=0.44), wood)
    for z in (0.62, 0.76):
        site.add(obj, rounded_box(0.38, 0.02, 0.075, 0.01, steps=1).at(0, -0.20, z), wood)
    legs = [
        [(-0.18, -0.17, 0.0), (-0.18, -0.19, 0.45), (-0.18, -0.215, 0.86)],
        [(0.18, -0.17, 0.0), (0.18, -0.19, 0.45), (0.18, -0.215, 0.86)],
        [(-0.18, 0.19, 0.0), (-0.17, 0.17, 0.44)],
        [(0.18, 0.19, 0.0), (0.17, 0.17, 0.44)],
    ]
    site.add(obj, join([tube(path, 0.013, sides=5) for path in legs]), metal)


def _parasol(site: Site, name: str, cloth: Color) -> None:
    obj = site.builder.object("parasol", f"{name} parasol")
    pole = site.paints(textures.boards, color=(0.62, 0.46, 0.30), repeat_m=1.0)
    site.add(obj, cylinder(0.028, 2.75, sides=8), pole)
    fabric = site.paints.plain(cloth, two_sided=True, translucency=0.4)
    shade = lathe([(1.38, 2.12), (1.42, 2.28), (1.42, 2.28), (0.7, 2.55), (0.0, 2.78)], sides=8)
    site.add(obj, shade, fabric)


def build_bicycle(site: Site, name: str, color: Color) -> None:
    """A bicycle that leans on its stand, along x."""
    obj = site.builder.object("bicycle", f"{name} bicycle")
    lean = site.at()
    frame = site.paints.plain(color, gloss=0.5, shininess=60.0)
    dark = site.paints.plain((0.08, 0.08, 0.08))
    steel = site.paints.plain((0.60, 0.60, 0.60), gloss=0.5)
    turn = np.linspace(0, 2 * np.pi, 25)
    for x in (-0.52, 0.52):
        ring = np.stack([x + 0.33 * np.cos(turn), 0 * turn, 0.34 + 0.33 * np.sin(turn)], 1)
        lean.add(obj, tube(ring, 0.017, sides=6), dark)
        spokes = [
            tube([(x, 0, 0.34), (x + 0.32 * np.cos(a), 0, 0.34 + 0.32 * np.sin(a))], 0.003, sides=3)
            for a in np.arange(10) * np.pi / 5
        ]
        lean.add(obj, join(spokes), steel)
    rear, crank, seat, head = (-0.52, 0, 0.34), (-0.08, 0, 0.30), (-0.22, 0, 0.80), (0.34, 0, 0.82)
    bars = [[rear, crank], [crank, seat], [rear, seat], [seat, head], [crank, head]]
    fork = [head, (0.40, 0, 0.60), (0.52, 0, 0.34)]
    lean.add(obj, join([tube(path, 0.016, sides=6) for path in [*bars, fork]]), frame)
    handle = [(0.22, -0.26, 1.0), (0.34, -0.18, 1.02), (0.35, 0.18, 1.02), (0.22, 0.26, 1.0)]
    post = [head, (0.33, 0, 1.02)]
    lean.add(obj, join([tube(handle, 0.013, sides=6), tube(post, 0.014, sides=6)]), steel)
    lean.add(obj, rounded_box(0.26, 0.15, 0.06, 0.025, steps=1).at(-0.24, 0, 0.86), dark)


def build_fountain(site: Site) -> None:
    """The square's landmark: an octagonal basin, two bowls, and a figure with a lamp on top."""
    obj = site.builder.object("fountain", "stone fountain with a bronze figure")
    stone = site.paints(textures.ashlar, color=(0.86, 0.80, 0.70), repeat_m=1.6)
    water = site.paints.plain((0.30, 0.44, 0.46), gloss=1.0, shininess=160.0)
    steps = [cylinder(3.1, 0.16, sides=8), cylinder(2.75, 0.32, sides=8)]
    site.add(obj, join(steps), stone)
    basin = [(2.35, 0.3), (2.45, 0.40), (2.38, 0.5), (2.40, 0.85), (2.52, 0.90), (2.52, 1.0),
             (2.52, 1.0), (2.20, 1.0), (2.20, 1.0), (2.20, 0.3)]  # fmt: skip
    site.add(obj, lathe(basin, sides=8), stone)
    site.add(obj, cylinder(2.21, 0.82, sides=8), water)
    column = [(0.55, 0.5), (0.55, 0.95), (0.38, 1.05), (0.30, 1.4), (0.34, 1.75), (0.40, 1.8),
              (1.10, 2.0), (1.18, 2.12), (1.12, 2.16), (1.0, 2.08), (0.3, 2.02), (0.24, 2.1),
              (0.20, 2.6), (0.26, 2.85), (0.60, 2.98), (0.64, 3.06), (0.58, 3.08), (0.2, 3.02),
              (0.2, 3.2), (0.26, 3.22), (0.26, 3.34), (0, 3.34)]  # fmt: skip
    site.add(obj, lathe(column, sides=24), stone)
    site.add(obj, cylinder(1.05, 0.02, sides=24).at(z_m=2.08), water)
    jet = site.paints.plain((0.82, 0.90, 0.93), gloss=0.8, translucency=0.5, two_sided=True)
    for k in range(8):
        turn = np.pi / 4 * (k + 0.5)
        t = np.linspace(0, 1, 7)
        r, z = 1.14 + 0.55 * t, 2.14 + 0.12 * t - 1.44 * t**2
        path = np.stack([r * np.cos(turn), r * np.sin(turn), z], 1)
        site.add(obj, tube(path, 0.012 + 0.014 * t, sides=5), jet)
    _figure(site.at(z_m=3.34), obj)


def _figure(site: Site, obj: int) -> None:
    """A robed figure, 1.7 m, that lifts a lamp."""
    bronze = site.paints.plain((0.30, 0.42, 0.36), gloss=0.4, shininess=25.0)
    robe = [(0, 0), (0.30, 0), (0.27, 0.12), (0.20, 0.5), (0.15, 0.85), (0.14, 0.95), (0.19, 1.15),
            (0.20, 1.3), (0.13, 1.4), (0.06, 1.44), (0.055, 1.5), (0, 1.5)]  # fmt: skip
    site.add(obj, lathe(robe, sides=16).scaled(1.0, 0.8, 1.0), bronze)
    site.add(obj, sphere(0.115, sides=12).scaled(0.9, 1.0, 1.15).at(0, 0, 1.60), bronze)
    raised = [(0.16, 0, 1.32), (0.34, -0.06, 1.40), (0.40, -0.10, 1.74), (0.38, -0.12, 1.92)]
    lowered = [(-0.16, 0, 1.32), (-0.28, -0.08, 1.08), (-0.16, -0.20, 0.98)]
    arms = [tube(raised, [0.07, 0.06, 0.045, 0.04], sides=8), tube(lowered, 0.055, sides=8)]
    site.add(obj, join(arms), bronze)
    site.add(obj, cylinder(0.05, 0.16, top_radius_m=0.09, sides=8).at(0.38, -0.12, 1.9), bronze)


def zebra(site: Site, obj: int, length_m: float, material: int) -> None:
    """Stripes of a crossing along x over `length_m`, 2.4 m wide, just above the road."""
    count = int(length_m / 0.9)
    for k in range(count):
        x = (k + 0.25) * length_m / count
        corners = [
            (x, -1.2, 0.004),
            (x + 0.48, -1.2, 0.004),
            (x + 0.48, 1.2, 0.004),
            (x, 1.2, 0.004),
        ]
        site.add(obj, polygon(corners), material)


def street_sign(site: Site, name: str) -> None:
    """An enamel name plate on a wall, 2.6 m up; the wall is the plane y = 0."""
    obj = site.builder.object("street_sign", f'street sign "{name}"')
    face = site.paints(textures.sign, name, (0.12, 0.22, 0.42), (0.94, 0.94, 0.92), gloss=0.4)
    site.add(obj, rectangle((-0.8, 0.8), -0.035, (2.6, 2.8)), face)
    site.add(obj, slab((-0.8, 0.8), (-0.03, 0.0), (2.6, 2.8)), site.paints.plain((0.1, 0.18, 0.36)))


def bunting(site: Site, length_m: float, height_m: float) -> None:
    """A sagging string of small flags along x."""
    obj = site.builder.object("bunting", "string of coloured flags")
    t = np.linspace(0, 1, 15)
    z = height_m - 0.35 * (1 - (2 * t - 1) ** 2)
    path = np.stack([t * length_m, 0 * t, z], 1)
    site.add(obj, tube(path, 0.006, sides=3), site.paints.plain((0.8, 0.78, 0.74)))
    colors = ((0.78, 0.25, 0.22), (0.90, 0.74, 0.30), (0.28, 0.45, 0.62), (0.92, 0.90, 0.84))
    for k in range(14):
        a, b = path[k], path[k + 1]
        tip = (a + b) / 2 - (0, 0, 0.26)
        flag: Mesh = polygon([a * 0.94 + b * 0.06, tip, a * 0.06 + b * 0.94])
        site.add(obj, flag, site.paints.plain(colors[k % 4], two_sided=True, translucency=0.4))
