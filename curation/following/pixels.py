"""A frame's pose from all its pixels, by direct alignment with a view whose depth is known.

Small or smooth pictures have few features. Here the view's own pixels are moved by their depth and
a pose until the brightness of the frame fits: Gauss-Newton over the six numbers of the pose, from
coarse to fine, with the view's gradients (inverse compositional, Baker and Matthews 2004; with
depth Kerl et al. 2013), up to gain and offset, with Tukey's weights.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from capture.camera import invert
from curation.following.views import View, resized

_WIDTH_PX = 160
# Blurs, as shares of the picture's width, one after the other.
_BLURS = (0.05, 0.025, 0.0125, 0.00625)
# What is compared in the end: finer than the second, coarser than the first.
_BAND = (0.0125, 0.05)
_ROUNDS = 12
_STILL = 1e-4
_NEAREST_M = 0.05
_LEAST_OVERLAP = 0.3
_GAIN = (0.5, 2.0)


class Alignment:
    """A frame against a view, at every blur.

    Args:
        made: The frame, uint8 [H, W, 3], of the view's camera.
        view: What is moved.
    """

    def __init__(self, made: np.ndarray, view: View):
        if view.intrinsics.width_px > _WIDTH_PX:
            view = view.at_width(_WIDTH_PX)
            made = resized(made, (view.intrinsics.width_px, view.intrinsics.height_px))
        self._view = view
        points = view.points_m().reshape(-1, 3)
        self._known = np.isfinite(points[:, 2])
        self._points = points[self._known]
        self._lumas = [
            cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
            for picture in (view.rgb, made)
        ]

    def refined(self, cam_to_world: np.ndarray) -> np.ndarray | None:
        """The pose nearby at which the pictures are most alike; None if they hardly overlap."""
        pose = invert(cam_to_world) @ self._view.cam_to_world
        for here, there, jacobian in self._levels:
            for _ in range(_ROUNDS):
                step = self._step(pose, here, there, jacobian)
                if step is None:
                    return None
                pose = pose @ invert(_rigid(step))
                if np.abs(step).max() < _STILL:
                    break
        return self._view.cam_to_world @ invert(pose)

    def likeness(self, cam_to_world: np.ndarray) -> float:
        """How alike the frame and the view are, if the frame was taken from there.

        The correlation of brightness, without what is finer or coarser than a band, over the points
        that both show; 0 where they are less than 30 % of the picture.
        """
        here, there = self._bands
        moved = self._moved(invert(cam_to_world) @ self._view.cam_to_world, there)
        if moved is None:
            return 0.0
        mine, theirs = here[moved[0]], moved[1]
        if min(mine.std(), theirs.std()) < 1e-3:
            return 0.0
        return float(np.corrcoef(mine, theirs)[0, 1])

    @cached_property
    def _levels(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each blur: the view's brightness at its points [N], the frame [H, W], derivatives.

        Derivatives [N, 6] are of the first over a rotation vector in radians, then metres.
        """
        k, (x, y, z) = self._view.intrinsics, self._points.T
        found = []
        for share in _BLURS:
            mine, theirs = (_blurred(luma, share) for luma in self._lumas)
            across, down = (
                cv2.Scharr(mine, cv2.CV_32F, *order, scale=1 / 32).ravel()[self._known]
                for order in ((1, 0), (0, 1))
            )
            gx, gy = across * k.fx_px / z, down * k.fy_px / z
            gz = -(gx * x + gy * y) / z
            turn = (y * gz - z * gy, z * gx - x * gz, x * gy - y * gx)
            jacobian = np.stack([*turn, gx, gy, gz], -1)
            found.append((mine.ravel()[self._known], theirs, jacobian))
        return found

    @cached_property
    def _bands(self) -> tuple[np.ndarray, np.ndarray]:
        mine, theirs = (_blurred(x, _BAND[0]) - _blurred(x, _BAND[1]) for x in self._lumas)
        return mine.ravel()[self._known], theirs

    def _step(
        self, pose: np.ndarray, here: np.ndarray, there: np.ndarray, jacobian: np.ndarray
    ) -> np.ndarray | None:
        """What the view's points must be moved by before `pose`, [6]; None without overlap."""
        moved = self._moved(pose, there)
        if moved is None:
            return None
        inside, theirs = moved
        mine, jacobian = here[inside], jacobian[inside]
        gain = np.clip(mine.std() / max(float(theirs.std()), 1e-3), *_GAIN)
        residual = gain * theirs - mine
        residual -= np.median(residual)
        scale = 1.4826 * np.median(np.abs(residual)) + 1.0
        weight = np.maximum(1.0 - (residual / (4.685 * scale)) ** 2, 0.0) ** 2
        weighted = jacobian * weight[:, None]
        normal = weighted.T @ jacobian
        normal[np.diag_indices(6)] += 1e-6 * np.trace(normal) + 1e-9
        return np.linalg.solve(normal, weighted.T @ residual)

    def _moved(self, pose: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Which points the frame shows, bool [N], and its brightness there; None if they are few.

        Args:
            pose: The view's camera to the frame's.
            there: The frame, float32 [H, W].
        """
        k = self._view.intrinsics
        x, y, z = (self._points @ pose[:3, :3].T + pose[:3, 3]).T
        ahead = np.maximum(z, _NEAREST_M)
        u = k.fx_px * x / ahead + k.cx_px - 0.5
        v = k.fy_px * y / ahead + k.cy_px - 0.5
        inside = (u >= 0) & (u <= k.width_px - 1) & (v >= 0) & (v <= k.height_px - 1)
        inside &= z > _NEAREST_M
        if np.count_nonzero(inside) < _LEAST_OVERLAP * k.width_px * k.height_px:
            return None
        u, v = (a[inside].astype(np.float32)[:, None] for a in (u, v))
        return inside, cv2.remap(there, u, v, cv2.INTER_LINEAR)[:, 0]


def _blurred(luma: np.ndarray, share: float) -> np.ndarray:
    return cv2.GaussianBlur(luma, (0, 0), share * luma.shape[1])


def _rigid(step: np.ndarray) -> np.ndarray:
    """The motion of a rotation vector and an offset [6], float64 [4, 4]."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = Rotation.from_rotvec(step[:3]).as_matrix(), step[3:]
    return out
