"""The apartment's materials: one set of textures, tinted by the seed."""

from __future__ import annotations

import functools

import numpy as np

from capture.engine.materials import DISPLAY_GAMMA, Material, plain
from capture.engine.scenes.parts import interiors as tex
from capture.engine.scenes.parts.building import House

# Display colours that suit walls; every room gets another one.
_WALLS = (
    (0.90, 0.86, 0.78), (0.71, 0.76, 0.66), (0.64, 0.71, 0.77), (0.87, 0.75, 0.69),
    (0.86, 0.75, 0.53), (0.77, 0.73, 0.79), (0.47, 0.60, 0.60), (0.76, 0.58, 0.48),
)  # fmt: skip
_CLOTHS = (
    (0.30, 0.40, 0.47), (0.55, 0.29, 0.22), (0.42, 0.46, 0.33), (0.71, 0.53, 0.27),
    (0.62, 0.59, 0.54), (0.24, 0.27, 0.36), (0.66, 0.44, 0.41), (0.36, 0.50, 0.50),
)  # fmt: skip
_COVERS = (
    (0.55, 0.18, 0.16), (0.16, 0.26, 0.38), (0.80, 0.66, 0.38), (0.22, 0.36, 0.28),
    (0.87, 0.84, 0.76), (0.42, 0.26, 0.34), (0.75, 0.44, 0.24), (0.35, 0.48, 0.55),
    (0.14, 0.14, 0.16), (0.62, 0.64, 0.58),
)  # fmt: skip
_RUGS = (
    ((0.48, 0.17, 0.15), (0.84, 0.75, 0.60), (0.19, 0.24, 0.33), (0.74, 0.50, 0.30)),
    ((0.82, 0.77, 0.68), (0.33, 0.42, 0.47), (0.62, 0.50, 0.40), (0.24, 0.27, 0.32)),
    ((0.25, 0.33, 0.42), (0.82, 0.77, 0.66), (0.63, 0.36, 0.25), (0.78, 0.62, 0.36)),
    ((0.38, 0.43, 0.32), (0.85, 0.80, 0.68), (0.66, 0.45, 0.30), (0.22, 0.24, 0.20)),
    ((0.72, 0.53, 0.42), (0.90, 0.85, 0.76), (0.42, 0.30, 0.30), (0.33, 0.45, 0.47)),
)  # fmt: skip
_LEAVES = ((0.22, 0.38, 0.17), (0.33, 0.46, 0.22), (0.25, 0.40, 0.28))


