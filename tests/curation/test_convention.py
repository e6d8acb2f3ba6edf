"""The convention detector: planted errors are found, clean clips raise no alarm, and what a path
cannot tell is not told. The whole confusion table is tests/benchmarks/bench_convention.py."""

from __future__ import annotations

from dataclasses import replace

import elsewhere
import numpy as np
import planted
import pytest
from box_room import FPS, INTRINSICS, box_plan, render_box

from capture import camera
from capture.formats import Declared, Labels, Posed
from curation import convention
from curation.convention import hypothesis
from curation.convention.hypothesis import Hypothesis, Stored
from curation.convention.labels import sides

TRUE_FOV_DEG = 79.3169


@pytest.fixture(scope="module")
def clip() -> Posed:
    return elsewhere.clip(40)


def of_poses(poses: np.ndarray, pictures: bool = True) -> Posed:
    """A clip of the box room along these poses."""
    seen = [render_box(pose, INTRINSICS) for pose in poses] if pictures else []
    k = INTRINSICS
    return Posed(
        name="box",
        format="test",
        declared=Declared(pose="c2w", axes="opencv", unit="m", depth="planar"),
        cam_to_world=poses,
        fps=FPS,
        intrinsics=np.tile([k.fx_px, k.fy_px, k.cx_px, k.cy_px], (len(poses), 1)),
        size_px=(k.width_px, k.height_px),
        rgb=elsewhere.Kept(np.stack([s[0] for s in seen])) if pictures else None,
        depth=elsewhere.Kept(np.stack([s[1] for s in seen])) if pictures else None,
    )


@pytest.mark.parametrize(
    "errors", [(), ("w2c", "lag+1"), ("ray", "cm"), ("unreal", "mirrored")], ids=str
)
def test_what_is_planted_is_found(clip, errors):
    said = convention.detect(planted.plant(clip, errors))
    found = said.found.to_json()
    assert {field: found[field] for field in planted.expected(errors)} == planted.expected(errors)
    assert found["fov_deg"] == pytest.approx(TRUE_FOV_DEG, rel=0.02)
    assert said.agrees is (not errors) and said.confidence > 0.95
    assert said.runner_up is not None and said.runner_up != said.found


def test_a_wrong_field_of_view_is_measured(clip):
    said = convention.detect(planted.plant(clip, ("fov+", "opengl")))
    assert said.declared.fov_deg == pytest.approx(89.7, abs=0.3)
    assert said.found.fov_deg == pytest.approx(TRUE_FOV_DEG, rel=0.02)
    assert said.found.axes == "opengl" and said.agrees is False


def test_a_scale_that_is_no_unit_is_measured(clip):
    for factor, unit in ((1.15, "m"), (4.0, None)):
        poses = clip.cam_to_world.copy()
        poses[:, :3, 3] *= factor
        said = convention.detect(replace(clip, cam_to_world=poses))
        assert said.scale == pytest.approx(1 / factor, rel=0.02)
        assert said.found.unit == unit and said.agrees is (unit is not None)


def test_pictures_that_are_late_against_the_depth(clip):
    assert isinstance(clip.rgb, elsewhere.Kept)
    late = clip.rgb.arrays[np.clip(np.arange(len(clip)) - 1, 0, None)]
    said = convention.detect(replace(clip, rgb=elsewhere.Kept(late)))
    assert said.pictures_late == 1 and (said.found.pose, said.found.unit) == ("c2w", "m")
    assert convention.detect(clip).pictures_late == 0


def test_pictures_alone_tell_all_but_depth_and_unit(clip):
    said = convention.detect(replace(planted.plant(clip, ("w2c", "mirrored")), depth=None))
    assert (said.found.pose, said.found.mirrored, said.found.axes) == ("w2c", True, "opencv")
    assert said.found.unit is None and said.found.depth is None and said.agrees is False


