"""`relickit train --on-damage replace`: a run goes on past damaged clips, and says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from packed_box import BoxClip, pack

from pipelines.cli import main
from shards.reader import ShardDataset
from training.run import replaced


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Of three clips to train on one has a wrong byte in its video, and one in its path."""
    clips = [BoxClip(name=name, seed=seed) for seed, name in enumerate(("good", "path", "video"))]
    folder = pack(tmp_path / "box", [*clips, BoxClip(name="val", seed=3, split="val")])
    spoil(folder, "video", "rgb.mp4")
    spoil(folder, "path", "camera.npz")
    return folder


def spoil(folder: Path, key: str, part: str) -> None:
    """Change one byte of a training clip's part in its tar."""
    clips = ShardDataset(folder, "train")
    content = clips.part(clips.keys.index(key), part)
    (tar,) = (t for t in folder.glob("shards/*.tar") if content in t.read_bytes())
    middle = len(content) // 2
    wrong = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    tar.write_bytes(tar.read_bytes().replace(content, wrong))


def train(dataset: Path, recipe: str, run: Path, steps: int, *more: str) -> int:
    where = ["--data", str(dataset), "--run", str(run), "--steps", str(steps)]
    return main(["train", "teacher", recipe, *where, "--log-with", "none", *more])


def test_a_damaged_clip_ends_a_run_with_one_sentence(dataset, recipe, tmp_path, capsys):
    assert train(dataset, recipe, tmp_path / "run", 2) == 1
    told = capsys.readouterr().err
    assert re.search("sample (path, part camera.npz|video, part rgb.mp4) is damaged", told)
    assert len(told.splitlines()) == 1 and told.startswith("relickit: ")


def test_a_run_that_replaces_goes_on_and_says_what_and_how_often(dataset, recipe, tmp_path, capsys):
    """Cut or not, what was replaced is a function of the seed and the step."""
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert train(dataset, recipe, cut, 1, "--on-damage", "replace") == 0
    first = replaced(cut)
    assert "until now" not in capsys.readouterr().out
    assert train(dataset, recipe, cut, 2, "--on-damage", "replace") == 0
    told = capsys.readouterr().out
    assert train(dataset, recipe, whole, 2, "--on-damage", "replace") == 0
    assert (cut / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    counts = replaced(cut)
    assert set(counts) == {"path", "video"} and sum(first.values()) < sum(counts.values())
    assert f"Damage: in {sum(first.values())} windows until now another clip stood in" in told
    assert f"Damage: in {sum(counts.values())} windows another clip stood in" in told
    assert all(f"{key} ({count})" in told for key, count in counts.items())
    rows = [json.loads(row) for row in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [sum(row["replaced"].values()) < 16 for row in rows] == [True, True]


def test_held_out_clips_are_never_replaced(dataset, recipe, tmp_path, capsys):
    (tar,) = dataset.glob("shards/val-*.tar")
    tar.write_bytes(tar.read_bytes()[:-512])
    assert train(dataset, recipe, tmp_path / "run", 1, "--on-damage", "replace") == 1
    assert f"{tar.name}: expected" in capsys.readouterr().err
