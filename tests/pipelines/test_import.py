"""Import: what others wrote becomes a dataset of ours, with the same poses, that stages take."""

from __future__ import annotations

import json

import numpy as np
import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import written

from capture import formats
from capture.episode import Episode
from capture.formats import episodes
from capture.formats.adopt import Given
from pipelines import curating
from pipelines import dataset as stages
from pipelines.cli import main
from pipelines.importing import import_clips
from pipelines.workspace import Dataset
from shards.reader import ShardDataset

NUM_FRAMES = 33


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Two short paths through the box room."""
    root = tmp_path_factory.mktemp("rooms")
    made = [
        write_box_episode(root / "episodes", box_plan(kind, 4, NUM_FRAMES), box_scene(4))
        for kind in ("pan", "out_and_back")
    ]
    return [episodes.posed(e, name=f"{e.generator}.4", caption="An empty room.") for e in made]


@pytest.fixture
def exported(rooms, tmp_path):
    """A folder of them in a format, by its name."""

    return lambda name: written(rooms, tmp_path / name, name)


def by_turn(paths: list[np.ndarray]) -> list[np.ndarray]:
    """In an order that does not depend on the world: how far the camera turns by the middle."""
    return sorted(paths, key=lambda path: np.trace(path[0, :3, :3].T @ path[8, :3, :3]))


def poses_of(dataset) -> list[np.ndarray]:
    folders = sorted((dataset / "episodes").iterdir())
    return by_turn([Episode.load(f).trajectory.cam_to_world for f in folders])


GIVEN = {
    "colmap": Given(fps=16.0),
    "colmap-text": Given(fps=16.0),
    "tum": Given(fov_deg=80.0),
    "mind": Given(fov_deg=80.0),
    "context-as-memory": Given(fps=16.0, fov_deg=80.0),
}


# Yume's clips are runs of one key, not the clips that were exported.
WHOLE = [n for n, f in formats.FORMATS.items() if f.write and f.read and n != "yume"]


@pytest.mark.parametrize("name", WHOLE)
def test_every_format_that_we_write_comes_back(rooms, exported, tmp_path, name):
    assert import_clips(exported(name), tmp_path / "data", given=GIVEN.get(name)) == 2
    mine = by_turn([item.cam_to_world for item in rooms])
    for path, back in zip(mine, poses_of(tmp_path / "data"), strict=True):
        if name == "kitti":  # begins at the identity, camera axes, -y up
            path, back = (np.linalg.inv(p[0]) @ p for p in (path, back))
        np.testing.assert_allclose(back, path, atol=1e-6)
    for folder in (tmp_path / "data" / "episodes").iterdir():
        episode = Episode.load(folder)
        assert episode.fps == 16.0 and episode.intrinsics.fov_deg == pytest.approx(80.0)
        assert np.abs(episode.frames().astype(int).mean() - 128) < 60


def test_depth_comes_along_and_is_unknown_where_there_is_none(rooms, exported, tmp_path):
    import_clips(exported("nerfstudio"), tmp_path / "deep")
    import_clips(exported("lingbot"), tmp_path / "flat")
    deep, flat = (
        Episode.load(min((tmp_path / name / "episodes").iterdir())) for name in ("deep", "flat")
    )
    assert rooms[0].depth is not None
    truths = [next(item.depth.frames_m(0, 1)) for item in rooms]
    assert min(np.abs(deep.depth_m(0, 1)[0] - truth).max() for truth in truths) < 2e-3
    assert not (tmp_path / "deep" / "rules.json").exists()
    assert np.isinf(flat.depth_m()).all() and flat.info["engine"]["depth"] == "unknown"
    off = json.loads((tmp_path / "flat" / "rules.json").read_text())
    assert {"name": "pose and depth disagree", "off": True} in off


@pytest.mark.parametrize("name", ["lingbot", "nerfstudio"])
def test_the_whole_road(rooms, exported, tmp_path, cluster, name):
    folder = tmp_path / "data"
    import_clips(exported(name), folder, scene="kitchen")
    curating.curate(Dataset(folder), length=NUM_FRAMES)
    stages.shard(Dataset(folder))
    packed = ShardDataset(folder, "train")
    assert len(packed) == 2
    clips = [packed.window(i, 0, NUM_FRAMES) for i in range(2)]
    mine = by_turn([item.cam_to_world for item in rooms])
    theirs = by_turn([clip.trajectory.cam_to_world for clip in clips])
    np.testing.assert_allclose(theirs, mine, atol=1e-9)
    # nerfstudio has no place for a caption
    assert clips[0].caption == ("An empty room." if name == "lingbot" else "A scene.")
    assert main(["check", str(folder)]) == 0
