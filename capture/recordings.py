"""Human recordings as plans: a path that somebody flew, rendered later (RELIC sec. 3).

RELIC's operators steer a camera through the level; only time, position and rotation are kept, and
the engine renders the path offline. Three kinds of file are read:

- CSV with a header. `time_s`; `x_m y_m z_m` or `x_cm y_cm z_cm`; and the rotation as `pitch_deg
  yaw_deg roll_deg` (Unreal), as `heading_deg tilt_deg roll_deg` (ours) or as `qw qx qy qz`.
- TUM (.txt, .tum): `time_s x y z qx qy qz qw`, metres, OpenCV camera to world; read by
  `capture.formats.tum`.
- JSON, our own: `{"t_s": [...], "cam_to_world": [4x4, ...]}`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from capture import camera
from capture.camera import CM_PER_M, Axes, Intrinsics
from capture.formats import tum
from capture.navigation import FreeSpace
from capture.scene import Plan
from capture.trajectory import Trajectory

GENERATOR = "recording"
# A recording with a longer gap has lost its operator; nobody flies faster than this.
MAX_GAP_S = 0.5
MAX_SPEED_M_S = 30.0

_POSITION = {"m": ("x_m", "y_m", "z_m"), "cm": ("x_cm", "y_cm", "z_cm")}
_ROTATION: dict[str, tuple[str, ...]] = {
    "unreal": ("pitch_deg", "yaw_deg", "roll_deg"),
    "relickit": ("heading_deg", "tilt_deg", "roll_deg"),
    "quaternion": ("qw", "qx", "qy", "qz"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Numbers of a text file with the line of each row."""

    line: list[int]
    value: np.ndarray


def import_recording(
    path: Path,
    *,
    scene_id: str,
    fps: float,
    intrinsics: Intrinsics,
    axes: Axes | None = None,
    space: FreeSpace | None = None,
) -> Plan:
    """A recorded path as a plan, at a constant frame rate.

    Between the recorded poses positions follow a cubic spline and rotations its counterpart, so
    that speed and turn rate have no steps.

    Args:
        path: .csv, .txt or .tum, .json; see the module.
        scene_id: The scene in whose world the path lies.
        fps: Of the plan.
        intrinsics: The camera that is to render it.
        axes: Of a CSV file's world: "unreal" (left-handed, X forward, Y right, Z up) or "relickit"
            (right-handed, z up). Angles in Unreal's names imply Unreal's axes, ours imply ours;
            quaternions leave it open, so it must be said.
        space: Free space of the scene, to measure the clearance; without it that is NaN.

    Raises:
        ValueError: If the file cannot be read as what its name says, or is no path of a camera. The
            message names the line.
    """
    trajectory = resample(*read_recording(path, axes), fps)
    clearance_m = math.nan
    if space is not None:
        clearance_m = float(space.clearance(trajectory.position_m).min())
    return Plan(
        scene_id=scene_id,
        generator=GENERATOR,
        seed=0,
        fps=fps,
        trajectory=trajectory,
        intrinsics=intrinsics,
        clearance_m=clearance_m,
    )


