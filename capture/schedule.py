"""The scheduler: plans the next trajectory of a dataset for what the dataset still lacks.

RELIC balances the actions of its recordings and asks for many revisits (sec. 3) but gives no
formula. Here a dataset has targets for three histograms, and of the plans at hand the one comes
next that brings the dataset nearest to them. Nothing is dropped: what was planned is rendered.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from capture import actions, revisits
from capture.camera import Intrinsics
from capture.navigation import FreeSpace
from capture.planner import GENERATORS, Motion
from capture.planner import plan as make_plan
from capture.scene import Plan
from capture.trajectory import Trajectory

log = logging.getLogger(__name__)

# Bins of speed by their upper edges in m/s, and of the time since a view was last seen in seconds.
SPEEDS: dict[str, float] = {"standing": 0.05, "slow": 0.6, "walking": 1.0, "brisk": np.inf}
REVISITS: dict[str, float] = {"new": 0.0, "5s": 7.5, "10s": 15.0, "20s": 30.0, "40s": np.inf}
# Plans of each generator among which the next one is chosen.
_CHOICES = 3
# Which actions each frame takes, bool [T, 13].
Active = Callable[[actions.Actions], np.ndarray]
# Seeds of scheduled plans begin here, apart from those of the plans that a recipe names.
_FIRST_SEED = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What a dataset is to hold, as weights; each histogram is scaled to sum 1.

    Attributes:
        actions: Weight of each of RELIC's 13 actions, by frames on which it is active; an action
            that is not named gets 0.
        speeds: Weight of each bin of `SPEEDS`, by frames.
        revisits: Weight of each bin of `REVISITS`: frames whose view is new, or was last seen about
            so long ago.
    """

    actions: dict[str, float] = field(
        default_factory=lambda: {**dict.fromkeys(actions.NAMES, 1.0), "static": 0.5}
    )
    speeds: dict[str, float] = field(
        default_factory=lambda: {"standing": 3.0, "slow": 3.0, "walking": 3.0, "brisk": 1.0}
    )
    revisits: dict[str, float] = field(
        default_factory=lambda: {"new": 5.5, "5s": 2.0, "10s": 1.0, "20s": 1.0, "40s": 0.5}
    )

    def __post_init__(self):
        for name, known in BINS.items():
            _check(name, getattr(self, name), known)

    def shares(self) -> dict[str, np.ndarray]:
        """The three histograms, each float64 and of sum 1."""
        wanted = {n: np.array([getattr(self, n).get(b, 0.0) for b in BINS[n]]) for n in BINS}
        return {name: weights / weights.sum() for name, weights in wanted.items()}


BINS: dict[str, Sequence[str]] = {
    "actions": actions.NAMES,
    "speeds": tuple(SPEEDS),
    "revisits": tuple(REVISITS),
}


def _check(name: str, weights: Mapping[str, float], known: Sequence[str]) -> None:
    for key, weight in weights.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"targets.{name}: unknown name {key!r}; {hint}")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < np.inf:
            raise ValueError(
                f"targets.{name}.{key}: expected a weight of 0 or more, got {weight!r}"
            )
    if not sum(weights.values()) > 0:
        raise ValueError(f"targets.{name}: at least one weight must be positive")


def contents(path: Trajectory, active: Active) -> dict[str, np.ndarray]:
    """Frames in each bin of the three histograms."""
    return {
        "actions": active(actions.encode(path.cam_to_world))[1:].sum(0).astype(float),
        "speeds": _histogram(path.speed_m_s(), list(SPEEDS.values())),
        "revisits": _histogram(revisits.gap_s(path), list(REVISITS.values())),
    }


