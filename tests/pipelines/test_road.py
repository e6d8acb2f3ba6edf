"""The whole road at toy size, through the command line: nothing but the verbs that a user types."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from capture import actions, scripted, video
from capture.episode import Episode
from pipelines import runner
from pipelines.cli import main
from shards.reader import ShardDataset


@pytest.fixture(scope="module")
def road(cluster, tmp_path_factory) -> Path:
    """A folder with data/toy and runs/toy, made by the commands."""
    out = tmp_path_factory.mktemp("road")
    data, run = str(out / "data" / "toy"), str(out / "runs" / "toy")
    with runner.cluster():
        for command in (
            ["plan", "toy", "--data", data],
            ["capture", data, "--engine", "embedded:2"],
            ["curate", data],
            ["shard", data],
            ["audit", data],
            ["check", data],
            ["train", "teacher", "tiny", "--data", data, "--run", run, "--steps", "4"],
            ["evaluate", run, "--scene", "courtyard", "--num-starts", "2", "--engine", "embedded"],
        ):
            assert main(command) == 0, command
    return out


def test_every_plan_became_an_episode(road):
    data = road / "data" / "toy"
    episodes = [Episode.load(path) for path in sorted((data / "episodes").iterdir())]
    assert len(episodes) == len(pq.read_table(data / "plans.parquet")) == 7
    for episode in episodes:
        poses = episode.trajectory.cam_to_world
        np.testing.assert_allclose(actions.integrate(episode.actions, poses[0]), poses, atol=1e-9)


def test_pose_depth_colour_and_time_agree(road):
    clips = pq.read_table(road / "data" / "toy" / "metrics" / "clips.parquet").to_pandas()
    assert clips["geometry_inlier"].median() > 0.75  # leaves overlap in small pictures
    known = clips["lag_frames"].dropna()
    assert (known == 0).all()


def test_no_scene_is_in_two_splits(road):
    clips = pq.read_table(road / "data" / "toy" / "clips.parquet").to_pandas()
    assert dict(clips.groupby("split")["scene_id"].agg(set)) == {
        "train": {"courtyard-0"},
        "val": {"courtyard-1"},
    }
    assert (clips["reject_reasons"].str.len() > 0).equals(~clips["keep"])


def test_plain_webdataset_reads_the_shards(road):
    tars = sorted(str(p) for p in (road / "data" / "toy" / "shards").glob("*.tar"))
    keys = [s["__key__"] for s in webdataset.WebDataset(tars, shardshuffle=False)]
    ours = [ShardDataset(road / "data" / "toy", split).keys for split in ("train", "val")]
    assert sorted(keys) == sorted(ours[0] + ours[1])


def test_the_run_is_complete(road):
    run = road / "runs" / "toy"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(np.isfinite(row["loss"]) for row in rows)
    result = json.loads((run / "evaluation.json").read_text())
    assert result["truth"]["signs"] == dict.fromkeys(scripted.COMMANDS, 1.0)
    for command in scripted.COMMANDS:
        assert video.num_frames(run / "samples" / f"{command}.mp4") == 2 * 13


def test_sample_writes_a_video(road, tmp_path):
    run, image = road / "runs" / "toy", road / "data" / "toy" / "scenes" / "courtyard-0.jpg"
    out = tmp_path / "pan.mp4"
    wanted = [
        "--image",
        str(image),
        "--actions",
        "pan_left",
        "dolly_in*2+pan_right",
        "--out",
        str(out),
    ]
    assert main(["sample", str(run), *wanted]) == 0
    frames = video.read_rgb(out)
    assert frames.shape == (1 + 4 + 4, 64, 112, 3)
    first = cv2.resize(cv2.imread(str(image))[..., ::-1], (112, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(frames[0].astype(int) - first).mean() < 8


def test_the_pages_stand_alone(road):
    from pipelines import report

    data, run = road / "data" / "toy", road / "runs" / "toy"
    pages = {data / "audit" / "index.html": 'src="pictures/', report.write(data, run): "data:image"}
    for page, pictures in pages.items():
        text = page.read_text()
        assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text
        assert "courtyard-0" in text and pictures in text
        for tar in (data / "shards").glob("*.tar"):
            assert tar.stem in text
    assert text.count("data:video/mp4") == 4


def test_everything_again_changes_nothing(road):
    def digests():
        return {
            str(p.relative_to(road)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted((road / "data").rglob("*"))
            if p.is_file()
        }

    before, data = digests(), str(road / "data" / "toy")
    with runner.cluster():
        for verb in ("capture", "curate", "shard", "audit"):
            assert main([verb, data]) == 0
    assert digests() == before


def test_another_recipe_does_not_get_the_folder(road, capsys):
    assert main(["plan", "demo", "--data", str(road / "data" / "toy")]) == 1
    assert "holds a dataset of another recipe" in capsys.readouterr().err


def test_a_half_written_episode_is_named(road, tmp_path, capsys):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(road / "data" / "toy", broken)
    victim = next((broken / "episodes").iterdir())
    (victim / "rgb.mp4").write_bytes(b"half")
    assert main(["check", str(broken)]) == 1
    said = capsys.readouterr()
    assert victim.name in said.out and "Traceback" not in said.err
