"""Captions of any language survive, whatever the locale of the machine."""

from __future__ import annotations

import locale
from collections.abc import Iterator

import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import BOTH_WAYS, written

from capture import formats
from capture.formats import Posed, episodes

CAPTION = "Ein leerer Raum, 空の部屋"
# Yume's files have no caption; SceneMemBench wants a clip that sees something again.
NAMES = sorted({*BOTH_WAYS} - {"yume", "scene-mem-bench"})


@pytest.fixture(scope="module")
def item(tmp_path_factory) -> Posed:
    folder = tmp_path_factory.mktemp("captions")
    episode = write_box_episode(folder, box_plan("loop", 0, 5), box_scene(0))
    return episodes.posed(episode, name="a", caption=CAPTION)


@pytest.fixture
def ascii_only() -> Iterator[None]:
    """As on a machine with LC_ALL=C."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    yield
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_comes_back(item, tmp_path, ascii_only, name):
    (back,) = formats.read(written(item, tmp_path, name), name)
    assert back.caption in (CAPTION, "")
    assert back.caption or name in ("nerfstudio", "colmap", "colmap-text", "tum", "kitti", "vipe")
