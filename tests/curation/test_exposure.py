from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation import exposure


def observe(*frames, depth_m=None):
    observer = exposure.FrameObserver()
    depth = np.full(frames[0].shape[:2], 2.0, np.float32) if depth_m is None else depth_m
    return [observer(np.asarray(frame, np.uint8), depth) for frame in frames]


def noise(seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)


def test_it_gives_the_promised_columns():
    assert tuple(observe(noise())[0]) == exposure.COLUMNS


def test_black_frame():
    row = observe(np.zeros((48, 64, 3)))[0]
    assert row["luma_mean"] == 0.0 == row["luma_std"] == row["sharpness"] == row["colourfulness"]
    assert row["clipped_low_share"] == 1.0
    assert exposure.black(np.array([row["luma_mean"], 60.0])).tolist() == [True, False]


def test_half_clipped_frame():
    frame = np.full((48, 64, 3), 255)
    frame[:24] = 128
    row = observe(frame)[0]
    assert row["clipped_high_share"] == 0.5
    assert row["clipped_low_share"] == 0.0
    assert row["luma_mean"] == pytest.approx((255 + 128) / 2, abs=0.6)
    assert row["luma_std"] == pytest.approx((255 - 128) / 2, abs=0.6)


def test_luma_has_bt709_weights():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[..., 1] = 200
    assert exposure.luma(frame)[0, 0] == round(0.7152 * 200)


def test_blurred_is_less_sharp():
    sharp = noise()
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2.0)
    assert observe(sharp)[0]["sharpness"] > 5 * observe(blurred)[0]["sharpness"] > 0


def test_grey_has_no_colour_and_red_and_green_have_much():
    grey = np.repeat(noise()[..., :1], 3, axis=2)
    mixed = np.zeros((48, 64, 3), np.uint8)
    mixed[:, :32, 0] = mixed[:, 32:, 1] = 255
    assert exposure.colourfulness(grey) == pytest.approx(0.0, abs=1e-3)
    # rg = +-255, yb = 127.5 throughout: std 255 and 0, means 0 and 127.5
    assert exposure.colourfulness(mixed) == pytest.approx(255 + 0.3 * 127.5, rel=1e-4)


def test_frozen_frames_are_those_that_repeat_while_the_camera_moves():
    a, b = noise(0), noise(1)
    change = np.array([row["change"] for row in observe(a, b, b, b, a)])
    assert np.isnan(change[0])
    moved_m = np.array([0.0, 0.1, 0.1, 0.0, 0.1])
    frozen = exposure.frozen(np.full(5, 60.0), change, moved_m, np.zeros(5))
    assert frozen.tolist() == [False, False, True, False, False]
    assert not exposure.frozen(np.full(5, 1.0), change, moved_m, np.zeros(5)).any(), "bare walls"


def test_flicker_sees_the_lamp_and_not_the_doorway():
    assert exposure.flicker(np.linspace(40, 200, 50)) == pytest.approx(0.0, abs=1e-9)
    assert exposure.flicker(100 + 5.0 * (np.arange(50) % 2)) == pytest.approx(5.0)


def test_depth_shares():
    depth = np.full((40, 40), 2.0, np.float32)
    depth[:8] = 0.2
    depth[20:] = np.inf
    scores = exposure.depth_scores(depth)
    assert scores["near_share"] == pytest.approx(0.2)
    assert scores["nothing_share"] == 0.5
    assert scores["nearest_m"] == pytest.approx(0.2)
    assert scores["depth_median_m"] == 2.0


def test_an_empty_sky_has_no_nearest_thing():
    scores = exposure.depth_scores(np.full((16, 16), np.inf, np.float32))
    assert scores["nothing_share"] == 1.0
    assert np.isnan(scores["nearest_m"])
