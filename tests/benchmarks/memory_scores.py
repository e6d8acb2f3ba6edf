"""How good the second half of a clip is: on what was seen before, over time, and from where.

`bench_memory` makes the clips; `training.revisit` compares them with the truth where it was seen.
"""

from __future__ import annotations

import cv2
import numpy as np

from capture.camera import rotation_angle_deg
from curation import following
from training import revisit
from training.perceptual.lpips import Lpips
from training.revisit import Truth

# Every how many frames a pose is recovered.
_EVERY = 2


def scores(made: np.ndarray, truth: Truth, lpips: Lpips | None = None) -> dict:
    """Numbers of the frames that a model made.

    Args:
        made: uint8 [N, T, H, W, 3].
        truth: What should be there.
        lpips: Measures that too.

    Returns:
        Those of `revisit.scores`; "in_place", how many frames look most like the truth of their own
        pose, of all the clip's; and "following", every second frame from the last that was given.
    """
    clips = list(zip(made, truth.frames, truth.depth_m, truth.poses, strict=True))
    found = [in_place(m, t, p, truth.given) for m, t, _, p in clips]
    some = slice(truth.given - 1, None, _EVERY)
    followed = [
        following.follow(m[some], t[some], d[some], p[some], truth.camera) for m, t, d, p in clips
    ]
    return {
        **revisit.scores(made, truth, truth.seen(), lpips),
        "in_place": round(float(np.mean(found)), 4),
        "following": following.summary(followed, [p[some] for p in truth.poses], gap=1),
    }


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
