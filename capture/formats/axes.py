"""Poses and cameras in other conventions to ours and back. Numbers are never repaired."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from scipy.spatial.transform import Rotation

Up: TypeAlias = Literal["z", "y", "-y"]

# OpenGL's camera looks along -z with y up; the same matrix goes both ways.
_FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])
# World axes of the source, as columns, in a world whose z points up.
_TO_Z_UP = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    "-y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
# Numbers with few digits leave a rotation this far from orthonormal; more is another matrix.
ROUNDED = 1e-3


def flip_yz(cam_to_world: np.ndarray) -> np.ndarray:
    """OpenGL camera axes to OpenCV's, or back: [..., 4, 4]."""
    return cam_to_world @ _FLIP_YZ


def turned(cam_to_world: np.ndarray, before: Up, after: Up) -> np.ndarray:
    """Poses [..., 4, 4] in a world with another axis up; x stays where it is."""
    turn = np.eye(4)
    turn[:3, :3] = _TO_Z_UP[after].T @ _TO_Z_UP[before]
    return turn @ cam_to_world


def invert(poses: np.ndarray) -> np.ndarray:
    """Inverse of matrices [N, 4, 4] that need not be rigid; NaN where there is none."""
    out = np.full_like(poses, np.nan)
    usable = np.asarray(np.isfinite(poses).all((-1, -2)))
    usable[usable] = np.linalg.det(poses[usable]) != 0
    out[usable] = np.linalg.inv(poses[usable])
    return out


def nearest_rigid(poses: np.ndarray) -> np.ndarray:
    """Matrices [N, 4, 4] with rotations that rounding took off by less than `ROUNDED` put right.

    The nearest rotation in the least-squares sense (by singular values); all others, and those
    that need nothing, stay as they are.
    """
    out = np.array(poses, dtype=np.float64)
    rotation = out[:, :3, :3]
    off = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max((1, 2))
    # Ordered so that NaN counts as another matrix.
    rounded = (off > 1e-12) & (off < ROUNDED)
    if rounded.any():
        u, _, vt = np.linalg.svd(rotation[rounded])
        rotation[rounded] = u @ vt
    return out


def from_quaternions(wxyz: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Matrices [N, 4, 4] of quaternions [N, 4] and positions [N, 3].

    A quaternion of another length is read as the rotation that it points to, as everybody does;
    one of length zero, or with NaN, gives NaN.
    """
    poses = np.tile(np.eye(4), (len(wxyz), 1, 1))
    length = np.linalg.norm(wxyz, axis=1)
    usable = np.isfinite(length) & (length > 0)
    poses[:, :3, :3] = np.nan
    if usable.any():
        turns = Rotation.from_quat(wxyz[usable], scalar_first=True)
        poses[usable, :3, :3] = turns.as_matrix()
    poses[:, :3, 3] = position
    return poses


def to_quaternions(poses: np.ndarray) -> np.ndarray:
    """Unit quaternions wxyz [N, 4] of rigid matrices [N, 4, 4], w not negative."""
    return Rotation.from_matrix(poses[:, :3, :3]).as_quat(canonical=True, scalar_first=True)


def from_rows(rows: np.ndarray) -> np.ndarray:
    """Matrices [N, 4, 4] of their first three rows [N, 12]."""
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = rows.reshape(-1, 3, 4)
    return poses


def pinhole(matrix: np.ndarray) -> np.ndarray:
    """fx, fy, cx, cy [..., 4] of camera matrices [..., 3, 3] or projections [..., 3, 4]."""
    return matrix[..., [0, 1, 0, 1], [0, 1, 2, 2]]


def camera_matrix(values: np.ndarray) -> np.ndarray:
    """Camera matrices [..., 3, 3] of fx, fy, cx, cy [..., 4]."""
    matrix = np.zeros((*values.shape[:-1], 3, 3))
    matrix[..., [0, 1, 0, 1], [0, 1, 2, 2]] = values
    matrix[..., 2, 2] = 1.0
    return matrix
