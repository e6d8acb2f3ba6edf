from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import IO, Any

import pytest
from box_room import box_plan
from damaging import (
    LATENTS,
    change_clip,
    change_clips,
    change_episode,
    change_index,
    change_manifest,
    copy_tar,
    damage_samples,
    encode,
    first,
    flip,
    lose_index,
    put_folder,
    reverse_clips,
    say,
)

from capture import files
from capture.scene import save_plans
from shards import encoded
from shards.check import check
from shards.manifest import TABLES


@pytest.fixture
def whole(sharded: Path, tmp_path: Path) -> Path:
    """A sharded dataset that may be damaged."""
    folder = tmp_path / "box"
    shutil.copytree(sharded.resolve(), folder)
    save_plans(folder / "plans.parquet", [box_plan("pan")])
    return folder


def test_a_whole_dataset_has_no_problems(whole):
    assert check(whole) == []
    (whole / "episodes" / ".half.tmp-elsewhere-1-abc").mkdir()
    shutil.rmtree(whole / "shards")
    assert check(whole) == []


@pytest.mark.parametrize("lose", [lose_index, damage_samples])
def test_without_a_table_the_tars_are_compared_with_the_files_beside_them(whole, sharding, lose):
    """A lost table ends nothing: what follows is still checked, also clips and parallel sets."""
    latents, shards = encode(whole), whole / "shards"
    lose(shards)
    assert [p.repairable for p in check(shards)] == [True]
    lose(latents)
    flip(first(latents, "*.tar"), 700)
    assert [p.repairable for p in check(shards)] == [True, True, False]
    sharding.change_clips(whole, lambda row: {**row, "caption": "Seen anew."})
    flip(first(shards, "train-*.tar"), 700)
    found = check(whole)
    messages = ["is (not there|damaged)", "part actions.npz is damaged", "clips.parquet changed"]
    for problem, message in zip(found, messages, strict=False):
        assert re.search(message, str(problem))
    assert len(found) == 5 and not any(p.repairable for p in found), "a damaged tar stops repair"


@pytest.mark.parametrize("name", ["shards", "shards/latents-*"])
@pytest.mark.parametrize("version", ["old", "new"])
def test_without_a_table_no_file_beside_a_tar_is_believed_that_does_not_prove_itself(
    whole, name, version
):
    encode(whole)
    folder = first(whole, name)
    lose_index(folder)
    say(first(folder, "train-*.json"), version, lambda said: said["parts"][0].update(crc32=5))
    (table, file) = check(folder)
    assert table.repairable and file.repairable
    told = "says of its tar what the tar does not" if version == "old" else "is absent or damaged"
    assert told in str(file)


def test_what_may_not_be_read_stops_nothing_else(whole, monkeypatch):
    """Root may read everything, so the file system is asked to say no."""
    latents = encode(whole)
    hidden = {first(whole, "shards/train-*.tar"), first(latents, "train-*.tar")}
    opened = io.open

    def guarded(file: object, *args: Any, **options: Any) -> IO:
        if file in hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, *args, **options)  # type: ignore[arg-type]

    (whole / "shards" / "README.md").unlink()
    monkeypatch.setattr(io, "open", guarded)
    *tars, readme = sorted(check(whole), key=lambda problem: problem.path.suffix == ".md")
    assert {problem.path for problem in tars} == hidden and len(tars) == 2
    for problem in tars:
        assert "cannot be read (Permission denied); make it readable" in str(problem)
    assert readme.repairable


def test_a_tar_and_an_old_file_that_disagree_are_not_repaired(whole):
    lose_index(whole / "shards")
    flip(first(whole, "shards/train-*.tar"), 700)
    say(first(whole, "shards/train-*.json"), "old", lambda said: None)
    (table, tar) = check(whole)
    assert "so one of the two is damaged; delete both" in str(tar)
    assert not table.repairable and not tar.repairable


def test_what_a_tar_holds_of_which_nobody_knows_is_not_missed(whole):
    lose_index(whole / "shards")
    first(whole / "shards", "train-*.json").unlink()
    assert [problem.repairable for problem in check(whole)] == [True, True]


