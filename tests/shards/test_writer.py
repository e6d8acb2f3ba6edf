from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tarfile
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from capture import files
from shards import jobs, manifest, tars, writer
from shards.publish import publish, publish_shards
from shards.reader import ShardDataset
from shards.schema import PARTS, ShardError


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a shards folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_everything_again_gives_the_same_bytes(sharded, sharding, tmp_path):
    again = sharding.shard(sharding.dataset(tmp_path / "box"))
    assert contents(again / "shards") == contents(sharded / "shards")


def test_weights_are_published_without_writing_a_shard_again(sharded, sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    before = contents(folder / "shards")
    assert manifest.load(folder / "shards") == manifest.load(sharded / "shards")
    sharding.change_clips(folder, lambda row: {**row, "weight": 1.0 + (row["start"] == 0)})
    sharding.shard(folder)
    table = pq.read_table(next((folder / "shards").glob("samples-*.parquet")))
    assert table["weight"].to_pylist() == [2.0 - (s > 0) for s in table["start"].to_pylist()]
    after = contents(folder / "shards")
    assert {n: b for n, b in after.items() if n.endswith(".tar")}.items() <= before.items()
    shas = {json.loads(c["manifest.json"])["manifest_sha"] for c in (before, after)}
    assert len(shas) == 2


def test_the_tables_say_what_the_files_beside_the_tars_say(sharded):
    folder = sharded / "shards"
    shards = manifest.load_shards(folder, manifest.load(folder))
    for shard in shards:
        assert shard == tars.beside(folder / f"{shard.name}.tar")
    assert len(shards) == 4


def test_a_finished_shard_is_not_written_again(sharded, sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    before = {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    for job in jobs.plan(folder, clips_per_shard=4):
        writer.write(job, folder)
    assert {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()} == before


def test_a_shard_that_ends_at_any_byte_is_no_shard(sharded, sharding, tmp_path):
    """Whatever a file system leaves under the final name after a loss of power."""
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    job = jobs.plan(folder, clips_per_shard=4)[0]
    for suffix in (".json", ".tar"):
        path = folder / "shards" / f"{job.name}{suffix}"
        size = path.stat().st_size
        for length in sorted({0, 1, 511, 512, size - 1024, size - 2, *range(0, size, size // 60)}):
            os.truncate(path, length)
            assert writer.finished(job, folder / "shards") is None, (path, length)
            path.write_bytes((sharded / "shards" / path.name).read_bytes())
        os.truncate(path, size // 2)
    assert writer.finished(job, folder / "shards") is None
    sharding.shard(folder)
    assert contents(folder / "shards") == contents(sharded / "shards")


@pytest.mark.parametrize("suffix", [".tar", ".json"])
def test_a_lost_file_is_written_again(sharded, sharding, tmp_path, suffix):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    next((folder / "shards").glob(f"train-*{suffix}")).unlink()
    sharding.shard(folder)
    assert contents(folder / "shards") == contents(sharded / "shards")


def test_plain_webdataset_reads_the_same_bytes(sharded):
    webdataset = pytest.importorskip("webdataset")
    urls = sorted(str(path) for path in (sharded / "shards").glob("train-*.tar"))
    dataset = ShardDataset(sharded, "train")
    seen = []
    for sample in webdataset.WebDataset(urls, shardshuffle=False):
        i = dataset.keys.index(sample["__key__"])
        assert {name: sample[name] for name in PARTS} == {n: dataset.part(i, n) for n in PARTS}
        seen.append(sample["__key__"])
    assert sorted(seen) == dataset.keys


def test_the_tar_is_what_webdataset_would_write(sharded):
    webdataset = pytest.importorskip("webdataset")
    tar = next((sharded / "shards").glob("val-*.tar"))
    out = io.BytesIO()
    samples: dict[str, dict] = {}
    with tarfile.open(tar) as ours:
        for member in ours:
            key, part = member.name.split(".", 1)
            file = ours.extractfile(member)
            assert file is not None
            samples.setdefault(key, {"__key__": key})[part] = file.read()
    with webdataset.TarWriter(out, user="", group="", mtime=0, encoder=False) as theirs:
        for sample in samples.values():
            theirs.write(sample)
    assert tar.read_bytes() == out.getvalue()


def test_the_index_says_where_the_bytes_lie(sharded):
    folder = sharded / "shards"
    for row in pq.read_table(next(folder.glob("index-*.parquet"))).to_pylist():
        content = (folder / f"{row['shard']}.tar").read_bytes()
        assert zlib.crc32(content[row["offset"] :][: row["size"]]) == row["crc32"]
    for row in pq.read_table(next(folder.glob("shards-*.parquet"))).to_pylist():
        tar = folder / f"{row['shard']}.tar"
        assert (row["bytes"], row["sha256"]) == (tar.stat().st_size, files.sha256(tar))


def test_stale_shards_go_only_after_the_new_manifest(sharding, tmp_path, monkeypatch):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    shards = folder / "shards"
    before = contents(shards)
    sharding.change_clips(folder, lambda row: {**row, "keep": row["start"] == 0})
    planned = jobs.plan(folder)
    for job in planned[:-1]:
        writer.write(job, folder)
    with pytest.raises(ShardError, match=f"{planned[-1].name} is not finished"):
        publish(folder, planned)
    assert before.items() <= contents(shards).items()
    writer.write(planned[-1], folder)
    publish(folder, planned)
    assert {path.stem for path in shards.glob("*.tar")} == {job.name for job in planned}
    assert len(ShardDataset(folder, "train")) == 3


def test_a_damaged_episode_is_not_certified(sharding, tmp_path, box_dataset):
    folder = sharding.dataset(tmp_path / "box")
    (folder / "episodes").unlink()
    shutil.copytree(box_dataset / "episodes", folder / "episodes")
    planned = jobs.plan(folder)
    video = folder / "episodes" / planned[0].clips[0].plan_id / "rgb.mp4"
    content = bytearray(video.read_bytes())
    content[len(content) // 2] ^= 1
    video.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"rgb.mp4 is damaged.*run `relickit capture"):
        writer.write(planned[0], folder)
    assert contents(folder / "shards") == {}


def test_an_episode_that_changed_after_planning_is_noticed(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    job = dataclasses.replace(jobs.plan(folder)[0], fingerprint="0" * 64)
    with pytest.raises(ShardError, match="an episode changed meanwhile"):
        writer.write(job, folder)


def test_a_clip_of_another_scene_is_refused(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box", scene_id="elsewhere-0", split="train")
    with pytest.raises(ShardError, match="from the scene elsewhere-0, but its episode is from box"):
        writer.write(jobs.plan(folder)[0], folder)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 0}', '{"samples": []}'])
def test_an_unreadable_file_beside_the_tar_means_unfinished(sharded, sharding, tmp_path, content):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    next((folder / "shards").glob("val-*.json")).write_text(content)
    sharding.shard(folder)
    assert contents(folder / "shards") == contents(sharded / "shards")


@pytest.mark.parametrize("version", ["old", "new"])
def test_what_a_file_beside_a_tar_says_wrongly_is_not_published(
    sharded, sharding, tmp_path, version
):
    """It is read anew from the tar, which stays."""
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    path = min((folder / "shards").glob("train-*.json"))
    said = json.loads(path.read_text())
    said["samples"][0]["fps"] = 99.0
    if version == "old":
        del said["json_sha256"]
    path.write_text(json.dumps(said))
    tar = path.with_suffix(".tar")
    os.utime(tar, (0, 0))
    sharding.shard(folder)
    assert contents(folder / "shards") == contents(sharded / "shards")
    assert (tar.stat().st_mtime == 0) == (version == "old")


def test_a_file_of_an_earlier_version_is_brought_up_to_date(sharded, sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    before = {tar: tar.stat().st_mtime_ns for tar in (folder / "shards").glob("*.tar")}
    for tar in before:
        said = json.loads(tar.with_suffix(".json").read_text())
        del said["json_sha256"]
        tar.with_suffix(".json").write_text(json.dumps(said))
    sharding.shard(folder)
    assert contents(folder / "shards") == contents(sharded / "shards")
    assert {tar: tar.stat().st_mtime_ns for tar in before} == before


def test_what_a_later_version_published_stays(sharding, tmp_path):
    folder = sharding.shard(sharding.dataset(tmp_path / "box"))
    path = folder / "shards" / manifest.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    sharding.change_clips(folder, lambda row: {**row, "caption": "Seen anew."})
    before = contents(folder / "shards")
    with pytest.raises(ShardError, match=r"manifest.json is of a later version.*update relickit"):
        writer.write(jobs.plan(folder, clips_per_shard=4)[0], folder)
    with pytest.raises(ShardError, match=r"manifest.json is of a later version"):
        publish_shards(folder / "shards", [], more={})
    assert contents(folder / "shards") == before


def test_an_episode_that_is_not_what_was_planned_is_not_cut(sharding, tmp_path, box_dataset):
    folder = sharding.dataset(tmp_path / "box")
    (folder / "episodes").unlink()
    shutil.copytree(box_dataset / "episodes", folder / "episodes")
    for path in folder.glob("episodes/*/episode.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "fps": 12}))
    with pytest.raises(ValueError, match=r"episode.json is damaged: its scene, .*fps, camera or"):
        writer.write(jobs.plan(folder)[0], folder)


def test_a_clip_beyond_its_episode_is_refused(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box", stop=500)
    with pytest.raises(ValueError, match=r"wants frames .* to 500 .* which has 97"):
        writer.write(jobs.plan(folder)[0], folder)


def test_bytes_that_change_on_the_way_to_the_disk_are_noticed(sharding, tmp_path, monkeypatch):
    folder = sharding.dataset(tmp_path / "box")
    real = tarfile.TarFile.addfile

    def lying(self: tarfile.TarFile, header: tarfile.TarInfo, file: io.BytesIO) -> None:
        content = bytearray(file.read())
        content[-1] ^= header.name.endswith("rgb.mp4")
        real(self, header, io.BytesIO(bytes(content)))

    monkeypatch.setattr(tarfile.TarFile, "addfile", lying)
    with pytest.raises(ShardError, match=r"rgb\.mp4 reads back with other bytes"):
        writer.write(jobs.plan(folder)[0], folder)
    assert contents(folder / "shards") == {}


def test_a_full_disk_gets_one_sentence_and_loses_nothing(sharded, sharding, tmp_path, monkeypatch):
    folder = sharding.dataset(tmp_path / "box")
    planned = jobs.plan(folder, clips_per_shard=4)
    writer.write(planned[0], folder)
    finished = contents(folder / "shards")

    def on_a_full_disk(path: Path) -> Path:
        temporary = path.with_name(f".full-{path.name}")
        temporary.symlink_to("/dev/full")
        return temporary

    with monkeypatch.context() as patch:
        patch.setattr(files, "temporary_beside", on_a_full_disk)
        for job in planned[1:]:
            with pytest.raises(ShardError, match=f"the disk is full: shard {job.name}") as error:
                writer.write(job, folder)
            assert "\n" not in str(error.value)
        assert contents(folder / "shards") == finished
    for job in planned[1:]:
        writer.write(job, folder)
    with monkeypatch.context() as patch:
        patch.setattr(files, "temporary_beside", on_a_full_disk)
        with pytest.raises(ShardError, match="the disk is full: the manifest"):
            publish(folder, planned)
    publish(folder, planned)
    assert contents(folder / "shards") == contents(sharded / "shards")


def test_two_writers_of_one_shard_agree(sharded, sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    planned = jobs.plan(folder, clips_per_shard=4)
    children = [fork(lambda: [writer.write(job, folder) for job in planned]) for _ in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 3
    publish(folder, planned)
    assert contents(folder / "shards") == contents(sharded / "shards")


def fork(action) -> int:
    """Run an action in a child that leaves without any cleaning up; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    finally:
        os._exit(status)
