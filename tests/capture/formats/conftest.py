"""One short clip in every format, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import BOTH_WAYS, written

from capture.formats import episodes


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> Path:
    """A folder per format that is written and read, with one clip that it has a place for."""
    root = tmp_path_factory.mktemp("exports")
    short, steady, back = (
        write_box_episode(root, box_plan(kind, 0, num_frames), box_scene(0))
        for kind, num_frames in (("loop", 5), ("pan", 33), ("out_and_back", 113))
    )
    wanted = {"yume": steady, "scene-mem-bench": back}
    for name in BOTH_WAYS:
        written(episodes.posed(wanted.get(name, short), name="a"), root / name, name)
    return root
