"""What the numbers of a camera dataset may mean, and the motion between two frames if they do.

The world of a file never matters: only motions from one camera to another are compared with the
pictures, and a change of the world's axes, also to a left-handed one, cancels out of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from capture.formats import Declared

Pose = Literal["c2w", "w2c"]
Axes = Literal["opencv", "opengl", "unreal"]
DepthKind = Literal["planar", "ray"]

POSES: tuple[Pose, ...] = ("c2w", "w2c")
# A point in each convention's camera axes, times its matrix, is the point in OpenCV's.
AXES: dict[Axes, np.ndarray] = {
    "opencv": np.eye(3),
    "opengl": np.diag([1.0, -1.0, -1.0]),
    "unreal": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]),
}
DEPTHS: tuple[DepthKind, ...] = ("planar", "ray")
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_SWAP_LEFT_RIGHT = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """One reading of poses, depth and intrinsics.

    Attributes:
        pose: Camera to world, or world to camera.
        axes: Of the camera.
        mirrored: Whether left and right of the poses are swapped against the pictures.
        depth: Along the optical axis, or along the ray; without depth it says nothing.
        metres: Of one unit of the positions, against the depth.
        focal: Factor on the focal length that the file gives.
        lag: Frames by which the poses are late: picture t fits the pose of frame t + lag.
    """

    pose: Pose = "c2w"
    axes: Axes = "opencv"
    mirrored: bool = False
    depth: DepthKind = "planar"
    metres: float = 1.0
    focal: float = 1.0
    lag: int = 0

    def with_(self, **changes: object) -> Hypothesis:
        """The same reading with changes."""
        return replace(self, **changes)  # pyright: ignore[reportArgumentType]

    def camera_axes(self) -> np.ndarray:
        """A point in the file's camera axes times this [3, 3] is the point in OpenCV's."""
        axes = AXES[self.axes]
        return _SWAP_LEFT_RIGHT @ axes if self.mirrored else axes


def in_file(cam_to_world: np.ndarray, declared: Declared) -> np.ndarray:
    """Undo a reader's conversion: the matrices as they stand in the file, positions in metres.

    Args:
        cam_to_world: float64 [T, 4, 4] of `Posed`, converted as `declared`.
        declared: What the reader assumed.

    Returns:
        float64 [T, 4, 4] up to the world's axes. NaN where a matrix has no inverse.
    """
    axes = np.eye(4)
    axes[:3, :3] = AXES[declared.axes]
    poses = cam_to_world @ axes
    return _invert(poses) if declared.pose == "w2c" else poses


@dataclass(frozen=True, slots=True)
class Stored:
    """Poses as they stand in a file, with their inverses, which every reading needs.

    Attributes:
        poses: float64 [T, 4, 4].
        inverses: The same, NaN where a matrix is not `usable`.
    """

    poses: np.ndarray
    inverses: np.ndarray

    @classmethod
    def of(cls, poses: np.ndarray) -> Stored:
        """These poses [T, 4, 4]."""
        return cls(poses, _invert(poses))


def motions(stored: Stored, reading: Hypothesis, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Camera i to camera j in OpenCV's axes and metres, float64 [P, 4, 4].

    Args:
        stored: As they stand in the file.
        reading: What they may mean.
        i: Frames, int [P]; the pose of frame i + lag is taken.
        j: The other frames.

    Returns:
        NaN where a pose does not exist or has no inverse.
    """
    late = np.stack([i, j]) + reading.lag
    last = len(stored.poses) - 1
    there = ((late >= 0) & (late <= last)).all(axis=0)
    first, second = np.clip(late, 0, last)
    if reading.pose == "c2w":
        moved = stored.inverses[second] @ stored.poses[first]
    else:
        moved = stored.poses[second] @ stored.inverses[first]
    axes = reading.camera_axes()
    out = np.full((len(i), 4, 4), np.nan)
    out[there] = moved[there]
    out[:, :3, :3] = axes @ out[:, :3, :3] @ axes.T
    out[:, :3, 3] = reading.metres * out[:, :3, 3] @ axes.T
    return out


def usable(poses: np.ndarray) -> np.ndarray:
    """Which matrices [T, 4, 4] are finite and orthonormal to 1e-3, up to a mirror: bool [T]."""
    rotation = poses[:, :3, :3]
    finite = np.isfinite(poses).all(axis=(1, 2))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
        return finite & (error < 1e-3)


def fov_deg(width_px: float, focal_px: float) -> float:
    """Horizontal field of view."""
    return math.degrees(2 * math.atan(width_px / 2 / focal_px))


def _invert(poses: np.ndarray) -> np.ndarray:
    """Inverse of [N, 4, 4]; NaN where a matrix is not `usable`."""
    out = np.full_like(poses, np.nan)
    fine = usable(poses)
    out[fine] = np.linalg.inv(poses[fine])
    return out
