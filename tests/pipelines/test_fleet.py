"""Who gets which plan; everything else of the fleet is in test_failures.py."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from pathlib import Path

import pytest
from stand_in_unreal import write_binary
from tiny_dataset import plan_tiny
from tiny_engine import tiny_plan, tiny_world

from capture.launcher import EngineSpec, parse_engine
from capture.scene import Scene
from pipelines import fleet
from pipelines.console import Bar
from pipelines.dataset import Dataset


class Actor:
    """Stands in for a Ray actor."""

    def __init__(self):
        self.record = self

    def remote(self, *_) -> object:
        return object()


@pytest.mark.usefixtures("cluster")
def test_long_episodes_show_their_frames(tmp_path, monkeypatch):
    """While the only plan is under way, its frames count, and the last count is all of them."""
    shown: list[int] = []
    monkeypatch.setattr(Bar, "update", lambda _self, done, _note="": shown.append(done))
    monkeypatch.setattr(fleet, "_WAIT_S", 0.05)
    binary = write_binary(tmp_path / "Tiny.sh", "delay=0.1")
    data = Dataset(plan_tiny(tmp_path / "data"))
    plan, scene = data.plans()[0], tiny_world().scene
    fleet.capture(
        [plan],
        {scene.id: scene},
        root=data.episodes,
        failed=data.failed,
        spec=parse_engine(f"unreal:{binary}"),
    )
    between = {done for done in shown if 0 < done < len(plan.trajectory)}
    assert len(between) >= 2 and shown == sorted(shown), shown
    assert shown[-1] == len(plan.trajectory)


@pytest.mark.usefixtures("cluster")
def test_an_engine_without_a_new_frame_is_replaced(tmp_path, monkeypatch):
    """Its plan goes to another one; progress, not the length of the plan, keeps an engine."""

    class Sleepy(fleet.EngineOwner):
        def record(self, plan, scene, root):
            marker = Path(root) / "asleep"
            if not marker.exists():
                marker.touch()
                time.sleep(600)
            return len(plan.trajectory)

    monkeypatch.setattr(fleet, "EngineOwner", Sleepy)
    monkeypatch.setattr(fleet, "PATIENCE_S", 15.0)  # more than an actor's start takes
    plan, scene = tiny_plan(), tiny_world().scene
    recorded = fleet.capture(
        [plan],
        {scene.id: scene},
        root=tmp_path / "episodes",
        failed=tmp_path / "failed",
        spec=EngineSpec(kind="embedded"),
    )
    assert recorded == len(plan.trajectory)


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
