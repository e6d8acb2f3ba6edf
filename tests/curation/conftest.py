from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, executable, running

from curation import tables


@pytest.fixture(scope="session")
def measured_box(box_dataset, tmp_path_factory) -> Path:
    """`box_dataset`, measured and not decided; copy it before you write."""
    dataset = tmp_path_factory.mktemp("measured") / "box"
    shutil.copytree(box_dataset, dataset)
    for episode in sorted((dataset / "episodes").iterdir()):
        tables.measure_episode(dataset, episode.name)
    tables.merge(dataset)
    return dataset


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    """One headless browser for all tests of the report; skips where there is none."""
    if executable() is None:
        pytest.skip("no Chromium: install one, or name it in RELICKIT_BROWSER")
    with running(tmp_path_factory.mktemp("browser")) as browser:
        yield browser
