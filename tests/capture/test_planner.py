from __future__ import annotations

import numpy as np
import pytest
from rooms import two_rooms_space

from capture import actions, planner, scripted
from capture.camera import Intrinsics, ego_axes

INTRINSICS = Intrinsics.from_fov(64, 48, 80)
MOTION = planner.Motion()
SPACE = two_rooms_space()


def make(generator: str, seed: int = 0, num_frames: int = 81):
    return planner.plan(
        generator,
        SPACE,
        scene_id="rooms-0",
        seed=seed,
        num_frames=num_frames,
        intrinsics=INTRINSICS,
        motion=MOTION,
    )


@pytest.mark.parametrize("generator", planner.GENERATORS)
@pytest.mark.parametrize("num_frames", [81, 161])
def test_plans_keep_their_promises(generator, num_frames):
    for seed in range(3):
        plan = make(generator, seed, num_frames)
        path = plan.trajectory
        assert len(path) == num_frames
        measured = SPACE.clearance(path.position_m).min()
        assert measured == plan.clearance_m >= MOTION.min_clearance_m
        assert path.speed_m_s().max() <= MOTION.walk_m_s[1] * 1.25
        assert path.turn_deg_s().max() <= 130
        assert np.abs(ego_axes(path.cam_to_world)[:, 1, 2]).max() < 1e-9, "the horizon is level"


@pytest.mark.parametrize("generator", planner.GENERATORS)
def test_same_seed_same_plan(generator):
    assert make(generator, 5).id == make(generator, 5).id
    assert make(generator, 5).id != make(generator, 6).id


@pytest.mark.parametrize("num_frames", [80, 81])
def test_out_and_back_is_a_palindrome(num_frames):
    poses = make("out_and_back", 1, num_frames).trajectory.cam_to_world
    np.testing.assert_array_equal(poses, poses[::-1])


def test_loops_come_home_by_another_way():
    for seed in range(4):
        path = make("loop", seed, 161).trajectory
        np.testing.assert_array_equal(path.cam_to_world[0], path.cam_to_world[-1])
        there, back = path.position_m[:80], path.position_m[:80:-1]
        assert np.linalg.norm(there - back[:80], axis=1).max() > 0.5
        last_turn = path.turn_deg_s()[-1]
        assert last_turn < 120, "no jump at the seam"


def test_look_around_stays_where_it_is():
    path = make("look_around", 2).trajectory
    assert np.ptp(path.position_m, axis=0).max() == 0
    assert path.turn_deg_s().max() > 10


def test_moves_cover_the_actions():
    seen = np.zeros(13)
    for seed in range(25):
        encoded = actions.encode(make("moves", seed).trajectory.cam_to_world)
        seen += (encoded.values > 0.05).sum(0)
    wanted = [n for n in actions.NAMES if not n.startswith(("roll", "static"))]
    missing = [n for n in wanted if seen[actions.NAMES.index(n)] < 20]
    assert not missing


def test_unknown_generator_lists_the_known():
    with pytest.raises(ValueError, match="roam, look_around"):
        make("raom")


def test_impossible_wish_says_what_to_do():
    with pytest.raises(ValueError, match="ask for less clearance"):
        planner.plan(
            "roam",
            SPACE,
            scene_id="rooms-0",
            seed=0,
            num_frames=81,
            intrinsics=INTRINSICS,
            motion=planner.Motion(min_clearance_m=5.0),
        )


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
