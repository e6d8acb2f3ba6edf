"""Who gets which plan; everything else of the fleet is in test_failures.py."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from pathlib import Path

import pytest
from tiny_engine import tiny_plan

from capture.launcher import EngineSpec
from capture.scene import Scene
from pipelines import fleet
from pipelines.console import Bar


class Actor:
    """Stands in for a Ray actor."""

    def __init__(self):
        self.record = self

    def remote(self, *_) -> object:
        return object()


@pytest.mark.parametrize(
    ("plans", "engines", "wanted"),
    [
        ({"a": 4, "b": 3}, 2, {"a": 1, "b": 1}),
        ({"a": 50, "b": 4}, 2, {"a": 2}),
        ({"a": 9, "b": 4, "c": 1}, 4, {"a": 3, "b": 1}),
        ({"a": 1, "b": 1}, 3, {"a": 1, "b": 1}),
    ],
)
def test_engines_spread_over_scenes_by_what_is_to_do(plans, engines, wanted):
    seeds = itertools.count()
    jobs = [
        fleet._Job(dataclasses.replace(tiny_plan(seed=next(seeds)), scene_id=scene))
        for scene, number in plans.items()
        for _ in range(number)
    ]
    scenes = {name: Scene(name=name, seed=0, bounds_m=(0.0,) * 3 + (1.0,) * 3) for name in plans}
    crew = fleet._Fleet(
        jobs,
        scenes,
        root=Path("nowhere"),
        spec=EngineSpec(kind="embedded", count=engines),
        progress=Bar("Capture", 1, "frames"),
        done=0,
    )
    crew._idle = [(Actor(), "") for _ in range(engines)]
    crew._hand_out()
    assert Counter(busy.job.plan.scene_id for busy in crew._busy.values()) == wanted
