"""How the camera moves: speed, jerk, turning, jumps, stillness, jitter. Poses only, no pixels.

RELIC sec. 3 rejects "excessive panning speed, abrupt rotation, inconsistent velocity" and
"micro-jitter, oscillatory drift" by eye and publishes no thresholds; these are the numbers for it.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from capture.camera import rotation_angle_deg
from capture.trajectory import Trajectory

STILL_M_S = 0.02
STILL_DEG_S = 0.5
# Quadratic Savitzky-Golay smoothing over five frames: exact for constant acceleration.
_SMOOTH_5 = np.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35.0
_TURNING_DEG_S = 2.0
_SWAYING_M_S = 0.05
IDLE_S = 2.0
# A jump: longer than this, and than five times the steps around it. Nobody walks like that.
_JUMP_M, _JUMP_DEG, _JUMP_TIMES = 0.25, 15.0, 5.0
_AROUND = 4
# A stutter: one step that differs this much from the steps before and after it.
_STUTTER_M_S, _STUTTER_SHARE = 0.2, 0.5


def acceleration_m_s2(path: Trajectory) -> np.ndarray:
    """Size of the second difference of position, |d2p| / dt^2, float64 [T - 2]."""
    return np.linalg.norm(_derivative(path.position_m, path.t_s, 2), axis=1)


def jerk_m_s3(path: Trajectory) -> np.ndarray:
    """Size of the third difference of position, |d3p| / dt^3, float64 [T - 3].

    Exact for cubic paths at a constant frame rate; LeRobot's data viewer ranks episodes by it.
    """
    return np.linalg.norm(_derivative(path.position_m, path.t_s, 3), axis=1)


def turn_vector_deg_s(path: Trajectory) -> np.ndarray:
    """Angular velocity over each step in world axes, float64 [T - 1, 3], degrees per second.

    The rotation vector of R[t+1] R[t]^T, divided by the step's time.
    """
    rotation = path.cam_to_world[:, :3, :3]
    steps = rotation[1:] @ np.swapaxes(rotation[:-1], 1, 2)
    vectors = Rotation.from_matrix(steps).as_rotvec(degrees=True)
    return vectors.reshape(-1, 3) / np.diff(path.t_s)[:, None]


def turn_acceleration_deg_s2(path: Trajectory) -> np.ndarray:
    """Size of the change of angular velocity per second, float64 [T - 2], degrees per second^2."""
    middle_s = (path.t_s[1:] + path.t_s[:-1]) / 2
    change = np.diff(turn_vector_deg_s(path), axis=0) / np.diff(middle_s)[:, None]
    return np.linalg.norm(change, axis=1)


def still(path: Trajectory) -> np.ndarray:
    """Whether each step moves less than 2 cm/s and turns less than 0.5 deg/s, bool [T - 1]."""
    return (path.speed_m_s() < STILL_M_S) & (path.turn_deg_s() < STILL_DEG_S)


def idle(path: Trajectory, min_s: float = IDLE_S) -> np.ndarray:
    """Frames of stretches of at least `min_s` seconds that stand `still`, bool [T]."""
    found = np.zeros(len(path), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still(path).astype(np.int8), [0]])))
    for first, last in edges.reshape(-1, 2):
        if path.t_s[last] - path.t_s[first] >= min_s - 1e-9:
            found[first : last + 1] = True
    return found


def teleports(path: Trajectory) -> np.ndarray:
    """Frames that a jump leads to, bool [T].

    A step is a jump if it is longer than 0.25 m + 5 m, or turns by more than 15 deg + 5 m, where
    m is the median of the eight steps around it: the constant-velocity form of SpatialVID's test
    for anomalies (`utils/evaluation.py`).
    """
    step_m = np.linalg.norm(np.diff(path.position_m, axis=0), axis=1)
    step_deg = path.turn_deg_s() * np.diff(path.t_s)
    jump = step_m > _JUMP_M + _JUMP_TIMES * _median_around(step_m)
    jump |= step_deg > _JUMP_DEG + _JUMP_TIMES * _median_around(step_deg)
    return np.concatenate([[False], jump])


def stutters(path: Trajectory) -> np.ndarray:
    """Frames that come too far or not far enough, bool [T]: a pose was skipped or repeated.

    The velocity of the step differs from those of the two steps before and the two after it by more
    than half of them and more than 0.2 m/s, always in the same direction. Smooth speed-ups, starts,
    stops and turns back do not.
    """
    found = np.zeros(len(path), dtype=bool)
    velocity = np.diff(path.position_m, axis=0) / np.diff(path.t_s)[:, None]
    count = len(velocity) - 4
    if count < 1:
        return found
    around = np.stack([velocity[n : n + count] for n in (0, 1, 3, 4)])
    off = velocity[2:-2] - around
    size = np.linalg.norm(off, axis=-1)
    least = np.maximum(_STUTTER_M_S, _STUTTER_SHARE * np.linalg.norm(around, axis=-1))
    same_way = (off * off[0]).sum(axis=-1) > 0.5 * size * size[0]
    found[3:-2] = ((size > least) & same_way).all(axis=0)
    return found


def jitter(path: Trajectory) -> tuple[float, float]:
    """Millimetres and degrees that the camera shakes about its own smooth path.

    The root mean square, over time, of the distance from each pose to a quadratic fitted to the
    five poses around it (Savitzky-Golay). Rotations are compared entry by entry, which for small
    shakes is the angle in radians times sqrt(2). 0 for fewer than five frames.
    """
    if len(path) < len(_SMOOTH_5):
        return 0.0, 0.0
    position = _residual(path.position_m)
    turn = _residual(path.cam_to_world[:, :3, :3].reshape(len(path), 9)) / np.sqrt(2)
    return float(position * 1000), float(np.degrees(turn))


def reversals_hz(path: Trajectory) -> float:
    """How often a second the camera changes the direction in which it pans or tilts.

    Counts sign changes of the angular velocity about the world's vertical and about the camera's
    right axis, ignoring rates below 2 deg/s; the larger of the two, divided by the duration.
    """
    return _changes_hz(path, turn_vector_deg_s(path), _TURNING_DEG_S)


def sway_hz(path: Trajectory) -> float:
    """How often a second the camera changes the direction in which it trucks or rises.

    As `reversals_hz`, of the velocity along the camera's right axis and the world's vertical,
    ignoring what is slower than 0.05 m/s: RELIC's "oscillatory drift".
    """
    velocity_m_s = np.diff(path.position_m, axis=0) / np.diff(path.t_s)[:, None]
    return _changes_hz(path, velocity_m_s, _SWAYING_M_S)


def summary(path: Trajectory) -> dict[str, float]:
    """The motion columns of the clip table; see `curation.catalogue` for each."""
    speed, turn = path.speed_m_s(), path.turn_deg_s()
    jitter_mm, jitter_deg = jitter(path)
    length_m = float(np.linalg.norm(np.diff(path.position_m, axis=0), axis=1).sum())
    net_m = float(np.linalg.norm(path.position_m[-1] - path.position_m[0]))
    return {
        "speed_mean_m_s": _mean(speed),
        "speed_max_m_s": _max(speed),
        "acceleration_p95_m_s2": _p95(acceleration_m_s2(path)),
        "jerk_p95_m_s3": _p95(jerk_m_s3(path)),
        "turn_mean_deg_s": _mean(turn),
        "turn_max_deg_s": _max(turn),
        "turn_acceleration_max_deg_s2": _max(turn_acceleration_deg_s2(path)),
        "reversals_hz": reversals_hz(path),
        "sway_hz": sway_hz(path),
        "jitter_mm": jitter_mm,
        "jitter_deg": jitter_deg,
        "still_share": _mean(still(path)),
        "teleports": float(np.count_nonzero(teleports(path))),
        "stutters": float(np.count_nonzero(stutters(path))),
        "path_m": length_m,
        "net_m": net_m,
    }


def pose_error(reported: np.ndarray, commanded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance in metres [T] and angle in degrees [T] between two lists of poses [T, 4, 4]."""
    offset_m = np.linalg.norm(reported[:, :3, 3] - commanded[:, :3, 3], axis=1)
    return offset_m, rotation_angle_deg(reported[:, :3, :3], commanded[:, :3, :3])


