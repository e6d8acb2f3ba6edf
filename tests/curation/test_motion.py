from __future__ import annotations

import numpy as np
import pytest

from capture import actions, camera, revisits
from capture.trajectory import Trajectory
from curation import balance, coverage, duplicates, motion

FPS = 16.0


def path(position=(0.0, 0.0, 0.0), heading=0.0, tilt=0.0, n=97) -> Trajectory:
    """A trajectory of functions of time (or constants)."""
    t = np.arange(n) / FPS
    position = np.stack([np.broadcast_to(p(t) if callable(p) else p, n) for p in position], -1)
    angles = [np.broadcast_to(a(t) if callable(a) else a, n) for a in (heading, tilt)]
    return Trajectory.uniform(camera.pose_from_angles(position, *angles), FPS)


def test_constant_velocity_has_its_speed_and_no_jerk():
    summary = motion.summary(path((lambda t: 1.5 * t, 0.0, 1.0)))
    assert summary["speed_mean_m_s"] == pytest.approx(1.5)
    assert summary["speed_max_m_s"] == pytest.approx(1.5)
    assert summary["jerk_p95_m_s3"] == pytest.approx(0.0, abs=1e-8)
    assert summary["path_m"] == pytest.approx(9.0) == summary["net_m"]
    assert summary["still_share"] == 0.0


def test_derivatives_of_a_cubic_are_exact():
    cubic = path((lambda t: t**3, lambda t: 2 * t**3, 0.0))
    np.testing.assert_allclose(motion.jerk_m_s3(cubic), 6 * np.sqrt(5), rtol=1e-6)
    square = path((lambda t: t**2, 0.0, 0.0))
    np.testing.assert_allclose(motion.acceleration_m_s2(square), 2.0, rtol=1e-8)


def test_constant_pan_has_its_rate_and_direction():
    pan = path(heading=lambda t: 30 * t)
    np.testing.assert_allclose(motion.turn_vector_deg_s(pan), [[0, 0, 30.0]] * 96, atol=1e-9)
    summary = motion.summary(pan)
    assert summary["turn_max_deg_s"] == pytest.approx(30.0)
    assert summary["turn_acceleration_max_deg_s2"] == pytest.approx(0.0, abs=1e-6)
    assert summary["reversals_hz"] == 0.0


def test_a_sudden_turn_is_abrupt():
    turn = path(heading=lambda t: np.where(t > 2, 40 * (t - 2), 0.0))
    assert motion.turn_acceleration_deg_s2(turn).max() == pytest.approx(40 * FPS)


def test_a_swinging_view_reverses():
    swing = path(heading=lambda t: 10 * np.sin(2 * np.pi * t))
    assert motion.reversals_hz(swing) == pytest.approx(2.0, abs=0.2)


def test_a_swaying_path_sways_and_a_circle_hardly_does():
    swaying = path((lambda t: t, lambda t: 0.1 * np.sin(2 * np.pi * 1.5 * t), 0.0))
    assert motion.sway_hz(swaying) == pytest.approx(3.0, abs=0.2)
    assert motion.summary(swaying)["reversals_hz"] == 0.0
    circle = path((lambda t: np.cos(t), lambda t: np.sin(t), 0.0))
    assert motion.sway_hz(circle) < 0.5


def test_a_jump_is_a_teleport_and_quick_movement_is_none():
    jump = path((lambda t: t + 1.5 * (t >= 3.0), 0.0, 0.0))
    assert np.flatnonzero(motion.teleports(jump)).tolist() == [48]
    turned = path(heading=lambda t: 5 * t + 60.0 * (t >= 3.0))
    assert np.flatnonzero(motion.teleports(turned)).tolist() == [48]
    for smooth in (path((lambda t: 6 * t, 0.0, 0.0)), path(heading=lambda t: 45 * (t**1.5))):
        assert not motion.teleports(smooth).any()
    assert not motion.teleports(path(n=1)).any() and not motion.teleports(path(n=2)).any()


