"""Trajectories: when the camera was where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.camera import rotation_angle_deg


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """A camera path.

    Attributes:
        t_s: Seconds, strictly increasing, float64 [T].
        cam_to_world: OpenCV camera poses in metres, float64 [T, 4, 4].
    """

    t_s: np.ndarray
    cam_to_world: np.ndarray

    def __post_init__(self):
        t_s = np.array(self.t_s, dtype=np.float64)
        poses = np.array(self.cam_to_world, dtype=np.float64)
        if t_s.ndim != 1 or poses.shape != (len(t_s), 4, 4) or len(t_s) == 0:
            raise ValueError(
                f"a trajectory needs times [T] and poses [T, 4, 4], "
                f"got {t_s.shape} and {poses.shape}"
            )
        if not np.isfinite(poses).all() or not np.isfinite(t_s).all():
            raise ValueError("a trajectory needs finite times and poses, got NaN or infinity")
        if np.any(np.diff(t_s) <= 0):
            raise ValueError("the times of a trajectory must increase")
        rotation = poses[:, :3, :3]
        error = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max()
        if error > 1e-6 or np.linalg.det(rotation).min() < 0:
            raise ValueError(
                "poses need rotation matrices (orthonormal, determinant +1); "
                f"largest deviation {error:.3g}, "
                f"smallest determinant {np.linalg.det(rotation).min():.3g}"
            )
        if np.any(poses[:, 3] != [0.0, 0.0, 0.0, 1.0]):
            raise ValueError("the last row of every pose is 0 0 0 1; is the matrix transposed?")
        t_s.setflags(write=False)
        poses.setflags(write=False)
        object.__setattr__(self, "t_s", t_s)
        object.__setattr__(self, "cam_to_world", poses)

    @classmethod
    def uniform(cls, cam_to_world: np.ndarray, fps: float) -> Trajectory:
        """Poses [T, 4, 4] at a constant frame rate, starting at 0 s."""
        return cls(t_s=np.arange(len(cam_to_world)) / fps, cam_to_world=cam_to_world)

    def __len__(self) -> int:
        return len(self.t_s)

    @property
    def position_m(self) -> np.ndarray:
        """Camera centres, float64 [T, 3]."""
        return self.cam_to_world[:, :3, 3]

    def window(self, start: int, stop: int) -> Trajectory:
        """Frames [start, stop), half-open, with their times."""
        return Trajectory(t_s=self.t_s[start:stop], cam_to_world=self.cam_to_world[start:stop])

    def speed_m_s(self) -> np.ndarray:
        """Speed over each step, float64 [T - 1], metres per second."""
        return np.linalg.norm(np.diff(self.position_m, axis=0), axis=1) / np.diff(self.t_s)

    def turn_deg_s(self) -> np.ndarray:
        """Angle turned over each step, float64 [T - 1], degrees per second."""
        rotation = self.cam_to_world[:, :3, :3]
        return rotation_angle_deg(rotation[:-1], rotation[1:]) / np.diff(self.t_s)