class Style:
    """Materials by name, registered with a house; lists where the seed chooses among several."""

    def __init__(self, house: House, seed: int):
        """Make all materials of a seed."""
        self._house = house
        self.rng = np.random.default_rng([seed, 1])
        self._seed = 1000 * seed
        self._woods(house)
        self._soft()
        self._hard()
        self._small()
        self._flat_art()

    @functools.cached_property
    def front(self) -> int:
        """The kitchen's fronts, chosen when the kitchen is built."""
        return self.lacquer[1 + int(self.rng.integers(3))]

    def _make(self, texture: np.ndarray, color=(1.0, 1.0, 1.0), **options) -> int:
        """A material whose texture is tinted by a display colour."""
        r, g, b = (float(c) ** DISPLAY_GAMMA for c in color)
        return self._house.material(Material(texture=texture, tint=(r, g, b), **options))

    def _woods(self, house: House) -> None:
        seed = self._seed
        white = tex.paint((1.0, 1.0, 1.0), seed)
        order = self.rng.permutation(len(_WALLS))
        self.walls = [self._make(white, _WALLS[k], repeat_m=3.0) for k in order]
        self.white = self._make(white, (0.93, 0.92, 0.90), repeat_m=3.0)
        self.trim = self._make(white, (0.92, 0.91, 0.88), repeat_m=3.0, gloss=0.12)
        self.facade = self._make(white, (0.80, 0.76, 0.69), repeat_m=3.0)
        oak = ((0.50, 0.36, 0.23), (0.79, 0.63, 0.45))
        walnut = ((0.27, 0.17, 0.11), (0.52, 0.36, 0.25))
        pale = ((0.66, 0.54, 0.41), (0.88, 0.77, 0.62))
        self.parquet = self._make(tex.herringbone(*oak, seed + 1), repeat_m=1.9, gloss=0.16)
        boards = tex.planks((0.55, 0.55, 0.55), (0.95, 0.93, 0.9), seed + 2, size=512)
        self.boards = [
            self._make(boards, c, repeat_m=1.9, gloss=0.14)
            for c in (
                (0.60, 0.45, 0.33),
                (0.93, 0.81, 0.66),
                (0.80, 0.64, 0.47),
                (0.76, 0.72, 0.68),
            )
        ]
        self.oak = self._make(tex.wood(*oak, seed + 3), repeat_m=0.8, gloss=0.08)
        self.walnut = self._make(tex.wood(*walnut, seed + 4), repeat_m=0.8, gloss=0.12)
        self.birch = self._make(tex.wood(*pale, seed + 5), repeat_m=0.8, gloss=0.08)
        self.lacquer = [
            self._make(white, c, gloss=0.1)
            for c in (
                (0.90, 0.89, 0.86),
                (0.36, 0.45, 0.44),
                (0.72, 0.62, 0.50),
                (0.33, 0.37, 0.45),
            )
        ]

    def _soft(self) -> None:
        weave = tex.cloth((1.0, 1.0, 1.0), self._seed + 6)
        order = self.rng.permutation(len(_CLOTHS))
        self.cloths = [self._make(weave, _CLOTHS[k], repeat_m=0.35) for k in order]
        self.linen = self._make(weave, (0.93, 0.91, 0.87), repeat_m=0.35)
        self.fur = self._make(weave, (0.62, 0.45, 0.28), repeat_m=0.2)
        self.curtains = [
            self._make(weave, c, repeat_m=0.5, two_sided=True, translucency=0.3)
            for c in (
                (0.91, 0.88, 0.82),
                (0.72, 0.76, 0.70),
                (0.83, 0.70, 0.60),
                (0.62, 0.68, 0.75),
            )
        ]
        self.throws = [
            self._make(
                tex.stripes([_CLOTHS[k], _CLOTHS[j], (0.9, 0.87, 0.8)], self._seed + 7 + n),
                repeat_m=1.0,
                two_sided=True,
            )
            for n, (k, j) in enumerate(self.rng.permutation(len(_CLOTHS)).reshape(-1, 2)[:3])
        ]
        kinds = self.rng.permutation(["medallion", "diamonds", "trellis", "berber"])
        palettes = self.rng.permutation(len(_RUGS))
        self.rugs = [
            self._make(tex.rug(str(kind), list(_RUGS[p]), self._seed + 11 + n))
            for n, (kind, p) in enumerate(zip(kinds, palettes, strict=False))
        ]
        self.round_rug = self._make(tex.rug("rings", list(_RUGS[palettes[4]]), self._seed + 17))
        self.shade = self._make(weave, (0.95, 0.86, 0.70), repeat_m=0.4, glow=1.1, two_sided=True)
        self.wicker = self._make(
            tex.cloth((0.72, 0.55, 0.35), self._seed + 18, weave=12, depth=0.5, size=128),
            repeat_m=0.3,
        )

    def _hard(self) -> None:
        seed = self._seed
        one = plain(1, 1, 1)
        self.checker = self._make(
            tex.checker((0.86, 0.83, 0.77), (0.42, 0.44, 0.44), seed + 20), repeat_m=1.6, gloss=0.22
        )
        glaze = ((0.87, 0.90, 0.87), (0.80, 0.85, 0.88), (0.90, 0.87, 0.80))[
            int(self.rng.integers(3))
        ]
        subway = tex.tiles(glaze, (0.72, 0.71, 0.68), seed + 21, rows=12, columns=6, offset=0.5)
        self.subway = self._make(subway, repeat_m=0.9, gloss=0.22)
        hexes = ((0.45, 0.55, 0.57), (0.52, 0.56, 0.48), (0.62, 0.52, 0.46))[
            int(self.rng.integers(3))
        ]
        self.bath_floor = self._make(
            tex.tiles(hexes, (0.78, 0.77, 0.74), seed + 22, rows=8, columns=8),
            repeat_m=1.6,
            gloss=0.2,
        )
        self.marble = self._make(
            tex.marble((0.93, 0.92, 0.89), (0.66, 0.64, 0.62), seed + 23), repeat_m=1.1, gloss=0.3
        )
        self.steel = self._make(one, (0.66, 0.66, 0.65), gloss=0.55, shininess=60)
        self.brass = self._make(one, (0.72, 0.58, 0.34), gloss=0.6, shininess=50)
        self.black = self._make(one, (0.13, 0.13, 0.14), gloss=0.3, shininess=60)
        self.mirror = self._make(tex.mirror(glaze, hexes, seed + 26), gloss=0.3, shininess=90)
        self.enamel = self._make(one, (0.94, 0.94, 0.92), gloss=0.4, shininess=80)
        self.paper = self._make(one, (0.90, 0.87, 0.78))
        self.wax = self._make(one, (0.92, 0.88, 0.80), glow=0.1)
        self.flame = self._make(one, (1.0, 0.72, 0.35), glow=6.0)
        self.bulb = self._make(one, (1.0, 0.86, 0.62), glow=5.0)
        self.glass = self._make(one, (0.25, 0.36, 0.28), gloss=0.5, shininess=90)

    def _small(self) -> None:
        one = plain(1, 1, 1)
        self.ceramics = [
            self._make(one, c, gloss=0.25)
            for c in (
                (0.86, 0.82, 0.75),
                (0.35, 0.47, 0.53),
                (0.72, 0.45, 0.32),
                (0.50, 0.56, 0.44),
                (0.25, 0.26, 0.30),
            )
        ]
        self.fruit = [
            self._make(one, c, gloss=0.12)
            for c in ((0.82, 0.50, 0.16), (0.66, 0.22, 0.17), (0.62, 0.64, 0.25))
        ]
        self.covers = [self._make(one, c, gloss=0.05) for c in _COVERS]
        self.toys = [
            self._make(one, c, gloss=0.1)
            for c in (
                (0.78, 0.32, 0.26),
                (0.30, 0.49, 0.62),
                (0.88, 0.70, 0.32),
                (0.43, 0.58, 0.40),
            )
        ]
        self.terracotta = self._make(
            tex.paint((0.70, 0.45, 0.33), self._seed + 24, size=64), repeat_m=0.5
        )
        self.soil = self._make(one, (0.22, 0.17, 0.13))
        self.leaves = [
            self._make(
                tex.leaf(self._seed + 25 + k, c), two_sided=True, translucency=0.35, gloss=0.06
            )
            for k, c in enumerate(_LEAVES)
        ]

    def _flat_art(self) -> None:
        first = int(self.rng.integers(1000))
        self.pictures = [
            self._make(tex.picture(k, self._seed + first + 5 * k, size=128 if k % 2 else 256))
            for k in range(18)
        ]
        self.screen = self._make(tex.picture(0, self._seed + 77), glow=0.35)
        self._seed_garden = self._seed + 40
        self.grass = self._make(tex.grass(self._seed_garden), (0.80, 0.76, 0.76), repeat_m=5.0)
        self.hedge = self._make(
            tex.grass(self._seed_garden + 1, size=128), (0.56, 0.58, 0.56), repeat_m=0.9
        )
        self.bark = self._make(
            tex.wood((0.25, 0.2, 0.16), (0.45, 0.38, 0.31), self._seed_garden + 2, size=128)
        )