def read_recording(path: Path, axes: Axes | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Times [N] in seconds and poses [N, 4, 4] as recorded, checked; see `import_recording`."""
    readers = {".csv": _read_csv, ".txt": _read_tum, ".tum": _read_tum, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: a recording is one of {', '.join(readers)}")
    if not path.is_file():
        raise ValueError(f"there is no recording {path}")
    t_s, poses, where = reader(path, axes)
    _check_path(t_s, poses, where)
    return t_s, poses


def resample(t_s: np.ndarray, cam_to_world: np.ndarray, fps: float) -> Trajectory:
    """A path [N, 4, 4] at increasing times [N], sampled at a constant frame rate from its start.

    Poses at the new times are exact where the path has a sample there.
    """
    time = t_s - t_s[0]
    # A sample that lies within rounding of the last time is not lost.
    at = np.arange(int(np.floor(time[-1] * fps + 1e-6)) + 1) / fps
    at = np.minimum(at, time[-1])
    poses = np.tile(np.eye(4), (len(at), 1, 1))
    poses[:, :3, 3] = CubicSpline(time, cam_to_world[:, :3, 3])(at)
    turn = RotationSpline(time, Rotation.from_matrix(cam_to_world[:, :3, :3]))
    poses[:, :3, :3] = turn(at).as_matrix()
    return Trajectory.uniform(poses, fps)


Where = Callable[[int], str]
_Read = tuple[np.ndarray, np.ndarray, Where]


def _read_csv(path: Path, axes: Axes | None) -> _Read:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    header = [name.strip() for name in rows[0]] if rows else []
    position = _columns(path, header, _POSITION, "position")
    rotation = _columns(path, header, _ROTATION, "rotation")
    axes = _axes(path, rotation, axes)
    wanted = ("time_s", *_POSITION[position], *_ROTATION[rotation])
    if "time_s" not in header:
        raise ValueError(f"{path}, line 1: expected a column time_s, got {', '.join(header)}")
    index = [header.index(name) for name in wanted]
    table = _numbers(path, [(n, row) for n, row in enumerate(rows[1:], 2) if row], index, wanted)
    where = _at_line(path, table.line)
    point_m = table.value[:, 1:4] / (CM_PER_M if position == "cm" else 1.0)
    angle = table.value[:, 4:]
    if rotation == "quaternion":
        matrix = _quaternion_matrices(angle[:, [1, 2, 3, 0]], where)
        poses = _from_unreal_axes(point_m, matrix) if axes == "unreal" else _rigid(point_m, matrix)
    elif rotation == "unreal":
        poses = camera.from_unreal(point_m * CM_PER_M, angle)
    else:
        poses = camera.pose_from_angles(point_m, *angle.T)
    return table.value[:, 0], poses, where


def _read_tum(path: Path, axes: Axes | None) -> _Read:
    if axes == "unreal":
        raise ValueError(f"{path}: TUM files hold OpenCV cameras; use CSV for Unreal's axes")
    lines, rows = tum.table(path)
    where = _at_line(path, lines)
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise ValueError(f"{where(bad[0])}: NaN or infinity")
    return rows[:, 0], _rigid(rows[:, 1:4], _quaternion_matrices(rows[:, 4:], where)), where


def _read_json(path: Path, axes: Axes | None) -> _Read:
    if axes == "unreal":
        raise ValueError(f"{path}: our JSON holds cam_to_world; use CSV for Unreal's axes")
    try:
        data = json.loads(path.read_text())
        t_s = np.array(data["t_s"], dtype=np.float64)
        poses = np.array(data["cam_to_world"], dtype=np.float64)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f'{path}: expected {{"t_s": [...], "cam_to_world": [4x4 matrices]}} in numbers'
        ) from error
    if t_s.ndim != 1 or poses.shape != (len(t_s), 4, 4):
        raise ValueError(
            f"{path}: expected times [T] and poses [T, 4, 4], got {t_s.shape} and {poses.shape}"
        )
    return t_s, poses, lambda k: f"{path}, pose {k}"


def _columns(
    path: Path, header: Sequence[str], known: dict[str, tuple[str, ...]], what: str
) -> str:
    """Which group of columns the header has; exactly one."""
    found = [name for name, columns in known.items() if set(columns) <= set(header)]
    if len(found) != 1:
        choices = ", or ".join(" ".join(columns) for columns in known.values())
        number = "no" if not found else "more than one"
        raise ValueError(
            f"{path}, line 1: {number} {what} among the columns {', '.join(header)}; "
            f"expected {choices}"
        )
    return found[0]


def _axes(path: Path, rotation: str, axes: Axes | None) -> Axes:
    """The axes of a CSV file's world, checked against its columns."""
    if rotation == "quaternion":
        if axes is None:
            raise ValueError(
                f"{path}: quaternions do not say whose axes they have; give axes 'unreal' or "
                "'relickit'"
            )
        return axes
    if axes is not None and axes != rotation:
        raise ValueError(
            f"{path}: the axes are to be {axes!r}, but its columns "
            f"{' '.join(_ROTATION[rotation])} are those of {rotation!r}"
        )
    return "unreal" if rotation == "unreal" else "relickit"


def _numbers(
    path: Path,
    rows: Sequence[tuple[int, Sequence[str]]],
    index: Sequence[int],
    names: Sequence[str],
) -> _Rows:
    """The wanted columns of numbered rows, finite."""
    values = []
    for line, row in rows:
        try:
            values.append([float(row[k]) for k in index])
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"{path}, line {line}: expected numbers for {', '.join(names)}, got {','.join(row)}"
            ) from error
        if not np.isfinite(values[-1]).all():
            raise ValueError(f"{path}, line {line}: NaN or infinity")
    return _Rows(
        line=[line for line, _ in rows], value=np.array(values).reshape(len(rows), len(names))
    )


def _at_line(path: Path, lines: list[int]) -> Where:
    return lambda k: f"{path}, line {lines[k]}"


def _quaternion_matrices(xyzw: np.ndarray, where: Where) -> np.ndarray:
    """Rotation matrices [N, 3, 3] of quaternions [N, 4] of unit length."""
    length = np.linalg.norm(xyzw, axis=1)
    bad = np.flatnonzero(np.abs(length - 1.0) > 0.01)
    if len(bad):
        raise ValueError(
            f"{where(bad[0])}: the quaternion has length {length[bad[0]]:.3g}, expected 1"
        )
    return Rotation.from_quat(xyzw).as_matrix()


def _rigid(position_m: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    poses = np.tile(np.eye(4), (len(position_m), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotation, position_m
    return poses


def _from_unreal_axes(position_m: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Poses of Unreal's quaternions, whose matrices have the columns forward, right, up."""
    angles = camera.unreal_angles(np.swapaxes(rotation, 1, 2))
    return camera.from_unreal(position_m * CM_PER_M, angles)


def _check_path(t_s: np.ndarray, poses: np.ndarray, where: Where) -> None:
    """That these are the times and places of a camera that somebody moved."""
    if len(t_s) < 2:
        raise ValueError(f"{where(0) if len(t_s) else 'the recording'}: expected two poses or more")
    step_s = np.diff(t_s)
    back = np.flatnonzero(step_s <= 0)
    if len(back):
        k = int(back[0])
        raise ValueError(f"{where(k + 1)}: the time {t_s[k + 1]:g} s does not follow {t_s[k]:g} s")
    gap = np.flatnonzero(step_s > MAX_GAP_S)
    if len(gap):
        k = int(gap[0])
        raise ValueError(
            f"{where(k + 1)}: {step_s[k]:.3g} s since the pose before, at most {MAX_GAP_S} s can "
            "be filled; are the times in seconds?"
        )
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / step_s
    fast = np.flatnonzero(speed > MAX_SPEED_M_S)
    if len(fast):
        k = int(fast[0])
        raise ValueError(
            f"{where(k + 1)}: moves at {speed[k]:.4g} m/s, at most {MAX_SPEED_M_S:g} m/s can be "
            "believed; are the positions in the unit that the file says?"
        )
