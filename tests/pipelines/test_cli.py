"""Bad input: one clear sentence, a non-zero exit, no traceback."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from pipelines.cli import main


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["plan", "dmeo"], "unknown recipe 'dmeo'; there are demo, toy, worlds"),
        (["capture", "/nowhere"], "/nowhere is no dataset"),
        (["curate", "/nowhere"], "/nowhere is no dataset"),
        (["shard", "/nowhere"], "/nowhere is no dataset"),
        (["serve", "--scene", "moon"], "no built-in scene 'moon'"),
        (["serve", "--fault", "drp"], "unknown fault 'drp'; there are one-shot-tcp"),
        (["demo", "--engine", "warp"], "cannot read the engine 'warp'"),
        (["capture", "/nowhere", "--engine", "unreal:/no/Game.sh"], "no Unreal binary at"),
    ],
)
def test_mistakes_get_a_sentence(command, sentence, capsys):
    assert main(command) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize("command", [["paln"], ["plan"], ["plan", "toy", "--dta", "x"]])
def test_usage_errors_exit_with_2(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2


def test_a_full_disk_is_a_sentence(monkeypatch, capsys, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "data/x.mp4")

    monkeypatch.setattr("pipelines.stages.audit", full)
    (tmp_path / "clips.parquet").touch()
    assert main(["audit", str(tmp_path)]) == 1
    assert "the disk is full (data/x.mp4); free some space and run" in capsys.readouterr().err


def test_verbose_shows_the_traceback(capsys):
    assert main(["-v", "plan", "dmeo"]) == 1
    assert "find" in capsys.readouterr().err


def test_help_is_quick_and_lists_the_road():
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "--help"], capture_output=True, text=True, timeout=60
    )
    for verb in ("demo", "serve", "plan", "capture", "curate", "audit", "shard", "train", "sample"):
        assert verb in done.stdout


def test_dry_run_prints_the_resolved_recipe(capsys):
    assert main(["build", "toy", "--dry-run"]) == 0
    assert '"generator": "moves"' in capsys.readouterr().out
