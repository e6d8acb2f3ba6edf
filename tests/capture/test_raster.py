# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportOptionalOperand=false
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from capture.camera import Intrinsics, look_at, pose_from_angles
from capture.engine.lighting import Lighting
from capture.engine.materials import Material, plain
from capture.engine.meshes import box, quad
from capture.engine.raster import Frame, Renderer
from capture.engine.world import WorldBuilder

K = Intrinsics.from_fov(64, 48, 80.0)
LIGHT = Lighting(shadow_px=256, to_sun=(0.3, -0.2, 0.93))


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def make_world(texture=None):
    """A floor of 8 x 8 m at z = 0 and a box of 1 m on it at (0, 2)."""
    b = WorldBuilder()
    grey = b.material(Material(texture=plain(0.7, 0.7, 0.7)))
    ground = b.material(Material(texture=texture if texture is not None else plain(0.6, 0.5, 0.4)))
    b.add(b.object("floor"), quad((-4, -4, 0), (8, 0, 0), (0, 8, 0)), ground)
    b.add(b.object("box"), box(1, 1, 1).at(0, 2), grey)
    return b.finish(
        name="tiny", bounds_m=(-4, -4, 0, 4, 4, 3), spawn_m=(0, -3, 1.5), lighting=LIGHT
    )


def rays():
    """Directions of planar depth 1 through the pixel centres in camera axes, [H, W, 3]."""
    x = (np.arange(K.width_px) + 0.5 - K.cx_px) / K.fx_px
    y = (np.arange(K.height_px) + 0.5 - K.cy_px) / K.fy_px
    gx, gy = np.meshgrid(x, y)
    return np.stack([gx, gy, np.ones_like(gx)], -1)


def closed_form(pose):
    """Depth and object of `make_world` by slabs and a plane, no rasterizer involved."""
    d, eye = rays() @ pose[:3, :3].T, pose[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -eye[2] / d[..., 2]
        spot = eye + floor[..., None] * d
        floor[(floor <= 0) | (np.abs(spot[..., :2]) > 4).any(-1)] = np.inf
        a = (np.array([-0.5, 1.5, 0.0]) - eye) / d
        b = (np.array([0.5, 2.5, 1.0]) - eye) / d
    enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    solid = np.where((enter <= leave) & (enter > 0), enter, np.inf)
    return np.minimum(floor, solid), np.where(solid < floor, 2, np.where(np.isfinite(floor), 1, 0))


POSES = [look_at((0.3, -3, 1.5), (0.1, 2, 0.4)), look_at((2.5, 0.2, 2.2), (0, 2, 0.5))]


@pytest.mark.parametrize("pose", POSES)
def test_depth_and_mask_equal_the_closed_form(pose):
    frame = Renderer(make_world(), 2).render(pose, K, outputs=("depth", "object"))
    depth, objects = closed_form(pose)
    same = frame.object == objects
    assert same.mean() > 0.995  # a pixel centre may fall on an edge
    finite = same & np.isfinite(depth)
    assert finite.mean() > 0.3
    np.testing.assert_allclose(frame.depth_m[finite], depth[finite], rtol=0, atol=1e-4)
    assert np.isinf(frame.depth_m[frame.object == 0]).all()


def test_a_crowd_shows_the_nearest_of_all():
    """Boxes behind boxes, near first and far first: what is passed over must be truly hidden."""
    rng = np.random.default_rng(4)
    low = np.concatenate([rng.uniform((-12, 4, -6), (11, 20, 9), (300, 3)), [(-30, 21, -20)]])
    size = np.concatenate([rng.uniform(0.3, 1.5, (300, 3)), [(60, 1, 40)]])
    b = WorldBuilder()
    grey = b.material(Material(texture=plain(0.7, 0.7, 0.7)))
    for corner, side in zip(low, size, strict=True):
        centre = corner[:2] + side[:2] / 2
        b.add(b.object("box"), box(*side).at(centre[0], centre[1], corner[2]), grey)
    bounds = (-30, -4, -20, 30, 22, 20)
    world = b.finish(name="crowd", bounds_m=bounds, spawn_m=(0, -3, 2), lighting=LIGHT)
    pose = look_at((0.2, -3, 2.1), (0, 10, 2))
    frame = Renderer(world, 1).render(pose, K)
    d, eye = rays() @ pose[:3, :3].T, pose[:3, 3]
    a, c = ((k - eye) / d[:, :, None] for k in (low, low + size))
    enter, leave = np.minimum(a, c).max(-1), np.maximum(a, c).min(-1)
    depth = np.where((enter <= leave) & (enter > 0), enter, np.inf)
    same = frame.object == np.where(np.isfinite(depth).any(-1), depth.argmin(-1) + 1, 0)
    assert same.mean() > 0.995 and len(np.unique(frame.object)) > 100
    np.testing.assert_allclose(frame.depth_m[same], depth.min(-1)[same], rtol=1e-5)


def test_the_shadow_filter_is_skipped_only_where_it_would_not_matter():
    renderer, pose = Renderer(make_world(), 1), pose_from_angles((0, 2, 6), 90.0, -90.0)
    quick = renderer.render(pose, K).rgb
    renderer._shadow_bounds[:] = -np.inf, np.inf  # between the bounds, the filter decides
    renderer._key = ()
    assert renderer.render(pose, K).rgb.tobytes() == quick.tobytes()


def test_the_same_light_is_baked_again(tmp_path, monkeypatch):
    baked = []
    for turn in range(2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(turn)))
        world = make_world()
        atlas = Renderer(world, 1 + turn)._atlas
        (kept,) = (tmp_path / str(turn)).rglob("*.npz")
        baked.append((world.vertices.tobytes(), atlas.tobytes(), kept.name, kept.read_bytes()))
    assert baked[0] == baked[1]


