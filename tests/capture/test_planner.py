from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rooms import two_rooms_space

from capture import actions, planner, revisits, scripted
from capture.camera import Intrinsics, ego_axes
from capture.navigation import FreeSpace, free_space, sample_triangles
from capture.planner.motion import hand_held
from capture.planner.moves import AXES
from capture.trajectory import Trajectory
from curation import filters, motion

INTRINSICS = Intrinsics.from_fov(64, 48, 80)
MOTION = planner.Motion()
SPACE = two_rooms_space()
ROLLING = ("fly", "roll")
LEVEL = [name for name in planner.GENERATORS if name != "climb"]  # what a level scene has
# Seconds after which each sees again what it saw.
ROUNDS = {"revisit_5s": 5.0, "revisit_10s": 10.0, "revisit_20s": 20.0, "revisit_40s": 40.0}


def frames_for(generator: str) -> int:
    return max(161, int(1.5 * ROUNDS.get(generator, 0) * MOTION.fps))


def make(generator: str, seed: int = 0, num_frames: int | None = None, **changes):
    return planner.plan(
        generator,
        SPACE,
        scene_id="rooms-0",
        seed=seed,
        num_frames=num_frames or frames_for(generator),
        intrinsics=INTRINSICS,
        motion=dataclasses.replace(MOTION, **changes),
    )


@pytest.mark.parametrize("generator", LEVEL)
def test_plans_keep_their_promises(generator):
    for seed in range(3):
        plan = make(generator, seed)
        path = plan.trajectory
        assert len(path) == frames_for(generator)
        measured = SPACE.clearance(path.position_m).min()
        assert measured == plan.clearance_m >= MOTION.min_clearance_m
        assert path.speed_m_s().max() <= MOTION.walk_m_s[1] * (1 + 1e-9)
        assert path.turn_deg_s().max() <= 90
        assert SPACE.inside(path.position_m).all()
        horizon = np.abs(ego_axes(path.cam_to_world)[:, 1, 2]).max()
        assert horizon < (0.27 if generator in ROLLING else 1e-9), "the horizon is level"


@pytest.mark.parametrize("hand_deg", [0.0, 0.3])
@pytest.mark.parametrize("generator", LEVEL)
def test_people_would_keep_every_clip(generator, hand_deg):
    for seed in range(2):
        path = make(generator, seed, hand_deg=hand_deg).trajectory
        for start in range(0, len(path) - 80, 80):
            row = motion.summary(path.window(start, start + 81))
            said = [r for r in filters.judge(row).reasons if "could not be" not in r]
            assert not said, (seed, start, said)


@pytest.mark.parametrize("generator", LEVEL)
def test_same_seed_same_plan(generator):
    assert make(generator, 5).id == make(generator, 5).id
    assert make(generator, 5).id != make(generator, 6).id


@pytest.mark.parametrize("num_frames", [80, 81])
def test_out_and_back_is_a_palindrome(num_frames):
    poses = make("out_and_back", 1, num_frames).trajectory.cam_to_world
    np.testing.assert_array_equal(poses, poses[::-1])


