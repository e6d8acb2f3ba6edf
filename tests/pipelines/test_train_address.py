"""`relickit train --data s3://...`: a run from an address is the run from the folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from box_room import box_plan, box_scene, write_box_episode
from range_server import allow_local, serving

from capture import config
from pipelines.cli import main
from shards import jobs, manifest, remote, writer
from shards.schema import ShardError
from training import encode, recipes
from training.recipes import Recipe


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """The tiny recipe for small pictures."""
    tiny = recipes.tiny()
    small = dataclasses.replace(
        tiny,
        data=dataclasses.replace(tiny.data, height_px=32, width_px=48, num_frames=9),
        codec=dataclasses.replace(tiny.codec, channels=4, fit_windows=2),
        model=dataclasses.replace(tiny.model, max_words=4, text_dim=8),
    )
    config.save(tmp_path / "small.json", small)
    return str(tmp_path / "small.json")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A clip to train on and one that is held out, in a bucket."""
    folder, rows = tmp_path / "bucket" / "box", []
    for seed, split in enumerate(("train", "val")):
        scene, plan = box_scene(seed), box_plan("pan", seed, num_frames=17)
        episode = write_box_episode(folder / "episodes", plan, scene)
        row = {"clip_id": split, "plan_id": episode.id, "scene_id": scene.id, "keep": True}
        rows.append({**row, "start": 0, "stop": 17, "caption": "Box.", "split": split})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    planned = jobs.plan(folder, clips_per_shard=1)
    for job in planned:
        writer.write(job, folder)
    manifest.publish(folder, planned)
    return folder


def test_a_run_from_an_address_is_the_run_from_the_folder(dataset, recipe, tmp_path, monkeypatch):
    allow_local(monkeypatch)
    assert main(["encode", str(dataset), "--recipe", recipe]) == 0
    losses, latents = {}, {}
    with serving(tmp_path) as (host, behaviour):
        s3 = f"s3://bucket/box?endpoint_override={host}&scheme=http&region=us-east-1"
        for name, data in (("folder", str(dataset)), ("s3", s3)):
            run = tmp_path / name
            command = ["train", "teacher", recipe, "--data", data, "--run", str(run), "--steps"]
            cache = ["--cache", str(tmp_path / "cache"), "--log-with", "none"]
            assert main([*command, "1", *cache]) == 0
            rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
            losses[name] = [row["loss"] for row in rows if "loss" in row]
            latents[name] = json.loads((run / "config.json").read_text())["latents"]
        _require_words(f"http://{host}/bucket/box", recipes.find(recipe), monkeypatch)
        assert losses["folder"] == losses["s3"] and losses["s3"]
        assert latents["folder"] == latents["s3"] != ""
        sent = len([name for name, _ in behaviour.sent if name.endswith(".tar")])
        assert sent
        assert main([*command, "2", *cache]) == 0
        assert len([name for name, _ in behaviour.sent if name.endswith(".tar")]) == sent


def _require_words(address: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server's set is found; one that cannot be read is an error, not the lack of one."""
    assert encode.find_words(address, recipe) is not None
    whole = remote.WebServer.whole

    def broken(server: remote.WebServer, name: str) -> bytes | None:
        if name.startswith("index-"):
            raise ShardError(f"{name} could not be read in 4 attempts")
        return whole(server, name)

    with monkeypatch.context() as patched:
        patched.setattr(remote.WebServer, "whole", broken)
        with pytest.raises(ShardError, match="could not be read"):
            encode.find_words(address, recipe)


def test_an_address_that_nothing_reads_ends_in_a_sentence(recipe, tmp_path, capsys):
    command = ["train", "teacher", recipe, "--data", "ftp://host/box", "--run", str(tmp_path / "r")]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "nothing reads ftp://host/box" in error and "Traceback" not in error
