from __future__ import annotations

import re

import pyarrow.parquet as pq
import pytest

from shards import jobs
from shards.jobs import ShardJob


def test_plan_holds_every_kept_clip_once_and_splits_by_scene(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    sharding.change_clips(folder, lambda row: {**row, "keep": row["start"] == 0})
    planned = jobs.plan(folder, clips_per_shard=2)
    clips = [clip for job in planned for clip in job.clips]
    kept = [row for row in pq.read_table(folder / "clips.parquet").to_pylist() if row["keep"]]
    assert sorted(clip.clip_id for clip in clips) == sorted(row["clip_id"] for row in kept)
    assert all(len(job.clips) <= 3 for job in planned)
    scenes = {
        s: {c.scene_id for j in planned if j.split == s for c in j.clips} for s in jobs.SPLITS
    }
    assert scenes == {"train": {"box-0"}, "val": {"box-1"}}


def test_plan_does_not_depend_on_the_order_of_the_rows(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    first = jobs.plan(folder)
    table = pq.read_table(folder / "clips.parquet")
    pq.write_table(table.take(list(range(len(table)))[::-1]), folder / "clips.parquet")
    assert jobs.plan(folder) == first


def test_a_clip_that_comes_or_goes_changes_its_own_shard_alone(sharding, tmp_path):
    """Or every shard behind it would be written, and its latents encoded, again."""
    folder = sharding.dataset(tmp_path / "box", split="train")
    row = pq.read_table(folder / "clips.parquet").to_pylist()[0]
    rows = [{**row, "clip_id": f"clip-{n:04d}"} for n in range(1000)]
    sharding.save_clips(folder, rows)
    whole = {job.name: len(job.clips) for job in jobs.plan(folder, clips_per_shard=50)}
    assert len(whole) == 32 and min(whole.values()) > 15 and max(whole.values()) < 50
    sharding.save_clips(folder, rows[:500] + rows[501:])
    fewer = {job.name for job in jobs.plan(folder, clips_per_shard=50)}
    assert len(fewer) == 32 and len(set(whole) - fewer) == len(fewer - set(whole)) == 1
    sharding.save_clips(folder, [*rows, {**row, "clip_id": "another"}])
    more = {job.name for job in jobs.plan(folder, clips_per_shard=50)}
    assert len(more) == 32 and len(more - set(whole)) == 1


def test_shards_mix_their_scenes(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box", split="train")
    first = jobs.plan(folder, clips_per_shard=6)[0]
    assert {clip.scene_id for clip in first.clips} == {"box-0", "box-1"}


def test_the_name_follows_the_content(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    before = [job.name for job in jobs.plan(folder)]
    sharding.change_clips(folder, lambda row: {**row, "reject_reasons": ["kept by hand"]})
    assert [job.name for job in jobs.plan(folder)] == before
    sharding.change_clips(folder, lambda row: {**row, "caption": "Another room."})
    after = [job.name for job in jobs.plan(folder)]
    assert set(after).isdisjoint(before)
    assert all(re.fullmatch(r"(train|val)-000000-[0-9a-f]{8}", name) for name in before + after)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_id": "same"}, "the clip id 'same' occurs twice"),
        ({"split": "test"}, "split 'test', expected train or val"),
        ({"scene_id": "box-0"}, "box-0 is in train and in val"),
        ({"start": 8}, "begin at a multiple of 16"),
        ({"stop": 0}, "end later"),
        ({"keep": False}, "keeps no clip"),
        ({"plan_id": "nowhere"}, "names the episode nowhere"),
    ],
)
def test_impossible_clips_are_refused_in_one_sentence(sharding, tmp_path, changes, message):
    folder = sharding.dataset(tmp_path / "box", **changes)
    with pytest.raises(ValueError, match=message) as error:
        jobs.plan(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["scene.v1-00000", "a/b", "", "schön", "a b"])
def test_keys_that_webdataset_would_misread_are_refused(sharding, tmp_path, key):
    folder = sharding.dataset(tmp_path / "box")
    row = pq.read_table(folder / "clips.parquet").to_pylist()[0]
    sharding.save_clips(folder, [{**row, "clip_id": key}])
    with pytest.raises(ValueError, match="only letters, digits"):
        jobs.plan(folder)


def test_a_job_refuses_a_key_twice(sharding, tmp_path):
    job = jobs.plan(sharding.dataset(tmp_path / "box"))[0]
    with pytest.raises(ValueError, match="occurs twice in shard"):
        ShardJob(split="train", number=0, clips=job.clips[:1] * 2, fingerprint="0" * 64)


def test_absent_and_damaged_clips_parquet(sharding, tmp_path):
    folder = sharding.dataset(tmp_path / "box")
    path = folder / "clips.parquet"
    pq.write_table(pq.read_table(path).drop(["caption", "split"]), path)
    with pytest.raises(ValueError, match="lacks the columns caption, split"):
        jobs.plan(folder)
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"cannot be read as Parquet .*; run `relickit curate"):
        jobs.plan(folder)
    path.unlink()
    with pytest.raises(ValueError, match="relickit curate"):
        jobs.plan(folder)
    with pytest.raises(ValueError, match="clips_per_shard = 0"):
        jobs.plan(folder, clips_per_shard=0)
