"""What the tests of this folder share: one Ray cluster, and a dataset recorded without failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_dataset import plan_tiny, recorded_digests

from pipelines import runner


@pytest.fixture(scope="session")
def cluster():
    """A local cluster; `runner.cluster()` inside it starts no other."""
    with runner.cluster():
        yield


@pytest.fixture(scope="session")
def truth(tmp_path_factory) -> dict[str, str]:
    """Digests of the tiny dataset as it must become."""
    return recorded_digests(tmp_path_factory.mktemp("truth") / "data")


@pytest.fixture
def planned(tmp_path) -> Path:
    """The tiny dataset with plans only."""
    return plan_tiny(tmp_path / "planned")
