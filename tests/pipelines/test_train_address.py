"""`relickit train --data s3://...`: a run from an address is the run from the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packed_box import BoxClip, pack
from range_server import allow_local, serving

from pipelines.cli import main
from shards import remote
from shards.schema import ShardError
from training import encode, recipes
from training.recipes import Recipe


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A clip to train on and one that is held out, in a bucket."""
    clips = [BoxClip(name="train"), BoxClip(name="val", seed=1, split="val")]
    return pack(tmp_path / "bucket" / "box", clips)


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
