"""Whether a clip's action labels go left and right where its poses do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.camera import invert
from capture.formats import Posed

# Label -> (what it moves, +1 to the right or -1 to the left).
_RIGHT = {
    "truck_right": ("truck", 1.0), "truck_left": ("truck", -1.0),
    "pan_right": ("pan", 1.0), "pan_left": ("pan", -1.0),
    "D": ("truck", 1.0), "A": ("truck", -1.0),
    "LR": ("pan", 1.0), "LL": ("pan", -1.0),
    "mouse_yaw": ("pan", 1.0),
}  # fmt: skip
# MIND's keys: 1 is left, 2 is right.
_CODED = {"ad": "truck", "lr": "pan"}
_LEAST_ROWS = 8
_SWAPPED_BELOW, _AGREES_ABOVE = 0.2, 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """How labels and poses agree on left and right.

    Attributes:
        agreement: Share of the rows where both name a side, and the same one; NaN if too few do.
        rows: How many rows name a side in both.
    """

    agreement: float
    rows: int

    @property
    def swapped(self) -> bool | None:
        """Whether left and right are swapped; None where that cannot be told."""
        if not np.isfinite(self.agreement):
            return None
        if self.agreement < _SWAPPED_BELOW:
            return True
        return False if self.agreement > _AGREES_ABOVE else None


def sides(clip: Posed) -> Sides | None:
    """Left and right of the labels against those of the poses.

    Row t may be the move that ends at frame t, or the one that begins there: what agrees more, or
    disagrees more, counts.

    Args:
        clip: With labels whose names say which side they move to: RELIC's 13, W A S D and mouse,
            WorldPlay's, MIND's.

    Returns:
        None where there are no such labels, one for every pose.
    """
    labels = clip.actions
    if labels is None or len(labels.values) != len(clip):
        return None
    said = _said(labels.names, labels.values)
    if not said or len(clip) < 2:
        return None
    moved = invert(clip.cam_to_world[:-1]) @ clip.cam_to_world[1:]
    done = {"truck": moved[:, 0, 3], "pan": np.arctan2(moved[:, 0, 2], moved[:, 2, 2])}
    found = []
    for rows in (slice(1, None), slice(None, -1)):
        same = [np.sign(said[kind][rows]) * np.sign(_clear(done[kind])) for kind in sorted(said)]
        told = np.concatenate(same)
        told = told[np.isfinite(told) & (told != 0)]
        share = float(np.mean(told > 0)) if len(told) >= _LEAST_ROWS else float("nan")
        found.append(Sides(agreement=share, rows=len(told)))
    return max(found, key=lambda one: abs(np.nan_to_num(one.agreement, nan=0.5) - 0.5))


def _said(names: tuple[str, ...], values: np.ndarray) -> dict[str, np.ndarray]:
    """Signed moves to the right by kind, as the labels have them."""
    said: dict[str, np.ndarray] = {}
    for column, name in enumerate(names):
        if name in _RIGHT:
            kind, sign = _RIGHT[name]
            said[kind] = said.get(kind, 0.0) + sign * values[:, column]
        elif name in _CODED:
            coded = values[:, column]
            said[_CODED[name]] = np.where(coded == 2, 1.0, np.where(coded == 1, -1.0, 0.0))
    return said


def _clear(moves: np.ndarray) -> np.ndarray:
    """Moves without those too small against the others to have a side."""
    size = np.abs(moves)
    top = float(np.nanmax(size, initial=0.0))
    return np.where(size > max(0.2 * top, 1e-6), moves, 0.0)