def test_a_pan_cannot_tell_the_unit():
    poses = box_plan("pan", num_frames=49).trajectory.cam_to_world
    said = convention.detect(of_poses(poses))
    assert said.found.unit is None and said.found.lag_frames is None and said.scale is None
    assert said.found.pose == "c2w" and said.agrees is True
    assert "unit" in said.reason and "lag" in said.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rgb": None, "depth": None}, "neither pictures nor depth"),
        ({"cam_to_world": np.full((24, 4, 4), np.nan)}, "usable pose"),
    ],
)
def test_nothing_to_see_is_said(change, reason):
    still = np.tile(camera.look_at([2, 2, 1.5], [5, 3, 1]), (24, 1, 1))
    said = convention.detect(replace(of_poses(still), **change))
    assert said.agrees is None and reason in said.reason and said.to_json()["pose"] is None


def test_a_camera_that_stands_still_tells_nothing():
    still = np.tile(camera.look_at([2, 2, 1.5], [5, 3, 1]), (24, 1, 1))
    said = convention.detect(of_poses(still))
    assert said.agrees is None and "hardly move" in said.reason and said.confidence == 0.0


def test_poses_of_another_path_fit_nothing(clip):
    rng = np.random.default_rng(0)
    other = rng.permutation(len(clip))
    said = convention.detect(replace(clip, cam_to_world=clip.cam_to_world[other]))
    assert said.agrees is None and "no reading" in said.reason


@pytest.mark.parametrize("pose", ["c2w", "w2c"])
@pytest.mark.parametrize("axes", ["opencv", "opengl", "unreal"])
def test_motions_are_the_same_from_any_file(pose, axes):
    """A file in another convention, read as what it is, gives the motions of the true poses."""
    truth = box_plan("loop", num_frames=9).trajectory.cam_to_world
    errors = [name for name in (pose, axes) if name in planted.FIELD_OF]
    file = planted.plant(of_poses(truth, pictures=False), errors).cam_to_world
    i, j = np.arange(4), np.arange(4) + 5
    found = hypothesis.motions(Stored.of(file), Hypothesis(pose=pose, axes=axes), i, j)
    np.testing.assert_allclose(found, camera.invert(truth[j]) @ truth[i], atol=1e-9)
    declared = Declared(pose=pose, axes=axes)
    back = hypothesis.in_file(truth, declared)
    found = hypothesis.motions(Stored.of(back), Hypothesis(pose=pose, axes=axes), i, j)
    np.testing.assert_allclose(found, camera.invert(truth[j]) @ truth[i], atol=1e-9)


def test_poses_that_do_not_exist_give_no_motion():
    poses = box_plan("loop", num_frames=5).trajectory.cam_to_world.copy()
    poses[2] = np.nan
    found = hypothesis.motions(
        Stored.of(poses), Hypothesis(lag=1), np.array([0, 1, 2]), np.array([2, 3, 4])
    )
    assert np.isfinite(found).all(axis=(1, 2)).tolist() == [True, False, False]


@pytest.mark.parametrize("late", [0, 1])
def test_sides_of_labels(late):
    """Keys that say D where the path goes right, and the same with A and D swapped."""
    x = np.cumsum(np.repeat([1.0, -1.0, 1.0, 0.0], 8)) * 0.1
    poses = np.tile(np.eye(4), (len(x), 1, 1))
    poses[:, 0, 3] = x
    right = np.sign(np.diff(x, prepend=x[0]))
    right = np.roll(right, -1) if not late else right
    keys = np.stack([right > 0, right < 0], -1).astype(float)
    clip = of_poses(poses, pictures=False)
    for names, swapped in ((("D", "A"), False), (("A", "D"), True)):
        found = sides(replace(clip, actions=Labels(names=names, values=keys)))
        assert found is not None and found.swapped is swapped
    nothing = sides(replace(clip, actions=Labels(names=("W", "S"), values=keys)))
    assert nothing is None
