"""One Ray cluster for all tests of this folder that run something on it."""

from __future__ import annotations

import pytest

from pipelines import runner


@pytest.fixture(scope="session")
def cluster():
    """A local cluster; `runner.cluster()` inside it starts no other."""
    with runner.cluster():
        yield
