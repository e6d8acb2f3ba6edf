"""Small things that make rooms lived in: books, plants, lamps, crockery, toys.

As in `furniture`, `at` is a plan transform; things stand on local z = 0, centred unless it says so.
"""

from __future__ import annotations

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
from capture.engine.scenes.parts.furniture import cushion, shelf
from capture.engine.scenes.parts.houseplants import plant


def books(
    house: Ground, at, covers: list[int], paper: int, rng, *, width=0.8, depth=0.2, tallest=0.3
):
    """A row of upright books along local x from 0 to about `width`, with gaps."""
    obj = house.object("books", "row of books")
    x = 0.0
    while x < width - 0.06:
        thick = rng.uniform(0.018, 0.046)
        tall, deep = rng.uniform(0.62, 1.0) * tallest, rng.uniform(0.7, 0.95) * depth
        if rng.random() < 0.07:
            x += rng.uniform(0.03, 0.12)
            continue
        volume = box(thick - 0.002, deep, tall).at(x + thick / 2, depth - deep / 2)
        house.add(obj, volume.moved(at), covers[rng.integers(len(covers))])
        pages = box(thick - 0.008, deep - 0.006, 0.003).at(
            x + thick / 2, depth - deep / 2, tall - 0.0015
        )
        house.add(obj, pages.moved(at), paper)
        x += thick


def bookcase(
    house: Ground, at, wood: int, covers: list[int], paper: int, ceramics: list[int], soil: int,
    leaf: int, rng, *, size=(0.9, 0.3, 2.0), levels=5,
):  # fmt: skip
    """A shelf full of books, with a vase, a plant or a pile here and there."""
    width, depth, _ = size
    boards = shelf(house, at, wood, size=size, levels=levels)
    for k, z in enumerate(boards):
        left = at @ transform(-width / 2 + 0.03, 0.03, z)
        share = rng.choice([0.95, 0.7, 0.55]) if k else 0.95
        row = {"width": share * (width - 0.06), "depth": depth - 0.07}
        books(house, left, covers, paper, rng, **row)
        if share > 0.9:
            continue
        spot = at @ transform(width / 2 - (1 - share) * width / 2 - 0.02, depth / 2, z)
        choice = int(rng.integers(3))
        if choice == 2:
            book_pile(house, spot, covers, paper, rng)
            continue
        pot = ceramics[int(rng.integers(5))]
        if choice == 0:
            vase(house, spot, pot, rng, height=0.2)
        else:
            plant(house, spot, pot, soil, leaf, rng, kind="leafy", size=0.16)


def book_pile(house: Ground, at, covers: list[int], paper: int, rng, *, count=3):
    """Books that lie on each other."""
    obj = house.object("book_pile", "pile of books")
    z = 0.0
    for _ in range(count):
        thick, w, d = rng.uniform(0.02, 0.04), rng.uniform(0.2, 0.26), rng.uniform(0.15, 0.19)
        place = at @ transform(0, 0, z, turn_deg=rng.uniform(-14, 14))
        cover = covers[rng.integers(len(covers))]
        for height, low in ((0.003, 0.0), (0.003, thick - 0.003)):
            house.add(obj, box(w, d, height).at(0, 0, low).moved(place), cover)
        house.add(obj, box(0.003, d, thick).at(-w / 2).moved(place), cover)
        house.add(obj, box(w - 0.008, d - 0.008, thick - 0.006).at(0, 0, 0.003).moved(place), paper)
        z += thick


def vase(house: Ground, at, material: int, rng, *, height=0.28, kind="vase"):
    """A thrown vase of a random outline."""
    t = np.linspace(0, 1, 13)
    belly, neck = rng.uniform(0.28, 0.4), rng.uniform(0.1, 0.2)
    radius = (
        neck + (belly - neck) * np.sin(np.pi * np.clip(t * rng.uniform(0.95, 1.2), 0, 1)) ** 1.4
    )
    radius[-1] += 0.03
    outer = np.stack([radius, t], 1)
    inner = np.stack([radius[::-1] * 0.88, t[::-1]], 1)[:4]
    profile = np.vstack([[(0, 0)], outer[:1], outer, inner, [(0.0, inner[-1, 1])]])
    obj = house.object(kind, kind.replace("_", " "))
    house.add(obj, lathe(profile * height, sides=24).moved(at), material)
    return obj


