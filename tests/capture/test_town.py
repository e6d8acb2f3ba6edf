"""The built-in town: its size, names, ways, and that it is closed and reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from capture.camera import Intrinsics, pose_from_angles
from capture.engine import scenes
from capture.engine.materials import Material, plain
from capture.engine.raster import Renderer
from capture.engine.scenes.parts.site import polygon, reveal, wall
from capture.engine.world import World, WorldBuilder
from capture.navigation import free_space, sample_triangles


@pytest.fixture(scope="module")
def town() -> World:
    return scenes.build("town", 0)


def test_it_is_a_town(town):
    labels = town.scene.labels
    assert len(labels) > 250 and len(town.faces) < 230_000
    kinds = {name.rsplit("_", 1)[0] for name in labels}
    assert {"house", "car", "tree", "street_lamp", "church", "fountain", "awning", "bench"} <= kinds
    assert sum(name.startswith("house_") for name in labels) > 35
    assert any(label.startswith("parked ") for label in labels.values())
    assert {place.name for place in town.scene.places} >= {"Market Street", "Fountain Square"}
    low, high = np.reshape(town.scene.bounds_m, (2, 3))
    size = (high - low)[:2]
    assert size.min() >= 20 and size.max() <= 65


def test_places_lie_inside_and_hold_the_ways(town):
    place = town.scene.place_at(town.spawn_m)
    assert place is not None and place.name == "Fountain Square"
    for position, name in (((1.8, 0, 1.6), "Tailor's Alley"), ((5, -13, 1.6), "Market Street")):
        place = town.scene.place_at(position)
        assert place is not None and place.name == name and place.description


def test_one_can_walk_around_the_block(town):
    """Every street is reached from the spawn point with 40 cm to spare, and none through a wall."""
    surface_m = sample_triangles(town.triangles_m(), town.scene.bounds_m, 0.3)
    space = free_space(
        surface_m, town.scene.bounds_m, town.spawn_m, min_clearance_m=0.4, cell_m=0.25
    )

    def reached(x: float, y: float) -> bool:
        column, row = ((np.array([x, y]) - space.origin_m) / space.cell_m).round().astype(int)
        return bool(space.reachable[column, row])

    for way in ((-15, -13.5), (1.8, 0), (1.8, -13.5), (18.5, -7.5), (5, 13.0), (-15, 8), (-29, 7)):
        assert reached(*way), way
    for inside in ((-4.5, -4.0), (8.0, 3.0), (-4.5, 4.0)):
        assert not reached(*inside), inside


def test_nothing_is_degenerate(town):
    assert np.isfinite(town.vertices).all()
    lengths = np.linalg.norm(town.vertices[:, 3:6], axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)
    assert np.abs(town.vertices[:, 6:8]).max() < 200


def test_walls_have_the_area_that_the_openings_leave():
    openings = [(1.0, 2.0, 0.5, 2.0), (3.0, 4.5, 0.0, 2.2)]
    corners = (mesh := wall((0, 6), (0, 3), openings)).positions_m[mesh.faces]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    assert np.linalg.norm(crosses, axis=1).sum() == pytest.approx(18 - 1.5 - 3.3)
    assert (crosses[:, 1] < 0).all()  # all face the street
    inward = [part.normals[0] for part in reveal(openings[0], 0.2)]
    np.testing.assert_allclose(np.sum(inward, axis=0), 0, atol=1e-12)


def test_ground_is_seen_whole_when_edges_are_level():
    """Large triangles behind and before a camera that looks along an axis leave no hole."""
    builder = WorldBuilder()
    grey = builder.material(Material(texture=plain(0.5, 0.5, 0.5)))
    ground = polygon([(-12, -10.5, 0), (15.5, -10.5, 0), (15.5, 10.5, 0), (-12, 10.5, 0)])
    builder.add(builder.object("ground"), ground, grey)
    world = builder.finish(name="g", bounds_m=(-12, -10, 0, 15, 10, 3), spawn_m=(0, 0, 1))
    renderer = Renderer(world, threads=1)
    for heading in (0.0, 90.0, 180.0, 270.0, 33.0):
        pose = pose_from_angles((1.8, -2.5, 1.65), heading, -20.0)
        frame = renderer.render(pose, Intrinsics.from_fov(96, 64, 75.0), outputs=("object",))
        assert frame.object is not None and (frame.object[40:] == 1).all(), heading
