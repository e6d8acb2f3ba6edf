"""Near-duplicates: the same path through the same scene, twice, also begun earlier or later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial import KDTree

MAX_DISTANCE_M = 0.1
MAX_ANGLE_DEG = 5.0
# Two clips may be shifted in time by this share of their length.
MAX_SHIFT = 0.25
# Clips are compared no further where the middle of one is farther than this from all of the other.
_NEAR_M, _NEAR_DEG = 1.0, 30.0
_NEAR_STEP = 4
# Paths that come this many times nearer if one is played backwards lead the other way.
_BACKWARDS = 2.0
# Paths that are apart by no more than this share of what they may be are the same in any case.
_EQUAL = 0.25


def find(scene_ids: Sequence[str], paths: np.ndarray) -> list[int | None]:
    """For each clip the earlier one that it repeats, by index, or None.

    Two clips of one scene are the same if, shifted against each other by up to a quarter of their
    length, they stand within 10 cm and look within 5 degrees of each other on average, frame by
    frame, where they overlap. The way back of a short way is no repetition: a pair that fits twice
    as well with one of them played backwards is left alone. The first of its kind is kept.

    Args:
        scene_ids: The scene of each clip, [N].
        paths: `cam_to_world` of each clip's frames, float [N, T, 4, 4].
    """
    found: list[int | None] = [None] * len(scene_ids)
    scenes: dict[str, list[int]] = {}
    for n, scene in enumerate(scene_ids):
        scenes.setdefault(scene, []).append(n)
    for members in scenes.values():
        for n, near in zip(members, _near(paths, members), strict=True):
            kept = (k for k in near if found[k] is None)
            found[n] = next((k for k in kept if _same(paths[n], paths[k])), None)
    return found


def _near(paths: np.ndarray, members: Sequence[int]) -> Iterator[list[int]]:
    """For each clip of a scene the earlier ones that come near its middle, in order."""
    places_m = paths[members, ::_NEAR_STEP, :3, 3]
    tree = KDTree(places_m.reshape(-1, 3))
    for rank, n in enumerate(members):
        around = tree.query_ball_point(paths[n, paths.shape[1] // 2, :3, 3], _NEAR_M)
        ranks = np.unique(np.array(around, dtype=int) // places_m.shape[1])
        yield [members[other] for other in ranks[ranks < rank].tolist()]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether path `a` [T, 4, 4] repeats `b`, at any shift."""
    middle = len(a) // 2
    here_m, here_deg = _apart(a[middle : middle + 1], b)
    if not ((here_m < _NEAR_M) & (here_deg < _NEAR_DEG)).any():
        return False
    apart = _apart(a, b)
    forth = _nearest(*apart)
    if _EQUAL < forth < 1.0:
        return forth <= _BACKWARDS * _nearest(*(matrix[:, ::-1] for matrix in apart))
    return forth <= _EQUAL


def _nearest(apart_m: np.ndarray, apart_deg: np.ndarray) -> float:
    """How far apart two paths are at their best shift: below 1 they are the same.

    Args:
        apart_m: Metres between all of their poses, [T, T].
        apart_deg: Degrees.
    """
    most = int(len(apart_m) * MAX_SHIFT)
    return min(
        max(
            np.diagonal(apart_m, shift).mean() / MAX_DISTANCE_M,
            np.diagonal(apart_deg, shift).mean() / MAX_ANGLE_DEG,
        )
        for shift in range(-most, most + 1)
    )


def _apart(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres and degrees between all poses of two paths [A, 4, 4] and [B, 4, 4]: [A, B] each."""
    apart_m = np.linalg.norm(a[:, None, :3, 3] - b[None, :, :3, 3], axis=-1)
    turns_a, turns_b = (path[:, :3, :3].reshape(len(path), 9) for path in (a, b))
    cosine = np.clip((turns_a @ turns_b.T - 1.0) / 2.0, -1.0, 1.0)
    return apart_m, np.degrees(np.arccos(cosine))
