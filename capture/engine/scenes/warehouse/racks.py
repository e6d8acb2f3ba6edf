"""Pallet racks, double rows along y with a cross aisle in the middle."""

from __future__ import annotations

import functools

import numpy as np

from capture.engine.meshes import Mesh, box, join, tube
from capture.engine.scenes.parts import masonry
from capture.engine.scenes.parts.site import Site, rectangle
from capture.engine.scenes.warehouse import staging, textures
from capture.engine.scenes.warehouse.goods import build_load

BAY_M, PITCH_M, CROSS_M, MARGIN_M = 2.85, 5.4, 3.2, 3.0
_DEEP_M, _GAP_M = 1.05, 0.18
_LEVELS_M = (0.0, 1.72, 3.4, 5.05)


def letter(row: int) -> str:
    """Name of the aisle west of a row: A, B, C..."""
    return "ABCDEFGHIJ"[row]


def aisle_x(row: int) -> float:
    """Middle of the aisle west of a row."""
    return staging.DEPTH_M + row * PITCH_M + (PITCH_M - 2 * _DEEP_M - _GAP_M) / 2


def cross_aisle(bays: int) -> tuple[float, float]:
    """From which to which y the cross aisle reaches."""
    low = MARGIN_M + bays * BAY_M
    return low, low + CROSS_M


def build_racks(site: Site, rows: int, bays: int, rng: np.random.Generator) -> None:
    """All racks with their goods."""
    low, high = cross_aisle(bays)
    for row in range(rows):
        x = staging.DEPTH_M + (row + 1) * PITCH_M - _DEEP_M - _GAP_M / 2
        for y in (MARGIN_M, high):
            for turn, shift in ((90.0, -_GAP_M / 2), (-90.0, _GAP_M / 2)):
                # Either half faces its own aisle; bays are counted along the local x.
                start = y if turn > 0 else y + bays * BAY_M
                _rack(site.at(x + shift, start, turn_deg=turn), bays, rng)
            _sign(site.at(x, y - 0.12), row)
        _sign(site.at(x, high + bays * BAY_M + 0.12, turn_deg=180), row)
        _sign(site.at(x, low + 0.12, turn_deg=180), row)


def _rack(site: Site, bays: int, rng: np.random.Generator) -> None:
    """A single rack along x from the origin; its back is y = 0, its front y = depth."""
    obj = site.object("rack", "pallet rack")
    blue = site.paints.plain((0.14, 0.26, 0.46), gloss=0.25)
    orange = site.paints.plain((0.84, 0.38, 0.10), gloss=0.25)
    site.add(obj, join([_frame().at(k * BAY_M) for k in range(bays + 1)]), blue)
    beams = [
        box(bays * BAY_M, 0.05, 0.11).at(bays * BAY_M / 2, y, z - 0.12)
        for z in _LEVELS_M[1:]
        for y in (0.06, _DEEP_M - 0.06)
    ]
    site.add(obj, join(beams), orange)
    for k in range(bays):
        for level, z in enumerate(_LEVELS_M):
            for x in (0.27, 0.73):
                if rng.random() < 0.13:
                    continue
                spot = site.at((k + x) * BAY_M, _DEEP_M / 2 + float(rng.uniform(-0.02, 0.03)), z)
                build_load(spot, rng, 1.42 if level < 3 else 1.15)


@functools.cache
def _frame() -> Mesh:
    """Two posts with a zigzag between them."""
    posts = [box(0.09, 0.08, _LEVELS_M[-1] + 1.2).at(0, y) for y in (0.05, _DEEP_M - 0.05)]
    zigzag = [(0, 0.06 if n % 2 else _DEEP_M - 0.06, 0.25 + 0.85 * n) for n in range(7)]
    return join([*posts, tube(zigzag, 0.018, sides=4)])


def _sign(site: Site, row: int) -> None:
    """The row's letter, an upright guard at the rack's foot, hazard bands on it."""
    obj = site.object("aisle_sign", f"sign of row {letter(row)}")
    face = site.paints(masonry.sign, f"ROW {letter(row)}", (0.10, 0.25, 0.48), (0.95, 0.95, 0.92))
    site.add(obj, rectangle((-1.05, 1.05), -0.05, (2.5, 2.78)), face)
    site.add(obj, box(2.14, 0.03, 0.32).at(0, -0.02, 2.48), site.paints.plain((0.2, 0.2, 0.22)))
    guard = site.paints(textures.hazard, repeat_m=0.5)
    site.add(obj, box(2.2, 0.07, 0.4).at(0, -0.1), guard)