def floor_lamp(house: Ground, at, shade: int, metal: int, light=(0.9, 0.62, 0.34)):
    """A standing lamp with a cloth shade, lit."""
    obj = house.object("floor_lamp", "floor lamp")
    base = [cylinder(0.15, 0.02, sides=24), tube([(0, 0, 0.02), (0, 0, 1.5)], 0.011, sides=8)]
    house.add(obj, join(base).moved(at), metal)
    house.add(obj, _shade(0.2, 0.14, 0.28).at(0, 0, 1.42).moved(at), shade)
    house.lamp((at @ (0, 0, 1.55, 1))[:3], light, 4.5)


def table_lamp(house: Ground, at, shade: int, foot: int, rng, light=(0.5, 0.33, 0.17)):
    """A small lamp with a ceramic foot, lit."""
    obj = vase(house, at, foot, rng, height=0.26, kind="table_lamp")
    house.add(obj, _shade(0.14, 0.09, 0.19).at(0, 0, 0.27).moved(at), shade)
    house.lamp((at @ (0, 0, 0.36, 1))[:3], light, 3.5)


def pendant(
    house: Ground,
    at,
    shade: int,
    metal: int,
    bulb: int,
    *,
    drop=0.9,
    radius=0.2,
    light=(0.75, 0.55, 0.33),
):
    """A lamp that hangs from local z = 0 by `drop` metres, lit."""
    obj = house.object("pendant_lamp", "hanging lamp")
    cord = [
        tube([(0, 0, 0), (0, 0, -drop + 0.2)], 0.004, sides=6),
        cylinder(0.045, 0.025, sides=16).at(0, 0, -0.025),
    ]
    house.add(obj, join(cord).moved(at), metal)
    t = np.linspace(0, 1, 7)
    dome = np.stack([radius * np.sqrt(1 - 0.93 * t**2), -drop + 0.2 * t], 1)
    house.add(obj, lathe(dome, sides=24).moved(at), shade)
    house.add(obj, sphere(0.045, sides=10).at(0, 0, -drop + 0.07).moved(at), bulb)
    house.lamp((at @ (0, 0, -drop - 0.02, 1))[:3], light, 4.5)


def ceiling_light(house: Ground, at, shade: int, *, radius=0.13, light=(0.8, 0.6, 0.4)):
    """A flat round lamp under a ceiling, lit; local z = 0 is the ceiling."""
    obj = house.object("ceiling_light", "ceiling light")
    house.add(obj, cylinder(radius, 0.05, sides=20).at(z_m=-0.05).moved(at), shade)
    house.lamp((at @ (0, 0, -0.1, 1))[:3], light, 5.0)


def _shade(low: float, high: float, tall: float) -> Mesh:
    """A lamp shade, open above and below; give it a two-sided material."""
    return lathe([(low, 0), (high, tall)], sides=28)


def bowl(house: Ground, at, material: int, fruit: list[int], rng, *, radius=0.15):
    """A bowl of fruit."""
    t = np.linspace(0, 1, 8)
    outer = np.stack([radius * (0.3 + 0.7 * np.sin(t * np.pi / 2)), radius * 0.55 * t**1.6], 1)
    inner = outer[::-1] * (0.95, 1.0) + (0, 0.006)
    obj = house.object("bowl", "fruit bowl" if fruit else "bowl")
    house.add(
        obj, lathe(np.vstack([[(0, 0)], outer, inner, [(0, 0.006)]]), sides=28).moved(at), material
    )
    for k in range(7 if fruit else 0):
        a, ring = k * 2.4, 0.0 if k == 6 else radius * 0.52
        z = radius * (0.75 if k == 6 else 0.5)
        ball = sphere(rng.uniform(0.034, 0.042), sides=14).at(ring * np.cos(a), ring * np.sin(a), z)
        house.add(obj, ball.moved(at), fruit[k % len(fruit)])


