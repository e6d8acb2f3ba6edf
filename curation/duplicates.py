"""Near-duplicates: the same path through the same scene, twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_DISTANCE_M = 0.1
MAX_ANGLE_DEG = 5.0
SAMPLES = 16


def sample(num_frames: int) -> np.ndarray:
    """The 16 frames by which a clip is compared, spread evenly, int [16]."""
    return np.linspace(0, num_frames - 1, SAMPLES).round().astype(int)


def find(scene_ids: Sequence[str], paths: np.ndarray) -> list[int | None]:
    """For each clip the earlier one that it repeats, by index, or None.

    Two clips of one scene are the same if, sample by sample, they stand within 10 cm and look
    within 5 degrees of each other on average. The first of its kind is kept.

    Args:
        scene_ids: The scene of each clip, [N].
        paths: `cam_to_world` of each clip's samples, float64 [N, S, 4, 4].
    """
    kept: dict[str, list[int]] = {}
    found: list[int | None] = []
    for n, scene in enumerate(scene_ids):
        others = kept.setdefault(scene, [])
        same = _same(paths[n], paths[others]) if others else np.zeros(0, dtype=bool)
        found.append(others[int(np.argmax(same))] if same.any() else None)
        if not same.any():
            others.append(n)
    return found


def _same(path: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether `path` [S, 4, 4] repeats each of `others` [K, S, 4, 4]; bool [K]."""
    apart_m = np.linalg.norm(others[..., :3, 3] - path[:, :3, 3], axis=-1).mean(axis=1)
    cosine = np.einsum("ksij,sij->ks", others[..., :3, :3], path[:, :3, :3])
    apart_deg = np.degrees(np.arccos(np.clip((cosine - 1.0) / 2.0, -1.0, 1.0))).mean(axis=1)
    return (apart_m < MAX_DISTANCE_M) & (apart_deg < MAX_ANGLE_DEG)
