"""The search for the reading that fits: coarse over everything at once, then finer where it pays.

Errors come in pairs, so nothing is decided one after the other: pose, axes, left and right, depth
and unit are all combined in the first pass, at a few fields of view and lags. The best of each
combination go on, and every field of view and lag is tried for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.convention.evidence import COARSE, FINE, Blur, DepthEvidence, Evidence, MatchEvidence
from curation.convention.hypothesis import AXES, DEPTHS, POSES, Hypothesis, motions
from curation.convention.views import MAX_PAIRS, Views, spread

MAX_LAG = 4
_COARSE_LAGS = (-3, 0, 3)
_COARSE_FOCALS = (0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0)
# Against 90 degrees, where the file gives no field of view: 127 down to 28 degrees.
_UNKNOWN_FOCALS = (0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0)
_FIRST_GROUPS, _GROUPS = 24, 10
# Combinations that fit less than this share of the best are not looked at again.
_LEAST_SHARE = 0.7
_MOST_CLIMBS = 4
FINE_POINTS = 600
_COARSE_PAIRS, _COARSE_POINTS = 12, 260
_LAG_PAIRS = 16
_MOST_TURN_DEG = 35.0
# Fits below this make a scale that is none of the known units worth looking for.
_POOR = 0.45
_SCALES = tuple(float(s) for s in np.geomspace(1e-4, 1e4, 61))


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A reading and how it fits.

    Attributes:
        reading: The reading.
        scores: For each pair of frames, float64 [P], NaN where it gives no motion.
    """

    reading: Hypothesis
    scores: np.ndarray

    @property
    def fit(self) -> float:
        """Mean over the pairs that can tell."""
        known = self.scores[np.isfinite(self.scores)]
        return float(known.mean()) if len(known) >= max(1, len(self.scores) // 3) else 0.0


def evidence_of(views: Views, pairs: np.ndarray, num_points: int) -> Evidence:
    """What a clip's pairs can be tested with: points of depth, or else features."""
    if views.depth_m is not None:
        return DepthEvidence(views, pairs, num_points)
    return MatchEvidence(views, pairs)


def search(
    views: Views, pairs: np.ndarray, declared: Hypothesis, units: Sequence[float]
) -> tuple[Hypothesis, list[Hypothesis], Evidence]:
    """The reading that fits best, the others worth comparing, and what they are compared on.

    Args:
        views: The clip.
        pairs: Of `views.pairs`.
        declared: What the file's format says.
        units: Metres of one unit of the positions, each to be tried.
    """
    coarse = evidence_of(views, spread(pairs, _COARSE_PAIRS), _COARSE_POINTS)
    if not len(coarse.pairs):
        return declared, [], coarse
    groups = _coarse(coarse, declared, units, known=views.camera_known)
    middle = evidence_of(views, pairs, _COARSE_POINTS)
    refined = [_refined(reading, middle) for reading in groups]
    best = max(refined, key=lambda tested: tested.fit)
    if best.fit < _POOR and middle.has_depth:
        scaled = [_rescaled(tested.reading, coarse) for tested in _ranked(refined)[:4]]
        refined += [_refined(reading, middle) for reading in scaled]
        best = max(refined, key=lambda tested: tested.fit)
    telling = lag_pairs(views, best.reading)
    everything = np.unique(np.concatenate([middle.pairs, telling]), axis=0)
    final = evidence_of(views, spread(everything, MAX_PAIRS + _LAG_PAIRS), FINE_POINTS)
    tested = [_polished(t.reading, final) for t in _ranked(refined)[:_GROUPS]]
    best = max(tested, key=lambda t: t.fit)
    return best.reading, [t.reading for t in tested], final


def test(reading: Hypothesis, evidence: Evidence, blur: Blur = FINE) -> Tested:
    """How a reading fits the evidence."""
    return Tested(reading=reading, scores=evidence.scores(reading, blur))


def lag_pairs(views: Views, reading: Hypothesis) -> np.ndarray:
    """Pairs of places whose motion changes most if the poses are one frame late, int [P, 2].

    A steady motion looks the same one frame later, so these are where the camera speeds up,
    slows down or turns another way. Pairs that turn out of the picture are left out.
    """
    places = [
        (a, b)
        for a, b in itertools.combinations(range(len(views.frames)), 2)
        if views.window[a] == views.window[b] and b - a <= MAX_PAIRS
    ]
    if not places:
        return np.empty((0, 2), dtype=np.int64)
    pairs = np.array(places)
    frames = views.frames[pairs]
    near_m = _distance_m(views, reading)
    here, late = (
        motions(views.poses, reading.with_(lag=reading.lag + lag), frames[:, 0], frames[:, 1])
        for lag in (0, 1)
    )
    moved = _seen_deg(np.broadcast_to(np.eye(4), here.shape), here, near_m)
    change = _seen_deg(here, late, near_m)
    fits = np.isfinite(change) & (moved < _MOST_TURN_DEG) & (moved > 0.5)
    order = np.argsort(-np.where(fits, change, -1.0), kind="stable")[: int(fits.sum())]
    return pairs[np.sort(order[:_LAG_PAIRS])]


def _coarse(
    evidence: Evidence, declared: Hypothesis, units: Sequence[float], *, known: bool
) -> list[Hypothesis]:
    """The best reading of each combination, the combinations that fit best, and the declared.

    A first pass tries every combination at a few fields of view without lag; the better third goes
    through all fields of view and lags.
    """
    focals = _COARSE_FOCALS if known else _UNKNOWN_FOCALS
    groups = list(_combinations(declared, units, evidence.has_depth))
    first = [_best_of(group, focals[1::2], (0,), evidence) for group in groups]
    kept = [tested.reading for tested in _ranked(first)[:_FIRST_GROUPS]]
    kept += [group for group in groups if _group(group) == _group(declared)]
    best = {_group(start): _best_of(start, focals, _COARSE_LAGS, evidence) for start in kept}
    ranked = _ranked(best.values())
    enough = _LEAST_SHARE * ranked[0].fit
    chosen = [tested.reading for tested in ranked[:_GROUPS] if tested.fit >= enough]
    own = best[_group(declared)].reading
    return chosen if own in chosen else [*chosen, own]


def _combinations(
    declared: Hypothesis, units: Sequence[float], has_depth: bool
) -> Iterator[Hypothesis]:
    """Every combination of what is no number."""
    depths = DEPTHS if has_depth else (declared.depth,)
    for pose, axes, mirrored, depth, metres in itertools.product(
        POSES, AXES, (False, True), depths, units
    ):
        yield Hypothesis(pose=pose, axes=axes, mirrored=mirrored, depth=depth, metres=metres)


def _best_of(
    start: Hypothesis, focals: Sequence[float], lags: Sequence[int], evidence: Evidence
) -> Tested:
    """The field of view and the lag that fit best."""
    near = (start.with_(focal=focal, lag=lag) for focal in focals for lag in lags)
    return max((test(reading, evidence, COARSE) for reading in near), key=lambda t: t.fit)


def _group(reading: Hypothesis) -> tuple:
    return reading.pose, reading.axes, reading.mirrored, reading.depth, reading.metres


def _refined(start: Hypothesis, evidence: Evidence) -> Tested:
    """The best lag and field of view near a reading."""
    middle = Blur(2 * FINE.depth, 2 * FINE.levels, 3 * FINE.px)
    near = [
        start.with_(lag=lag, focal=start.focal * factor)
        for lag in range(-MAX_LAG, MAX_LAG + 1)
        for factor in (0.86, 0.93, 1.0, 1.075, 1.16)
    ]
    best = max(near, key=lambda reading: test(reading, evidence, middle).fit)
    near = [best.with_(focal=best.focal * factor) for factor in (0.965, 0.98, 1.0, 1.02, 1.036)]
    return max((test(reading, evidence) for reading in near), key=lambda tested: tested.fit)


def _rescaled(reading: Hypothesis, evidence: Evidence) -> Hypothesis:
    """The same with the scale that fits best, whatever it is."""
    near = [reading.with_(metres=reading.metres * scale, lag=0) for scale in _SCALES]
    return max(near, key=lambda other: test(other, evidence, COARSE).fit)


def _polished(start: Hypothesis, evidence: Evidence) -> Tested:
    """The last bit of lag, field of view and, with depth, scale: uphill in ever smaller steps."""
    best = test(start, evidence)
    for step in (0.1, 0.03, 0.01):
        for _ in range(_MOST_CLIMBS):
            higher = max(
                (test(near, evidence) for near in _near(best.reading, step, evidence.has_depth)),
                key=lambda tested: tested.fit,
            )
            if higher.fit <= best.fit:
                break
            best = higher
    return best


def _near(reading: Hypothesis, step: float, has_depth: bool) -> Iterator[Hypothesis]:
    """Readings a step away."""
    for lag in (-1, 1):
        yield reading.with_(lag=reading.lag + lag)
    for factor in (1 / (1 + step), 1 + step):
        yield reading.with_(focal=reading.focal * factor**0.7)
        if has_depth:
            yield reading.with_(metres=reading.metres * factor)


def _ranked(tested: Iterable[Tested]) -> list[Tested]:
    return sorted(tested, key=lambda one: -one.fit)


def _distance_m(views: Views, reading: Hypothesis) -> float:
    """How far away things are, in the units of `motions`; without depth, the path is the scale."""
    if views.depth_m is not None:
        known = views.depth_m[np.isfinite(views.depth_m) & (views.depth_m > 0)]
        return float(np.median(known)) if len(known) else 1.0
    steps = motions(views.poses, reading, views.frames[:-1], views.frames[1:])[:, :3, 3]
    length = float(np.nansum(np.linalg.norm(steps, axis=1)))
    return max(length / 2, 1e-9)


def _seen_deg(a: np.ndarray, b: np.ndarray, distance_m: float) -> np.ndarray:
    """About how far a point at a distance moves in the picture between two motions [P, 4, 4]."""
    with np.errstate(invalid="ignore"):
        turned = np.linalg.norm(a[:, :3, 2] - b[:, :3, 2], axis=1)
        rolled = 0.3 * np.linalg.norm(a[:, :3, 0] - b[:, :3, 0], axis=1)
        shifted = np.linalg.norm(a[:, :3, 3] - b[:, :3, 3], axis=1) / distance_m
    return np.degrees(turned + rolled + shifted)
