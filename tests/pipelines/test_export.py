"""Export: kept clips by default; it continues where it stopped; mistakes get a sentence."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from box_room import box_plan, box_scene, write_box_episode

from capture import formats
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


def test_kept_clips_whole_episodes(dataset, tmp_path):
    assert export(dataset, "lingbot", tmp_path / "kept") == 3
    names = [record.name for record in formats.read(tmp_path / "kept")]
    assert names == ["loop-0", "pan-0", "pan-16"]
    (record,) = formats.read(tmp_path / "kept" / "pan-16")
    assert record.caption == "clip pan 16" and len(record) == 17
    assert export(dataset, "lingbot", tmp_path / "whole", whole=True) == 2
    assert all(len(record) == 33 for record in formats.read(tmp_path / "whole"))


def test_continues_after_a_failure_and_skips_what_is_there(dataset, tmp_path, monkeypatch):
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
    with pytest.raises(ValueError, match="1 of 3 clips failed: pan-0: the moon is in the way"):
        export(dataset, "lingbot", tmp_path / "out")
    assert written == ["loop-0", "pan-0", "pan-16"]
    assert not (tmp_path / "out" / "pan-0").exists()
    assert export(dataset, "lingbot", tmp_path / "out") == 3
    assert written[3:] == ["pan-0"]


def test_what_a_killed_export_left_is_swept(dataset, tmp_path):
    export(dataset, "re10k", tmp_path)
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout.strip()
    left = tmp_path / "video_clips" / f".x.tmp-{socket.gethostname()}-{dead}-abc123.mp4"
    left.write_text("half")
    (tmp_path / "pose_files" / "pan-0.txt").unlink()
    export(dataset, "re10k", tmp_path)
    assert not left.exists() and (tmp_path / "pose_files" / "pan-0.txt").is_file()


def test_from_one_format_to_another(dataset, tmp_path):
    export(dataset, "nerfstudio", tmp_path / "a")
    export(tmp_path / "a", "colmap", tmp_path / "b")
    for first, second in zip(
        formats.read(tmp_path / "a"), formats.read(tmp_path / "b"), strict=True
    ):
        np.testing.assert_allclose(first.cam_to_world, second.cam_to_world, atol=1e-9)


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

    assert "unknown format 'blender'" in said(dataset, "--to", "blender", "-o", tmp_path / "x")
    assert "relickit is read, not written" in said(dataset, "--to", "relickit", "-o", tmp_path)
    assert "is not there" in said(tmp_path / "no", "--to", "tum", "-o", tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "is not empty" in said(dataset, "--to", "tum", "-o", tmp_path / "mine")
    export(dataset, "kitti", tmp_path / "k")
    assert "another format" in said(dataset, "--to", "tum", "-o", tmp_path / "k")
