"""What the tests of this folder share: a Ray cluster, a dataset without failures, a recipe."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from tiny_dataset import plan_tiny, recorded_digests

from capture import config
from pipelines import runner


@pytest.fixture(scope="session")
def cluster():
    """A local cluster; `runner.cluster()` inside it starts no other."""
    with runner.cluster():
        yield


@pytest.fixture
def no_ray(monkeypatch) -> None:
    """Everything is done in this process, however long it takes; whoever starts Ray fails."""
    monkeypatch.setattr(runner.ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(runner, "_ALONE_S", math.inf)
    monkeypatch.setattr(runner, "cluster", lambda _: pytest.fail("Ray was started"))


@pytest.fixture(scope="session")
def truth(tmp_path_factory) -> dict[str, str]:
    """Digests of the tiny dataset as it must become."""
    return recorded_digests(tmp_path_factory.mktemp("truth") / "data")


@pytest.fixture
def planned(tmp_path) -> Path:
    """The tiny dataset with plans only."""
    return plan_tiny(tmp_path / "planned")


@pytest.fixture
def recipe(tmp_path) -> str:
    """File of the tiny training recipe for small pictures."""
    from training import recipes

    tiny = recipes.tiny()
    small = dataclasses.replace(
        tiny,
        data=dataclasses.replace(tiny.data, height_px=32, width_px=48, num_frames=9),
        codec=dataclasses.replace(tiny.codec, channels=4, fit_windows=2),
        model=dataclasses.replace(tiny.model, max_words=4, text_dim=8),
    )
    config.save(tmp_path / "small.json", small)
    return str(tmp_path / "small.json")
