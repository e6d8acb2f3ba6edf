"""From fits to a verdict: what is told, how surely, and what the pictures cannot tell.

Of readings that fit equally well, the one nearest to what the format declares is taken: a steady
pan says nothing of the unit or the lag, and is no reason for an alarm. What could be changed alone
without a worse fit is not told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.convention.evidence import DepthEvidence, Evidence
from curation.convention.hypothesis import AXES, DEPTHS, METRES, POSES, Hypothesis
from curation.convention.search import FINE_POINTS, MAX_LAG, Tested, test
from curation.convention.views import Views

# Standard errors by which a reading must fit better.
_TIED, _TOLD = 2.0, 3.0
# Differences of fit below these are no difference, however regular: interpolation, noise of
# features, and an arc's freedom, which a mere rotation does not have.
_FLOOR_DEPTH, _FLOOR_MATCHES = 0.004, 0.03
# Below these, nothing fits.
_LEAST_FIT_DEPTH, _LEAST_FIT_MATCHES = 0.35, 0.3
# Log odds against every point in which a reading departs from what is declared.
_ODDS_PER_DEPARTURE = 3.0
SURE = 0.8
FOV_TOLERANCE = 0.03
_FIELDS = ("pose", "axes", "mirrored", "depth", "metres", "focal", "lag")


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Which reading fits.

    Attributes:
        reading: The one that fits, or None where nothing fits or too much does.
        told: Its fields that the frames confirm.
        confidence: That `reading` is right in what is told, in [0, 1].
        fit: Mean fit of the pairs, in [0, 1].
        runner_up: The reading that comes nearest and differs in something told.
        reason: Why nothing, or not everything, can be told; empty otherwise.
    """

    reading: Hypothesis | None
    told: frozenset[str] = frozenset()
    confidence: float = 0.0
    fit: float = 0.0
    runner_up: Hypothesis | None = None
    reason: str = ""


def decide(
    best: Hypothesis,
    others: Sequence[Hypothesis],
    declared: Hypothesis,
    units: Sequence[float],
    evidence: Evidence,
    *,
    fov_known: bool = True,
) -> Detection:
    """The verdict over everything that the search found.

    Args:
        best: What fits best.
        others: Further readings worth comparing.
        declared: What the format says.
        units: Metres of one unit that were tried.
        evidence: What to compare on.
        fov_known: Whether the file gives a field of view that `focal` could depart from.
    """
    floor = _FLOOR_DEPTH if evidence.has_depth else _FLOOR_MATCHES
    tested = [test(reading, evidence) for reading in _candidates(best, others, declared)]
    top = max(tested, key=lambda t: t.fit)
    if top.fit < (_LEAST_FIT_DEPTH if evidence.has_depth else _LEAST_FIT_MATCHES):
        return Detection(
            reading=None, fit=top.fit, reason="no reading of the poses fits what the frames show"
        )
    tied = [t for t in tested if _better_by(top, t, floor) < _TIED]
    final = min(tied, key=lambda t: (departures(t.reading, declared, fov_known=fov_known), -t.fit))
    changed = {
        field: [test(reading, evidence) for reading in alone]
        for field, alone in _single_changes(final.reading, units, evidence.has_depth).items()
    }
    told = frozenset(
        field
        for field, alone in changed.items()
        if alone and min(_better_by(final, t, floor) for t in alone) > _TOLD
    )
    everything = [*tested, *itertools.chain(*changed.values())]
    rivals = [
        (_log_odds(final, t, declared, floor, fov_known=fov_known), -t.fit, n)
        for n, t in enumerate(everything)
        if _differs(t.reading, final.reading, told)
    ]
    if not told or not rivals:
        return Detection(reading=None, fit=final.fit, reason="every reading fits equally well")
    odds, _, place = min(rivals)
    confidence = 1.0 / (1.0 + math.exp(-max(min(odds, 30.0), -30.0)))
    rival = everything[place]
    return Detection(
        reading=final.reading if confidence >= SURE else None,
        told=told,
        confidence=confidence,
        fit=final.fit,
        runner_up=rival.reading,
        reason="" if confidence >= SURE else "two readings fit about equally well",
    )


