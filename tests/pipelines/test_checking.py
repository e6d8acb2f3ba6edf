"""`relickit check` on runs, and its exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from capture import config
from capture.camera import Intrinsics
from pipelines.checking import verdict
from pipelines.cli import main
from shards.check.problem import Problem
from training.autoencoder import LinearCodec
from training.recipes import tiny
from training.run import RunConfig


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a training run leaves, without having trained."""
    folder = tmp_path / "run"
    camera = Intrinsics.from_fov(48, 32, 90.0)
    folder.mkdir()
    config.save(
        folder / "config.json", RunConfig(recipe=tiny(), manifest_sha="", intrinsics=camera)
    )
    LinearCodec(torch.zeros(768), torch.eye(768, 4), torch.ones(())).save(
        folder / "codec.safetensors"
    )
    rows = [json.dumps({"step": step, "loss": 1.0}) for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    checkpoint = folder / "checkpoints" / "0000003"
    checkpoint.mkdir(parents=True)
    save_file({"weight": torch.ones(3)}, checkpoint / "model.safetensors")
    torch.save([{"state": torch.ones(3)}], checkpoint / "optimizer.pt")
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def forge(path: Path) -> None:
    save_file({"weight": torch.tensor([1.0, torch.nan])}, path)


def unknown(path: Path) -> None:
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "colour": "blue"}))


def test_a_whole_run_has_no_problems(run, capsys):
    assert main(["check", str(run)]) == main(["check", str(run), "--deep"]) == 0
    assert "no problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("config.json", cut, "config.json"),
        ("config.json", unknown, "colour"),
        ("codec.safetensors", cut, "codec.safetensors: cannot be read"),
        ("metrics.jsonl", cut, "line 3 is not JSON"),
        ("checkpoints/0000003/model.safetensors", cut, "model.safetensors: cannot be read"),
        ("checkpoints/0000003/model.safetensors", forge, "weight has values that are not finite"),
        ("checkpoints/0000003/optimizer.pt", cut, "optimizer.pt: cannot be read"),
    ],
)
def test_damage_to_a_run_is_found_and_named(run, capsys, file, damage, message):
    damage(run / file)
    assert main(["check", str(run), "--deep"]) == 1
    told = capsys.readouterr()
    assert re.search(message, told.out), told.out
    assert ", listed above" in told.err and "Traceback" not in told.err


def test_steps_that_do_not_follow_one_another_are_named(run, capsys):
    log = run / "metrics.jsonl"
    log.write_text(log.read_text().replace('"step": 2', '"step": 7'))
    assert main(["check", str(run)]) == 1
    assert "line 2 is of step 7" in capsys.readouterr().out


def test_repair_says_what_it_did(run, capsys):
    (run / ".metrics.tmp-elsewhere-1-abc").mkdir()
    os.utime(run / ".metrics.tmp-elsewhere-1-abc", (0, 0))
    assert main(["check", str(run), "--repair"]) == 0
    assert "temporary, removed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("repairable", "said"),
    [
        ([True], "one problem, listed above; `relickit check data --repair` mends it"),
        ([True, True], "2 problems, listed above; `relickit check data --repair` mends all"),
        ([False, False], "--repair mends none of that"),
        ([True, False, False], "mends 1 of them, and not what is wrong with file-1, file-2"),
        ([True] + [False] * 7, "file-1, file-2, file-3, file-4, file-5 and 2 more"),
    ],
)
def test_the_last_line_says_what_repair_mends(repairable, said):
    problems = [
        Problem(path=Path(f"file-{i}"), message="bad", repairable=mends)
        for i, mends in enumerate(repairable)
    ]
    assert said in verdict(Path("data"), problems)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert main(["check", str(tmp_path)]) == 1
    assert "is nothing of ours" in capsys.readouterr().out
