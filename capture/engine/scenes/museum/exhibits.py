"""Things that museums show. Each stands on z = 0 at its place, its front toward local +y."""

from __future__ import annotations

import itertools

import numpy as np

from capture.engine.meshes import (
    Mesh,
    box,
    cylinder,
    join,
    lathe,
    quad,
    rounded_box,
    sphere,
    transform,
    tube,
)
from capture.engine.scenes.parts.building import Ground


def plinth(house: Ground, at, stone: int, *, size=0.6, height=1.0) -> np.ndarray:
    """A square plinth; returns the place on its top."""
    obj = house.object("plinth", "stone plinth")
    parts = [box(size + 0.12, size + 0.12, 0.1), box(size, size, height - 0.06).at(z_m=0.06)]
    parts.append(rounded_box(size + 0.08, size + 0.08, 0.07, 0.02, steps=1).at(z_m=height - 0.05))
    house.add(obj, join(parts).moved(at), stone)
    return at @ transform(0, 0, height + 0.02)


def bench(house: Ground, at, leather: int, leg: int):
    """A padded bench without a back, 1.6 m long."""
    obj = house.object("bench", "leather bench")
    house.add(obj, rounded_box(1.6, 0.6, 0.14, 0.05).at(z_m=0.34).moved(at), leather)
    legs = [box(0.06, 0.5, 0.34).at(x) for x in (-0.6, 0.6)]
    house.add(obj, join(legs).moved(at), leg)


def rope_barrier(house: Ground, at, brass: int, rope: int, *, width=3.0):
    """Posts along x with a sagging rope between them."""
    obj = house.object("rope_barrier", "rope barrier")
    count = max(round(width / 1.5), 1)
    xs = np.linspace(-width / 2, width / 2, count + 1)
    profile = [
        (0, 0),
        (0.16, 0),
        (0.16, 0.02),
        (0.03, 0.05),
        (0.022, 0.9),
        (0.045, 0.93),
        (0, 0.98),
    ]
    house.add(obj, join([lathe(profile, sides=12).at(x) for x in xs]).moved(at), brass)
    t = np.linspace(0, 1, 9)
    for a, b in itertools.pairwise(xs):
        sag = 0.86 - 0.22 * (1 - (2 * t - 1) ** 2)
        path = np.stack([a + t * (b - a), 0 * t, sag], 1)
        house.add(obj, tube(path, 0.018, sides=6).moved(at), rope)


def knot(house: Ground, at, metal: int, *, turns=(2, 3), size=0.55):
    """A torus knot."""
    p, q = turns
    t = np.linspace(0, 2 * np.pi, 121)
    r = size * (0.62 + 0.3 * np.cos(q * t))
    path = np.stack([r * np.cos(p * t), r * np.sin(p * t), size * (1.0 + 0.5 * np.sin(q * t))], 1)
    lying = tube(path, 0.11 * size, sides=10)
    stand = lying.tilted(about_x_deg=90).at(0, size, size * 0.95)
    house.add(house.object("sculpture", "knotted bronze sculpture"), stand.moved(at), metal)


def torso(house: Ground, at, stone: int, rng):
    """A bust: shoulders, neck, head with a nose and hair."""
    obj = house.object("bust", "marble bust")
    foot = lathe([(0.16, 0), (0.16, 0.04), (0.07, 0.08), (0.07, 0.14)], sides=16)
    chest = sphere(0.24, sides=18).scaled(1.0, 0.62, 0.9).at(0, 0, 0.3)
    neck = cylinder(0.075, 0.2, sides=12).at(0, 0.01, 0.42)
    lean = float(rng.uniform(-14, 14))
    head = [sphere(0.13, sides=18).scaled(0.84, 1.0, 1.22)]
    head.append(rounded_box(0.035, 0.05, 0.09, 0.015).at(0, 0.125, -0.04))
    head += [sphere(0.028, sides=8).at(x, 0.0, -0.01) for x in (-0.11, 0.11)]
    head.append(sphere(0.133, sides=14).scaled(0.92, 1.0, 0.9).at(0, -0.03, 0.07))
    parts = [foot, chest, neck, join(head).at(0, 0.02, 0.7, turn_deg=lean)]
    house.add(obj, join(parts).moved(at), stone)


def stack(house: Ground, at, colors: list[int], rng, *, size=0.5):
    """A tower of turned blocks."""
    obj = house.object("sculpture", "tower of coloured blocks")
    z = 0.0
    for k in range(6):
        s = size * float(rng.uniform(0.55, 1.0))
        block = rounded_box(s, s * 0.8, 0.32, 0.02, steps=1).at(z_m=z, turn_deg=23.0 * k)
        house.add(obj, block.moved(at), colors[k % len(colors)])
        z += 0.32