def pictures_late(views: Views, reading: Hypothesis, pairs: np.ndarray) -> int | None:
    """Frames by which the pictures are late against the depth; None where that cannot be told.

    The lag of the poses is looked for twice, by depth alone and by colour alone: an engine that
    answers with the picture of the frame before, but with the depth of this one, gives two.

    Args:
        views: The clip.
        reading: The one that fits.
        pairs: What to compare on.
    """
    if views.depth_m is None or views.luma is None:
        return None
    lags = []
    for share in (0.0, 1.0):
        evidence = DepthEvidence(views, pairs, FINE_POINTS, luma_share=share)
        near = range(reading.lag - MAX_LAG, reading.lag + MAX_LAG + 1)
        tested = [test(reading.with_(lag=lag), evidence) for lag in near]
        best = max(tested, key=lambda one: one.fit)
        if min(_better_by(best, t, _FLOOR_DEPTH) for t in tested if t is not best) < _TOLD:
            return None
        lags.append(best.reading.lag)
    # A late picture shows the pose of a frame before, so its poses seem early.
    return lags[0] - lags[1]


def departures(reading: Hypothesis, declared: Hypothesis, *, fov_known: bool = True) -> int:
    """In how many points a reading is not what is declared."""
    return sum(
        _other(field, reading, declared) for field in _FIELDS if field != "focal" or fov_known
    )


def _other(field: str, a: Hypothesis, b: Hypothesis) -> bool:
    """Whether two readings differ in a field by more than the eye can tell."""
    one, two = getattr(a, field), getattr(b, field)
    if field in ("metres", "focal"):
        tolerance = FOV_TOLERANCE if field == "focal" else 0.3
        return abs(math.log(one / two)) > tolerance
    return one != two


def _differs(a: Hypothesis, b: Hypothesis, told: frozenset[str]) -> bool:
    return any(_other(field, a, b) for field in told)


def _better_by(a: Tested, b: Tested, floor: float) -> float:
    """By how many standard errors `a` fits better than `b`, over the pairs that both can tell."""
    difference = a.scores - b.scores
    known = difference[np.isfinite(difference)]
    if len(known) < 2:
        return math.inf if b.fit == 0.0 else 0.0
    error = math.hypot(float(known.std(ddof=1)) / math.sqrt(len(known)), floor)
    return float(known.mean()) / error


def _log_odds(
    final: Tested, rival: Tested, declared: Hypothesis, floor: float, *, fov_known: bool
) -> float:
    """Log odds of `final` against a rival: 1.7 z is about the logit of the normal integral."""
    prior = departures(rival.reading, declared, fov_known=fov_known) - departures(
        final.reading, declared, fov_known=fov_known
    )
    return 1.7 * _better_by(final, rival, floor) + _ODDS_PER_DEPARTURE * prior


def _candidates(
    best: Hypothesis, others: Sequence[Hypothesis], declared: Hypothesis
) -> list[Hypothesis]:
    """Everything found, and each of the better ones drawn towards what is declared."""
    found = [declared, best, *others]
    for start in (best, *others[:3]):
        apart = [field for field in _FIELDS if getattr(start, field) != getattr(declared, field)]
        for count in range(1, len(apart) + 1):
            for fields in itertools.combinations(apart, count):
                found.append(start.with_(**{f: getattr(declared, f) for f in fields}))
    return list(dict.fromkeys(found))


def _single_changes(
    final: Hypothesis, units: Sequence[float], has_depth: bool
) -> dict[str, list[Hypothesis]]:
    """Field -> the readings that differ from `final` in it alone."""
    lags = [n for n in range(final.lag - MAX_LAG, final.lag + MAX_LAG + 1) if n != final.lag]
    return {
        "pose": [final.with_(pose=p) for p in POSES if p != final.pose],
        "axes": [final.with_(axes=a) for a in AXES if a != final.axes],
        "mirrored": [final.with_(mirrored=not final.mirrored)],
        "depth": [final.with_(depth=d) for d in DEPTHS if d != final.depth and has_depth],
        "metres": [
            final.with_(metres=final.metres * factor)
            for factor in sorted({a / b for a in units for b in units if a != b})
            if has_depth
        ],
        "focal": [final.with_(focal=final.focal * factor) for factor in (0.9, 1.11)],
        "lag": [final.with_(lag=lag) for lag in lags],
    }


def unit_of(metres: float, base_m: float) -> str | None:
    """m, cm or mm, within a fifth; None for another scale.

    Args:
        metres: That fit, of one unit as the reader gives it.
        base_m: Metres that the reader took for one unit of the file.
    """
    for name, length in METRES.items():
        if abs(math.log(metres * base_m / length)) < math.log(1.2):
            return name
    return None
