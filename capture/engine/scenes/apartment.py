"""An apartment."""

from __future__ import annotations

from capture.engine import meshes
from capture.engine.materials import Material, plain
from capture.engine.world import World, WorldBuilder


def build(seed: int = 0) -> World:
    """The apartment of a seed."""
    b = WorldBuilder()
    wall = b.material(Material(texture=plain(0.8, 0.78, 0.72)))
    wood = b.material(Material(texture=plain(0.5, 0.35, 0.2), gloss=0.2))
    room = b.object("room")
    b.panel(room, (0, 0, 0), (8, 0, 0), (0, 6, 0), wood)
    b.panel(room, (0, 6, 0), (8, 0, 0), (0, 0, 2.7), wall)
    b.panel(room, (0, 0, 0), (0, 6, 0), (0, 0, 2.7), wall)
    for k in range(4):
        b.add(
            b.object("box"),
            meshes.rounded_box(0.5, 0.5, 0.8, 0.05).at(2 + k, 3, turn_deg=20 * k),
            wood,
        )
        b.add(b.object("vase"), meshes.sphere(0.2).at(2 + k, 4.5, 0.2), wall)
    return b.finish(
        name="apartment",
        seed=seed,
        bounds_m=(0, 0, 0, 8, 6, 2.7),
        spawn_m=(4, 1, 1.5),
        spawn_heading_deg=90,
    )