def test_depth_is_planar_not_along_the_ray():
    pose = pose_from_angles((0, 0, 2.0), 90.0, -90.0)
    frame = Renderer(make_world(), 1).render(pose, K, outputs=("depth", "object"))
    np.testing.assert_allclose(frame.depth_m[frame.object == 1], 2.0, atol=1e-5)


def test_normals_are_those_of_the_visible_sides():
    frame = Renderer(make_world(), 1).render(POSES[0], K, outputs=("normal", "object"))
    floor = frame.normal[frame.object == 1]
    assert np.abs(floor - (0.0, 0.0, 1.0)).max() < 1e-6
    sides = np.unique(np.round(frame.normal[frame.object == 2], 4), axis=0)
    assert {tuple(s) for s in sides} <= {(0, 0, 1), (0, -1, 0), (1, 0, 0)}
    assert (frame.normal[frame.object == 0] == 0).all()


def test_the_near_plane_cuts_and_clips():
    renderer, pose = Renderer(make_world(), 1), pose_from_angles((0, 2, 30.0), 90.0, -90.0)
    narrow = Intrinsics.from_fov(48, 48, 8.0)
    whole = renderer.render(pose, narrow, outputs=("depth", "object"))
    assert np.isclose(whole.depth_m[24, 24], 29.0, atol=1e-4)
    # Everything above 0.5 m is cut away: one looks into the box and sees its bottom's inside.
    cut = renderer.render(pose, narrow, near_m=29.5, outputs=("depth", "object"))
    assert cut.depth_m.min() >= 29.5 and cut.object[24, 24] in (1, 2)
    assert np.isclose(cut.depth_m[24, 24], 30.0, atol=1e-4)
    # A floor that passes under and behind the camera is clipped, not lost.
    low = renderer.render(pose_from_angles((0, -1, 0.3), 90.0, 0.0), K, outputs=("object",))
    assert (low.object[-1] == 1).all()


def digest(frame: Frame) -> str:
    """Of all of a frame's bytes."""
    names = ("rgb", "depth_m", "normal", "object")
    return hashlib.sha256(b"".join(getattr(frame, name).tobytes() for name in names)).hexdigest()