def mug(house: Ground, at, material: int, *, height=0.09):
    """A cup with a handle."""
    obj = house.object("mug", "mug")
    profile = [
        (0, 0),
        (0.036, 0),
        (0.04, 0.005),
        (0.04, height),
        (0.036, height),
        (0.035, 0.01),
        (0, 0.01),
    ]
    turn = np.linspace(-1.4, 1.4, 8)
    ear = np.stack([0.04 + 0.024 * np.cos(turn), 0 * turn, height / 2 + 0.028 * np.sin(turn)], 1)
    house.add(obj, join([lathe(profile, sides=18), tube(ear, 0.005, sides=6)]).moved(at), material)


def plate(house: Ground, at, material: int, *, radius=0.13):
    """A dinner plate."""
    r = radius
    profile = [(0, 0), (r * 0.6, 0), (r, 0.018), (r, 0.022), (r * 0.62, 0.008), (0, 0.008)]
    house.add(house.object("plate", "plate"), lathe(profile, sides=28).moved(at), material)


def bottle(house: Ground, at, material: int, *, height=0.26, radius=0.036):
    """A bottle."""
    r, h = radius, height
    profile = [
        (0, 0),
        (r, 0),
        (r, 0.004),
        (r, h * 0.6),
        (r * 0.85, h * 0.68),
        (r * 0.36, h * 0.8),
        (r * 0.36, h),
        (0, h),
    ]
    house.add(house.object("bottle", "bottle"), lathe(profile, sides=16).moved(at), material)


def candle(house: Ground, at, wax: int, flame: int, *, height=0.12):
    """A lit candle."""
    obj = house.object("candle", "candle")
    house.add(obj, cylinder(0.03, height, sides=16).moved(at), wax)
    fire = lathe([(0, 0), (0.006, 0.008), (0.004, 0.02), (0, 0.03)], sides=8).at(
        0, 0, height + 0.004
    )
    house.add(obj, fire.moved(at), flame)


def laptop(house: Ground, at, body: int, screen: int):
    """An open laptop; its screen faces local +y."""
    obj = house.object("laptop", "laptop")
    house.add(obj, rounded_box(0.34, 0.24, 0.016, 0.006, steps=1).moved(at), body)
    lid = box(0.34, 0.008, 0.22).tilted(about_x_deg=14)
    house.add(obj, lid.at(0, -0.12, 0.014).moved(at), body)
    face = quad((0.16, 0.0, 0.01), (-0.32, 0, 0), (0, 0, 0.2)).at(0, 0.0055).tilted(about_x_deg=14)
    house.add(obj, face.at(0, -0.12, 0.014).moved(at), screen)


def screen(
    house: Ground, at, body: int, image: int, *, size=(0.6, 0.36), kind="monitor", stand=True
):
    """A flat screen that faces local +y."""
    obj = house.object(kind, kind.replace("_", " "))
    w, h = size
    low = 0.12 if stand else 0.0
    parts = [rounded_box(w, 0.03, h, 0.008, steps=1).at(0, 0, low)]
    if stand:
        parts += [box(0.05, 0.03, 0.16).at(0, -0.03), box(0.24, 0.16, 0.012).at(0, -0.02)]
    house.add(obj, join(parts).moved(at), body)
    face = quad((w / 2 - 0.012, 0.0157, low + 0.014), (0.024 - w, 0, 0), (0, 0, h - 0.026))
    house.add(obj, face.moved(at), image)


def clock(house: Ground, at, face: int, rim: int, *, radius=0.16):
    """A wall clock; local y = 0 is the wall, z = 0 its middle."""
    obj = house.object("clock", "wall clock")
    disc = cylinder(radius, 0.03, sides=32).tilted(about_x_deg=-90)
    house.add(obj, disc.moved(at), rim)
    dial = cylinder(radius * 0.9, 0.004, sides=32).tilted(about_x_deg=-90).at(0, 0.03)
    house.add(obj, dial.moved(at), face)
    hands = []
    for angle, length in ((-60, 0.5), (60, 0.75)):
        hand = box(0.012, 0.004, radius * length).moved(_about_y(angle)).at(0, 0.037)
        hands.append(hand)
    marks = [
        box(0.008, 0.003, 0.025).at(0, 0, radius * 0.74).moved(_about_y(30 * k)).at(0, 0.0355)
        for k in range(12)
    ]
    house.add(obj, join(hands + marks).moved(at), rim)