def test_out_and_back_turns_round_without_a_jolt():
    for seed in range(4):
        path = make("out_and_back", seed).trajectory
        assert motion.turn_acceleration_deg_s2(path).max() < 400
        assert path.speed_m_s()[len(path) // 2 - 1] < 0.05


def test_a_pan_that_leaves_no_room_for_glances_is_refused():
    with pytest.raises(ValueError, match=r"80 deg/s leaves no room .* at most 64 deg/s"):
        planner.Motion(pan_deg_s=(15.0, 80.0))


def open_space() -> FreeSpace:
    """A floor that goes on beyond the bounds, with nothing on it."""
    floor = np.array([[[-30, -30, 0], [30, -30, 0], [30, 30, 0]]], float)
    floor = np.concatenate([floor, floor[:, ::-1, [1, 0, 2]]])
    bounds = (-2.0, -2.0, 0.0, 2.0, 2.0, 2.5)
    cloud = sample_triangles(floor, bounds)
    return free_space(cloud, bounds, np.array([0.0, 0.0, 1.5]), min_clearance_m=0.3)


@pytest.mark.parametrize("generator", ["moves", "dolly", "revisit_5s", "fly"])
def test_nobody_leaves_a_scene_by_its_open_edges(generator):
    space = open_space()
    for seed in range(5):
        plan = planner.plan(
            generator,
            space,
            scene_id="open-0",
            seed=seed,
            num_frames=161,
            intrinsics=INTRINSICS,
            motion=MOTION,
        )
        assert space.inside(plan.trajectory.position_m).all()


def test_loops_come_home_by_another_way():
    for seed in range(4):
        path = make("loop", seed, 241).trajectory
        np.testing.assert_array_equal(path.cam_to_world[0], path.cam_to_world[-1])
        there, back = path.position_m[:120], path.position_m[:120:-1]
        assert np.linalg.norm(there - back, axis=1).max() > 0.5


@pytest.mark.parametrize(("generator", "gap_s"), ROUNDS.items())
def test_revisits_come_after_the_named_time(generator, gap_s):
    for seed in range(2):
        path = make(generator, seed).trajectory
        gap = revisits.gap_s(path)
        late = gap[int((gap_s + 0.5) * MOTION.fps) :]
        assert np.mean(late > 0) > 0.5
        assert 0.5 * gap_s < np.percentile(late[late > 0], 75) < 1.2 * gap_s


@pytest.mark.parametrize("generator", ["orbit", "spiral"])
def test_orbits_look_at_one_point(generator):
    pose = make(generator, 1).trajectory.cam_to_world
    # The point nearest to all lines of sight.
    along = pose[:, :3, 2]
    across = np.eye(3) - along[:, :, None] * along[:, None]
    target = np.linalg.solve(across.sum(0), (across @ pose[:, :3, 3:]).sum(0))[:, 0]
    toward = target - pose[:, :3, 3]
    cosine = (toward * along).sum(1) / np.linalg.norm(toward, axis=1)
    assert np.degrees(np.arccos(cosine.min())) < 20
    risen_m = np.ptp(pose[:, 2, 3])
    assert risen_m > 0.5 if generator == "spiral" else risen_m < 0.4


@pytest.mark.parametrize("axis", AXES)
def test_single_moves_are_single(axis):
    values = actions.encode(make(axis, 3).trajectory.cam_to_world).values[1:, :12]
    most = values.sum(0).reshape(6, 2)
    assert most.min(1)[most.sum(1) > 1e-6].min() > 0, "both ways"
    # RELIC's order of the axes, in pairs.
    number = ("dolly", "truck", "pedestal", "tilt", "pan", "roll").index(axis)
    assert np.delete(most, number, axis=0).sum() < 1e-6


def test_the_hand_is_unsteady_but_still_where_the_camera_stands():
    path = make("look_around", 4, hand_deg=0.25).trajectory
    rails = make("look_around", 4).trajectory
    np.testing.assert_array_equal(path.position_m, rails.position_m)
    assert path.turn_deg_s().min() > 0
    still = np.tile(rails.cam_to_world[:1], (400, 1, 1))
    shaken = hand_held(still, np.random.default_rng(0), planner.Motion(hand_deg=0.25))
    assert actions.encode(shaken).values[:, actions.STATIC].mean() > 0.8
    assert motion.jitter(Trajectory.uniform(shaken, 16.0))[1] < 0.25 / 2


def test_look_around_stays_where_it_is():
    path = make("look_around", 2).trajectory
    assert np.ptp(path.position_m, axis=0).max() == 0
    assert path.turn_deg_s().max() > 10


def test_moves_cover_the_actions():
    seen = np.zeros(13)
    for seed in range(25):
        encoded = actions.encode(make("moves", seed, 81).trajectory.cam_to_world)
        seen += (encoded.values > 0.05).sum(0)
    wanted = [n for n in actions.NAMES if not n.startswith(("roll", "static"))]
    missing = [n for n in wanted if seen[actions.NAMES.index(n)] < 20]
    assert not missing


def test_unknown_generator_lists_the_known():
    with pytest.raises(ValueError, match="roam, look_around"):
        make("raom")


def test_too_few_frames_for_a_round_are_refused():
    with pytest.raises(ValueError, match=r"revisit_20s needs 25 s.* at least 400 frames; got 161"):
        make("revisit_20s", 0, 161)


@pytest.mark.parametrize("generator", ["roam", "visit", "orbit", "look_around", "revisit_10s"])
def test_impossible_wishes_say_what_to_do(generator):
    with pytest.raises(ValueError, match=r"ask for less clearance"):
        make(generator, min_clearance_m=5.0)


def test_scripted_commands_light_one_action_each():
    plans = scripted.plans(
        SPACE,
        scene_id="rooms-0",
        seed=1,
        num_starts=3,
        num_frames=13,
        fps=16.0,
        intrinsics=INTRINSICS,
    )
    assert [p.generator for p in plans] == list(scripted.COMMANDS) * 3
    for plan in plans:
        encoded = actions.encode(plan.trajectory.cam_to_world).values[1:, :12]
        name = actions.NAMES[encoded.mean(0).argmax()]
        assert name == plan.generator
        assert plan.clearance_m >= 0.45
    firsts = np.stack([p.trajectory.cam_to_world[0] for p in plans]).reshape(3, 4, 4, 4)
    np.testing.assert_array_equal(firsts, firsts[:, :1].repeat(4, 1))
