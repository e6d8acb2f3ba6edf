from __future__ import annotations

import functools

import numpy as np
import pytest

from capture.engine import bvh, scenes
from capture.engine.bvh import trace


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


def test_seeds_differ_and_repeat():
    first, again = world_of("apartment", 0), scenes.build("apartment", 0)
    assert first.vertices.tobytes() == again.vertices.tobytes()
    assert first.materials.texels.tobytes() == again.materials.texels.tobytes()
    assert first.vertices.tobytes() != world_of("apartment", 1).vertices.tobytes()


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
    with pytest.raises(ValueError, match="apartment, town, courtyard, warehouse"):
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