def _about_y(angle_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])


def basket(house: Ground, at, material: int, *, radius=0.2, height=0.28):
    """A wicker basket."""
    r = radius
    t = np.linspace(0, 1, 7)
    outer = np.stack([r * (0.8 + 0.22 * np.sin(t * 2.4)), t * height], 1)
    profile = np.vstack([[(0, 0)], outer, outer[::-1][:3] * (0.93, 1.0), [(0, height * 0.6)]])
    house.add(house.object("basket", "basket"), lathe(profile, sides=24).moved(at), material)


def toy_blocks(house: Ground, at, colors: list[int], rng, *, count=9, spread=0.16):
    """Wooden blocks, strewn over about `spread` metres; every fifth lies on the one before."""
    obj = house.object("toy_blocks", "toy blocks")
    spot = (0.0, 0.0)
    for k in range(count):
        stacked = k % 5 == 4
        spot = spot if stacked else tuple(rng.normal(0, spread, 2).clip(-2 * spread, 2 * spread))
        cube = rounded_box(0.06, 0.06, 0.06, 0.006, steps=1)
        turn_deg = rng.uniform(0, 90)
        cube = cube.at(*spot, 0.06 * stacked, turn_deg=turn_deg)
        house.add(obj, cube.moved(at), colors[k % len(colors)])


def ball(house: Ground, at, material: int, *, radius=0.11):
    """A ball."""
    house.add(
        house.object("ball", "ball"), sphere(radius, sides=24).at(0, 0, radius).moved(at), material
    )


def teddy(house: Ground, at, fur: int, dark: int):
    """A sitting teddy bear that looks toward +y."""
    obj = house.object("teddy", "teddy bear")
    body = [
        sphere(0.13, sides=16).scaled(1, 0.85, 1.1).at(0, 0, 0.14),
        sphere(0.1, sides=16).at(0, 0.02, 0.36),
    ]
    for s in (-1, 1):
        body += [
            sphere(0.038, sides=10).at(s * 0.075, 0.02, 0.44),
            sphere(0.055, sides=10).scaled(0.9, 1.8, 0.9).at(s * 0.09, 0.14, 0.055),
            sphere(0.045, sides=10).scaled(0.9, 0.9, 1.9).at(s * 0.135, 0.05, 0.2),
        ]
    body.append(sphere(0.045, sides=10).at(0, 0.1, 0.335))
    house.add(obj, join(body).moved(at), fur)
    eyes = [sphere(0.012, sides=8).at(s * 0.04, 0.105, 0.385) for s in (-1, 1)]
    house.add(obj, join([*eyes, sphere(0.016, sides=8).at(0, 0.142, 0.35)]).moved(at), dark)


def bunting(house: Ground, at, colors: list[int], *, length=2.9, count=9, sag=0.35):
    """A sagging row of small flags along local x; they hang from local z = 0."""
    obj = house.object("bunting", "bunting")
    for k in range(count):
        t = (k + 0.5) / count
        flag = cylinder(0.09, 0.16, top_radius_m=0.001, sides=3).scaled(1, 0.06, -1)
        low = -sag * (1 - (2 * t - 1) ** 2)
        house.add(obj, flag.at(t * length, 0, low).moved(at), colors[k % len(colors)])


def coat_rack(house: Ground, at, wood: int, metal: int, coats: list[int | None]):
    """A rail with four hooks at 1.7 m, and a coat on each that has a material."""
    rail = house.object("coat_rack", "coat rack")
    house.add(rail, box(1.1, 0.02, 0.12).at(0, 0.01, 1.66).moved(at), wood)
    hook = cylinder(0.012, 0.07, sides=8).tilted(about_x_deg=-90)
    coat = cushion(0.34, 0.16).scaled(1.0, 1.0, 2.6)
    for x, cloth in zip((-0.4, -0.15, 0.12, 0.38), coats, strict=True):
        house.add(rail, hook.at(x, 0.02, 1.71).moved(at), metal)
        if cloth is not None:
            house.add(house.object("coat", "coat"), coat.at(x, 0.12, 0.82).moved(at), cloth)
