from __future__ import annotations

import functools
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from capture.engine import bvh, scenes
from capture.engine.bvh import trace
from capture.navigation import free_space, sample_triangles


@functools.cache
def world_of(name: str, seed: int):
    return scenes.build(name, seed)


def clearance_m(world, points) -> float:
    """Smallest distance from points [N, 3] to any surface, by rays in many directions."""
    boxes, corners, _ = bvh.build(world.triangles_m())
    k = np.arange(400) + 0.5
    z, turn = 1 - 2 * k / 400, np.pi * (1 + 5**0.5) * k
    around = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
    stack = np.empty(64, dtype=np.int32)
    return min(
        trace(boxes, corners, *map(float, p), *map(float, d), 9.0, False, stack)[0]
        for p in points
        for d in around
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", scenes.NAMES)
def test_every_scene_builds(name, seed):
    world = world_of(name, seed)
    ids = [o.id for o in world.objects]
    assert len(set(ids)) == len(ids) and not any(" " in i for i in ids)
    assert len({o.mask_rgb for o in world.objects}) == len(ids)
    assert world.scene.seed == seed and set(world.scene.labels) == set(ids[1:])
    assert np.isfinite(world.vertices).all() and world.faces[:, :3].max() < len(world.vertices)
    low, high = np.reshape(world.scene.bounds_m, (2, 3))
    assert (world.spawn_m > low).all() and (world.spawn_m < high).all()
    assert clearance_m(world, world.spawn_m[None]) > 0.25
    assert world.scene.place_at(world.spawn_m) is not None


@pytest.mark.parametrize("name", scenes.NAMES)
def test_seeds_differ_and_repeat(name):
    first, again = world_of(name, 0), scenes.build(name, 0)
    assert first.vertices.tobytes() == again.vertices.tobytes()
    assert first.materials.texels.tobytes() == again.materials.texels.tobytes()
    assert first.scene == again.scene and first.lighting == again.lighting
    other = world_of(name, 1)
    assert first.vertices.tobytes() != other.vertices.tobytes()
    assert first.lighting.to_sun != other.lighting.to_sun


@pytest.mark.parametrize("name", scenes.NAMES)
def test_places_are_told_apart_by_landmarks(name):
    """Things of which a world has one, and no two places with the same things."""
    world = world_of(name, 0)
    counts = Counter(world.scene.labels.values())
    things = [
        (o.label, *np.reshape(world.bounds_of(o.id), (2, 3))[:, :2]) for o in world.objects[1:]
    ]
    large = [(label, low, high) for label, low, high in things if (high - low).max() > 0.5]
    assert sum(counts[label] == 1 for label, _, _ in large) >= 8
    around = {}
    for place in world.scene.places:
        first, last = np.reshape(place.bounds_m, (2, 3))[:, :2] + [[-1.0], [1.0]]
        reach = [label for label, low, high in large if (high > first).all() and (low < last).all()]
        around[place.name] = Counter(reach)
        assert len(around[place.name]) >= 3, place.name
    pairs = itertools.combinations(around.items(), 2)
    assert not [(a, b) for (a, there), (b, here) in pairs if there == here]


def test_every_world_has_a_light_of_its_own():
    worlds = [world_of(name, 0) for name in scenes.NAMES]
    assert len({world.scene.light for world in worlds}) == len(scenes.NAMES)
    assert len({world.lighting.sun_rgb for world in worlds}) == len(scenes.NAMES)


@pytest.mark.parametrize("name", scenes.NAMES)
def test_no_world_is_a_toy(name):
    """Enough things and places, not more triangles than a CPU renders, normals of unit length."""
    world = world_of(name, 0)
    assert 60_000 < len(world.faces) < 250_000
    kinds = {object_id.rsplit("_", 1)[0] for object_id in world.scene.labels}
    assert len(world.scene.labels) > 100 and len(kinds) > 12
    assert len(world.scene.places) >= 4 and all(p.description for p in world.scene.places)
    assert world.scene.setting and world.scene.light
    lengths = np.linalg.norm(world.vertices[:, 3:6], axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-4)


@pytest.mark.parametrize("name", scenes.NAMES)
def test_every_world_has_a_loop_and_most_places_are_reached(name):
    """From the spawn point, with 30 cm to spare, there is a way round something large."""
    world = world_of(name, 0)
    bounds = world.scene.bounds_m
    surface = sample_triangles(world.triangles_m(), bounds, 0.3)
    space = free_space(surface, bounds, world.spawn_m, min_clearance_m=0.3, cell_m=0.2)
    assert space.reachable.sum() * 0.2**2 > 40.0
    # What is not reached and not joined to the outside: what one can walk round.
    blocked, count = ndimage.label(np.pad(~space.reachable, 1, constant_values=True))
    sizes = np.bincount(blocked.ravel(), minlength=count + 1) * 0.2**2
    sizes[[0, blocked[0, 0]]] = 0.0
    assert sizes.max() > 1.0
    cells = space.cells()
    reached = {place.name for cell in cells[::7] if (place := world.scene.place_at(cell))}
    assert len(reached) >= 0.7 * len(world.scene.places)


def test_the_apartment_can_be_walked_round():
    """A camera of 0.25 m passes all doors of the loop and into the other rooms."""
    world = world_of("apartment", 0)
    doors = [
        (2.1, 4.66),
        (4.46, 7.47),
        (7.1, 6.14),
        (5.47, 4.66),
        (9.47, 6.14),
        (7.47, 4.66),
        (11.4, 4.66),
    ]
    points = np.array([(x, y, 1.45) for x, y in doors])
    assert clearance_m(world, points) > 0.25


def test_an_unknown_scene_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="apartment, town, courtyard"):
        scenes.build("castle")


def test_rays_meet_the_nearest_triangle():
    rng = np.random.default_rng(0)
    triangles = rng.random((300, 1, 3)) + rng.normal(0, 0.05, (300, 3, 3))
    boxes, corners, index = bvh.build(triangles.astype(np.float32))
    stack = np.empty(64, dtype=np.int32)
    hits = 0
    for _ in range(200):
        o = rng.random(3) * 3 - 1
        d = rng.random(3) - o
        t, leaf = trace(boxes, corners, *o, *d, 100.0, False, stack)
        e1, e2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
        solved = np.linalg.solve(
            np.stack([e1, e2, np.broadcast_to(-d, e1.shape)], -1), (o - triangles[:, 0])[..., None]
        )[..., 0]
        ok = (
            (solved[:, 0] >= 0)
            & (solved[:, 1] >= 0)
            & (solved[:, :2].sum(1) <= 1)
            & (solved[:, 2] > 0)
        )
        expected = solved[ok, 2].min() if ok.any() else 100.0
        assert np.isclose(t, expected, rtol=1e-3)
        hits += index[leaf] >= 0 if leaf >= 0 else 0
    assert hits > 20
