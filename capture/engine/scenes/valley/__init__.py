"""A valley: a path round a lake, woods, a hut, a chapel, standing stones, hills all round.

The lake lies in the middle; the path is a loop of about 140 m. The four landmarks stand at the
path, a quarter of the way from each other; the seed chooses the shore, the order of the landmarks,
the trees, the hills and the hour.
"""

from __future__ import annotations

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.scenes.parts import plants, street
from capture.engine.scenes.parts.site import Paints, Site
from capture.engine.scenes.valley import huts, nature
from capture.engine.scenes.valley.terrain import Terrain, build_ground
from capture.engine.world import World, WorldBuilder
from capture.scene import Place

_HALF_M = 42.0
_EYE_M = 1.7
_HOURS = (
    ("a low evening sun over the hills, long shadows", 0.36, (5.0, 3.4, 1.9), (1.0, 0.82, 0.66)),
    ("a bright morning with drifting clouds", 0.62, (4.4, 3.9, 3.1), (0.80, 0.86, 0.92)),
    ("hazy noon light", 0.85, (3.2, 2.95, 2.5), (0.88, 0.90, 0.92)),
)
_NAMES = ("hut", "chapel", "stone circle", "jetty")
_CLAUSES = {
    "hut": "a log hut with a porch under spruces",
    "chapel": "a small white chapel on the meadow",
    "stone circle": "a ring of standing stones",
    "jetty": "a wooden jetty with a red boat",
}


def build(seed: int = 0, *, lake_m: float = 15.0) -> World:
    """The valley of a seed.

    Args:
        seed: Of everything.
        lake_m: Mean radius of the lake, 12 to 18.
    """
    if not 12.0 <= lake_m <= 18.0:
        raise ValueError(f"lake_m must be from 12 to 18 m, got {lake_m}")
    rng = np.random.default_rng([23, seed])
    site = Site(builder := WorldBuilder(), Paints(builder))
    land = Terrain.of(seed, lake_m)
    build_ground(site, land)
    turns = rng.uniform(0, 2 * np.pi) + np.arange(4) * np.pi / 2 + rng.uniform(-0.2, 0.2, 4)
    landmarks = dict(zip((_NAMES[k] for k in rng.permutation(4)), turns, strict=True))
    spots = {name: _build_landmark(site, land, name, turn, rng) for name, turn in landmarks.items()}
    _plant(site, land, np.array(list(spots.values())), rng)
    _along_the_path(site, land, rng)
    light, height, sun, horizon = _HOURS[int(rng.integers(len(_HOURS)))]
    around = float(rng.uniform(0, 2 * np.pi))
    flat = float(np.sqrt(1 - height**2))
    path = land.path_m()
    start = int(rng.integers(len(path)))
    x, y, z = path[start]
    ahead = path[(start + 3) % (len(path) - 1)] - path[start]
    return builder.finish(
        name="valley",
        seed=seed,
        bounds_m=(-_HALF_M, -_HALF_M, -0.5, _HALF_M, _HALF_M, 3.5),
        spawn_m=(float(x), float(y), float(z) + _EYE_M),
        spawn_heading_deg=float(np.degrees(np.arctan2(ahead[1], ahead[0]))),
        setting="a valley with a path round a lake, woods and hills",
        light=light,
        places=_places(spots),
        lighting=Lighting(
            to_sun=(flat * float(np.cos(around)), flat * float(np.sin(around)), height),
            sun_rgb=sun,
            zenith_rgb=(0.20, 0.40, 0.84),
            horizon_rgb=horizon,
            ground_rgb=(0.20, 0.22, 0.14),
            cloudiness=float(rng.uniform(0.45, 0.7)),
            fill_rgb=(0.20, 0.21, 0.20),
            exposure=1.05,
            haze_m=420.0,
            cell_m=0.5,
            shadow_px=4096,
            seed=seed,
        ),
    )


def _places(spots: dict[str, np.ndarray]) -> tuple[Place, ...]:
    h = _HALF_M
    boxes = [(name, (x - 9, y - 9, x + 9, y + 9), _CLAUSES[name]) for name, (x, y) in spots.items()]
    boxes.append(("lake shore", (-h, -h, h, h), "a gravel path round the lake"))
    return tuple(
        Place(name=name, bounds_m=(x0, y0, -2.0, x1, y1, 8.0), description=text)
        for name, (x0, y0, x1, y1), text in boxes
    )


