"""The town's houses: facades on the sides that are seen, plain walls elsewhere, a roof."""

from __future__ import annotations

import numpy as np

from capture.engine.scenes.parts.facades import House, build_facade, masonry_of
from capture.engine.scenes.parts.roofs import chimneys, gable_roof, hip_roof
from capture.engine.scenes.parts.site import Site, polygon, wall


def build_house(site: Site, house: House) -> None:
    """Build a house; its front left corner is the site's origin."""
    rng = np.random.default_rng(house.seed)
    obj = site.builder.object("house", f"{house.wall} house")
    width, depth = house.width_m, house.depth_m
    build_facade(site, obj, house, width, rng, front=True)
    around = (
        (site.at(0, depth, turn_deg=-90), depth, house.sides[0]),
        (site.at(width, 0, turn_deg=90), depth, house.sides[1]),
        (site.at(width, depth, turn_deg=180), width, house.sides[2]),
    )
    for side, length, seen in around:
        if seen:
            build_facade(side, obj, house, length, rng, front=False)
        else:
            side.add(obj, wall((0, length), (0, house.eaves_m)), masonry_of(site, house))
    # Maps cut the houses open at two metres and show this instead of a dark inside.
    fill = site.paints.plain((0.70, 0.63, 0.57))
    inset, top = 0.25, 1.7
    ends = ((inset, inset), (width - inset, inset), (width - inset, depth - inset))
    site.add(obj, polygon([(x, y, top) for x, y in (*ends, (inset, depth - inset))]), fill)
    hipped = house.sides[0] or house.sides[1]
    (hip_roof if hipped else gable_roof)(site, obj, house)
    chimneys(site, obj, house, rng)
