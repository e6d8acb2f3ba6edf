"""Cameras: intrinsics, axes and units. The only file that converts from and to Unreal's.

Inside relickit the world is right-handed, z up, in metres; the camera is OpenCV's (x right, y down,
z forward); a pose is always `cam_to_world`, float64 [..., 4, 4]. Unreal is left-handed (X forward,
Y right, Z up), in centimetres, with rotations `pitch yaw roll` in degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

# Unreal's Y axis is ours mirrored; the same matrix goes both ways.
_MIRROR_Y = np.diag([1.0, -1.0, 1.0])
CM_PER_M = 100.0
# Whose world axes: Unreal's, or those inside relickit.
Axes = Literal["unreal", "relickit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion. Pixel centres lie at +0.5.

    Attributes:
        width_px: Image width.
        height_px: Image height.
        fx_px: Horizontal focal length.
        fy_px: Vertical focal length.
        cx_px: Horizontal principal point.
        cy_px: Vertical principal point.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self):
        if self.width_px < 1 or self.height_px < 1 or not self.fx_px > 0 or not self.fy_px > 0:
            raise ValueError(f"intrinsics need positive sizes and focal lengths, got {self}")

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, fov_deg: float) -> Intrinsics:
        """Square pixels and a centred principal point.

        Args:
            width_px: Image width.
            height_px: Image height.
            fov_deg: Horizontal field of view, between 1 and 179 (Unreal's `fov`).
        """
        if not 1.0 <= fov_deg <= 179.0:
            raise ValueError(f"a horizontal field of view lies in [1, 179] degrees, got {fov_deg}")
        focal_px = width_px / 2 / math.tan(math.radians(fov_deg) / 2)
        return cls(
            width_px=width_px,
            height_px=height_px,
            fx_px=focal_px,
            fy_px=focal_px,
            cx_px=width_px / 2,
            cy_px=height_px / 2,
        )

    @property
    def fov_deg(self) -> float:
        """Horizontal field of view in degrees."""
        return math.degrees(2 * math.atan(self.width_px / 2 / self.fx_px))

    def matrix(self) -> np.ndarray:
        """The 3x3 matrix K, float64."""
        return np.array(
            [[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]]
        )

    def scaled(self, width_px: int, height_px: int) -> Intrinsics:
        """The same camera after the image was resized to `width_px` x `height_px`."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return Intrinsics(
            width_px=width_px,
            height_px=height_px,
            fx_px=self.fx_px * sx,
            fy_px=self.fy_px * sy,
            cx_px=self.cx_px * sx,
            cy_px=self.cy_px * sy,
        )


def unreal_axes(pitch_deg, yaw_deg, roll_deg) -> np.ndarray:
    """Unreal's rotation matrix, rows forward, right, up in Unreal's world axes.

    Args:
        pitch_deg: Degrees, positive up; any shape [...].
        yaw_deg: Degrees, positive to the right.
        roll_deg: Degrees, positive clockwise.

    Returns:
        float64 [..., 3, 3].
    """
    p, y, r = (np.radians(np.asarray(a, dtype=np.float64)) for a in (pitch_deg, yaw_deg, roll_deg))
    cp, sp, cy, sy, cr, sr = np.cos(p), np.sin(p), np.cos(y), np.sin(y), np.cos(r), np.sin(r)
    rows = (
        (cp * cy, cp * sy, sp),
        (sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp),
        (-(cr * sp * cy + sr * sy), cy * sr - cr * sp * sy, cr * cp),
    )
    return np.stack([np.stack(np.broadcast_arrays(*row), -1) for row in rows], -2)


def unreal_angles(axes: np.ndarray) -> np.ndarray:
    """Pitch, yaw, roll [..., 3] in degrees of rows forward, right, up [..., 3, 3].

    `unreal_axes` of them is `axes` again, also straight up and down: there the yaw is arbitrary,
    but the roll is measured against the axes that this pitch and yaw alone give.
    """
    forward, right = axes[..., 0, :], axes[..., 1, :]
    pitch = np.arctan2(forward[..., 2], np.hypot(forward[..., 0], forward[..., 1]))
    yaw = np.arctan2(forward[..., 1], forward[..., 0])
    level = unreal_axes(np.degrees(pitch), np.degrees(yaw), 0.0)
    roll = np.arctan2(-np.sum(right * level[..., 2, :], -1), np.sum(right * level[..., 1, :], -1))
    return np.degrees(np.stack([pitch, yaw, roll], -1))