def _build_landmark(
    site: Site, land: Terrain, name: str, turn: float, rng: np.random.Generator
) -> np.ndarray:
    """Builds one landmark in a direction from the lake; where it stands, [2]."""
    shore = float(land.shore_m(turn))
    distance = shore + {"hut": 15.0, "chapel": 13.0, "stone circle": 15.5, "jetty": 0.6}[name]
    spot = distance * np.array([np.cos(turn), np.sin(turn)])
    ground = float(land.height_m(*spot))
    # Fronts (local -y) look at the lake; the jetty runs toward it.
    facing = np.degrees(turn) - 90
    at = site.at(spot[0], spot[1], ground, turn_deg=float(facing))
    if name == "hut":
        huts.build_hut(at, rng)
    elif name == "chapel":
        huts.build_chapel(at.at(z_m=0.1))
    elif name == "stone circle":
        huts.build_stones(at, rng)
    else:
        huts.build_jetty(site.at(spot[0], spot[1], 0.0, turn_deg=float(np.degrees(turn) + 180)))
    return spot


def _plant(site: Site, land: Terrain, kept: np.ndarray, rng: np.random.Generator) -> None:
    """Spruces on the slopes, leafy trees, bushes and rocks on the meadow, reeds at the shore."""
    path = land.path_m()[:, :2]

    def free(xy: np.ndarray, margin: float) -> bool:
        near = np.linalg.norm(path - xy, axis=1).min()
        return near > margin and float(np.linalg.norm(kept - xy, axis=1).min()) > 9.5

    def scatter(count: int, low: float, high: float, margin: float):
        """Random free places between two distances from the shore, with a number each."""
        left = count
        while left:
            turn, share = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
            r = float(land.shore_m(turn)) + low + (high - low) * share
            xy = r * np.array([np.cos(turn), np.sin(turn)])
            seed = int(rng.integers(1 << 30))
            if free(xy, margin):
                left -= 1
                yield site.at(xy[0], xy[1], float(land.height_m(*xy))), seed

    for spot, seed in scatter(12, 2.5, 24.0, 2.2):
        kind = list(plants.GREENS)[seed % 3]
        plants.build_tree(spot, kind, seed, height_m=5.2 + seed % 7 * 0.5, paved=False)
    for spot, seed in scatter(70, 13.0, 40.0, 3.0):
        nature.build_spruce(spot, seed, height_m=5.5 + seed % 9 * 0.8)
    for spot, seed in scatter(80, 34.0, 110.0, 3.0):
        nature.build_spruce(spot, seed, height_m=9.0 + seed % 9)
    for spot, seed in scatter(16, 2.0, 22.0, 1.9):
        nature.build_bush(spot, seed, blossom=seed % 2 == 0)
    for spot, seed in scatter(40, 1.2, 24.0, 1.8):
        nature.build_flowers(spot, seed)
    for spot, seed in scatter(22, 0.8, 26.0, 1.6):
        nature.build_rock(spot, seed, size_m=0.3 + seed % 10 * 0.09)
    for spot, seed in scatter(16, -0.6, 0.3, 2.0):
        nature.build_reeds(spot, seed)


def _along_the_path(site: Site, land: Terrain, rng: np.random.Generator) -> None:
    """Benches that look over the water, a fence for a stretch, signposts."""
    path = land.path_m()
    first = int(rng.integers(40))
    for k in (first, first + 55, first + 110):
        x, y, _ = path[k % 160]
        turn = np.arctan2(y, x)
        x, y = x + 1.5 * np.cos(turn), y + 1.5 * np.sin(turn)
        place = site.at(x, y, float(land.height_m(x, y)), turn_deg=float(np.degrees(turn)) - 90)
        street.build_bench(place)
    for start in (first + 15, first + 90):
        out = path[np.arange(start, start + 26, 2) % 160, :2]
        rail = out * (1 + 2.0 / np.linalg.norm(out, axis=1, keepdims=True))
        huts.build_fence(site, land.on(rail))
    for k in (first + 5, first + 85):
        x, y, _ = path[k % 160] * 1.06
        huts.build_signpost(site.at(x, y, float(land.height_m(x, y))), ("Chapel", "Old Stones"))