def rings(house: Ground, at, metal: int, dark: int, *, radius=0.75):
    """Three rings inside each other, on a foot."""
    obj = house.object("sculpture", "sculpture of three rings")
    t = np.linspace(0, 2 * np.pi, 61)
    circle = np.stack([np.cos(t), np.sin(t), 0 * t], 1)
    for k, (x, y) in enumerate(((90, 0), (70, 40), (50, 80))):
        r = radius * (1 - 0.22 * k)
        ring = tube(circle * r, 0.05, sides=8).tilted(about_x_deg=x, about_y_deg=y)
        house.add(obj, ring.at(z_m=radius + 0.3).moved(at), metal)
    house.add(obj, cylinder(0.3, 0.34, top_radius_m=0.1, sides=16).moved(at), dark)
    house.add(obj, sphere(0.16, sides=16).at(z_m=radius + 0.3).moved(at), dark)


def globe(house: Ground, at, map_: int, wood: int, brass: int, *, radius=0.55):
    """A standing globe in a wooden ring."""
    obj = house.object("globe", "standing globe")
    ball = sphere(radius, sides=32)
    house.add(obj, ball.tilted(about_x_deg=23).at(z_m=1.0).moved(at), map_)
    t = np.linspace(0, 2 * np.pi, 41)
    ring = np.stack([np.cos(t), np.sin(t), 0 * t], 1) * (radius + 0.06)
    house.add(obj, tube(ring, 0.035, sides=6).at(z_m=1.0).moved(at), wood)
    meridian = tube(ring, 0.02, sides=6).tilted(about_x_deg=90).at(z_m=1.0)
    house.add(obj, meridian.moved(at), brass)
    r = radius + 0.04
    legs, up = [], np.array([0.0, 0.0, 1.0])
    for a in np.pi / 4 + np.arange(4) * np.pi / 2:
        way = np.array([np.cos(a), np.sin(a), 0.0]) * r
        legs.append(tube([way + up, 0.7 * way], 0.035, sides=6))
    house.add(obj, join(legs).moved(at), wood)


def skeleton(house: Ground, at, bone: int, iron: int):
    """A dinosaur's skeleton, 6.4 m long, on a low platform; its head points to +x."""
    obj = house.object("skeleton", "dinosaur skeleton")
    t = np.linspace(0, 1, 45)
    z = 1.75 + 0.55 * np.sin(np.pi * t) + 3.6 * np.clip(t - 0.72, 0, 1) ** 1.5
    spine = np.stack([6.4 * (t - 0.5), 0 * t, z - 2.7 * np.clip(0.3 - t, 0, 1)], 1)
    thick = 0.035 + 0.07 * np.sin(np.pi * np.clip(t * 1.05, 0, 1))
    thorns = [
        box(0.05, 0.03, 0.16 * np.sin(np.pi * s) + 0.04).at(*p)
        for s, p in zip(t[2:-2:2], spine[2:-2:2], strict=True)
    ]
    legs = [*_leg(spine[17], 0.30, 1.0), *_leg(spine[29], 0.22, -1.0)]
    bones = [tube(spine, thick, sides=7), *thorns, *_ribs(spine), *legs, _skull(spine[-1])]
    house.add(obj, join(bones).moved(at), bone)
    stands = [tube([(spine[k, 0], 0, 0.2), spine[k]], 0.025, sides=6) for k in (10, 23, 34)]
    house.add(obj, join(stands).moved(at), iron)
    house.add(obj, rounded_box(6.0, 1.9, 0.2, 0.04, steps=1).moved(at), iron)


def _ribs(spine: np.ndarray) -> list[Mesh]:
    """Eleven pairs of ribs below the middle of a spine [N, 3]."""
    a, ribs = np.linspace(0, 1, 7)[:, None], []
    for k in range(11):
        wide = 0.62 * np.sin(np.pi * (k + 1.5) / 13)
        for side in (-1, 1):
            out = side * wide * np.sin(np.pi * a * 0.8)
            bend = np.hstack([0.1 * a, out, -1.15 * wide * a - 0.1])
            ribs.append(tube(spine[17 + k] + bend, 0.022, sides=5))
    return ribs


def _leg(hip: np.ndarray, reach: float, knee_m: float) -> list[Mesh]:
    """A pair of legs with three toes each; knees bend by 0.28 m toward `knee_m`."""
    parts = []
    for side in (-1, 1):
        top = hip + np.array([0, side * reach, -0.1])
        knee = top * (1, 1, 0.52) + np.array([0.28 * knee_m, side * 0.08, 0])
        ankle = np.array([top[0] - 0.1, knee[1], 0.32])
        parts.append(tube([hip, top, knee, ankle], [0.05, 0.08, 0.06, 0.05], sides=7))
        toes = [ankle + np.array([0.3, 0.09 * n, -0.13]) for n in (-1, 0, 1)]
        parts += [tube([ankle, toe], 0.028, sides=5) for toe in toes]
    return parts


