"""Export: kept clips by default; it continues where it stopped; mistakes get a sentence."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from box_room import box_plan, box_scene, write_box_episode

from capture import files, formats
from pipelines.cli import main
from pipelines.export import export


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two episodes; three clips, of which two are kept."""
    folder = tmp_path_factory.mktemp("export") / "data"
    rows = []
    for kind in ("loop", "pan"):
        episode = write_box_episode(folder / "episodes", box_plan(kind, 2, 33), box_scene(2))
        for start, stop, keep in ((0, 17, True), (16, 33, False)):
            rows.append(
                {
                    "clip_id": f"{kind}-{start}",
                    "plan_id": episode.id,
                    "scene_id": "box-2",
                    "start": start,
                    "stop": stop,
                    "keep": keep or kind == "pan",
                    "caption": f"clip {kind} {start}",
                    "split": "train",
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    return folder


@pytest.fixture(scope="module")
def exported(dataset, tmp_path_factory):
    """These clips as nerfstudio has them."""
    folder = tmp_path_factory.mktemp("theirs") / "nerfstudio"
    export(dataset, "nerfstudio", folder)
    return folder


def test_kept_clips_whole_episodes(dataset, tmp_path):
    assert export(dataset, "lingbot", tmp_path / "kept") == 3
    names = [record.name for record in formats.read(tmp_path / "kept")]
    assert names == ["loop-0", "pan-0", "pan-16"]
    (record,) = formats.read(tmp_path / "kept" / "pan-16")
    assert record.caption == "clip pan 16" and len(record) == 17
    assert export(dataset, "lingbot", tmp_path / "whole", whole=True) == 2
    assert all(len(record) == 33 for record in formats.read(tmp_path / "whole"))


def test_continues_after_a_failure_and_skips_what_is_there(dataset, tmp_path, monkeypatch, capsys):
    written, lingbot = [], formats.FORMATS["lingbot"]
    assert lingbot.write is not None

    def write(item, root, slot):
        written.append(item.name)
        if len(written) == 2:
            raise ValueError("the moon is in the way")
        lingbot.write(item, root, slot)

    monkeypatch.setitem(
        formats.FORMATS, "lingbot", dataclasses.replace(lingbot, write=write, mark=lingbot.mark)
    )
    with pytest.raises(ValueError, match="1 of 3 clips failed, see above; the others are in"):
        export(dataset, "lingbot", tmp_path / "out")
    assert "  pan-0: the moon is in the way" in capsys.readouterr().out
    assert written == ["loop-0", "pan-0", "pan-16"]
    assert not (tmp_path / "out" / "pan-0").exists()
    assert export(dataset, "lingbot", tmp_path / "out") == 3
    assert written[3:] == ["pan-0"]


@pytest.mark.parametrize("name", ["re10k", "lerobot"])
def test_an_unreadable_clip_does_not_stop_the_others(dataset, tmp_path, capsys, name):
    """An index that goes by names has the others; one that goes by numbers waits for all."""
    folder, out = Path(shutil.copytree(dataset, tmp_path / "data")), tmp_path / "out"
    loop = next(path for path in (folder / "episodes").iterdir() if is_loop(path))
    whole = (loop / "frames.parquet").read_bytes()
    (loop / "frames.parquet").write_bytes(whole[:-9] + b"x" + whole[-8:])
    assert main(["export", str(folder), "--to", name, "-o", str(out)]) == 1
    said = capsys.readouterr()
    assert "  loop-0: " in said.out and "frames.parquet is damaged" in said.out
    assert "1 of 3 clips failed" in said.err and str(out) in said.err
    if name == "lerobot":
        assert "without the index, since lerobot counts its clips" in " ".join(said.err.split())
        assert not (out / "meta" / "info.json").exists()
    else:
        assert [record.name for record in formats.read(out)] == ["pan-0", "pan-16"]
    (loop / "frames.parquet").write_bytes(whole)
    assert export(folder, name, out) == 3
    assert len(formats.read(out)) == 3


def is_loop(episode: Path) -> bool:
    return json.loads((episode / "episode.json").read_text())["generator"] == "loop"


@pytest.mark.parametrize("name", ["tum", "lerobot"])
def test_a_clip_of_others_that_cannot_be_read_waits_to_be_mended(dataset, tmp_path, capsys, name):
    export(dataset, "lingbot", tmp_path / "a")
    file, source, out = tmp_path / "a" / "pan-0" / "intrinsics.npy", tmp_path / "a", tmp_path / "b"
    whole = file.read_bytes()
    file.write_bytes(b"noise")
    for _ in range(2):
        assert main(["export", str(source), "--to", name, "-o", str(out)]) == 1
        said = capsys.readouterr()
        assert "  clip 1: " in said.out and "1 of 3 clips failed" in said.err
    if name == "lerobot":  # the number of a later clip is not known yet
        assert "none is written before all can be read" in " ".join(said.err.split())
        assert not out.exists()
    else:
        assert [record.name for record in formats.read(out)] == ["loop-0", "pan-16"]
    file.write_bytes(whole)
    assert export(source, name, out) == 3
    assert len(formats.read(out)) == 3
    shutil.rmtree(source / "pan-0")
    with pytest.raises(ValueError, match="of other clips"):
        export(source, name, out)


def test_the_help_and_the_message_list_what_is_written(dataset, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = capsys.readouterr().out
    listed = re.search(r"nerfstudio, colmap.*?lerobot", re.sub(r"[^a-z0-9,-]+", " ", said))
    assert listed is not None
    names = {name for name, format in formats.FORMATS.items() if format.write}
    assert set(re.split(r"[ ,]+(?:or )?", listed[0])) == names
    for wrong in ("relickit", "blender"):
        assert main(["export", str(dataset), "--to", wrong, "-o", str(tmp_path / "x")]) == 1
        told = " ".join(capsys.readouterr().err.split())
        assert set(told.partition("--to is one of ")[2].split(", ")) == names


def test_a_folder_that_is_not_recognised_can_be_named(tmp_path, capsys):
    (tmp_path / "poses").mkdir()
    assert (
        main(["export", str(tmp_path / "poses"), "--to", "kitti", "-o", str(tmp_path / "b")]) == 1
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "in no known format; tell which with --format: relickit, shards" in said
    wanted = ["--format", "tum", "-o", str(tmp_path / "b")]
    assert main(["export", str(tmp_path / "poses"), "--to", "kitti", *wanted]) == 1
    assert "no known format" not in capsys.readouterr().err


def test_what_a_killed_export_left_is_swept(dataset, tmp_path):
    export(dataset, "re10k", tmp_path)
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout.strip()
    left = tmp_path / "video_clips" / f".x{files.temporary_mark()}{dead}-abc123.mp4"
    left.write_text("half")
    (tmp_path / "pose_files" / "pan-0.txt").unlink()
    export(dataset, "re10k", tmp_path)
    assert not left.exists() and (tmp_path / "pose_files" / "pan-0.txt").is_file()


def test_from_one_format_to_another(exported, tmp_path):
    export(exported, "colmap", tmp_path / "b")
    for first, second in zip(formats.read(exported), formats.read(tmp_path / "b"), strict=True):
        np.testing.assert_allclose(first.cam_to_world, second.cam_to_world, atol=1e-9)


@pytest.mark.parametrize("name", ["sana-wm", "matrix-game"])
def test_an_export_of_an_export_has_the_same_world(dataset, tmp_path, name):
    """SANA-WM's world has -y up, as it declares."""
    export(dataset, name, tmp_path / "direct")
    export(dataset, "sana-wm", tmp_path / "a")
    export(tmp_path / "a", name, tmp_path / "b")
    for first, second in zip(
        formats.read(tmp_path / "direct"), formats.read(tmp_path / "b"), strict=True
    ):
        np.testing.assert_allclose(first.cam_to_world, second.cam_to_world, atol=1e-12)
        if first.actions is not None and second.actions is not None:
            np.testing.assert_array_equal(first.actions.values, second.actions.values)


def test_what_a_source_leaves_open_is_said_or_given(dataset, tmp_path, capsys):
    a, out = tmp_path / "a", tmp_path / "out"
    export(dataset, "context-as-memory", a)
    wanted = ["export", str(a), "--to", "vipe", "-o", str(out)]
    assert main(wanted) == 1
    said = capsys.readouterr().out
    assert "neither times nor a frame rate; say it with --fps" in said
    assert "does not declare its unit (centimetres are taken, see --scale)" in said
    assert not any(out.iterdir())
    assert main([*wanted, "--fps", "16"]) == 1
    assert "no intrinsics; say its horizontal field of view with --fov" in capsys.readouterr().out
    wanted += ["--fps", "16", "--fov", "80", "--scale", "2", "--up=-y"]
    assert main(wanted) == 0
    assert "does not declare" not in capsys.readouterr().out
    for first, second in zip(formats.read(a), formats.read(out), strict=True):
        before, after = first.cam_to_world, second.cam_to_world
        x, y, z = before[:, :3, 3].T
        np.testing.assert_allclose(after[:, :3, 3], 2 * np.stack([x, z, -y], -1), atol=1e-9)
        assert second.camera().fov_deg == pytest.approx(80.0) and second.rate() == 16.0
    assert main([*wanted[:-1], "--up", "y"]) == 1
    assert "with other options" in capsys.readouterr().err


def test_intrinsics_follow_the_pictures_that_are_there(exported, tmp_path):
    source = Path(shutil.copytree(exported, tmp_path / "a"))
    truth = [record.intrinsics_px() for record in formats.read(exported)]
    for file in source.glob("*/transforms.json"):
        said = json.loads(file.read_text())
        doubled = {key: 2 * said[key] for key in ("w", "h", "fl_x", "fl_y", "cx", "cy")}
        file.write_text(json.dumps({**said, **doubled}))
    export(source, "vipe", tmp_path / "b")
    for k, record in zip(truth, formats.read(tmp_path / "b"), strict=True):
        np.testing.assert_allclose(record.intrinsics_px(), k)


def test_a_clip_that_changed_is_no_longer_the_one_that_is_there(dataset, tmp_path):
    folder, out = Path(shutil.copytree(dataset, tmp_path / "data")), tmp_path / "out"
    export(folder, "tum", out)
    assert export(folder, "tum", out) == 3
    table = pq.read_table(folder / "clips.parquet")
    new = [{**row, "caption": "another"} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(new, schema=table.schema), folder / "clips.parquet")
    with pytest.raises(ValueError, match="loop-0 as it was before: its caption"):
        export(folder, "tum", out)
    shutil.rmtree(out / "loop-0")
    with pytest.raises(ValueError, match="pan-0 as it was before"):
        export(folder, "tum", out)
    for name in ("pan-0", "pan-16"):
        shutil.rmtree(out / name)
    assert export(folder, "tum", out) == 3


@pytest.mark.parametrize("part", ["poses", "pictures"])
def test_another_clip_of_the_same_name_is_refused(dataset, tmp_path, part):
    a, b, out = (tmp_path / name for name in ("a", "b", "out"))
    export(dataset, "lingbot", tmp_path / "all")
    for folder, name in ((a, "pan-0"), (b, "pan-16")):
        shutil.copytree(tmp_path / "all" / "pan-0", folder / "room")
        file = "poses.npy" if part == "poses" else "video.mp4"
        shutil.copyfile(tmp_path / "all" / name / file, folder / "room" / file)
    export(a, "tum", out)
    assert export(a, "tum", out) == 1
    with pytest.raises(ValueError, match="room as it was before"):
        export(b, "tum", out)


def test_a_clip_without_its_pictures_waits_for_them(exported, tmp_path, capsys):
    source, out = Path(shutil.copytree(exported, tmp_path / "a")), tmp_path / "out"
    picture = source / "pan-0" / "images" / "frame_00003.png"
    picture.rename(tmp_path / "away.png")
    assert main(["export", str(source), "--to", "tum", "-o", str(out)]) == 1
    assert "some of its images are not there" in capsys.readouterr().out
    assert not (out / "pan-0").exists() and (out / "loop-0" / "rgb").is_dir()
    (tmp_path / "away.png").rename(picture)
    assert export(source, "tum", out) == 3
    assert (out / "pan-0" / "rgb").is_dir()


def test_what_is_not_taken_is_said(exported, tmp_path, capsys):
    source = Path(shutil.copytree(exported, tmp_path / "a"))
    for file in source.glob("*/transforms.json"):
        bent = {"k1": 0.3, "camera_model": "OPENCV_FISHEYE"}
        file.write_text(json.dumps({**json.loads(file.read_text()), **bent}))
    export(source, "vipe", tmp_path / "b")
    said = capsys.readouterr().out
    assert said.count("Note: ") == 3 and "lens distortion k1" in said
    assert "and 3 more; `relickit audit" in said


def test_export_json_says_what_it_is(dataset, tmp_path):
    export(dataset, "tum", tmp_path / "out")
    said = json.loads((tmp_path / "out" / "export.json").read_text())
    assert said["format"] == "tum" and said["clips"] == 3
    assert "camera to world" in said["conventions"] and str(tmp_path) not in json.dumps(said)


@pytest.mark.parametrize("name", [name for name, f in formats.FORMATS.items() if f.write])
def test_every_format_states_its_conventions(name):
    title = formats.find(name).title
    assert "camera to" in title or "world to camera" in title
    assert "axes" in title and "metres" in title


def test_mistakes_get_a_sentence(dataset, tmp_path, capsys):
    def said(*words) -> str:
        assert main(["export", *map(str, words)]) == 1
        return capsys.readouterr().err

    assert "no format 'blender'; --to is" in said(dataset, "--to", "blender", "-o", tmp_path / "x")
    assert "relickit is read, not written" in said(dataset, "--to", "relickit", "-o", tmp_path)
    assert "is not there" in said(tmp_path / "no", "--to", "tum", "-o", tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "is not empty" in said(dataset, "--to", "tum", "-o", tmp_path / "mine")
    export(dataset, "kitti", tmp_path / "k")
    assert "another format" in said(dataset, "--to", "tum", "-o", tmp_path / "k")
