"""Potted plants and twigs for indoors, placed like furniture (see `furniture`)."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, cylinder, join, lathe, sheet, sphere, transform, tube
from capture.engine.scenes.parts.building import Ground

_LABELS = {"leafy": "broad-leaved plant", "palm": "potted palm", "sword": "snake plant"}


def branches(house: Ground, at, bark: int, blossom: int, rng, *, count=6, height=0.5):
    """Blossoming twigs that stand in a vase."""
    obj = house.object("twigs", "blossoming twigs")
    for _ in range(count):
        a, lean = rng.uniform(0, 6.28), rng.uniform(0.1, 0.42)
        t = np.linspace(0, 1, 6)[:, None]
        tip = np.array([np.cos(a) * lean, np.sin(a) * lean, 1.0]) * height * rng.uniform(0.7, 1.1)
        path = t * tip + 0.02 * np.sin(6 * t + a) * np.array([[1, 0.5, 0]])
        house.add(obj, tube(path, np.linspace(0.005, 0.002, 6), sides=5).moved(at), bark)
        flowers = [
            sphere(rng.uniform(0.009, 0.018), sides=6).at(
                *(path[rng.integers(2, 6)] + rng.normal(0, 0.018, 3))
            )
            for _ in range(9)
        ]
        house.add(obj, join(flowers).moved(at), blossom)


def plant(house: Ground, at, pot: int, soil: int, leaf: int, rng, *, kind="leafy", size=1.0):
    """A potted plant.

    Args:
        house: Where it is added.
        at: Its place.
        pot: Material.
        soil: Material.
        leaf: Two-sided material.
        rng: Of its growth.
        kind: "leafy" (broad leaves on stems), "palm" (long arching leaves) or "sword" (upright).
        size: Height in metres, about.
    """
    obj = house.object("plant", _LABELS[kind])
    r = 0.15 * size**0.5 + 0.02
    tall = r * 1.7
    foot, rim = [(r * 0.72, 0)] * 2, [(r, tall)] * 2
    profile = [(0, 0), *foot, *rim, (r * 0.9, tall), (r * 0.88, tall - 0.03)]
    house.add(obj, lathe(profile, sides=24).moved(at), pot)
    house.add(obj, cylinder(r * 0.89, 0.01, sides=16).at(0, 0, tall - 0.04).moved(at), soil)
    leaves = []
    for k in range({"leafy": 30, "palm": 22, "sword": 13}[kind]):
        turn = k * 2.399963 + rng.uniform(-0.3, 0.3)
        up = rng.uniform(0.5, 1.0)
        if kind == "leafy":
            stem, blade = _stalk(size, tall, turn, up, rng)
            house.add(obj, stem.moved(at), leaf)
            leaves.append(blade)
            continue
        if kind == "palm":
            length = size * rng.uniform(0.7, 1.0)
            bend = {"droop": rng.uniform(0.9, 1.7), "lift": rng.uniform(0.9, 1.35)}
            blade, spot = _blade(length, 0.07 * size, **bend), 0.0
        else:
            lift = rng.uniform(1.3, 1.52)
            blade = _blade(size * up * 0.85, 0.085 * size**0.5, droop=0.12, lift=lift)
            spot = rng.uniform(0, 0.5) * r
        x, y = spot * np.cos(turn), spot * np.sin(turn)
        leaves.append(blade.moved(transform(x, y, tall - 0.05, turn_deg=np.degrees(turn))))
    house.add(obj, join(leaves).moved(at), leaf)


def _stalk(size: float, tall: float, turn: float, up: float, rng) -> tuple[Mesh, Mesh]:
    """A stem out of the pot, and the broad leaf at its end."""
    stem = size * up * 0.75
    reach = 0.12 * size + 0.25 * size * (1.15 - up) + rng.uniform(0, 0.06)
    end = np.array([reach * np.cos(turn), reach * np.sin(turn), tall + stem - 0.08])
    middle = [end[0] * 0.4, end[1] * 0.4, tall + stem * 0.6]
    path = np.stack([[0, 0, tall - 0.05], middle, end])
    bend = {"droop": rng.uniform(0.5, 1.3), "lift": rng.uniform(-0.2, 0.5)}
    blade = _blade(0.3 * size**0.7, 0.19 * size**0.7, **bend)
    placed = blade.moved(transform(*end, turn_deg=np.degrees(turn)))
    return tube(path, 0.005 * size**0.5, sides=4), placed


def _blade(length: float, width: float, *, droop: float, lift: float) -> Mesh:
    """A leaf from the origin toward +x: `lift` is its first angle up, `droop` its bend down."""
    t = np.linspace(0, 1, 7)
    angle = lift - droop * t**1.5
    step = np.stack([np.cos(angle), np.sin(angle)], 1) * length / 6
    spine = np.vstack([[0, 0], np.cumsum(step[:-1], axis=0)])
    half = width / 2 * np.sin(np.pi * np.clip(0.06 + 0.94 * t, 0, 1)) ** 0.75
    half[-1] = 0.001
    side = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    x = np.broadcast_to(spine[:, 0:1], (7, 5))
    z = spine[:, 1:2] + 0.18 * np.abs(side) * half[:, None]
    blade = sheet(np.stack([x, half[:, None] * side, z], -1))
    uv = np.stack(np.broadcast_arrays(t[:, None], (side + 1) / 2), -1).reshape(-1, 2)
    return blade.with_uv(uv)
