"""How good the second half of a clip is: on what was seen before, over time, and from where.

`bench_memory` makes the clips; this compares them with the truth and its depth.
"""

from __future__ import annotations

import cv2
import numpy as np

from capture.camera import Intrinsics, invert, rotation_angle_deg
from capture.projection import project
from curation import following

# Depths that differ less, relatively, are of one surface.
_SAME = 0.05
_FAR_M = 1e4
# Every how many frames a pose is recovered.
_EVERY = 2


def scores(
    made: np.ndarray,
    truth: np.ndarray,
    depth_m: np.ndarray,
    poses: np.ndarray,
    camera: Intrinsics,
    given: int,
) -> dict:
    """Numbers of the frames that a model made.

    Args:
        made: uint8 [N, T, H, W, 3].
        truth: The same shape.
        depth_m: Planar, float32 [N, T, H, W].
        poses: cam_to_world, float64 [N, T, 4, 4].
        camera: Of all frames.
        given: Frames that were given.

    Returns:
        "covisible", the share of pixels that a given frame shows; on these "psnr_db" and "ssim",
        means over the frames; "drift_db", the PSNR of each frame [T - given]; "in_place", how many
        frames look most like the truth of their own pose, of all the clip's; and "following".
    """
    seen = np.stack([covisible(d, p, camera, given) for d, p in zip(depth_m, poses, strict=True)])
    a, b = made[:, given:], truth[:, given:]
    squared = np.square(a.astype(np.float32) - b).mean(-1)
    error = (squared * seen).sum((-1, -2)) / np.maximum(seen.sum((-1, -2)), 1)
    psnr_db = 10 * np.log10(255**2 / np.maximum(error, 1e-4))
    likeness = [
        (ssim_map(x, y) * mask).sum() / max(mask.sum(), 1)
        for p, q, masks in zip(a, b, seen, strict=True)
        for x, y, mask in zip(p, q, masks, strict=True)
    ]
    found = [in_place(m, t, p, given) for m, t, p in zip(made, truth, poses, strict=True)]
    return {
        "covisible": round(float(seen.mean()), 4),
        "psnr_db": round(float(psnr_db.mean()), 3),
        "ssim": round(float(np.mean(likeness)), 4),
        "drift_db": [round(float(value), 2) for value in psnr_db.mean(0)],
        "in_place": round(float(np.mean(found)), 4),
        "following": _followed(made, truth, depth_m, poses, camera, given),
    }


def covisible(depth_m: np.ndarray, poses: np.ndarray, camera: Intrinsics, given: int) -> np.ndarray:
    """Which pixels of the later frames a given frame shows, bool [T - given, H, W].

    Args:
        depth_m: Planar, float32 [T, H, W].
        poses: cam_to_world, float64 [T, 4, 4].
        camera: Of all frames.
        given: Frames that count as seen.
    """
    depth_m = np.where(np.isfinite(depth_m), depth_m, np.float32(_FAR_M))
    seen = np.zeros((len(depth_m) - given, *depth_m.shape[1:]), dtype=bool)
    for mask, depth, pose in zip(seen, depth_m[given:], poses[given:], strict=True):
        for earlier, before in zip(depth_m[:given], poses[:given], strict=True):
            u, v, z, inside = project(depth, camera, invert(before) @ pose)
            # Nearest pixels, half a pixel over the border included.
            u, v = (np.where(inside, place, 0).round().astype(int) for place in (u, v))
            mask |= inside & (np.abs(earlier[v, u] - z) < _SAME * z)
    return seen


def in_place(made: np.ndarray, truth: np.ndarray, poses: np.ndarray, given: int) -> float:
    """Share of the later frames that look most like a true frame of their own pose.

    Coarser than a recovered pose, and possible where pictures are too poor for one: the correlation
    of brightness without its mean, with every true frame of the clip.

    Args:
        made: uint8 [T, H, W, 3].
        truth: The same shape.
        poses: cam_to_world, float64 [T, 4, 4].
        given: Frames that were given.
    """
    a, b = (
        np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).ravel() for f in x]).astype(np.float64)
        for x in (made[given:], truth)
    )
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (a, b))
    nearest = (a @ b.T).argmax(axis=1)
    apart_deg = rotation_angle_deg(poses[nearest, :3, :3], poses[given:, :3, :3])
    return float((apart_deg < 1.0).mean())


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity of luma, [H, W]: Gaussian window of sigma 1.5 (Wang et al. 2004)."""
    x, y = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float64) for i in (a, b))
    blur = [cv2.GaussianBlur(i, (11, 11), 1.5) for i in (x, y, x * x, y * y, x * y)]
    mx, my, sx, sy, sxy = blur
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mx * my + c1) * (2 * (sxy - mx * my) + c2)
    return top / ((mx**2 + my**2 + c1) * (sx - mx**2 + sy - my**2 + c2))


def _followed(
    made: np.ndarray,
    truth: np.ndarray,
    depth_m: np.ndarray,
    poses: np.ndarray,
    camera: Intrinsics,
    given: int,
) -> dict:
    """Every second frame, from the last that was given."""
    some = slice(given - 1, None, _EVERY)
    found = [
        following.follow(m[some], t[some], d[some], p[some], camera)
        for m, t, d, p in zip(made, truth, depth_m, poses, strict=True)
    ]
    return following.summary(found, [p[some] for p in poses], gap=1)
