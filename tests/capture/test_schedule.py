from __future__ import annotations

import numpy as np
import pytest
from rooms import two_rooms_space

from capture import planner
from capture.actions import NAMES
from capture.camera import Intrinsics
from capture.schedule import REVISITS, SPEEDS, Scheduler, Targets, contents
from curation import balance

SPACE = two_rooms_space()
INTRINSICS = Intrinsics.from_fov(64, 48, 80)
MOTION = planner.Motion()


@pytest.fixture
def few(monkeypatch):
    """Fewer generators, to be quick."""
    names = ("look_around", "moves", "fly", "dolly", "pedestal", "roll")
    monkeypatch.setattr("capture.schedule.GENERATORS", names)


def fill(scheduler: Scheduler, count: int, scene_id: str = "rooms-0", num_frames: int = 161):
    return scheduler.fill(
        SPACE,
        scene_id=scene_id,
        seed=0,
        count=count,
        num_frames=num_frames,
        intrinsics=INTRINSICS,
        motion=MOTION,
    )


def test_it_comes_much_nearer_to_the_targets_than_an_even_choice():
    even, scheduled = (Scheduler(Targets(), balance.active) for _ in range(2))
    fitting = [n for n, g in planner.GENERATORS.items() if g.min_s * MOTION.fps <= 161]
    fitting.remove("climb")  # the room is level
    for number in range(24):
        even.add(
            planner.plan(
                fitting[number % len(fitting)],
                SPACE,
                scene_id="rooms-0",
                seed=number,
                num_frames=161,
                intrinsics=INTRINSICS,
                motion=MOTION,
            )
        )
    plans = fill(scheduled, 24)
    assert len({p.id for p in plans}) == 24
    before, after = even.distances(), scheduled.distances()
    assert after["actions"] < 0.6 * before["actions"]
    assert after["speeds"] < 0.6 * before["speeds"]
    assert sum(after.values()) < 0.75 * sum(before.values())


@pytest.mark.parametrize("action", ["roll_cw", "pedestal_up", "dolly_out", "static"])
def test_it_plans_what_is_lacking(action, few):
    wanting, balanced = (
        Scheduler(Targets(actions={action: 1.0}), balance.active),
        Scheduler(Targets(), balance.active),
    )
    fill(wanting, 8), fill(balanced, 8)
    share, usual = (s.shares()["actions"][NAMES.index(action)] for s in (wanting, balanced))
    assert share > 1.05 * usual


def test_a_second_scene_goes_on_where_the_first_ended(few):
    whole, resumed = (Scheduler(Targets(), balance.active) for _ in range(2))
    first = fill(whole, 5)
    second = fill(whole, 5, "rooms-1")
    for plan in first:
        resumed.add(plan)
    assert [p.id for p in fill(resumed, 5, "rooms-1")] == [p.id for p in second]
    assert resumed.distances() == whole.distances()


def test_counts_are_frames():
    plan = planner.plan(
        "look_around",
        SPACE,
        scene_id="rooms-0",
        seed=1,
        num_frames=81,
        intrinsics=INTRINSICS,
        motion=MOTION,
    )
    counted = contents(plan.trajectory, balance.active)
    assert counted["speeds"].tolist() == [80.0, 0.0, 0.0, 0.0]
    assert counted["revisits"].sum() == 81 and counted["revisits"].shape == (len(REVISITS),)
    assert counted["actions"].max() <= 80


def test_targets_are_shares():
    shares = Targets(speeds={"brisk": 3, "slow": 1}).shares()
    assert all(s.sum() == pytest.approx(1.0) for s in shares.values())
    assert shares["speeds"].tolist() == [0.0, 0.25, 0.0, 0.75]
    assert list(SPEEDS) == ["standing", "slow", "walking", "brisk"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"actions": {"pan_lefft": 1.0}}, r"targets\.actions: unknown name 'pan_lefft'; did you"),
        ({"speeds": {"warp": 1.0}}, "unknown name 'warp'; known are standing, slow"),
        ({"revisits": {"new": -1.0}}, r"targets\.revisits\.new: expected a weight of 0 or more"),
        ({"speeds": {"slow": 0.0}}, r"targets\.speeds: at least one weight must be positive"),
    ],
)
def test_wrong_targets_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Targets(**given)


def test_a_scene_without_room_is_named(monkeypatch):
    monkeypatch.setattr("capture.schedule.GENERATORS", ("roam", "look_around"))
    with pytest.raises(ValueError, match="no generator finds a path of 9 frames in rooms-0"):
        Scheduler(Targets(), balance.active).fill(
            SPACE,
            scene_id="rooms-0",
            seed=0,
            count=1,
            num_frames=9,
            intrinsics=INTRINSICS,
            motion=planner.Motion(min_clearance_m=4.9),
        )


def test_nothing_is_random(few):
    first, again = (fill(Scheduler(Targets(), balance.active), 4) for _ in range(2))
    assert [p.id for p in first] == [p.id for p in again]
    np.testing.assert_array_equal(
        first[3].trajectory.cam_to_world, again[3].trajectory.cam_to_world
    )