def test_a_skipped_and_a_repeated_pose_stutter_and_starts_and_stops_do_not():
    t = np.arange(40) / FPS
    steady = np.stack([t, 0 * t, 0 * t], -1)

    def stutters(position):
        poses = camera.pose_from_angles(position, np.zeros(len(position)), 0.0)
        return np.flatnonzero(motion.stutters(Trajectory.uniform(poses, FPS))).tolist()

    assert stutters(steady) == []
    assert stutters(np.delete(steady, 20, axis=0)) == [20]
    assert stutters(np.insert(steady, 20, steady[20], axis=0)) == [21]
    assert stutters(np.concatenate([steady[:20], steady[19::-1]])) == [], "turning back"
    assert stutters(np.concatenate([steady[:20], np.repeat(steady[19:20], 20, axis=0)])) == []


def test_idle_stretches_are_those_of_two_seconds():
    def idle(pause_s: float) -> int:
        stop_and_go = path((lambda t: np.minimum(t, 1) + np.maximum(t - 1 - pause_s, 0), 0.0, 0.0))
        return int(motion.idle(stop_and_go).sum())

    assert idle(1.5) == 0
    assert idle(2.5) == pytest.approx(2.5 * FPS + 1, abs=1)
    assert motion.idle(path()).all()


def test_still_clip_is_still():
    assert motion.summary(path())["still_share"] == 1.0


def test_jitter_is_the_noise_and_smooth_paths_have_none():
    rng = np.random.default_rng(0)
    noise_m, noise_deg = rng.normal(0, 0.01, (3, 400)), rng.normal(0, 0.5, 400)
    smooth = path((lambda t: t + 0.1 * t**2, 0.0, 0.0), heading=lambda t: 20 * t, n=400)
    shaken = path(
        tuple(lambda t, a=a: t + noise_m[a] for a in range(3)), lambda t: 20 * t + noise_deg, n=400
    )
    np.testing.assert_allclose(motion.jitter(smooth), 0.0, atol=0.002)
    # what a five-frame quadratic leaves of white noise: sqrt(1 - 17/35)
    left = np.sqrt(1 - 17 / 35)
    mm, deg = motion.jitter(shaken)
    assert mm == pytest.approx(10 * np.sqrt(3) * left, rel=0.1)
    assert deg == pytest.approx(0.5 * left, rel=0.1)


def test_pose_error_measures_offset_and_angle():
    there = path((1.0, 2.0, 3.0)).cam_to_world
    moved = path((1.0, 2.0, 3.2), heading=2.0).cam_to_world
    metres, degrees = motion.pose_error(moved, there)
    np.testing.assert_allclose(metres, 0.2)
    np.testing.assert_allclose(degrees, 2.0)


def test_out_and_back_revisits_and_a_straight_line_does_not():
    out_and_back = path((lambda t: 3 * np.sin(np.pi * t / 6), 0.0, 0.0))
    gap = revisits.gap_s(out_and_back)
    assert gap[:49].max() == 0.0
    assert gap[-1] == pytest.approx(6.0, abs=1.0)
    assert np.mean(gap > 0) > 0.2
    shares = coverage.gap_histogram(gap)
    assert shares[:2].sum() == np.mean(gap > 0) and shares[1] > 0 and not shares[2:].any()
    assert coverage.loop_closed(out_and_back)
    straight = path((lambda t: t, 0.0, 0.0))
    assert not revisits.gap_s(straight).any()
    assert not coverage.loop_closed(straight)


@pytest.mark.parametrize("heading", [0.0, lambda t: 2 * t])
def test_staying_is_no_revisit(heading):
    assert not revisits.gap_s(path(heading=heading)).any()


def test_turning_round_twice_revisits_after_a_full_turn():
    gap = revisits.gap_s(path(heading=lambda t: 120 * t, n=97))
    assert not gap[: int(2.5 * FPS)].any()
    assert gap[-1] == pytest.approx(3.0, abs=0.3)


def test_being_close_is_measured_in_depths():
    """A metre sideways is another view of a room, and the same view of a town."""
    away = path((lambda t: np.where((t > 1) & (t < 4), 50.0, np.where(t < 3, 0.0, 1.0)), 0.0, 0.0))
    assert not revisits.gap_s(away, np.full(97, 2.0)).any()
    assert revisits.gap_s(away, np.full(97, 20.0))[-1] > 2.0


