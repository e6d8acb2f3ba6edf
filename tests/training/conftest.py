"""Clips of a small invented world, and the tiny recipe, tinier."""

from __future__ import annotations

import dataclasses

import pytest
from toy_clips import FakeClips

from training import recipes


@pytest.fixture(scope="session")
def clips() -> FakeClips:
    return FakeClips()


@pytest.fixture
def other_clips() -> FakeClips:
    return FakeClips(manifest_sha="b" * 64)


@pytest.fixture(scope="session")
def recipe() -> recipes.Recipe:
    """The tiny recipe, tinier."""
    tiny = recipes.tiny()
    replace = dataclasses.replace
    return replace(
        tiny,
        steps=6,
        batch=2,
        checkpoint_every=2,
        sample_every=0,
        data=replace(tiny.data, height_px=32, width_px=48, num_frames=9),
        codec=replace(tiny.codec, channels=8, fit_windows=4),
        model=replace(tiny.model, heads=2, head_dim=16, layers=2, ffn_dim=32, cond_dim=16),
        optim=replace(tiny.optim, warmup_steps=2),
    )
