"""What stands on the courtyard's four lawns: a landmark each."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import box, cylinder, join, lathe, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts import plants, street
from capture.engine.scenes.parts.site import Site, polygon


def quadrants(x_m: float, y_m: float, path_m: float) -> dict[str, tuple[float, ...]]:
    """Rectangles (x0, y0, x1, y1) of the lawns between a perimeter and a cross of paths."""
    return {
        "north-east": (path_m, path_m, x_m, y_m),
        "north-west": (-x_m, path_m, -path_m, y_m),
        "south-west": (-x_m, -y_m, -path_m, -path_m),
        "south-east": (path_m, -y_m, x_m, -path_m),
    }


def _old_tree(site: Site, rng: np.random.Generator) -> None:
    """A tall plane tree with a bench."""
    plants.build_tree(site, "plane", int(rng.integers(1 << 30)), height_m=9.2, paved=False)
    street.build_bench(site.at(0.4, -1.4, turn_deg=8))


def _well(site: Site, rng: np.random.Generator) -> None:
    """A draw-well under a tiled roof."""
    obj = site.object("well", "draw-well with a tiled roof")
    stone = site.paints(textures.ashlar, color=(0.78, 0.74, 0.68), repeat_m=0.9)
    wood = site.paints(textures.boards, color=(0.46, 0.33, 0.22), repeat_m=1.6)
    tiles = site.paints(textures.roof_tiles, color=(0.80, 0.45, 0.34), repeat_m=1.4)
    wall = [(0.95, 0), (0.95, 0.85), (1.02, 0.88), (1.02, 0.96), (0.72, 0.96), (0.72, 0.2)]
    site.add(obj, lathe(np.repeat(wall, 2, axis=0)[1:-1], sides=14), stone)
    site.add(obj, cylinder(0.73, 0.25, sides=14), site.paints.plain((0.10, 0.13, 0.14), gloss=0.9))
    posts = [box(0.13, 0.13, 2.3).at(x, 0, 0) for x in (-0.85, 0.85)]
    beam = tube([(-0.95, 0, 1.55), (0.95, 0, 1.55)], 0.07, sides=8)
    site.add(obj, join([*posts, beam, box(2.1, 0.12, 0.12).at(0, 0, 2.25)]), wood)
    for turn in (0, 180):
        slope = [(-1.25, -0.95, 2.05), (1.25, -0.95, 2.05), (1.25, 0, 2.85), (-1.25, 0, 2.85)]
        both = site.at(turn_deg=turn)
        both.add(obj, polygon(slope), tiles)
        both.add(obj, polygon([(*p[:2], p[2] - 0.05) for p in slope][::-1]), wood)
    rope = tube([(0.1, 0, 1.5), (0.1, 0, 1.05)], 0.012, sides=4)
    bucket = cylinder(0.13, 0.26, top_radius_m=0.16, sides=10).at(0.1, 0, 0.8)
    site.add(obj, join([rope, bucket]), wood)
    for k in range(4):
        tub = site.at(turn_deg=45 + 90 * k).at(2.2)
        plants.build_planter(tub, "red", (0.80, 0.17, 0.15), int(rng.integers(1 << 30)))


def _sundial(site: Site, rng: np.random.Generator) -> None:
    """A sundial amid young trees."""
    obj = site.object("sundial", "sundial on a stone pillar")
    stone = site.paints(textures.ashlar, color=(0.88, 0.82, 0.72), repeat_m=0.8)
    brass = site.paints.plain((0.72, 0.56, 0.28), gloss=0.7)
    steps = [cylinder(0.8, 0.14, sides=8), cylinder(0.55, 0.28, sides=8)]
    pillar = [
        (0.3, 0.28),
        (0.3, 0.36),
        (0.18, 0.5),
        (0.15, 1.0),
        (0.3, 1.16),
        (0.3, 1.22),
        (0, 1.22),
    ]
    site.add(obj, join([*steps, lathe(pillar, sides=12)]), stone)
    gnomon = polygon([(-0.2, 0, 1.24), (0.2, 0, 1.24), (0.2, 0, 1.52)])
    back = polygon([(0.2, 0, 1.52), (0.2, 0, 1.24), (-0.2, 0, 1.24)])
    site.add(obj, join([cylinder(0.26, 0.02, sides=20).at(z_m=1.22), gnomon, back]), brass)
    for k in range(3):
        spot = site.at(turn_deg=30 + 120 * k).at(1.6)
        plants.build_tree(spot, "maple", int(rng.integers(1 << 30)), height_m=4.6, paved=False)


def _cafe(site: Site, rng: np.random.Generator) -> None:
    """Tables under parasols."""
    for k, (x, y) in enumerate(((-1.6, -0.9), (1.3, -1.1), (0.1, 1.3))):
        table = site.at(x, y, turn_deg=float(rng.uniform(0, 360)))
        street.build_cafe_table(table, "white", (0.90, 0.87, 0.80), parasol=k != 1)
    plants.build_tree(
        site.at(2.0, 1.1), "linden", int(rng.integers(1 << 30)), height_m=6.0, paved=False
    )


FEATURES = (_old_tree, _well, _sundial, _cafe)