def test_histogram_of_known_actions():
    forward_then_left = path(
        (lambda t: np.minimum(t, 3.0), 0.0, 0.0), heading=lambda t: 20 * np.maximum(t - 3, 0)
    )
    shares = dict(
        zip(
            actions.NAMES,
            balance.histogram(actions.encode(forward_then_left.cam_to_world)),
            strict=True,
        )
    )
    assert shares["dolly_in"] == pytest.approx(0.5)
    assert shares["pan_left"] == pytest.approx(0.5)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_actions_are_coupled_where_two_come_together():
    apart = path((lambda t: np.minimum(t, 3.0), 0.0, 0.0), heading=lambda t: 20 * (t > 3) * (t - 3))
    together = path((lambda t: t, 0.0, 0.0), heading=lambda t: 20 * t)
    assert balance.coupling(actions.encode(apart.cam_to_world)) == pytest.approx(0.0, abs=0.02)
    assert balance.coupling(actions.encode(together.cam_to_world)) == pytest.approx(1.0, abs=0.02)
    assert balance.coupling(actions.encode(path().cam_to_world)) == 0.0


def test_swapped_labels_disagree_with_the_poses():
    moves = actions.encode(path(heading=lambda t: 20 * np.sin(t)).cam_to_world)
    left, right = actions.NAMES.index("pan_left"), actions.NAMES.index("pan_right")
    swapped = moves.values.copy()
    swapped[:, [left, right]] = moves.values[:, [right, left]]
    labels = actions.Actions(values=swapped, step_m=moves.step_m)
    assert balance.label_agreement(moves, moves).all()
    assert balance.label_agreement(labels, moves).mean() < 0.2


def test_weights_make_rare_actions_less_rare():
    shares = np.zeros((10, 13))
    shares[:8, 0] = 1.0  # eight clips that go forward
    shares[8, 8] = shares[9, 9] = 1.0  # one to the left, one to the right
    weights = balance.weights(shares)
    drawn = weights @ shares
    np.testing.assert_allclose(drawn[[8, 9]] / drawn[0], np.sqrt(1 / 8), rtol=0.02)
    assert weights.mean() == pytest.approx(1.0)
    bounded = balance.weights(shares, limit=1.5)
    assert bounded.max() / bounded.mean() <= 1.5 + 1e-6 and bounded.max() < weights.max()
    np.testing.assert_allclose(balance.weights(np.full((5, 13), 0.3)), 1.0)
    assert len(balance.weights(np.zeros((0, 13)))) == 0


def test_a_still_path_is_static():
    shares = balance.histogram(actions.encode(path().cam_to_world))
    assert shares[actions.STATIC] == 1.0 == shares.sum()


def test_entropy_of_even_and_of_single_actions():
    assert balance.entropy_bits(np.full(13, 0.3)) == pytest.approx(np.log2(13))
    assert balance.entropy_bits(np.eye(13)[3]) == 0.0


def test_the_same_path_is_found_again_in_the_same_scene_only():
    a, b = path((lambda t: t, 0.0, 0.0)), path((lambda t: -t, 0.0, 0.0))
    near = path((lambda t: t + 0.05, 0.0, 0.0), heading=2.0)
    paths = np.stack([p.cam_to_world for p in (a, b, near, a)])
    assert duplicates.find(["s", "s", "s", "other"], paths) == [None, None, 0, None]


@pytest.mark.parametrize("reach_m", [0.15, 1.5])
def test_the_way_back_repeats_nothing_and_going_again_does(reach_m):
    def out(t):
        return reach_m * t / 6.0

    there = path((out, 0.0, 0.0)).cam_to_world
    paths = np.stack([there, there[::-1], there, there[::-1]])
    assert duplicates.find(["s"] * 4, paths) == [None, None, 0, 1]


@pytest.mark.parametrize(("shift", "twin"), [(-24, 0), (-7, 0), (1, 0), (18, 0), (40, None)])
def test_the_same_path_is_found_when_it_begins_earlier_or_later(shift, twin):
    def bend(t):
        return t + 0.4 * np.sin(2.0 * t)

    whole = path((bend, lambda t: 0.3 * t, 0.0)).cam_to_world
    late = path((lambda t: bend(t + shift / 16.0), lambda t: 0.3 * (t + shift / 16.0), 0.0))
    paths = np.stack([whole, late.cam_to_world])
    assert duplicates.find(["s", "s"], paths) == [None, twin]
    turned = paths @ camera.pose_from_angles(np.zeros((1, 3)), np.array([10.0]), 0.0)[0]
    assert duplicates.find(["s"] * 2, np.stack([whole, turned[1]])) == [None, None]
