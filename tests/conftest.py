"""Fixtures that are made once per run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from box_room import box_plan, box_scene, write_box_episode

from capture.episode import Episode

# Test files run side by side; two threads each would spin and wait for one another. Torch and numba
# read this when they are first imported, which is after this file; they share OpenMP, so that a
# kernel with two threads would give torch two from there on.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def box_dataset(tmp_path_factory) -> Path:
    """A dataset folder with six finished episodes in two box scenes (read only)."""
    folder = tmp_path_factory.mktemp("data") / "box"
    for seed in (0, 1):
        for kind in ("pan", "out_and_back", "loop"):
            write_box_episode(folder / "episodes", box_plan(kind, seed), box_scene(seed))
    return folder


@pytest.fixture(scope="session")
def box_episodes(box_dataset: Path) -> list[Episode]:
    """The episodes of `box_dataset`, sorted by id."""
    return [Episode.load(path) for path in sorted((box_dataset / "episodes").iterdir())]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long road first, so that processes that share the files end together."""
    items.sort(key=lambda item: "pipelines" not in item.path.parts)
