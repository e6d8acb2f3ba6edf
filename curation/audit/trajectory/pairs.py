"""Which frames of a trajectory are worth comparing: places seen again, and the worst neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from capture import revisits
from capture.trajectory import Trajectory
from curation import geometry
from curation.audit.trajectory.looks import Pair

_AGAIN = 2
# Of a trajectory: pairs that begin nearer to one another show the same.
_APART = 0.12
_REACH = 0.1


def of_frames(t_s: np.ndarray, frames: Mapping[str, np.ndarray]) -> list[Pair]:
    """The longest gaps after which surfaces are seen again, and the pair that agrees least.

    Args:
        t_s: Times, [T].
        frames: Columns of a frame table, [T] each: `covisible_gap_s`, or where it knows nothing
            `revisit_gap_s`, say when; `geometry_inlier` says how well frames 8 apart agree.
    """
    found = _again(t_s, frames["covisible_gap_s"]) or _again(t_s, frames["revisit_gap_s"])
    inlier = frames["geometry_inlier"]
    known = np.isfinite(inlier)
    if known.any():
        worst = int(np.argmin(np.where(known, inlier, np.inf)))
        if worst + geometry.PAIR_GAP < len(t_s):
            found.append(Pair(now=worst, then=worst + geometry.PAIR_GAP, kind="next"))
    return found


def of_path(path: Trajectory) -> list[Pair]:
    """The longest gaps after which a camera is back, from its poses alone.

    Near is a tenth of the largest distance from the start, so that no unit need be known.
    """
    reach = _REACH * float(np.linalg.norm(path.position_m - path.position_m[0], axis=1).max())
    depth = np.full(len(path), max(reach, 1e-6) / revisits.REACH)
    return _again(path.t_s, revisits.gap_s(path, depth))


def _again(t_s: np.ndarray, gap_s: np.ndarray) -> list[Pair]:
    gap_s = np.nan_to_num(gap_s)
    found: list[Pair] = []
    for now in np.argsort(-gap_s, kind="stable").tolist():
        if gap_s[now] <= 0 or len(found) == _AGAIN:
            break
        if all(abs(now - pair.now) >= _APART * len(t_s) for pair in found):
            then = int(np.argmin(np.abs(t_s - (t_s[now] - gap_s[now]))))
            found.append(Pair(now=now, then=then, kind="again"))
    return found
