"""Clips in which little can be seen: what is told is right, or nothing is told."""

from __future__ import annotations

from dataclasses import replace

import degraded
import elsewhere
import numpy as np
import planted
import pytest

from capture.formats import Posed
from curation import convention


@pytest.fixture(scope="module")
def clip() -> Posed:
    return elsewhere.clip(24, seed=3)


@pytest.mark.parametrize(
    ("how", "errors"),
    [
        ("noise of 60 levels, 20 % of the depth", ("w2c",)),
        ("blur of 10 px", ("opengl",)),
        ("6 frames", ("cm",)),
        ("a fiftieth of the contrast", ()),
    ],
)
def test_nothing_wrong_is_told_of_hard_clips(clip, how, errors):
    hard = degraded.HOW[how](planted.plant(clip, errors), np.random.default_rng(0))
    said = convention.detect(hard)
    found, wanted = said.found.to_json(), planted.expected(errors)
    assert {field for field in wanted if found[field] not in (wanted[field], None)} == set()
    if found["fov_deg"] is not None:
        assert found["fov_deg"] == pytest.approx(clip.camera().fov_deg, rel=0.04)


def test_pictures_of_noise_tell_nothing(clip):
    rng = np.random.default_rng(0)
    assert isinstance(clip.rgb, elsewhere.Kept) and isinstance(clip.depth, elsewhere.Kept)
    noise = elsewhere.Kept(rng.integers(0, 256, clip.rgb.arrays.shape, np.uint8))
    depth = elsewhere.Kept(rng.uniform(1.0, 9.0, clip.depth.arrays.shape).astype(np.float32))
    said = convention.detect(replace(clip, rgb=noise, depth=depth))
    assert said.agrees is None and said.reason
    assert set(said.found.to_json().values()) == {None}
