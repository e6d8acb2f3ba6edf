"""Anybody's clip in our terms: what is taken, what is put right, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exported import walk

from capture import camera
from capture.formats import Declared, Posed, axes
from capture.formats.adopt import Given, adopt

PATH = walk((0.1, 0, 0), (0.1, 0, 5.0), (0, 0.1, -3.0))


class Grey:
    """Four grey pictures of 8x4 pixels."""

    def __len__(self):
        return 4

    def size_px(self):
        return 8, 4

    def frames(self, start=0, stop=None):
        return iter([np.full((4, 8, 3), 128, np.uint8)] * len(range(4)[start:stop]))


class Metres(Grey):
    """Depth that says two of its units."""

    def frames_m(self, start=0, stop=None):
        return iter([np.full((4, 8), 2.0, np.float32)] * len(range(4)[start:stop]))


def clip(**changes) -> Posed:
    whole = Posed(
        name="a",
        format="tum",
        declared=Declared(pose="c2w", axes="opencv"),
        cam_to_world=PATH,
        fps=10.0,
        intrinsics=np.tile([5.0, 5.0, 4.0, 2.0], (4, 1)),
        rgb=Grey(),
    )
    return replace(whole, **changes)


def test_what_is_there_is_taken_as_it_is():
    made = adopt(clip(), Given())
    np.testing.assert_array_equal(made.cam_to_world, PATH)
    assert made.t_s is not None and made.t_s.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert made.camera() == camera.Intrinsics(
        width_px=8, height_px=4, fx_px=5.0, fy_px=5.0, cx_px=4.0, cy_px=2.0
    )
    assert (made.declared.unit, made.declared.up, made.depth) == ("m", "z", None)


@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_any_axis_may_point_up(up):
    theirs = axes.turned(PATH, "z", up)
    # A level camera looks across, whatever the axis is called.
    assert np.abs(theirs[:, {"z": 2, "y": 1, "-y": 1}[up], 2]).max() < 1e-12
    given = adopt(clip(cam_to_world=theirs), Given(up=up))
    declared = (
        adopt(
            clip(cam_to_world=theirs, declared=Declared(pose="c2w", axes="opencv", up=up)), Given()
        )
        if up != "y"
        else given
    )
    for made in (given, declared):
        np.testing.assert_allclose(made.cam_to_world, PATH, atol=1e-12)


def test_scale_counts_for_positions_and_depth():
    record = clip(declared=Declared(pose="c2w", axes="opencv", depth="planar"), depth=Metres())
    made = adopt(record, Given(scale=0.5))
    np.testing.assert_allclose(made.cam_to_world[:, :3, 3], PATH[:, :3, 3] / 2)
    np.testing.assert_array_equal(made.cam_to_world[:, :3, :3], PATH[:, :3, :3])
    assert made.depth is not None
    assert [float(depth_m[0, 0]) for depth_m in made.depth.frames_m()] == [1.0] * 4


def test_few_digits_are_put_right_and_other_matrices_are_not():
    made = adopt(clip(cam_to_world=PATH.round(4)), Given())
    np.testing.assert_allclose(made.cam_to_world, PATH, atol=1e-4)
    made.trajectory()
    stretched = PATH.copy()
    stretched[1, :3, :3] *= 1.01
    np.testing.assert_array_equal(axes.nearest_rigid(stretched), stretched)
    unknown = PATH.copy()
    unknown[2] = np.nan
    np.testing.assert_array_equal(axes.nearest_rigid(unknown), unknown)
    mirrored = PATH * [1, 1, -1, 1]
    with pytest.raises(ValueError, match="rotation matrices"):
        adopt(clip(cam_to_world=mirrored), Given()).trajectory()


def test_what_is_missing_is_asked_for():
    with pytest.raises(ValueError, match="neither times nor a frame rate; say it with --fps"):
        adopt(clip(fps=None), Given())
    assert adopt(clip(fps=None), Given(fps=5.0)).rate() == 5.0
    assert adopt(clip(), Given(fps=5.0)).rate() == 10.0
    with pytest.raises(ValueError, match="no intrinsics; say its horizontal field of view"):
        adopt(clip(intrinsics=None), Given())
    assert adopt(clip(intrinsics=None), Given(fov_deg=90.0)).camera().fx_px == pytest.approx(4.0)
    with pytest.raises(ValueError, match="has no pictures"):
        adopt(clip(rgb=None), Given())
    with pytest.raises(ValueError, match=r"^v.mp4: 3 frames for 4 poses$"):
        adopt(clip(rgb=None, lacks=("v.mp4: 3 frames for 4 poses",)), Given())
    zoom = np.tile([5.0, 5.0, 4.0, 2.0], (4, 1)) * [[1], [1], [1.1], [1]]
    with pytest.raises(ValueError, match="the camera zooms"):
        adopt(clip(intrinsics=zoom), Given())
    with pytest.raises(ValueError, match="--fps is a positive number"):
        Given(fps=0.0)
    with pytest.raises(ValueError, match="--scale is a positive number, got inf"):
        Given(scale=float("inf"))


def test_odd_pictures_are_refused_before_anything_is_written():
    class Odd(Grey):
        def size_px(self):
            return 7, 4

    with pytest.raises(ValueError, match=r"pictures of 7x4; .* scale or crop them first"):
        adopt(clip(rgb=Odd()), Given())


def test_depth_that_is_not_ours_is_left_out_and_said():
    record = clip(declared=Declared(pose="c2w", axes="opencv", depth="ray"), depth=Metres())
    made = adopt(record, Given())
    assert made.depth is None and "depth is not planar" in made.notes[0]


def test_intrinsics_of_another_size_are_scaled():
    made = adopt(clip(size_px=(16, 8)), Given())
    assert made.camera().fx_px == 2.5 and made.size_px == (8, 4)