def test_a_set_that_is_not_finished_is_not_for_repair(whole):
    latents = encode(whole)
    for path in [*latents.glob("*.json"), *latents.glob("*.parquet")]:
        if path.name != encoded.MARK:
            path.unlink()
    found = check(whole / "shards")
    assert len(found) == 5 and all(problem.repairable for problem in found)
    first(latents, "*.tar").unlink()
    (table, *_) = check(whole / "shards")
    assert "manifest.json is not there" in str(table) and not table.repairable


def test_without_any_list_the_tars_speak_for_themselves(whole):
    shards = whole / "shards"
    for path in [*shards.glob("*.json"), *shards.glob("*.parquet")]:
        path.unlink()
    found = check(shards)
    assert len(found) == 5 and all(problem.repairable for problem in found)
    tar = first(shards, "val-*.tar")
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    found = check(shards)
    assert any(f"{tar} is no whole tar" in str(problem) for problem in found)
    assert {p.path for p in found if p.repairable} == set()


def test_a_manifest_of_a_later_version_is_not_written_over(whole):
    path = whole / "shards" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    (problem,) = check(whole / "shards")
    assert "newer than" in str(problem) and not problem.repairable


def test_the_file_that_says_whose_set_it_is_may_be_lost(whole):
    latents = encode(whole)
    (latents / encoded.MARK).unlink()
    for folder in (whole / "shards", latents):
        (problem,) = check(folder)
        assert re.search(r"encoder.json: is absent .*; manifest.json says the same", str(problem))
        assert problem.repairable
    lose_index(latents)
    assert [problem.repairable for problem in check(whole / "shards")] == [True, True]
    (latents / "manifest.json").unlink()
    (problem,) = check(whole / "shards")
    assert problem.path == latents and not problem.repairable
    assert "neither encoder.json nor manifest.json" in str(problem)
    assert "delete the folder and run `relickit encode` again" in str(problem)


def test_a_set_that_is_not_listed_is_noticed(whole):
    latents, path = encode(whole), whole / "shards" / "sets.json"
    for content in ('{"sets": []}', "{"):
        path.write_text(content)
        (problem,) = check(whole / "shards")
        assert "does not list every set" in str(problem) and problem.repairable
    path.unlink()
    assert [problem.path for problem in check(whole / "shards")] == [path]
    for each in (path, latents / encoded.MARK):
        each.unlink(missing_ok=True)
        each.mkdir()
    encoder, listed = check(whole / "shards")
    assert not encoder.repairable and not listed.repairable
    (latents / encoded.MARK).rmdir()
    path.rmdir()
    (latents / encoded.MARK).write_text(json.dumps(LATENTS.to_json()))
    path.write_text(json.dumps({"sets": [latents.name, "text-0123abcd"]}))
    assert check(whole / "shards") == [], "a copy may lack some"


def test_decisions_are_read_line_by_line(whole):
    line = '{"clip_id": "a", "keep": true}\n'
    (whole / "decisions.jsonl").write_text(line + "\n" + '{"clip_id": 1}\n')
    flip(first(whole, "shards/*.tar"), 700)
    decisions, tar = (str(problem) for problem in check(whole))
    assert "decisions.jsonl, line 3: expected" in decisions and "actions.npz" in tar


def test_the_shards_alone_can_be_checked(whole):
    assert check(whole / "shards") == []
    flip(first(whole, "shards/*.tar"), 700)
    assert len(check(whole / "shards")) == 1


def test_a_folder_that_is_nothing_of_ours(tmp_path, monkeypatch):
    assert [str(problem) for problem in check(tmp_path)] == [
        f"{tmp_path}: is nothing of ours: expected an episode, episodes, shards, or a dataset with "
        "at least one of dataset.json, plans.parquet, episodes, clips.parquet, shards"
    ]
    monkeypatch.chdir(tmp_path)
    for name in ("data", "shards"):  # words of the message
        Path(name).mkdir()
        assert str(check(Path(name))[0]).startswith(f"{name}: is nothing of ours")


