"""The report in a real browser, from disk."""

from __future__ import annotations

from pathlib import Path

from browser import Browser


def test_the_browser_sees_what_is_wrong_with_a_page(chromium: Browser, tmp_path: Path):
    (tmp_path / "page.html").write_text(
        "<!doctype html><script src='gone.js'></script><img src='http://127.0.0.1:9/a.png'>"
        "<script>console.error('so', 7); throw new Error('broken')</script>"
    )
    page = chromium.page()
    page.open(tmp_path / "page.html")
    said = "\n".join(page.errors())
    assert "Error: broken" in said and "so 7" in said and "ERR_FILE_NOT_FOUND" in said
    assert "asked for http://127.0.0.1:9/a.png" in said
