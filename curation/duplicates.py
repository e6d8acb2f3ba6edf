"""Near-duplicates: the same path through the same scene, twice, also begun earlier or later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_DISTANCE_M = 0.1
MAX_ANGLE_DEG = 5.0
# Two clips may be shifted in time by this share of their length.
MAX_SHIFT = 0.25
# A clip whose middle is farther than this from all of another clip's is not compared further.
_NEAR_M = 1.0
_NEAR_STEP = 4


def find(scene_ids: Sequence[str], paths: np.ndarray) -> list[int | None]:
    """For each clip the earlier one that it repeats, by index, or None.

    Two clips of one scene are the same if, shifted against each other by up to a quarter of their
    length, they stand within 10 cm and look within 5 degrees of each other on average, frame by
    frame, where they overlap. The first of its kind is kept.

    Args:
        scene_ids: The scene of each clip, [N].
        paths: `cam_to_world` of each clip's frames, float [N, T, 4, 4].
    """
    kept: dict[str, list[int]] = {}
    found: list[int | None] = []
    for n, scene in enumerate(scene_ids):
        others = kept.setdefault(scene, [])
        near = (k for k in _near(paths, n, others) if _same(paths[n], paths[k]))
        found.append(next(near, None))
        if found[-1] is None:
            others.append(n)
    return found


def _near(paths: np.ndarray, n: int, others: Sequence[int]) -> list[int]:
    """Those of `others` that come near the middle of clip `n`."""
    if not others:
        return []
    middle = paths[n, paths.shape[1] // 2, :3, 3]
    apart_m = np.linalg.norm(paths[others, ::_NEAR_STEP, :3, 3] - middle, axis=-1)
    return [others[place] for place in np.flatnonzero(apart_m.min(axis=1) < _NEAR_M).tolist()]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether path `a` [T, 4, 4] repeats `b`, at any shift."""
    apart_m = np.linalg.norm(a[:, None, :3, 3] - b[None, :, :3, 3], axis=-1)
    turns_a, turns_b = (path[:, :3, :3].reshape(len(path), 9) for path in (a, b))
    cosine = np.clip((turns_a @ turns_b.T - 1.0) / 2.0, -1.0, 1.0)
    apart_deg = np.degrees(np.arccos(cosine))
    most = int(len(a) * MAX_SHIFT)
    return any(
        np.diagonal(apart_m, shift).mean() < MAX_DISTANCE_M
        and np.diagonal(apart_deg, shift).mean() < MAX_ANGLE_DEG
        for shift in sorted(range(-most, most + 1), key=abs)
    )
