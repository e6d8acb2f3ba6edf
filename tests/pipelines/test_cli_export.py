"""`relickit train export`: what is wrong is a sentence, and a run becomes a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import main


def test_a_missing_run_gets_a_sentence(capsys):
    assert main(["train", "export", "/nowhere", "-o", "out"]) == 1
    assert "/nowhere is no training run" in capsys.readouterr().err


def test_a_missing_folder_is_a_usage_error():
    with pytest.raises(SystemExit) as stop:
        main(["train", "export", "/nowhere"])
    assert stop.value.code == 2


def test_a_run_and_a_folder_are_handed_on(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr("training.export.export", lambda *paths: asked.append(paths))
    assert main(["train", "export", "runs/demo", "-o", str(tmp_path / "out")]) == 0
    assert asked == [(Path("runs/demo"), tmp_path / "out")]
    assert str(tmp_path / "out") in capsys.readouterr().out.replace("\n", "")
