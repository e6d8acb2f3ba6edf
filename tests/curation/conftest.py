from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser, executable, running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    """One headless browser for all tests of the report; skips where there is none."""
    if executable() is None:
        pytest.skip("no Chromium: install one, or name it in RELICKIT_BROWSER")
    with running(tmp_path_factory.mktemp("browser")) as browser:
        yield browser