def _skull(head: np.ndarray) -> Mesh:
    """Upper and lower jaw with teeth."""
    parts = [
        rounded_box(0.62, 0.3, 0.24, 0.09).at(0.22, 0, -0.06),
        rounded_box(0.5, 0.22, 0.08, 0.03).tilted(about_y_deg=14).at(0.28, 0, -0.26),
    ]
    tooth = cylinder(0.015, 0.07, top_radius_m=0.002, sides=5)
    parts += [tooth.at(0.1 + 0.07 * k, y, -0.13) for k in range(6) for y in (-0.11, 0.11)]
    return join(parts).at(*head)


def armour(house: Ground, at, steel: int, dark: int):
    """A suit of armour on a base."""
    obj = house.object("armour", "suit of armour")
    chest = lathe([(0.15, 0.95), (0.2, 1.05), (0.16, 1.2), (0.23, 1.42), (0.12, 1.55)], sides=16)
    body = [
        chest.scaled(1, 0.75, 1),
        lathe([(0.3, 0.78), (0.17, 1.0)], sides=16).scaled(1, 0.8, 1),
        sphere(0.13, sides=14).scaled(0.9, 1.05, 1.2).at(z_m=1.7),
        cylinder(0.14, 0.06, sides=14).at(z_m=1.53),
    ]
    for s in (-1, 1):
        arm = [(s * 0.27, 0, 1.45), (s * 0.32, 0.03, 1.15), (s * 0.24, 0.2, 1.0)]
        leg = [(s * 0.12, 0, 0.85), (s * 0.13, 0.03, 0.48), (s * 0.13, 0, 0.12)]
        body += [sphere(0.1, sides=12).at(s * 0.26, 0, 1.45), tube(arm, 0.06, sides=9)]
        body += [tube(leg, [0.085, 0.07, 0.06], sides=9)]
        body += [rounded_box(0.1, 0.26, 0.08, 0.03).at(s * 0.13, 0.06, 0.06)]
    house.add(obj, join(body).moved(at), steel)
    slot = [box(0.16, 0.02, 0.02).at(0, 0.13, 1.72), box(0.7, 0.6, 0.06)]
    lance = tube([(0.36, 0.2, 0.06), (0.36, 0.2, 2.3)], 0.018, sides=6)
    house.add(obj, join([*slot, lance]).moved(at), dark)


def longcase_clock(house: Ground, at, wood: int, dial: int, brass: int):
    """A grandfather clock; its back is at local y = 0."""
    obj = house.object("clock", "longcase clock")
    case = [
        box(width, deep, tall).at(0, deep / 2, z)
        for width, deep, tall, z in (
            (0.56, 0.34, 0.5, 0.0), (0.42, 0.28, 1.0, 0.5), (0.54, 0.34, 0.6, 1.5),
            (0.62, 0.38, 0.06, 2.1),
        )
    ]  # fmt: skip
    house.add(obj, join(case).moved(at), wood)
    house.add(obj, quad((0.22, 0.345, 1.58), (-0.44, 0, 0), (0, 0, 0.44)).moved(at), dial)
    bob = cylinder(0.1, 0.02, sides=20).tilted(about_x_deg=-90).at(0, 0.295, 0.75)
    rod = box(0.02, 0.01, 0.6).at(0, 0.297, 0.78)
    house.add(obj, join([bob, rod]).moved(at), brass)


def engine(house: Ground, at, iron: int, brass: int, red: int):
    """A steam engine with a flywheel; 2.6 m long, along x."""
    obj = house.object("steam_engine", "steam engine with a flywheel")
    boiler = cylinder(0.42, 1.7, sides=24).tilted(about_y_deg=90).at(-1.25, 0, 0.95)
    bands = [cylinder(0.435, 0.05, sides=24).tilted(about_y_deg=90).at(x, 0, 0.95)
             for x in (-1.1, -0.45, 0.2)]  # fmt: skip
    chimney = lathe([(0.11, 1.3), (0.1, 2.2), (0.17, 2.35), (0.17, 2.4)], sides=14).at(-0.95)
    house.add(obj, join([boiler, chimney, box(2.5, 0.7, 0.12).at(0, 0, 0.3)]).moved(at), iron)
    cylinder_ = cylinder(0.16, 0.5, sides=16).tilted(about_y_deg=90).at(-0.5, 0.52, 0.95)
    rod = tube([(0.0, 0.52, 0.95), (0.75, 0.52, 1.1)], 0.025, sides=6)
    house.add(obj, join([*bands, cylinder_, rod]).moved(at), brass)
    t = np.linspace(0, 2 * np.pi, 49)
    rim = np.stack([0.7 * np.cos(t), 0 * t, 0.7 * np.sin(t)], 1)
    wheel = [tube(rim, 0.05, sides=8)]
    wheel += [tube([(0, 0, 0), (0.7 * np.cos(a), 0, 0.7 * np.sin(a))], 0.025, sides=6)
              for a in np.arange(8) * np.pi / 4]  # fmt: skip
    house.add(obj, join(wheel).at(0.85, 0.52, 0.95).moved(at), red)
    feet = [box(0.12, 0.12, 0.3).at(x, y) for x in (-1.1, 1.1) for y in (-0.28, 0.28)]
    house.add(obj, join(feet).moved(at), iron)
