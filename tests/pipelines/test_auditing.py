"""`relickit audit` of anybody's data and `relickit trajectory`, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import elsewhere
import numpy as np
import pytest

from capture import formats
from capture.formats import Declared, Posed
from pipelines.cli import main


def written(folder: Path, names: str, **changes) -> Path:
    """Paths without pictures, one TUM folder for each letter."""
    for n, name in enumerate(names):
        poses = elsewhere.hand_held(20, seed=n) @ np.diag([1.0, -1.0, -1.0, 1.0])
        record = Posed(
            name=name,
            format="test",
            declared=Declared(pose="c2w", axes="opencv", unit="m"),
            cam_to_world=poses,
            t_s=np.arange(20) / 10.0,
        )
        write = formats.find("tum").write
        assert write is not None
        write(record, folder, formats.Slot())
    return folder


def report(folder: Path) -> dict:
    return json.loads((folder / "audit.json").read_text())


def test_audit_is_resumed_compared_and_fails_on_rules(tmp_path, capsys, monkeypatch):
    data, out = written(tmp_path / "data", "abc"), tmp_path / "out"
    assert main(["audit", str(data), "-o", str(out)]) == 0
    assert (
        "nothing is told of 3 clips: there are neither pictures nor depth"
        in capsys.readouterr().out
    )
    first = report(out)
    assert first["counts"]["items"] == 3 and first["counts"]["rejected"] == 0
    assert first["convention"] is None and first["format"] == "tum"
    assert str(tmp_path) not in (out / "audit.json").read_text()

    monkeypatch.setattr("pipelines.auditing.audit_item", lambda *_: pytest.fail("measured again"))
    assert main(["audit", str(data), "-o", str(out)]) == 0
    assert report(out) == first
    monkeypatch.undo()

    broken = data / "b" / "groundtruth.txt"
    broken.write_text(broken.read_text().replace("0.1 ", "nan ", 1))
    (data / "c" / "groundtruth.txt").write_text("0 1 2\n")
    rejects, new = tmp_path / "rejects.txt", tmp_path / "new"
    arguments = ["audit", str(data), "-o", str(new), "--compare", str(out)]
    arguments += ["--rejects", str(rejects), "--fail-on", "unreadable>0.5", "reject-rate>0.5"]
    assert main(arguments) == 1
    assert "--fail-on reject-rate>0.5: 2 of 3 clips" in (said := capsys.readouterr()).err
    assert f"Compared with {out}: 2 worse, 0 better, 0 gone, 0 new" in said.out
    assert rejects.read_text() == "b/groundtruth.txt\nc/groundtruth.txt\n"
    assert report(new)["compared"]["worse"]["c/groundtruth.txt"] == ["unreadable"]
    assert [item["name"] for item in report(new)["items"]] == ["a", "b", "c"]  # c is unreadable
    assert (new / "index.html").is_file()

    assert main(["audit", str(data), "-o", str(out)]) == 0  # the files changed: measured anew
    assert report(out)["problems"] == report(new)["problems"]


def test_people_decide_what_is_rejected(tmp_path, capsys):
    data, out = written(tmp_path / "data", "abc"), tmp_path / "out"
    (data / "b" / "groundtruth.txt").write_text("0 1 2\n")
    assert main(["audit", str(data), "-o", str(out)]) == 0
    assert (out / "rejects.txt").read_text() == "b/groundtruth.txt\n"
    assert len(list((out / "data" / "pages").glob("*/*.js"))) == 3
    first = report(out)["items"]
    said = [
        {"clip_id": "b/groundtruth.txt", "keep": True, "note": "I mend it"},
        {"clip_id": "c/groundtruth.txt", "keep": False},
        {"clip_id": "a/groundtruth.txt", "keep": False},
        {"clip_id": "c", "keep": False},
    ]
    (out / "decisions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    capsys.readouterr()
    assert main(["audit", str(data), "-o", str(out), "--fail-on", "reject-rate>0.4"]) == 1
    said = capsys.readouterr()
    assert "reject-rate>0.4: 2 of 3 clips" in said.err  # one of the two has no problem
    assert "decisions.jsonl speaks of unknown clips: c; a clip_id is a `place`" in said.out
    assert (out / "rejects.txt").read_text() == "a/groundtruth.txt\nc/groundtruth.txt\n"
    assert report(out)["items"] == first
    assert '["b/groundtruth.txt",true,"I mend it"]' in (out / "data" / "about.js").read_text()
    (out / "decisions.jsonl").write_text('{"clip_id": "a"}\n')
    assert main(["audit", str(data), "-o", str(out)]) == 1
    assert "decisions.jsonl, line 1: expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{}/absent"], "is not there"),
        (["{}"], "in no known format; tell which with --format"),
        (["{}", "--fail-on", "everything"], "is no rule; known are"),
        (["{}", "--format", "xyz"], "unknown format 'xyz'"),
        (["{}", "--compare", "{}/x"], "is no report"),
    ],
)
def test_what_cannot_be_audited_is_a_sentence(tmp_path, capsys, arguments, said):
    given = [argument.format(tmp_path) for argument in arguments]
    assert main(["audit", *given, "-o", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("held", ["dataset.json", "clips.parquet", "episodes", None])
def test_a_report_does_not_go_into_a_dataset(tmp_path, capsys, held):
    data, out = written(tmp_path / "data", "a"), tmp_path / "out"
    if held:
        (out / held).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert main(["audit", str(data), "-o", str(out if held else data)]) == 1
    wanted = f"holds a dataset ({held}); give" if held else "is what is to be audited; give"
    assert wanted in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_trajectory_gives_the_clips_that_can_be_compared(tmp_path, capsys):
    data, target = written(tmp_path / "data", "abc"), tmp_path / "errors.json"
    line = "\n".join(f"{k / 10} {k * 0.1} 0 0 0 0 0 1" for k in range(5))
    (data / "b" / "groundtruth.txt").write_text(line)
    assert main(["trajectory", str(data), str(data), "--json", str(target)]) == 1
    said = capsys.readouterr()
    assert "1 of 3 clips cannot be compared, see above" in said.err
    assert "b: the positions lie on a line" in said.out and said.out.count("ATE, m") == 2
    assert list(json.loads(target.read_text())["clips"]) == ["a", "c"]
    alone = str(data / "b")
    assert main(["trajectory", alone, alone]) == 1
    assert "b: the positions lie on a line" in capsys.readouterr().err
    truth = shutil.copytree(data, tmp_path / "truth")
    (data / "c" / "groundtruth.txt").write_text("1 2 3\n")
    assert main(["trajectory", str(data), str(truth), "--json", str(target)]) == 1
    said = capsys.readouterr()
    assert "2 of 3 clips cannot be compared" in said.err and "groundtruth.txt:1" in said.out
    assert list(json.loads(target.read_text())["clips"]) == ["a"]


def test_trajectory_says_which_path_has_nan(tmp_path, capsys):
    lines = [f"{k / 10} {k * 0.1} 0 0 0 0 0 1" for k in range(5)]
    (tmp_path / "sound.txt").write_text("\n".join(lines))
    (tmp_path / "torn.txt").write_text("\n".join(lines).replace("0.2 0.2", "0.2 nan"))
    paths = [str(tmp_path / name) for name in ("sound.txt", "torn.txt")]
    assert main(["trajectory", *paths, "--format", "tum"]) == 1
    assert "torn: a trajectory needs finite" in capsys.readouterr().err


def test_trajectory_prints_errors_and_writes_them(tmp_path, capsys):
    data = written(tmp_path / "data", "ab")
    estimate, reference = (data / name / "groundtruth.txt" for name in "ab")
    target = tmp_path / "errors.json"
    command = ["trajectory", str(estimate), str(estimate), "--json", str(target)]
    assert main(command) == 0
    (said,) = json.loads(target.read_text())["clips"].values()
    assert said["ate"]["m"]["rmse"] < 1e-9 and said["rpe"]["deg"]["max"] < 1e-5
    assert said["poses"] == 20
    assert "ATE, m" in capsys.readouterr().out
    assert main([*command[:2], str(reference), "--align", "sim3", "--delta", "0.5",
                 "--delta-unit", "m", "--json", str(target)]) == 0  # fmt: skip
    (said,) = json.loads(target.read_text())["clips"].values()
    assert said["ate"]["m"]["rmse"] > 0.01 and said["rpe"]["m"]["count"] < 19
    late = reference.read_text().splitlines()[:6]
    reference.write_text("\n".join(f"9{line}" for line in late[1:]))
    assert main([*command[:2], str(reference)]) == 1
    assert "only 0 poses are within 0.02 s" in capsys.readouterr().err