def test_an_episode_and_a_folder_of_them_can_be_checked(whole):
    episode = min((whole / "episodes").iterdir())
    assert check(episode) == check(whole / "episodes") == []
    flip(episode / "rgb.mp4", 5000)
    assert len(check(episode)) == len(check(whole / "episodes")) == 1


def test_deep_decodes_every_frame(whole):
    """A damaged frame under a checksum that was made after the damage."""
    assert check(whole, deep=True) == []
    episode = min((whole / "episodes").iterdir())
    depth, mark = episode / "depth.mkv", episode / "episode.json"
    flip(depth, depth.stat().st_size // 2)
    info = json.loads(mark.read_text())
    info["files"]["depth.mkv"]["sha256"] = files.sha256(depth)
    info["mask_names"] = info["mask_names"][:1]
    mark.write_text(json.dumps(info))
    assert check(episode) == []
    problems = [str(problem) for problem in check(episode, deep=True)]
    assert len(problems) == 1
    assert re.search(r"depth.mkv cannot be decoded: .* ffv1 says 'slice CRC", problems[0])
    flip(depth, depth.stat().st_size // 2)
    info["files"]["depth.mkv"]["sha256"] = files.sha256(depth)
    mark.write_text(json.dumps(info))
    assert re.search("mask.mkv has the value", str(check(episode, deep=True)[0]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: flip(first(f, "*.tar"), 700), "bytes are not those that were written"),
        (lambda f: first(f, "*.tar").unlink(), "found nothing; run `relickit encode` again"),
        (lambda f: first(f, "*.tar").write_bytes(b""), "found 0; run `relickit encode` again"),
        (
            lambda f: (f / "manifest.json").unlink(),
            "manifest.json is not there; run `relickit encode` on",
        ),
        (lambda f: flip(first(f, "index-*"), 40), "index-.* is damaged.*; run `relickit encode`"),
        (lambda f: change_clips(f.parents[1], start=16), "was made from other clips"),
    ],
)
def test_damage_to_a_parallel_set_is_found(whole, sharding, damage, message):
    latents = encode(whole)
    assert check(latents) == check(whole) == []
    damage(latents)
    if "other clips" in message:
        sharding.change_clips(whole, lambda row: {**row, "stop": row["start"] + 17})
        sharding.shard(whole)
    problems = [str(problem) for problem in check(whole) if str(latents) in str(problem)]
    assert problems and re.search(message, problems[0]), problems
    assert [str(problem) for problem in check(latents)] == problems
    assert len(problems) == 1 or "bytes are not" in message, problems


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (lambda f: flip(first(f, "episodes/*/rgb.mp4"), 5000), ["rgb.mp4 is damaged"]),
        (lambda f: flip(first(f, "episodes/*/mask.mkv"), 900), ["mask.mkv is damaged"]),
        (lambda f: first(f, "episodes/*/depth.mkv").unlink(), ["found nothing"]),
        (
            lambda f: first(f, "episodes/*/rgb.mp4").parent.rename(f / "episodes" / "other"),
            ["the folder holds the episode", "clips.parquet names the episode"],
        ),
        (lambda f: reverse_clips(f), ["not sorted by clip_id", "its `parent` is not the SHA-256"]),
        (lambda f: change_clips(f, stop=98), ["ends at frame 98", "its `parent` is not the"]),
        (
            lambda f: change_clips(f, split="val"),
            [r"clips.parquet changed after .* \(clips with another split: 6\)"],
        ),
        (lambda f: change_clips(f, caption="x"), [r"\(clips with another caption: 12\)"]),
        (
            lambda f: change_clip(f, keep=False, weight=2.0),
            [r"\(clips no longer kept: 1, with another weight: 11\); run `relickit shard`"],
        ),
        (lambda f: (f / "plans.parquet").write_bytes(b"PAR1"), ["plans.parquet"]),
        (lambda f: flip(first(f, "shards/*.tar"), 20), ["a header or the padding"]),
        (lambda f: flip(first(f, "shards/*.tar"), 700), ["sample .*, part actions.npz is damaged"]),
        (lambda f: first(f, "shards/*.tar").unlink(), ["found nothing"]),
        (
            lambda f: first(f, "shards/*.tar").write_bytes(b""),
            ["2 of 2 samples are damaged: .*, found 0; run `relickit shard` again$"],
        ),
        (lambda f: first(f, "shards/shards-*").unlink(), ["shards-.* is not there"]),
        (
            lambda f: change_index(f, "samples", num_frames=5),
            ["number of frames"] * 12 + ["says of splits does not follow", "README.md: is lost or"],
        ),
        (
            lambda f: change_index(f, "samples", width_px=5),
            ["disagree about the size"] * 12 + ["says of splits does not follow from its tables"],
        ),
        (
            lambda f: change_index(f, "samples", scene_id="a"),
            ["the index says scene_id 'a', its meta.json 'box-.'; run `relickit shard`"] * 12
            + ["scene a is in train and in val", "splits does not follow"],
        ),
        (
            lambda f: change_index(f, "samples", fps=99.0),
            ["the index says fps 99.0, its meta.json 16"] * 12 + ["splits does not", "README.md"],
        ),
        (
            lambda f: change_index(f, "samples", episode_sha256="0" * 64),
            ["says of its tar what the tables do not"] * 4
            + ["episode.json: is not the one that the shards were made from"] * 6,
        ),
        (
            lambda f: change_episode(f, fps=12),
            ["json is damaged: its scene, .* fps"],
        ),
        (lambda f: change_episode(f, seed=9), ["episode.json is damaged: its scene, .*"]),
        (lambda f: change_episode(f, clearance_m=9.0), ["clearance_m is 9.0, planned were"]),
        (
            lambda f: change_episode(f, engine={}),
            ["json: is not the one that the shards were made"],
        ),
        (lambda f: (f / "clips.parquet").unlink(), ["clips.parquet: is not there, though"]),
        (lambda f: (f / "shards" / "README.md").unlink(), ["README.md: is lost or does not"]),
        (lambda f: change_manifest(f, manifest_sha="0" * 64), ["of manifest_sha does not follow"]),
        (lambda f: change_manifest(f, manifest_sha=None), ["is damaged: it has no manifest_sha"]),
        (lambda f: change_manifest(f, tables={}), ["is damaged: it has no table index"]),
        (
            lambda f: change_manifest(
                f, tables={name: {"file": "../x.parquet", "sha256": "0" * 64} for name in TABLES}
            ),
            ["is damaged: it has no file of the table index"],
        ),
        (
            lambda f: change_manifest(f, parts=[], conventions={}, splits={}),
            ["what it says of conventions, parts, splits does not follow from its tables"],
        ),
        (lambda f: change_manifest(f, parent="0" * 64), ["its `parent` is not the SHA-256 of"]),
        (lambda f: copy_tar(f), ["train-000009-00000000.tar: is not in the manifest"]),
        (lambda f: put_folder(first(f, "shards/*.tar")), ["found nothing"]),
        (lambda f: put_folder(first(f, "shards/*.json")), ["manifest.json: a folder stands in"]),
        (lambda f: put_folder(first(f, "shards/train-*.json")), ["train-.*json: a folder stands"]),
        (lambda f: put_folder(f / "shards" / "README.md"), ["README.md: a folder stands in"]),
        (lambda f: first(f, "shards/*.json").unlink(), ["manifest.json is not there"]),
        (lambda f: first(f, "shards/train-*.json").unlink(), ["is absent or damaged; what it"]),
        (lambda f: first(f, "shards/val-*.json").write_text("{"), ["is absent or damaged; what"]),
    ],
)
def test_damage_is_found_and_named(whole, damage, messages):
    damage(whole)
    problems = [str(problem) for problem in check(whole)]
    assert len(problems) == len(messages), problems
    for problem, message in zip(problems, messages, strict=True):
        assert re.search(message, problem), problem
        assert "\n" not in problem and os.sep in problem
