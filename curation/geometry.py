"""Whether pose, depth, colour and time agree: the proof that a dataset means what it says.

Every pixel of frame i is lifted by its depth, moved by the two poses and projected into frame j.
If depth is planar, axes and units are right and nothing is late, it lands on a pixel of the same
depth and the same colour. One wrong convention and it does not.
"""

from __future__ import annotations

import cv2
import numpy as np

from capture.camera import Intrinsics, invert, rotation_angle_deg
from capture.projection import project

PAIR_GAP = 8
TOLERANCE = 0.02
LAGS = (-2, -1, 0, 1, 2)
WIDTH_PX = 320
# Fewer overlapping pixels than this share say nothing.
_MIN_OVERLAP = 0.05
# Occluded pixels differ by any amount; beyond this many levels they all count the same.
_MAX_DIFFERENCE = 48.0
# A lag changes nothing in a steady pan; pairs where it does not move a pixel cannot show it.
_MIN_SHIFT_DEG = 0.02
# Bare walls look alike under every lag.
_MIN_MARGIN = 0.1


def step_for(width_px: int) -> int:
    """Every how many pixels to look, so that pictures get at most about 320 pixels wide."""
    return max(1, round(width_px / WIDTH_PX))


def shrink_camera(intrinsics: Intrinsics) -> Intrinsics:
    """The camera of pictures that went through `shrink`."""
    step = step_for(intrinsics.width_px)
    first = step // 2 + 0.5  # centre of the first pixel that is kept
    return Intrinsics(
        width_px=len(range(step // 2, intrinsics.width_px, step)),
        height_px=len(range(step // 2, intrinsics.height_px, step)),
        fx_px=intrinsics.fx_px / step,
        fy_px=intrinsics.fy_px / step,
        cx_px=(intrinsics.cx_px - first) / step + 0.5,
        cy_px=(intrinsics.cy_px - first) / step + 0.5,
    )


def shrink(picture: np.ndarray) -> np.ndarray:
    """Every n-th pixel of luma uint8 [H, W] (smoothed first) or depth float32 [H, W] (as it is)."""
    step = step_for(picture.shape[1])
    if picture.dtype == np.uint8 and step > 1:
        size = 2 * (step // 2) + 1
        picture = cv2.blur(picture, (size, size))
    return np.ascontiguousarray(picture[step // 2 :: step, step // 2 :: step])


def inlier_share(
    depth_i: np.ndarray, depth_j: np.ndarray, intrinsics: Intrinsics, i_to_j: np.ndarray
) -> float:
    """Share of overlapping pixels with |z - depth_j| / z < 2 % after reprojection i -> j.

    depth_j is interpolated in 1 / z, which is exact on planes.

    Args:
        depth_i: Planar depth, float32 [H, W] metres.
        depth_j: The same of the other frame.
        intrinsics: The camera of both.
        i_to_j: Camera i to camera j, float64 [4, 4]: inverse(cam_to_world[j]) @ cam_to_world[i].

    Returns:
        A share in [0, 1]; NaN where under 5 % of the picture overlaps.
    """
    u, v, z, inside = project(depth_i, intrinsics, i_to_j)
    if np.count_nonzero(inside) < _MIN_OVERLAP * inside.size:
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = cv2.remap(1.0 / depth_j, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # |z - 1 / inverse| / z < tolerance, without dividing by an inverse of zero (nothing there)
        good = np.abs(z * inverse - 1.0) < TOLERANCE * z * inverse
    return float(np.count_nonzero(good & inside) / np.count_nonzero(inside))


def photometric_error(
    luma_i: np.ndarray,
    luma_j: np.ndarray,
    depth_i: np.ndarray,
    intrinsics: Intrinsics,
    i_to_j: np.ndarray,
) -> float:
    """Mean |luma_i - luma_j warped to i|, in levels, over the pixels that overlap; NaN if few do.

    Args:
        luma_i: uint8 [H, W].
        luma_j: uint8 [H, W].
        depth_i: Planar depth of frame i, float32 [H, W] metres.
        intrinsics: The camera of both.
        i_to_j: Camera i to camera j, float64 [4, 4].
    """
    u, v, _, inside = project(depth_i, intrinsics, i_to_j)
    count = np.count_nonzero(inside)
    if count < _MIN_OVERLAP * inside.size:
        return float("nan")
    warped = cv2.remap(luma_j, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = np.minimum(cv2.absdiff(luma_i, warped), _MAX_DIFFERENCE)
    return float(difference[inside].sum() / count)


def lag_errors(
    luma_i: np.ndarray,
    luma_j: np.ndarray,
    depth_i: np.ndarray,
    intrinsics: Intrinsics,
    cam_to_world: np.ndarray,
    i: int,
    j: int,
) -> np.ndarray:
    """Photometric error of the pair (i, j) with the poses of (i + lag, j + lag), float64 [5].

    NaN throughout where the poses do not exist, or where the path is so steady that a lag of one
    frame moves no pixel: then no picture can tell.
    """
    if i + LAGS[0] < 0 or j + LAGS[-1] >= len(cam_to_world):
        return np.full(len(LAGS), np.nan)
    moves = [invert(cam_to_world[j + lag]) @ cam_to_world[i + lag] for lag in LAGS]
    here, late = moves[LAGS.index(0)], moves[LAGS.index(1)]
    finite = depth_i[np.isfinite(depth_i)]
    distance_m = float(np.median(finite)) if finite.size else np.inf
    shift_deg = rotation_angle_deg(here[:3, :3], late[:3, :3]) + np.degrees(
        np.linalg.norm(here[:3, 3] - late[:3, 3]) / distance_m
    )
    if shift_deg < _MIN_SHIFT_DEG:
        return np.full(len(LAGS), np.nan)
    return np.array([photometric_error(luma_i, luma_j, depth_i, intrinsics, m) for m in moves])


def best_lag(errors: np.ndarray) -> tuple[float, float]:
    """The lag in frames with the smallest error, and the margin by which it wins.

    The margin is (second smallest - smallest) / smallest. Pairs on which a lag makes little
    difference only dilute it, so the half with the largest spread is used.

    Args:
        errors: float64 [P, 5], from `lag_errors`; NaN rows are left out.

    Returns:
        (lag, margin); the lag is NaN where the margin is below 10 %, both where no pair can tell.
    """
    errors = errors[np.isfinite(errors).all(axis=1)] if len(errors) else errors
    if not len(errors):
        return float("nan"), float("nan")
    spread = np.ptp(errors, axis=1)
    total = errors[np.argsort(-spread, kind="stable")[: (len(errors) + 1) // 2]].sum(axis=0)
    first, second = np.sort(total)[:2]
    margin = float((second - first) / max(first, 1e-9))
    return float(LAGS[int(np.argmin(total))]) if margin >= _MIN_MARGIN else float("nan"), margin