def _derivative(values: np.ndarray, t_s: np.ndarray, order: int) -> np.ndarray:
    for _ in range(order):
        values = np.diff(values, axis=0) / np.diff(t_s)[:, None]
        t_s = (t_s[1:] + t_s[:-1]) / 2
    return values


def _changes_hz(path: Trajectory, rates: np.ndarray, least: float) -> float:
    """Sign changes a second of `rates` [T - 1, 3] along the vertical or the camera's right."""
    right = path.cam_to_world[:-1, :3, 0]
    per_axis = (rates[:, 2], np.sum(rates * right, axis=1))
    signs = (np.sign(rate[np.abs(rate) > least]) for rate in per_axis)
    count = max(int(np.count_nonzero(np.diff(sign))) for sign in signs)
    return count / max(float(path.t_s[-1] - path.t_s[0]), 1e-9)


def _median_around(steps: np.ndarray) -> np.ndarray:
    """The median of up to eight neighbours of each step; 0 where there is none."""
    if len(steps) < 2:
        return np.zeros(len(steps))
    padded = np.pad(steps, _AROUND, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1).copy()
    windows[:, _AROUND] = np.nan
    return np.nanmedian(windows, axis=1)


def _residual(values: np.ndarray) -> float:
    windows = np.lib.stride_tricks.sliding_window_view(values, len(_SMOOTH_5), axis=0)
    off = values[2:-2] - windows @ _SMOOTH_5
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1))))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _max(values: np.ndarray) -> float:
    return float(np.max(values, initial=0.0))


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95)) if len(values) else 0.0
