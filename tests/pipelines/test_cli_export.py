"""`relickit train export`: what is wrong is a sentence, and a run becomes a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import main


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["/nowhere"], "relickit train export RUN -o FOLDER"),
        (["/nowhere", "-o", "out"], "/nowhere is no training run"),
    ],
)
def test_mistakes_get_a_sentence(command, sentence, capsys):
    assert main(["train", "export", *command]) == 1
    assert sentence in capsys.readouterr().err


def test_a_run_and_a_folder_are_handed_on(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr("training.export.export", lambda *paths: asked.append(paths))
    assert main(["train", "export", "runs/demo", "-o", str(tmp_path / "out")]) == 0
    assert asked == [(Path("runs/demo"), tmp_path / "out")]
    assert str(tmp_path / "out") in capsys.readouterr().out.replace("\n", "")
