from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from capture import files


def test_a_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "deep" / "a.json"
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".json"
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["a.json"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder"
    for content in ("one", "two"):
        with files.replacing_folder(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / "a.txt").write_text(content)
    with pytest.raises(RuntimeError), files.replacing_folder(path) as temporary:
        (temporary / "b.txt").write_text("half")
        raise RuntimeError
    assert (path / "sub" / "a.txt").read_text() == "two"
    assert os.listdir(path) == ["sub"]
    assert os.listdir(tmp_path) == ["folder"]


def test_temporary_names_are_hidden_and_never_meet(tmp_path):
    names = [files.temporary_beside(tmp_path / "train-0.tar") for _ in range(100)]
    assert len(set(names)) == 100
    for name in names[:1]:
        name.touch()
    assert list(tmp_path.glob("train-*.tar")) == []


def test_what_a_library_writes_for_the_owner_alone_is_shared_like_any_new_file(tmp_path):
    (tmp_path / "any").touch()
    with files.replacing(tmp_path / "a") as temporary:
        temporary.touch(0o600)
    with files.replacing_folder(tmp_path / "b") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "c").touch(0o600)
    modes = {(tmp_path / name).stat().st_mode for name in ("any", "a", "b/sub/c")}
    assert len(modes) == 1, modes


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path):
    code = (
        "import os; from pathlib import Path; from capture import files\n"
        f"root = Path({str(tmp_path)!r})\n"
        "files.temporary_beside(root / 'a.tar').write_text('x')\n"
        "folder = files.temporary_beside(root / 'b'); folder.mkdir(); (folder / 'c').touch()\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    mine = files.temporary_beside(tmp_path / "mine.tar")
    mine.touch()
    other = tmp_path / ".far.tmp-another.host-1-abcdef.tar"
    # Of a container with this host's name, whose processes have other numbers.
    beside = tmp_path / f".far{files.temporary_mark()[:-1]}0-999999999-abcdef.tar"
    kept = tmp_path / "kept.tar"
    for path in (other, beside, kept):
        path.touch()
    assert len(list(tmp_path.iterdir())) == 6
    assert files.sweep(tmp_path) == 2
    assert set(tmp_path.iterdir()) == {mine, other, beside, kept}
    assert files.sweep(tmp_path / "absent") == 0


def test_sweeping_together_is_safe(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for number in range(200):
        name = files.temporary_beside(tmp_path / f"{number}.tar").name
        left = tmp_path / name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")
        left.touch() if number % 2 else (left / "sub").mkdir(parents=True)
    errors = []

    def sweep() -> None:
        try:
            files.sweep(tmp_path)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(tmp_path.iterdir()) == []


def test_json_is_sorted_and_ends_with_a_line(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert text.index('"a"') < text.index('"b"') and text.endswith("}\n")
    assert json.loads(text) == {"b": 1, "a": [1.5, None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"a is not JSON \(Expecting .*\); make it again$"),
        (b"[" * 100_000, r"a is not JSON \(.*recursion.*\); make it again$"),
        (b'\xff{"b": 1}', r"a is not JSON \(.*codec.*\); make it again$"),
        (b"3", "a holds no JSON object but 3; make it again$"),
        (b"null", "a holds no JSON object but None; make it again$"),
        (b'"' + b"x" * 200 + b'"', "a holds no JSON object but '?x{39}[.]{3}; make it again$"),
    ],
)
def test_what_is_no_json_object_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        files.read_json(path, "make it again")
    path.write_text('{"b": "\u00e9"}', encoding="utf-8")
    assert files.read_json(path) == {"b": "\u00e9"}


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