def test_bytes_do_not_depend_on_history():
    renderer = Renderer(make_world())
    first = digest(renderer.render(POSES[0], K))
    renderer.render(POSES[1], K)
    renderer.render(POSES[0], K, outputs=("depth",))
    assert digest(renderer.render(POSES[0], K)) == first


def test_bytes_do_not_depend_on_threads():
    code = "import numba, test_raster as t; r = t.Renderer(t.make_world());"
    code += "print(numba.get_num_threads(), t.digest(r.render(t.POSES[0], t.K)))"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parent)}
    del environment["XDG_CACHE_HOME"]  # the compiled kernels lie in the user's own
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    alone = digest(Renderer(make_world(), 1).render(POSES[0], K))
    assert ran.stdout.split() == ["2", alone]


def test_a_hidden_object_is_in_no_output():
    world = make_world()
    renderer = Renderer(world, 1)
    before = renderer.render(POSES[0], K)
    world.show("box_1", False)
    after = renderer.render(POSES[0], K)
    assert (before.object == 2).any() and not (after.object == 2).any()
    was = before.object == 2
    assert (after.depth_m[was] > before.depth_m[was]).all()
    assert (after.rgb[was] != before.rgb[was]).any() and len(world.triangles_m()) == 2
    world.show("box_1", True)
    assert renderer.render(POSES[0], K).rgb.tobytes() == before.rgb.tobytes()


def test_moving_an_object_moves_its_depth_and_bounds():
    world = make_world()
    renderer = Renderer(world, 1)
    pose = pose_from_angles((0, -3, 0.5), 90.0, 0.0)
    assert np.isclose(renderer.render(pose, K).depth_m[24, 32], 4.5, atol=1e-4)
    world.move("box_1", position_m=(0, 3, 0))
    assert np.isclose(renderer.render(pose, K).depth_m[24, 32], 5.5, atol=1e-4)
    assert np.allclose(world.bounds_of("box_1"), (-0.5, 2.5, 0, 0.5, 3.5, 1), atol=1e-6)
    world.move("box_1", scale=(1, 1, 2))
    assert np.isclose(world.bounds_of("box_1")[5], 2.0)


def test_textures_are_perspective_correct():
    checker = np.kron([[0, 255], [255, 0]], np.ones((32, 32)))[..., None].repeat(3, -1)
    renderer = Renderer(make_world(checker.astype(np.uint8)), 1)
    frame = renderer.render(POSES[0], K)
    eye, d = POSES[0][:3, 3], rays() @ POSES[0][:3, :3].T
    spot = eye + np.where(np.isfinite(frame.depth_m), frame.depth_m, 1.0)[..., None] * d
    u, v = (spot[..., 0] + 4) / 8, (spot[..., 1] + 4) / 8
    inner = (frame.object == 1) & (np.abs(u % 0.5 - 0.25) < 0.17)
    inner &= np.abs(v % 0.5 - 0.25) < 0.17
    white = (u < 0.5) != (v < 0.5)
    luma = frame.rgb.mean(-1)
    assert inner.sum() > 100 and luma[inner & ~white].max() < 30
    assert luma[inner & white].min() > 30


def test_the_box_casts_a_shadow():
    world = make_world()
    renderer = Renderer(world, 1)
    pose = pose_from_angles((0, 2, 6), 90.0, -90.0)
    lit = renderer.render(pose, K)
    world.show("box_1", False)
    bare = renderer.render(pose, K)
    darker = (lit.object == 1) & (lit.rgb.mean(-1) < bare.rgb.mean(-1) - 20)
    assert 3 < darker.sum() < 300


def test_wrong_use_gets_a_sentence():
    renderer = Renderer(make_world(), 1)
    with pytest.raises(ValueError, match="unknown outputs"):
        renderer.render(POSES[0], K, outputs=("lit", "flow"))
    with pytest.raises(ValueError, match="near_m"):
        renderer.render(POSES[0], K, near_m=0.0)
    with pytest.raises(ValueError, match="no object"):
        make_world().index("chair_9")
