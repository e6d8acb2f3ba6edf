"""What `--repair` mends: everything but the tars and the episodes, and only what is broken."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from capture import files
from shards import encoded, manifest
from shards.check import check
from shards.encoded import Encoder
from shards.repair import repair
from shards.schema import Shard, ShardError

STRAY = "train-000009-00000000.tar"
ENCODER = Encoder(kind="latents", config={"window": 0, "every": 0})


@pytest.fixture
def whole(sharded: Path, tmp_path: Path) -> Path:
    """A sharded dataset with a parallel set, which may be damaged."""
    folder = Path(shutil.copytree(sharded, tmp_path / "box", symlinks=True))
    shards = folder / "shards"
    mine, planned = encoded.start(shards, ENCODER), encoded.plan(shards, ENCODER)
    for job in planned:
        encoded.write(job, mine, lambda _: {"latents_00000": np.ones((3, 1, 1, 1), np.float16)})
    encoded.publish(shards, ENCODER, planned)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def remove(folder: Path, *patterns: str) -> None:
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    assert found
    for path in found:
        path.unlink()


LOSSES = [
    ("train-000000-*.json", "index-*"),
    ("manifest.json",),
    ("index-*",),
    ("samples-*", "shards-*"),
    ("train-*.json",),
    ("train-*.json", "val-*.json"),
    ("manifest.json", "train-000000-*.json"),
    ("manifest.json", "*.parquet", "train-*.json", "val-*.json"),
]


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize("name", ["shards", f"shards/{ENCODER.name}"])
def test_lost_indices_are_written_again_as_they_were(whole, name, lost):
    before = contents(whole)
    remove(whole / name, *lost)
    times = {p: p.stat().st_mtime_ns for p in (whole / "shards").rglob("*.tar")}
    done = repair(whole)
    assert done and all("written again" in sentence for sentence in done)
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert contents(whole) == before
    assert check(whole) == []
    assert repair(whole) == []


def test_damaged_files_beside_tars_are_mended_too(whole):
    before = contents(whole)
    (whole / "shards" / "sets.json").write_text("{")
    for path in (whole / "shards").glob("train-*.json"):
        path.write_text("{")
    (whole / "shards" / "manifest.json").write_text("[]")
    repair(whole)
    assert contents(whole) == before


def test_shards_of_schema_1_keep_their_fingerprints(whole, monkeypatch):
    monkeypatch.setattr("shards.repair._listed", without_fingerprints)
    assert repair(whole) == []
    before = contents(whole)
    remove(whole / "shards", "train-*.json")
    assert len(repair(whole)) == 2
    assert contents(whole) == before


def without_fingerprints(folder: Path) -> dict[str, Shard]:
    shards = manifest.load_shards(folder, manifest.load(folder))
    videos = not (folder / encoded.MARK).is_file()
    return {s.name: dataclasses.replace(s, fingerprint="") if videos else s for s in shards}


def test_what_is_good_is_not_touched(whole):
    times = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    assert repair(whole) == []
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == times


def test_shards_without_their_dataset_are_mended(whole, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(whole / "shards", alone, ignore=shutil.ignore_patterns("latents-*"))
    remove(alone, "manifest.json", "*.parquet", "train-*.json", "val-*.json")
    repair(alone)
    assert check(alone) == []


def test_temporary_files_go_if_nobody_can_be_writing_them(whole, tmp_path):
    shards = whole / "shards"
    dead = shards / f".train{files.temporary_mark()}999999999-abc.tar"
    mine = shards / f".train{files.temporary_mark()}{os.getpid()}-abc.tar"
    fresh, old = shards / ".a.tmp-elsewhere-1-abc.tar", shards / ".b.tmp-elsewhere-1-abc.tar"
    for path in (dead, mine, fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    *removed, left = sorted(repair(whole), key=lambda line: ("left" in line, line))
    assert removed == [f"{p}: temporary, removed" for p in sorted((dead, old))]
    assert left.startswith(f"{fresh}: temporary, of another machine")
    assert mine.exists() and fresh.exists()


def test_a_damaged_tar_is_not_certified(whole):
    tar = min((whole / "shards").glob("train-*.tar"))
    remove(whole / "shards", "manifest.json", f"{tar.stem}.json")
    content = bytearray(tar.read_bytes())
    # In the first member's header, and in the second's: behind the first one's block of content.
    with tarfile.open(tar) as opened:
        headers = [member.offset for member in opened][:2]
    for offset in headers:
        broken = bytearray(content)
        broken[offset] ^= 1
        tar.write_bytes(bytes(broken))
        with pytest.raises(ShardError, match=f"{tar.name} is no whole tar"):
            repair(whole)
    tar.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(ShardError, match=f"{tar.name} is no whole tar"):
        repair(whole)
    assert not (whole / "shards" / "manifest.json").exists()


def test_two_tars_of_one_clip_are_not_guessed_about(whole):
    shards = whole / "shards"
    tar = min(shards.glob("train-*.tar"))
    latents = shards / ENCODER.name
    shutil.copy(tar, shards / STRAY)
    shutil.copy(min(latents.glob("train-*.tar")), latents / STRAY)
    removed = [f"{folder / STRAY}: not in the manifest, removed" for folder in (shards, latents)]
    assert repair(whole) == removed, "the manifest says which one counts"
    assert check(whole) == []
    shutil.copy(tar, shards / STRAY)
    remove(shards, "manifest.json")
    with pytest.raises(ShardError, match="two tars hold the clip"):
        repair(whole)


def flip_and_lose_the_index(folder: Path) -> Path:
    tar = min(folder.glob("train-*.tar"))
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(bytes(content))
    remove(folder, "index-*")
    return tar


def test_a_tar_that_is_not_what_the_file_beside_it_says_is_not_certified(whole):
    tar = flip_and_lose_the_index(whole / "shards")
    before = contents(whole)
    with pytest.raises(ShardError, match=f"{tar.name} is damaged: its bytes are not those"):
        repair(whole)
    assert contents(whole) == before


def test_nor_is_one_of_a_set(whole):
    tar = flip_and_lose_the_index(whole / "shards" / ENCODER.name)
    repair(whole)
    assert any(tar.stem in str(problem) for problem in check(whole))


def test_a_manifest_of_a_later_version_is_not_written_over(whole):
    path = whole / "shards" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    before = contents(whole)
    with pytest.raises(ShardError, match="of schema 99, newer than"):
        repair(whole)
    assert contents(whole) == before


def test_a_tar_that_went_with_the_manifest_is_not_passed_over_in_silence(whole):
    tar = min((whole / "shards").glob("train-*.tar"))
    remove(whole / "shards", tar.name, "manifest.json")
    assert any(sentence.startswith(f"{tar}: not there") for sentence in repair(whole))


@pytest.mark.parametrize("name", ["shards", f"shards/{ENCODER.name}"])
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(
    "wrong", [{"sha256": "0" * 64}, {"bytes": 5}, {"fingerprint": "0" * 64}, {"samples": []}]
)
def test_a_file_that_speaks_wrongly_of_a_good_tar_is_written_again(whole, name, lost, wrong):
    before = contents(whole)
    path = min((whole / name).glob("train-*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    if lost:
        remove(whole / name, "manifest.json")
    assert all(problem.repairable for problem in check(whole))
    assert any(f"{path}: written again" in sentence for sentence in repair(whole))
    assert contents(whole) == before
    assert check(whole) == []


def test_what_follows_from_the_tables_is_written_again(whole):
    before = contents(whole)
    for folder, wrong in (
        (whole / "shards", {"manifest_sha": "0" * 64, "parts": [], "conventions": {}}),
        (
            whole / "shards" / ENCODER.name,
            {"splits": {}, "encoder": {"kind": "", "config": {}}},
        ),
    ):
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    remove(whole / "shards", "README.md", "sets.json")
    assert all(problem.repairable for problem in check(whole))
    done = [sentence.partition(":")[0] for sentence in repair(whole)]
    names = ("README.md", "manifest.json", f"{ENCODER.name}/manifest.json", "sets.json")
    assert done == [str(whole / "shards" / name) for name in names]
    assert contents(whole) == before


def test_whose_a_set_is_can_be_taken_from_its_manifest(whole):
    before = contents(whole)
    mine = whole / "shards" / ENCODER.name
    for folder in (whole, mine):
        remove(mine, encoded.MARK)
        (sentence,) = repair(folder)
        assert sentence.endswith("encoder.json: written again")
        assert contents(whole) == before
    remove(mine, encoded.MARK, "index-*")
    assert len(repair(whole)) == 2
    assert contents(whole) == before


def test_a_folder_in_the_place_of_a_file_stops_nothing_else(whole):
    path = min((whole / "shards").glob("train-*.json"))
    path.unlink()
    path.mkdir()
    remove(whole / "shards", "README.md")
    first, second = repair(whole)
    assert first == (
        f"{path}: not mended: a folder stands in its place; move it away and run the same again"
    )
    assert second.endswith("README.md: written again")
    (problem,) = check(whole)
    assert problem.path == path and not problem.repairable
