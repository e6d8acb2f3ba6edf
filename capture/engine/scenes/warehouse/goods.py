"""What is stored in the warehouse: pallets and their loads. A pallet's middle is the origin."""

from __future__ import annotations

import functools

import numpy as np

from capture.engine.meshes import Mesh, box, cylinder, join, rounded_box
from capture.engine.scenes.parts import masonry
from capture.engine.scenes.parts.site import Color, Site
from capture.engine.scenes.warehouse import textures

PALLET_M = (1.2, 1.0, 0.144)
_HUES: dict[str, Color] = {
    "blue": (0.18, 0.32, 0.52), "red": (0.62, 0.18, 0.14), "green": (0.22, 0.40, 0.28),
    "grey": (0.50, 0.52, 0.54), "yellow": (0.82, 0.64, 0.16),
}  # fmt: skip
_WIDE, _DEEP, _FOOT = 1.14, 0.94, PALLET_M[2]


def build_pallet(site: Site, obj: int) -> None:
    """An empty wooden pallet."""
    wood = site.paints(masonry.boards, color=(0.78, 0.62, 0.44), repeat_m=1.3)
    site.add(obj, _pallet(), wood)


@functools.cache
def _pallet() -> Mesh:
    deck = [box(1.2, 0.28, 0.03).at(0, y, 0.114) for y in (-0.36, 0.0, 0.36)]
    feet = [box(0.1, 1.0, 0.114).at(x, 0, 0) for x in (-0.55, 0.0, 0.55)]
    return join([*deck, *feet])


def build_load(site: Site, rng: np.random.Generator, tall_m: float = 1.25) -> None:
    """A pallet with goods on it, at most `tall_m` high in all."""
    kind = int(rng.choice(len(_LOADS), p=(0.44, 0.16, 0.12, 0.14, 0.14)))
    _LOADS[kind](site, rng, tall_m - _FOOT)


def fitted(x_m: float, y_m: float, z_m: float) -> Mesh:
    """A box on z = 0 that shows a texture once on each side."""
    return _unit_box().scaled(x_m, y_m, z_m)


@functools.cache
def _unit_box() -> Mesh:
    unit = box(1, 1, 1)
    return unit.with_uv(unit.uv_m + np.where(unit.uv_m.min(axis=0) < 0, 0.5, 0.0))


def _cartons(site: Site, rng: np.random.Generator, tall: float) -> None:
    obj = site.object("pallet", "pallet of cardboard boxes")
    build_pallet(site, obj)
    card = [site.paints(textures.carton, k) for k in rng.integers(0, 6, 2)]
    columns, rows = ((2, 2), (3, 2), (2, 1))[int(rng.integers(3))]
    layers = int(rng.integers(2, 4))
    w, d, h = _WIDE / columns, _DEEP / rows, tall / layers
    for layer in range(layers):
        top = layer == layers - 1
        for i in range(columns):
            for j in range(rows):
                if top and rng.random() < 0.3:
                    continue
                x, y = (i + 0.5) * w - _WIDE / 2, (j + 0.5) * d - _DEEP / 2
                turn = 180.0 * float(rng.integers(2)) + float(rng.normal(0, 0.8))
                carton = fitted(w - 0.02, d - 0.02, h - 0.005)
                carton = carton.at(x, y, _FOOT + layer * h, turn_deg=turn)
                site.add(obj, carton, card[(i + j + layer) % 2])


def _wrapped(site: Site, rng: np.random.Generator, tall: float) -> None:
    obj = site.object("pallet", "shrink-wrapped pallet")
    build_pallet(site, obj)
    tone = float(rng.uniform(0.62, 0.88))
    film = site.paints.plain((tone, tone, tone * 1.03), gloss=0.8, shininess=40.0)
    height = tall * float(rng.uniform(0.7, 1.0))
    site.add(obj, rounded_box(_WIDE, _DEEP, height, 0.05).at(z_m=_FOOT), film)
    card = site.paints(textures.carton, int(rng.integers(6)))
    site.add(obj, fitted(0.5, 0.4, 0.2).at(0.2, 0.1, _FOOT + height), card)


def _drums(site: Site, rng: np.random.Generator, tall: float) -> None:
    name = list(_HUES)[int(rng.integers(len(_HUES)))]
    obj = site.object("drums", f"{name} steel drums")
    build_pallet(site, obj)
    paint = site.paints.plain(_HUES[name], gloss=0.45)
    drums = [_drum().at(x, y, _FOOT) for x in (-0.29, 0.29) for y in (-0.24, 0.24)]
    site.add(obj, join(drums).scaled(1, 1, min(tall / 0.9, 1.0)), paint)


@functools.cache
def _drum() -> Mesh:
    rings = [cylinder(0.24, 0.03, sides=14).at(z_m=z) for z in (0.29, 0.58)]
    return join([cylinder(0.23, 0.88, sides=14), *rings])


def _crate(site: Site, rng: np.random.Generator, tall: float) -> None:
    obj = site.object("crate", "wooden crate")
    build_pallet(site, obj)
    wood = site.paints(masonry.boards, color=(0.72, 0.55, 0.36), repeat_m=0.9)
    dark = site.paints(masonry.boards, color=(0.58, 0.42, 0.27), repeat_m=0.9)
    high = tall * float(rng.uniform(0.6, 0.95))
    site.add(obj, box(_WIDE - 0.06, _DEEP - 0.06, high).at(z_m=_FOOT), wood)
    frame = [box(0.09, _DEEP, high).at(x, 0, _FOOT) for x in (-_WIDE / 2 + 0.05, _WIDE / 2 - 0.05)]
    frame += [box(_WIDE, _DEEP + 0.01, 0.09).at(0, 0, _FOOT + z) for z in (0.0, high - 0.08)]
    site.add(obj, join(frame), dark)


def _bins(site: Site, rng: np.random.Generator, tall: float) -> None:
    name = list(_HUES)[int(rng.integers(len(_HUES)))]
    obj = site.object("bins", f"{name} plastic boxes")
    build_pallet(site, obj)
    plastic = site.paints.plain(_HUES[name], gloss=0.25)
    layers = min(int(rng.integers(2, 5)), int(tall / 0.26))
    stack = [_tray().at(x, y, _FOOT + 0.26 * layer)
             for layer in range(layers) for x in (-0.29, 0.29) for y in (-0.24, 0.24)]  # fmt: skip
    site.add(obj, join(stack), plastic)


@functools.cache
def _tray() -> Mesh:
    return join([box(0.53, 0.43, 0.2), box(0.56, 0.46, 0.05).at(z_m=0.2)])


_LOADS = (_cartons, _wrapped, _drums, _crate, _bins)
