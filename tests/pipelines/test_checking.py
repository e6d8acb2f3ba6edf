"""`relickit check` on runs, and its exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from box_room import box_plan, box_scene, write_box_episode
from safetensors.torch import save_file

from capture import config, files
from capture.camera import Intrinsics
from capture.scene import save_plans
from capture.video import RgbWriter
from pipelines.checking import check_any, verdict
from pipelines.cli import main
from shards.check.problem import Problem
from training.autoencoder import LinearCodec
from training.recipes import tiny
from training.run import RunConfig
from training.state import SUMS, CheckpointParts, Checkpoints, Ema

LAST = "checkpoints/0000003"


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
    model = torch.nn.Linear(3, 1, bias=False)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).backward()
    optimizer.step()
    parts = CheckpointParts(
        models={"model": model},
        averages={"ema": Ema(model, 0.9)},
        optimizers={"optimizer": [optimizer]},
    )
    Checkpoints(folder / "checkpoints").save(3, parts)
    (folder / "samples").mkdir()
    video = RgbWriter(folder / "samples" / "step-0000003.mp4", 48, 32, 16.0)
    video.add(np.zeros((32, 48, 3), np.uint8))
    video.close()
    (folder / "evaluation.json").write_text("{}")
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def forge(path: Path) -> None:
    save_file({"weight": torch.tensor([1.0, torch.nan])}, path)
    (path.parent / SUMS).unlink()  # older runs have none


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


def flip_where_nothing_counts(path: Path) -> None:
    flip(path)
    (path.parent / SUMS).unlink()


def shorten(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))


def to_distill(path: Path) -> None:
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "stage": "distill"}))


def unknown(path: Path) -> None:
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "colour": "blue"}))


def test_a_whole_run_has_no_problems(run, capsys):
    assert main(["check", str(run)]) == main(["check", str(run), "--deep"]) == 0
    assert "no problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("config.json", cut, "config.json.*; delete it and run the same training again, which"),
        ("config.json", Path.unlink, "config.json: is lost; run the same training again, which"),
        ("config.json", unknown, "colour"),
        ("config.json", to_distill, "critic.safetensors: is lost; delete .*0000003 and run"),
        ("codec.safetensors", cut, "codec.safetensors: cannot be read"),
        ("metrics.jsonl", cut, "line 3 is not JSON"),
        ("metrics.jsonl", shorten, "has 2 lines, but the checkpoint is of step 3; delete the run"),
        ("metrics.jsonl", Path.unlink, "has 0 lines, but the checkpoint is of step 3"),
        (f"{LAST}/model.safetensors", cut, "model.safetensors: is damaged: files.json"),
        (f"{LAST}/model.safetensors", flip, "model.safetensors: is damaged: files.json"),
        (f"{LAST}/model.safetensors", forge, "weight has values that are not finite; delete"),
        (f"{LAST}/model.safetensors", Path.unlink, "model.safetensors: is lost; delete"),
        (f"{LAST}/ema.safetensors", Path.unlink, "ema.safetensors: is lost; delete"),
        (f"{LAST}/optimizer.pt", cut, "optimizer.pt: is damaged: files.json"),
        (f"{LAST}/optimizer.pt", flip_where_nothing_counts, "optimizer.pt: .*; delete .*0000003"),
        (f"{LAST}/files.json", cut, "files.json is not JSON .*; delete"),
        ("samples/step-0000003.mp4", halve, "step-0000003.mp4: cannot be read .*; delete it"),
        ("evaluation.json", cut, "evaluation.json is not JSON .*; delete it and run"),
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


def test_what_a_writer_has_not_finished_is_no_problem(run):
    """Its temporary files, and the line of the log that it is writing."""
    (run / "samples" / ".step-0000006.tmp-elsewhere-1-abc.mp4").write_bytes(b"")
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4}\n{"st')
    assert check_any(run) == []


def test_what_evaluate_rendered_is_checked(run):
    truth = run / "truth" / "box-0-1x5"
    plan = box_plan("pan", num_frames=5)
    save_plans(truth / "plans.parquet", [plan])
    files.write_json(truth / "scene.json", box_scene().to_json())
    episode = write_box_episode(truth / "episodes", plan, box_scene()).path
    assert check_any(run) == []
    for file in (truth / "plans.parquet", truth / "scene.json", episode / "mask.mkv"):
        content = file.read_bytes()
        file.write_bytes(content[:-5])
        (problem,) = check_any(run)
        assert f"; delete {truth} and run `relickit evaluate {run}` again" in str(problem)
        file.write_bytes(content)


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
