from __future__ import annotations

import json

import numpy as np
import pytest
from rooms import two_rooms_space
from scipy.spatial.transform import Rotation

from capture import camera, planner
from capture.camera import Intrinsics
from capture.recordings import import_recording, resample

INTRINSICS = Intrinsics.from_fov(64, 48, 80)
PATH = planner.plan(
    "fly",
    two_rooms_space(),
    scene_id="rooms-0",
    seed=3,
    num_frames=60,
    intrinsics=INTRINSICS,
    motion=planner.Motion(),
).trajectory


def read(path, axes=None, fps=16.0, space=None):
    return import_recording(
        path, scene_id="rooms-0", fps=fps, intrinsics=INTRINSICS, axes=axes, space=space
    )


def write_csv(path, header, *columns):
    rows = np.column_stack(columns)
    lines = [header, *(",".join(f"{v:.12g}" for v in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def quaternions(matrices):
    return Rotation.from_matrix(matrices).as_quat()[:, [3, 0, 1, 2]]


def unreal_csv(path):
    location_cm, rotation_deg = camera.to_unreal(PATH.cam_to_world)
    header = "time_s,x_cm,y_cm,z_cm,pitch_deg,yaw_deg,roll_deg"
    return write_csv(path, header, PATH.t_s, location_cm, rotation_deg)


def test_every_kind_of_file_gives_the_same_plan(tmp_path):
    poses, t_s = PATH.cam_to_world, PATH.t_s
    location_cm, rotation_deg = camera.to_unreal(poses)
    # Unreal's quaternion rotates by components: its matrix has the columns forward, right, up.
    unreal = np.swapaxes(camera.unreal_axes(*rotation_deg.T), 1, 2)
    pitch, yaw, roll = rotation_deg.T
    quaternion = quaternions(poses[:, :3, :3])
    tum = tmp_path / "path.tum"
    np.savetxt(tum, np.column_stack([t_s, poses[:, :3, 3], quaternion[:, [1, 2, 3, 0]]]))
    ours = tmp_path / "path.json"
    ours.write_text(json.dumps({"t_s": t_s.tolist(), "cam_to_world": poses.tolist()}))
    metres, angles = "time_s,x_m,y_m,z_m", "heading_deg,tilt_deg,roll_deg"
    kinds = [
        (unreal_csv(tmp_path / "a.csv"), None),
        (
            write_csv(
                tmp_path / "b.csv",
                "qw,qx,qy,qz,time_s,z_cm,y_cm,x_cm",
                quaternions(unreal),
                t_s,
                location_cm[:, ::-1],
            ),
            "unreal",
        ),
        (
            write_csv(
                tmp_path / "c.csv",
                f"{metres},{angles},comment",
                t_s,
                poses[:, :3, 3],
                -yaw,
                pitch,
                roll,
                t_s,
            ),
            "relickit",
        ),
        (
            write_csv(
                tmp_path / "d.csv", f"{metres},qw,qx,qy,qz", t_s, poses[:, :3, 3], quaternion
            ),
            "relickit",
        ),
        (tum, None),
        (ours, None),
    ]
    for path, axes in kinds:
        plan = read(path, axes)
        assert plan.generator == "recording" and len(plan.trajectory) == len(PATH), path
        np.testing.assert_allclose(plan.trajectory.cam_to_world, poses, atol=1e-7)


def test_resampling_keeps_the_samples_and_follows_the_path():
    steady = np.linspace(0.0, 2.0, 41)
    poses = camera.pose_from_angles(
        np.column_stack([steady, steady**2, 0 * steady]), 40 * steady, 10 * steady, 5 * steady
    )
    same = resample(steady + 7.0, poses, 20.0)
    np.testing.assert_allclose(same.cam_to_world, poses, atol=1e-12)
    other = resample(steady, poses, 16.0)
    t = np.arange(33) / 16
    truth = camera.pose_from_angles(np.column_stack([t, t**2, 0 * t]), 40 * t, 10 * t, 5 * t)
    assert len(other) == 33
    np.testing.assert_allclose(other.cam_to_world, truth, atol=2e-4)


def test_clearance_is_measured(tmp_path):
    plan = read(unreal_csv(tmp_path / "a.csv"), space=two_rooms_space())
    assert plan.clearance_m == pytest.approx(two_rooms_space().clearance(PATH.position_m).min())
    assert np.isnan(read(tmp_path / "a.csv").clearance_m)


HEAD = "time_s,x_m,y_m,z_m,heading_deg,tilt_deg,roll_deg\n"


@pytest.mark.parametrize(
    ("name", "text", "axes", "message"),
    [
        ("a.csv", "", None, r"line 1: no position among the columns"),
        ("a.csv", "time_s,x_m,y_m,z_m,yaw\n", None, r"no rotation among .* expected pitch_deg"),
        ("a.csv", HEAD.replace("time_s", "t"), None, "expected a column time_s"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n0.1,0,0,zero,0,0,0\n", None, "line 3: expected numbers"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n0.1,0,0\n", None, "line 3: expected numbers"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n\n0.1,0,0,nan,0,0,0\n", None, "line 4: NaN"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n0,0,0,0,0,0,0\n", None, "line 3: the time 0 s does not"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n9,0,0,0,0,0,0\n", None, "9 s since .* in seconds"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n0.1,90,0,0,0,0,0\n", None, "line 3: moves at 900 m/s"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n", None, "line 2: expected two poses"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n", "unreal", "are those of 'relickit'"),
        ("a.csv", "time_s,x_m,y_m,z_m,qw,qx,qy,qz\n", None, "do not say whose axes"),
        ("a.tum", "# t\n0 0 0 0 0 0 0 2\n1 0 0 0 0 0 0 1\n", None, "line 2: the quaternion has le"),
        ("a.txt", "0 0 0 0 0 0 1\n", None, r"a\.txt:1: expected 8 numbers .* got 7"),
        ("a.txt", "# t\n0 0 0 nan 0 0 0 1\n", None, "line 2: NaN or infinity"),
        ("a.txt", "# nothing else\n", None, "holds no pose"),
        ("a.tum", "", "unreal", "use CSV"),
        ("a.json", '{"t_s": [0, 1]}', None, r"expected \{\"t_s\""),
        ("a.json", "{", None, "line 1: not JSON"),
        ("a.json", '{"t_s": [0], "cam_to_world": [[1]]}', None, r"got \(1,\) and \(1, 1\)"),
        ("a.bvh", "", None, r"a recording is one of \.csv, \.txt, \.tum, \.json"),
    ],
)
def test_mistakes_get_a_sentence_with_the_line(tmp_path, name, text, axes, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name, axes)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no recording .*gone\.csv"):
        read(tmp_path / "gone.csv")
