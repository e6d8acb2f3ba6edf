"""How far an estimated camera path is from a reference: ATE and RPE.

Absolute trajectory error: both paths are brought together by the best rigid motion (SE(3)) or
similarity (Sim(3), S. Umeyama, "Least-squares estimation of transformation parameters between two
point patterns", TPAMI 1991), then compared pose by pose. Relative pose error: the motions over a
fixed number of frames or of metres are compared, so that drift does not add up (J. Sturm et al.,
"A benchmark for the evaluation of RGB-D SLAM systems", IROS 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from capture.camera import invert, rotation_angle_deg

Alignment = Literal["none", "origin", "se3", "sim3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Statistics of the errors of many poses, or of many steps.

    Attributes:
        values: Every error, float64 [N].
        unit: "m" or "deg".
    """

    values: np.ndarray
    unit: Literal["m", "deg"]

    def to_json(self) -> dict[str, object]:
        """rmse, mean, median, std, min, max and how many."""
        v = self.values
        return {
            "rmse": float(np.sqrt(np.mean(v**2))),
            "mean": float(v.mean()),
            "median": float(np.median(v)),
            "std": float(v.std()),
            "min": float(v.min()),
            "max": float(v.max()),
            "count": len(v),
            "unit": self.unit,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Similarity:
    """A point `p` goes to `scale * rotation @ p + translation_m`.

    Attributes:
        rotation: float64 [3, 3].
        translation_m: float64 [3].
        scale: 1 for a rigid motion.
    """

    rotation: np.ndarray
    translation_m: np.ndarray
    scale: float = 1.0

    def __call__(self, poses: np.ndarray) -> np.ndarray:
        """Poses [N, 4, 4] moved along; their rotations stay rotations."""
        moved = poses.copy()
        moved[:, :3, :3] = self.rotation @ poses[:, :3, :3]
        at = poses[:, :3, 3] @ self.rotation.T
        moved[:, :3, 3] = self.scale * at + self.translation_m
        return moved


def umeyama(estimate_m: np.ndarray, reference_m: np.ndarray, *, scale: bool) -> Similarity:
    """The motion of the estimate's points that brings them nearest to the reference's.

    Umeyama 1991, equations 40 to 42: minimises the sum of squared distances.

    Args:
        estimate_m: float64 [N, 3].
        reference_m: The points that they belong to.
        scale: Whether the estimate may also be scaled.

    Raises:
        ValueError: If there are fewer than three points, or they lie on a line, so that a turn
            about it is left open.
    """
    if estimate_m.shape != reference_m.shape or estimate_m.ndim != 2 or len(estimate_m) < 3:
        raise ValueError(
            "two paths are brought together by at least three positions each, got "
            f"{estimate_m.shape} and {reference_m.shape}"
        )
    middle, wanted = estimate_m.mean(axis=0), reference_m.mean(axis=0)
    from_, to = estimate_m - middle, reference_m - wanted
    u, size, v = np.linalg.svd(to.T @ from_ / len(from_))
    if size[1] <= 1e-12 * max(size[0], 1e-300):
        raise ValueError(
            "the positions lie on a line, so a rotation cannot be found; "
            "align by the origin, or compare relative errors"
        )
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = (u * sign) @ v
    spread = float((from_**2).sum(axis=1).mean())
    factor = float(size @ sign) / spread if scale else 1.0
    return Similarity(
        rotation=rotation, translation_m=wanted - factor * rotation @ middle, scale=factor
    )


def align(estimate: np.ndarray, reference: np.ndarray, how: Alignment) -> Similarity:
    """The motion of an estimated path that `how` asks for.

    Args:
        estimate: Poses, float64 [N, 4, 4].
        reference: The poses that they belong to.
        how: "none"; "origin": the first poses are made the same; "se3" and "sim3": by Umeyama.
    """
    if how == "origin":
        first = reference[0] @ invert(estimate[0])
        return Similarity(rotation=first[:3, :3], translation_m=first[:3, 3])
    if how == "none":
        return Similarity(rotation=np.eye(3), translation_m=np.zeros(3))
    return umeyama(estimate[:, :3, 3], reference[:, :3, 3], scale=how == "sim3")


def ate(
    estimate: np.ndarray, reference: np.ndarray, how: Alignment = "se3"
) -> tuple[Errors, Errors, Similarity]:
    """Absolute trajectory error: of positions, of rotations, and the motion that was applied.

    Args:
        estimate: cam_to_world, float64 [N, 4, 4].
        reference: The same frames of the truth.
        how: See `align`.

    Raises:
        ValueError: If the lengths differ, or the paths cannot be aligned.
    """
    _same_length(estimate, reference)
    motion = align(estimate, reference, how)
    moved = motion(estimate)
    apart_m = np.linalg.norm(moved[:, :3, 3] - reference[:, :3, 3], axis=1)
    turned = rotation_angle_deg(reference[:, :3, :3], moved[:, :3, :3])
    return Errors(values=apart_m, unit="m"), Errors(values=turned, unit="deg"), motion


def rpe(
    estimate: np.ndarray,
    reference: np.ndarray,
    delta: float = 1,
    unit: Literal["frames", "m"] = "frames",
    *,
    overlapping: bool = True,
) -> tuple[Errors, Errors]:
    """Relative pose error: of translations and of rotations, over steps of one length.

    The error of a step is inverse(inverse(Q_i) Q_j) inverse(P_i) P_j with reference Q and estimate
    P (Sturm et al. 2012, equation 1).

    Args:
        estimate: cam_to_world, float64 [N, 4, 4]; scale it before if it has none of its own.
        reference: The same frames of the truth.
        delta: Length of a step.
        unit: Of `delta`: frames, or metres along the reference.
        overlapping: A step from every frame; else each step begins where the last one ended.

    Raises:
        ValueError: If the lengths differ, or no step is that long.
    """
    _same_length(estimate, reference)
    pairs = _steps(reference, delta, unit, overlapping=overlapping)
    if not len(pairs):
        raise ValueError(
            f"the path is shorter than one step of {delta:g} {unit}; choose a shorter one"
        )
    i, j = pairs.T
    moved = invert(estimate[i]) @ estimate[j]
    wanted = invert(reference[i]) @ reference[j]
    error = invert(wanted) @ moved
    return (
        Errors(values=np.linalg.norm(error[:, :3, 3], axis=1), unit="m"),
        Errors(values=rotation_angle_deg(np.eye(3), error[:, :3, :3]), unit="deg"),
    )


def _steps(
    reference: np.ndarray, delta: float, unit: Literal["frames", "m"], *, overlapping: bool
) -> np.ndarray:
    """Pairs of frames that are a step apart, int [P, 2]."""
    count = len(reference)
    if unit == "frames":
        length = int(delta)
        if length != delta or length < 1:
            raise ValueError(f"a step is a whole number of frames from 1, got {delta:g}")
        first = np.arange(0, count - length, 1 if overlapping else length)
        return np.stack([first, first + length], -1)
    if not delta > 0:
        raise ValueError(f"a step is longer than 0 m, got {delta:g}")
    way = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(reference[:, :3, 3], axis=0), axis=1))]
    )
    pairs, i = [], 0
    while i < count - 1:
        j = i + int(np.searchsorted(way[i:] - way[i], delta))
        if j < count:
            pairs.append((i, j))
        i = i + 1 if overlapping else j
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _same_length(estimate: np.ndarray, reference: np.ndarray) -> None:
    if len(estimate) != len(reference):
        raise ValueError(
            f"the two paths have {len(estimate)} and {len(reference)} poses; "
            "compare the frames that both have"
        )


def associate(estimate_s: np.ndarray, reference_s: np.ndarray, apart_s: float) -> np.ndarray:
    """Pairs of places whose times are nearest and at most `apart_s` apart, int [P, 2].

    Args:
        estimate_s: Times of the estimate, increasing.
        reference_s: Times of the reference, increasing.
        apart_s: Largest difference.
    """
    after = np.clip(np.searchsorted(reference_s, estimate_s), 1, max(len(reference_s) - 1, 1))
    after = np.minimum(after, len(reference_s) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(reference_s[before] - estimate_s) <= np.abs(reference_s[after] - estimate_s)
    nearest = np.where(nearer, before, after)
    close = np.flatnonzero(np.abs(reference_s[nearest] - estimate_s) <= apart_s)
    return np.stack([close, nearest[close]], -1)
