"""Import: what others wrote becomes a dataset of ours, with the same poses, that stages take."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from box_room import box_plan, box_scene, write_box_episode
from exported import BOTH_WAYS, written
from tiny_dataset import plan_tiny

from capture.episode import Episode, EpisodeWriter
from capture.formats import Posed, episodes
from capture.formats.adopt import Given
from curation import decide, tables
from curation.caption import table as captions
from pipelines import curating, stages
from pipelines.cli import main
from pipelines.dataset import Dataset
from pipelines.importing import import_clips
from shards.reader import ShardDataset

NUM_FRAMES = 33


@pytest.fixture(scope="module")
def shot(tmp_path_factory) -> list[Episode]:
    """Two paths through the box room."""
    root = tmp_path_factory.mktemp("rooms")
    plans = [box_plan(kind, 4, NUM_FRAMES) for kind in ("pan", "out_and_back")]
    return [write_box_episode(root / "episodes", plan, box_scene(4)) for plan in plans]


def records(shot: list[Episode], num_frames: int = NUM_FRAMES) -> list[Posed]:
    return [
        episodes.posed(e, 0, num_frames, name=f"{e.generator}.4", caption="An empty room.")
        for e in shot
    ]


@pytest.fixture(scope="module")
def rooms(shot) -> list[Posed]:
    """The whole paths."""
    return records(shot)


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


# Yume's clips are runs of one key, not the clips that were exported; SceneMemBench's see something
# again (tests/capture/formats/test_scene_mem_bench.py).
WHOLE = [name for name in BOTH_WAYS if name not in ("yume", "scene-mem-bench")]


@pytest.mark.parametrize("name", WHOLE)
def test_every_format_that_we_write_comes_back(shot, tmp_path, name):
    short = records(shot, 9)
    source = written(short, tmp_path / name, name)
    assert import_clips(source, tmp_path / "data", given=GIVEN.get(name)) == 2
    mine = by_turn([item.cam_to_world for item in short])
    for path, back in zip(mine, poses_of(tmp_path / "data"), strict=True):
        if name == "kitti":  # begins at the identity, camera axes, -y up
            path, back = (np.linalg.inv(p[0]) @ p for p in (path, back))
        # SolarWM's poses are float32.
        np.testing.assert_allclose(back, path, atol=1e-6 if name == "solarwm" else 1e-9)
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


def test_the_whole_road(rooms, exported, tmp_path, cluster, capsys):
    folder = tmp_path / "data"
    import_clips(exported("lingbot"), folder, scene="kitchen")
    curating.curate(Dataset(folder), length=NUM_FRAMES)
    stages.shard(Dataset(folder))
    packed = ShardDataset(folder, "train")
    assert len(packed) == 2
    clips = [packed.window(i, 0, NUM_FRAMES) for i in range(2)]
    mine = by_turn([item.cam_to_world for item in rooms])
    theirs = by_turn([clip.trajectory.cam_to_world for clip in clips])
    np.testing.assert_allclose(theirs, mine, atol=1e-9)
    assert {clip.caption for clip in clips} == {"An empty room."}
    assert {clip.scene_id for clip in clips} == {"kitchen-0"}
    assert main(["check", str(folder)]) == 0
    rows = pq.read_table(folder / "clips.parquet").to_pylist()
    changed = [{**row, "caption": "Another room."} for row in rows]
    pq.write_table(pa.Table.from_pylist(changed), folder / "clips.parquet")
    assert "removed" not in capsys.readouterr().out
    stages.shard(Dataset(folder))
    assert "Shard: 1 tars of the former version are removed" in capsys.readouterr().out


def test_with_depth_every_check_is_made(exported, tmp_path):
    folder = tmp_path / "data"
    import_clips(exported("nerfstudio"), folder)
    for plan in Dataset(folder).plans():
        tables.measure_episode(folder, plan.id, NUM_FRAMES)
    tables.merge(folder)
    rows = pq.read_table(decide.decide(folder)).to_pylist()
    assert [row["keep"] for row in rows] == [True, True]
    agree = [row["geometry_inlier"] for row in decide.measured(folder)]
    assert min(agree) > 0.9


def test_one_bad_clip_is_a_sentence_and_the_others_are_there(exported, tmp_path, capsys):
    source, folder = exported("lingbot"), tmp_path / "data"
    intrinsics = (source / "pan.4" / "intrinsics.npy").read_bytes()
    (source / "pan.4" / "intrinsics.npy").write_bytes(b"noise")
    with pytest.raises(ValueError, match="1 of 2 clips failed"):
        import_clips(source, folder)
    assert "clip 1: " in (said := capsys.readouterr().out) and "intrinsics.npy is no plain" in said
    (done,) = (folder / "episodes").iterdir()
    before = (done / "episode.json").stat().st_mtime_ns
    (source / "pan.4" / "intrinsics.npy").write_bytes(intrinsics)
    assert import_clips(source, folder) == 2
    assert (done / "episode.json").stat().st_mtime_ns == before
    assert len(Dataset(folder).plans()) == len(list((folder / "episodes").iterdir())) == 2


def test_stopped_in_the_middle_it_goes_on(exported, tmp_path, monkeypatch, no_ray):
    source, folder = exported("lingbot"), tmp_path / "data"
    add, frames = EpisodeWriter.add, []

    def stop(writer, **frame):
        frames.append(frame)
        if len(frames) == NUM_FRAMES + 5:
            raise KeyboardInterrupt
        add(writer, **frame)

    monkeypatch.setattr(EpisodeWriter, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        import_clips(source, folder)
    assert len(list((folder / "episodes").iterdir())) == 1
    assert import_clips(source, folder) == 2
    assert len(frames) == 2 * NUM_FRAMES + 5


def test_what_is_left_out_is_said(exported, tmp_path, capsys):
    source, folder = exported("nerfstudio"), tmp_path / "data"
    for name in ("pan.4", "out_and_back.4"):
        file = source / name / "transforms.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "k1": 0.1, "k2": 0.2}))
    import_clips(source, folder)
    assert (said := capsys.readouterr().out).count("Note: ") == 2 and "k1" in said
    episode = Episode.load(next((folder / "episodes").iterdir()))
    assert "k1" in episode.info["engine"]["notes"][0]


def test_every_clip_of_a_scene_keeps_its_own_caption(shot, tmp_path, capsys):
    source, folder = written(records(shot, 9), tmp_path / "lingbot", "lingbot"), tmp_path / "data"
    (source / "pan.4" / "prompt.txt").write_text("A red room. The camera pans left. It is dark.\n")
    (source / "out_and_back.4" / "prompt.txt").write_text("A blue room with a door.")
    import_clips(source, folder, scene="kitchen")
    assert "caption, because it speaks of the camera" in (said := capsys.readouterr().out)
    assert said.count("Note: ") == 1 and "The camera pans left." in said
    row = {"place": "", "view_names": [], "view_shares": []}
    rows = [{**row, "clip_id": p.id, "plan_id": p.id} for p in Dataset(folder).plans()]
    long = {text.long for text in captions.texts(folder, rows)}
    assert long == {"A red room. It is dark.", "A blue room with a door."}
    assert Dataset(folder).scene("kitchen-0").setting == ""


def test_a_clip_is_taken_in_one_way_alone(shot, tmp_path, capsys):
    source, folder = written(records(shot, 9), tmp_path / "sekai", "sekai"), tmp_path / "data"
    assert main(["import", str(source), "--up=-y", "-o", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "sekai does not declare its unit (metres are taken, see --scale)\n" in said
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    for other in (["--up=-y", "--scale", "0.5"], [], ["--up=-y", "--scene", "hall"]):
        assert main(["import", str(source), *other, "-o", str(folder)]) == 1
        assert "already, imported with other options (--scale" in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    assert main(["import", str(source), "--up=-y", "-o", str(folder)]) == 0
    # Another source's clips may bear the same names.
    away = [dataclasses.replace(r, cam_to_world=r.cam_to_world[::-1]) for r in records(shot, 9)]
    others = written(away, tmp_path / "others", "sekai")
    assert main(["import", str(others), "--scale", "0.5", "-o", str(folder)]) == 0
    assert len(poses_of(folder)) == 4


def test_on_a_cluster(exported, tmp_path, cluster):
    source = exported("lingbot")
    (source / "out_and_back.4" / "video.mp4").write_bytes(b"noise")
    with pytest.raises(ValueError, match="1 of 2 clips failed"):
        import_clips(source, tmp_path / "data")
    assert import_clips(exported("vipe"), tmp_path / "both") == 2
    assert len(poses_of(tmp_path / "both")) == 2


def test_scenes_and_splits(exported, tmp_path):
    folder = tmp_path / "data"
    import_clips(exported("lingbot"), folder, scene="kitchen")
    import_clips(exported("vipe"), folder, scene_per_clip=True, split="val")
    groups = {group.scene_id: group.split for group in Dataset(folder).recipe().scenes}
    assert groups == {"kitchen-0": "train", "out_and_back_4-0": "val", "pan_4-0": "val"}
    kitchen = Dataset(folder).scene("kitchen-0")
    assert kitchen.setting == "An empty room" and len(Dataset(folder).plans()) == 4
    paths = np.concatenate(poses_of(folder))[:, :3, 3]
    assert (paths > np.array(kitchen.bounds_m[:3]) + 0.99).all()
    assert (paths < np.array(kitchen.bounds_m[3:]) - 0.99).all()


def test_mistakes_get_a_sentence(exported, tmp_path, capsys):
    source = exported("lingbot")

    def said(*words) -> str:
        assert main(["import", *map(str, words)]) == 1
        return capsys.readouterr().err

    assert "is not there" in said(tmp_path / "no", "-o", tmp_path / "x")
    assert "unknown format 'blender'" in said(source, "--format", "blender", "-o", tmp_path / "x")
    assert "exclude each other" in said(
        source, "--scene", "a", "--scene-per-clip", "-o", tmp_path / "x"
    )
    assert "such as 'my_room'" in said(source, "--scene", "my room", "-o", tmp_path / "x")
    assert "--fps is a positive number" in said(source, "--fps", "-1", "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "is not empty and no dataset" in said(source, "-o", tmp_path / "mine")
    plan_tiny(tmp_path / "planned")
    assert "holds a dataset that was planned" in said(source, "-o", tmp_path / "planned")
    (source / "again").symlink_to(source / "pan.4")
    with pytest.raises(ValueError, match="1 of 3 clips failed"):
        import_clips(source, tmp_path / "twice")
    assert "the same path and camera as" in capsys.readouterr().out