def from_unreal(location_cm, rotation_deg) -> np.ndarray:
    """Unreal pose to `cam_to_world`.

    Args:
        location_cm: [..., 3] X, Y, Z in centimetres.
        rotation_deg: [..., 3] pitch, yaw, roll in degrees.

    Returns:
        float64 [..., 4, 4], OpenCV camera, metres.
    """
    location = np.asarray(location_cm, dtype=np.float64)
    rotation = np.asarray(rotation_deg, dtype=np.float64)
    axes = unreal_axes(rotation[..., 0], rotation[..., 1], rotation[..., 2]) @ _MIRROR_Y
    cam_to_world = np.zeros((*location.shape[:-1], 4, 4))
    cam_to_world[..., :3, 0] = axes[..., 1, :]
    cam_to_world[..., :3, 1] = -axes[..., 2, :]
    cam_to_world[..., :3, 2] = axes[..., 0, :]
    cam_to_world[..., :3, 3] = location @ _MIRROR_Y / CM_PER_M
    cam_to_world[..., 3, 3] = 1.0
    return cam_to_world


def to_unreal(cam_to_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unreal location [..., 3] in cm and pitch, yaw, roll [..., 3] in deg of poses [..., 4, 4]."""
    axes = ego_axes(cam_to_world) @ _MIRROR_Y
    return cam_to_world[..., :3, 3] @ _MIRROR_Y * CM_PER_M, unreal_angles(axes)


def ego_axes(cam_to_world: np.ndarray) -> np.ndarray:
    """Rows forward, right, up of the camera in our world axes: [..., 4, 4] -> [..., 3, 3]."""
    return np.stack(
        [cam_to_world[..., :3, 2], cam_to_world[..., :3, 0], -cam_to_world[..., :3, 1]], -2
    )


def pose_from_axes(position_m: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Poses [..., 4, 4] from positions [..., 3] and rows forward, right, up [..., 3, 3]."""
    cam_to_world = np.zeros((*axes.shape[:-2], 4, 4))
    cam_to_world[..., :3, 0] = axes[..., 1, :]
    cam_to_world[..., :3, 1] = -axes[..., 2, :]
    cam_to_world[..., :3, 2] = axes[..., 0, :]
    cam_to_world[..., :3, 3] = position_m
    cam_to_world[..., 3, 3] = 1.0
    return cam_to_world


def pose_from_angles(
    position_m, heading_deg, tilt_deg, roll_deg: float | np.ndarray = 0.0
) -> np.ndarray:
    """`cam_to_world` from our own angles.

    Args:
        position_m: [..., 3] in metres.
        heading_deg: Degrees counter-clockwise from +x, seen from above; [...].
        tilt_deg: Degrees, positive up.
        roll_deg: Degrees, positive clockwise.
    """
    heading = np.asarray(heading_deg, dtype=np.float64)
    axes = unreal_axes(tilt_deg, -heading, roll_deg) @ _MIRROR_Y
    return pose_from_axes(np.asarray(position_m, dtype=np.float64), axes)


def look_at(eye_m, target_m) -> np.ndarray:
    """`cam_to_world` [4, 4] of an upright camera at `eye_m` that looks at `target_m`."""
    eye, target = np.asarray(eye_m, dtype=np.float64), np.asarray(target_m, dtype=np.float64)
    d = target - eye
    if not np.linalg.norm(d) > 0:
        raise ValueError(f"look_at needs two different points, got {eye} and {target}")
    heading = math.degrees(math.atan2(d[1], d[0]))
    return pose_from_angles(eye, heading, math.degrees(math.atan2(d[2], math.hypot(d[0], d[1]))))


def invert(pose: np.ndarray) -> np.ndarray:
    """Inverse of rigid transforms [..., 4, 4]."""
    rotation_t = np.swapaxes(pose[..., :3, :3], -1, -2)
    out = np.zeros_like(pose)
    out[..., :3, :3] = rotation_t
    out[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation_t, pose[..., :3, 3])
    out[..., 3, 3] = 1.0
    return out


def rotation_angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle in degrees between rotations [..., 3, 3]; exact for small angles too."""
    d = np.swapaxes(a, -1, -2) @ b
    sine = np.linalg.norm(
        np.stack(
            [d[..., 2, 1] - d[..., 1, 2], d[..., 0, 2] - d[..., 2, 0], d[..., 1, 0] - d[..., 0, 1]],
            -1,
        ),
        axis=-1,
    )
    return np.degrees(np.arctan2(sine, np.trace(d, axis1=-2, axis2=-1) - 1.0))
