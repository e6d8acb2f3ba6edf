"""A warehouse: rows of pallet racks with a cross aisle, loading docks, an office, roof lights.

x runs east, y north, the origin is the south-west corner. Goods come in by the docks in the west
and stand in racks that run north. One walks up one aisle and down the next, or cuts across in the
middle. The seed chooses the size, the goods, where the vehicles stand, and the sun.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.engine.lighting import Lighting
from capture.engine.scenes.parts.site import Paints, Site
from capture.engine.scenes.warehouse import hall, racks, staging
from capture.engine.world import World, WorldBuilder
from capture.scene import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Size of a warehouse.

    Attributes:
        rows: Double racks.
        bays: In each half of a rack, on either side of the cross aisle.
    """

    rows: int
    bays: int

    @property
    def size_m(self) -> tuple[float, float]:
        """Of the hall, x and y."""
        depth = 2 * (racks.MARGIN_M + self.bays * racks.BAY_M) + racks.CROSS_M
        return staging.DEPTH_M + self.rows * racks.PITCH_M + 2.0, depth


def build(seed: int = 0, layout: Layout | None = None) -> World:
    """The warehouse of a seed; a layout overrides the size that the seed would choose."""
    rng = np.random.default_rng([13, seed])
    chosen = Layout(rows=int(rng.choice((3, 4))), bays=int(rng.choice((3, 4))))
    layout = layout or chosen
    site = Site(builder := WorldBuilder(), Paints(builder))
    width, depth = layout.size_m
    hall.build_hall(site, width, depth)
    racks.build_racks(site, layout.rows, layout.bays, rng)
    staging.build_docks(site, depth)
    staging.build_vehicles(site, depth, rng)
    staging.build_office(site, depth)
    staging.build_packing(site, depth, rng)
    turn = np.radians(float(rng.uniform(0, 360)))
    return builder.finish(
        name="warehouse",
        seed=seed,
        bounds_m=(0.0, 0.0, 0.0, width, depth, hall.HEIGHT_M),
        spawn_m=(staging.DEPTH_M - 1.6, depth / 2, 1.65),
        spawn_heading_deg=0.0,
        setting="a warehouse with high racks of pallets, loading docks and an office",
        light="daylight through roof lights, sun patches on the floor, high-bay lamps",
        places=_places(layout),
        lighting=Lighting(
            to_sun=(float(0.5 * np.cos(turn)), float(0.5 * np.sin(turn)), 0.8660),
            sun_rgb=(5.0, 4.4, 3.5),
            zenith_rgb=(1.0, 1.35, 1.9),
            horizon_rgb=(1.8, 1.9, 2.0),
            ground_rgb=(0.5, 0.5, 0.5),
            cloudiness=0.4,
            fill_rgb=(0.42, 0.42, 0.43),
            exposure=1.5,
            cell_m=0.4,
            shadow_px=3072,
            seed=seed,
        ),
    )


def _places(layout: Layout) -> tuple[Place, ...]:
    width, depth = layout.size_m
    top = hall.HEIGHT_M
    low, high = racks.cross_aisle(layout.bays)
    boxes = [
        (
            "loading bay",
            (0, 0, staging.DEPTH_M, depth),
            "roller doors, a van, goods on the floor",
        ),
        ("cross aisle", (staging.DEPTH_M, low, width, high), "a wide way between the racks"),
    ]
    for row in range(layout.rows):
        x = racks.aisle_x(row)
        text = "a long aisle between racks of pallets"
        name = f"aisle {racks.letter(row)}"
        boxes.append((name, (x - 1.5, 0, x + 1.5, low), text))
        boxes.append((f"far {name}", (x - 1.5, high, x + 1.5, depth), text))
    boxes.append(("hall", (0, 0, width, depth), "a steel hall"))
    return tuple(
        Place(name=name, bounds_m=(x0, y0, 0.0, x1, y1, top), description=text)
        for name, (x0, y0, x1, y1), text in boxes
    )