class Scheduler:
    """Plans towards targets; what it has planned so far decides what comes next.

    The same calls in the same order give the same plans.

    Args:
        targets: What the dataset is to hold.
        active: How actions are counted; curation's own measure (`curation.balance.active`) goes in
            here, so that the audit agrees.
    """

    def __init__(self, targets: Targets, active: Active):
        self._wanted = targets.shares()
        self._active = active
        self._counts = {name: np.zeros(len(bins)) for name, bins in BINS.items()}

    def add(self, plan: Plan) -> None:
        """Count a plan that is in the dataset already."""
        self._add(contents(plan.trajectory, self._active))

    def shares(self) -> dict[str, np.ndarray]:
        """The three histograms of what is planned so far."""
        return {name: _normal(counts) for name, counts in self._counts.items()}

    def distances(self) -> dict[str, float]:
        """Total variation distance of each histogram to its target, between 0 and 1."""
        return {n: _distance(self._counts[n], wanted) for n, wanted in self._wanted.items()}

    def fill(
        self,
        space: FreeSpace,
        *,
        scene_id: str,
        seed: int,
        count: int,
        num_frames: int,
        intrinsics: Intrinsics,
        motion: Motion,
    ) -> list[Plan]:
        """The next plans, in one scene.

        Args:
            space: Free space of the scene.
            scene_id: Whose free space it is.
            seed: Of the plans.
            count: How many.
            num_frames: Length of each; generators that need more are left out, and so are those
                that find no path in this scene.
            intrinsics: The camera.
            motion: Speeds and clearance.

        Raises:
            ValueError: If no generator finds a path.
        """
        first = _FIRST_SEED + 1000 * seed
        make = functools.partial(
            make_plan,
            space=space,
            scene_id=scene_id,
            num_frames=num_frames,
            intrinsics=intrinsics,
            motion=motion,
        )
        sources = {name: self._candidates(name, make, first) for name in GENERATORS}
        # Whatever is not chosen stays at hand, so a choice costs no more planning than none.
        pool = [(c, name) for name in GENERATORS for c in itertools.islice(sources[name], _CHOICES)]
        plans = []
        while pool and len(plans) < count:
            best = min(range(len(pool)), key=lambda k: self._miss(pool[k][0][1]))
            (plan, counted), name = pool.pop(best)
            self._add(counted)
            plans.append(plan)
            pool += [(c, name) for c in itertools.islice(sources[name], 1)]
        if len(plans) < count:
            raise ValueError(
                f"no generator finds a path of {num_frames} frames in {scene_id} with "
                f"{motion.min_clearance_m} m of clearance; ask for less clearance or more frames"
            )
        return plans

    def _candidates(
        self, generator: str, make: Callable[..., Plan], first_seed: int
    ) -> Iterator[tuple[Plan, dict[str, np.ndarray]]]:
        """Plans of one generator with what they hold, until it finds no more."""
        for seed in itertools.count(first_seed):
            try:
                plan = make(generator, seed=seed)
            except ValueError as error:
                log.info("%s", error)
                return
            yield plan, contents(plan.trajectory, self._active)

    def _add(self, counted: Mapping[str, np.ndarray]) -> None:
        for name, counts in counted.items():
            self._counts[name] += counts

    def _miss(self, counted: Mapping[str, np.ndarray]) -> float:
        """How far the dataset would be from its targets with this plan."""
        return sum(_distance(self._counts[n] + counted[n], w) for n, w in self._wanted.items())


def _histogram(values: np.ndarray, upper_edges: Sequence[float]) -> np.ndarray:
    """How many values lie in each bin, float64; an edge belongs to the bin below it."""
    bins = np.searchsorted(upper_edges, values)
    return np.bincount(bins, minlength=len(upper_edges)).astype(np.float64)


def _distance(counts: np.ndarray, wanted: np.ndarray) -> float:
    """Total variation distance between a histogram of counts and wanted shares."""
    return float(np.abs(_normal(counts) - wanted).sum() / 2)


def _normal(counts: np.ndarray) -> np.ndarray:
    return counts / max(float(counts.sum()), 1.0)
