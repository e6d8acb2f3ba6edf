from __future__ import annotations

import errno
import itertools
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered import numbers_in

from capture import actions
from capture.episode import Episode
from shards import manifest
from shards.damage import DamagedError
from shards.reader import ShardDataset
from shards.schema import PARTS, ShardError
from shards.windows import WindowOrder


def test_clips_are_what_the_episodes_hold(sharded):
    dataset = ShardDataset(sharded, "train")
    assert dataset.keys == sorted(dataset.keys)
    assert len(dataset) == 6
    for i in range(len(dataset)):
        clip = dataset.clip(i)
        episode = Episode.load(sharded / "episodes" / clip.plan_id)
        start, stop = clip.start, clip.start + len(clip)
        assert (clip.key, clip.scene_id, clip.fps) == (dataset.keys[i], episode.scene.id, 16.0)
        assert clip.intrinsics == episode.intrinsics
        assert clip.caption == f"An empty room, frame {start}."
        assert clip.generator == episode.generator
        np.testing.assert_array_equal(clip.frames, episode.frames(start, stop))
        poses = episode.trajectory.cam_to_world[start:stop]
        np.testing.assert_array_equal(clip.trajectory.cam_to_world, poses)
        np.testing.assert_array_equal(clip.actions.values, actions.encode(poses).values)
        np.testing.assert_allclose(actions.integrate(clip.actions, poses[0]), poses, atol=1e-9)


def test_splits_share_no_scene(sharded):
    scenes = [
        {dataset.clip(i).scene_id for i in range(len(dataset))}
        for dataset in (ShardDataset(sharded, "train"), ShardDataset(sharded, "val"))
    ]
    assert scenes == [{"box-0"}, {"box-1"}]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_windows_are_frame_exact(numbered, data):
    dataset = ShardDataset(numbered, "train")
    start = data.draw(st.integers(0, 80))
    length = data.draw(st.integers(1, 81 - start))
    window = dataset.window(0, start, length)
    first = 16 + start
    assert window.start == first
    assert numbers_in(window.frames) == list(range(first, first + length))
    times = [Fraction(t).limit_denominator(1000) for t in window.trajectory.t_s]
    assert times == [Fraction(start + t, 16) for t in range(length)]
    whole = dataset.clip(0)
    poses = whole.trajectory.cam_to_world[start : start + length]
    np.testing.assert_array_equal(window.trajectory.cam_to_world, poses)
    np.testing.assert_array_equal(
        window.actions.values[1:], whole.actions.values[start + 1 : start + length]
    )
    assert window.actions.values[0].tolist() == [0.0] * 12 + [1.0]
    np.testing.assert_allclose(actions.integrate(window.actions, poses[0]), poses, atol=1e-9)


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (0, 82), (80, 2), (81, 1)])
def test_windows_that_do_not_fit_are_refused(numbered, start, length):
    with pytest.raises(ValueError, match="has frames 0 to 81"):
        ShardDataset(numbered, "train").window(0, start, length)


def test_a_window_reads_no_other_sample(sharded, monkeypatch):
    dataset = ShardDataset(sharded, "train")
    read: list[int] = []
    real = os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        read.append(size)
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    clip = dataset.window(2, 3, 4)
    index = pq.read_table(next((sharded / "shards").glob("index-*.parquet"))).to_pylist()
    mine = [row for row in index if row["key"] == clip.key]
    assert read == [mine[-1]["offset"] + mine[-1]["size"] - mine[0]["offset"]]


def test_threads_and_pickling_give_the_same_clips(sharded):
    dataset = ShardDataset(sharded, "train")
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.manifest_sha == dataset.manifest_sha
    indices = list(range(len(dataset))) * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: copy.window(i, 5, 3).frames.tobytes(), indices))
    assert found == [dataset.window(i, 5, 3).frames.tobytes() for i in indices]


def test_many_shards_need_few_descriptors(sharded, monkeypatch):
    monkeypatch.setattr("shards.folder._MAX_OPEN", 1)
    dataset = ShardDataset(sharded, "train")
    before = len(os.listdir("/proc/self/fd"))
    for i in [*range(len(dataset)), *range(len(dataset))]:
        dataset.part(i, "meta.json")
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    del dataset
    assert len(os.listdir("/proc/self/fd")) <= before


def described(clips: list) -> list:
    """What tells windows apart."""
    return [
        (clip.key, clip.start, len(clip), int(clip.frames.sum(dtype=np.int64))) for clip in clips
    ]


@pytest.mark.parametrize(("world", "workers"), [(2, 0), (1, 2), (2, 1), (4, 0)])
def test_any_world_and_workers_give_the_same_batches_from_any_step(sharded, world, workers):
    data = pytest.importorskip("torch.utils.data")
    dataset = ShardDataset(sharded, "train")
    order = WindowOrder(
        dataset.lengths,
        seed=7,
        global_batch=4,
        phases=[(9, 4), (40, 9)],  # half of the samples are shorter than 40 frames
        weights=np.linspace(0.5, 2.0, len(dataset)),
        manifest_sha=dataset.manifest_sha,
    )
    steps = range(6)
    whole = [described([dataset[window] for window in order.batch(step)]) for step in steps]
    start = order.resume(order.state(3))
    found: list[list] = [[] for _ in steps[start:]]
    for rank in range(world):
        mine = itertools.islice(order.batches(start, rank=rank, world=world), len(found))
        loader = data.DataLoader(
            dataset, batch_sampler=list(mine), num_workers=workers, collate_fn=described
        )
        for batch, place in zip(loader, found, strict=True):
            place += batch
    assert found == whole[start:]


@pytest.fixture
def copied(sharded: Path, tmp_path: Path) -> Path:
    """The shards folder alone, free to be damaged."""
    return Path(shutil.copytree(sharded / "shards", tmp_path / "shards"))


@pytest.mark.parametrize("part", PARTS)
def test_a_flipped_byte_is_caught_in_exactly_its_sample(copied, part):
    row = [
        row
        for row in pq.read_table(next(copied.glob("index-*.parquet"))).to_pylist()
        if row["part"] == part and row["shard"].startswith("train")
    ][3]
    flip(copied / f"{row['shard']}.tar", row["offset"] + row["size"] // 2)
    dataset = ShardDataset(copied, "train")
    for i, key in enumerate(dataset.keys):
        if key != row["key"]:
            dataset.window(i, 0, 2)
            continue
        with pytest.raises(ShardError) as error:
            dataset.window(i, 0, 2)
        assert all(name in str(error.value) for name in (row["shard"], key, part, "crc32"))


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_a_truncated_shard_is_refused_at_once_and_named(copied):
    tar = sorted(copied.glob("train-*.tar"))[0]
    os.truncate(tar, tar.stat().st_size - 512)
    with pytest.raises(ShardError, match=rf"{tar.name}: expected \d+ bytes, found \d+"):
        ShardDataset(copied, "train")
    assert len(ShardDataset(copied, "val")) == 6


def test_a_shard_cut_while_it_is_open_names_the_part(copied):
    dataset = ShardDataset(copied, "train")
    for tar in copied.glob("train-*.tar"):
        os.truncate(tar, 700)
    with pytest.raises(ShardError, match=r"shard train-.*, sample .*, part .*bytes are there"):
        dataset.window(0, 0, 2)


def test_an_absent_shard_is_named(copied):
    dataset = ShardDataset(copied, "train")
    for tar in copied.glob("train-*.tar"):
        tar.unlink()
    with pytest.raises(ShardError, match=r"train-.*tar cannot be opened"):
        dataset.window(0, 0, 2)
    with pytest.raises(ShardError, match="found nothing"):
        ShardDataset(copied, "train")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "manifest.json").unlink(), "run `relickit shard`"),
        (lambda f: (f / "manifest.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "manifest.json").write_text("[]"), "holds no JSON object"),
        (lambda f: (f / "manifest.json").write_text('{"schema": 3}'), "newer than 2; update"),
        (lambda f: flip(next(f.glob("index-*.parquet")), 50), "index-.* is damaged"),
        (lambda f: next(f.glob("samples-*.parquet")).unlink(), "samples-.* is not there"),
    ],
)
def test_a_damaged_manifest_is_refused_in_one_sentence(copied, damage, message):
    damage(copied)
    with pytest.raises(ShardError, match=message) as error:
        ShardDataset(copied, "train")
    assert "\n" not in str(error.value)


def test_unknown_split(sharded):
    with pytest.raises(ValueError, match="one of train, val, got 'test'"):
        ShardDataset(sharded, "test")


def test_reading_needs_neither_torch_nor_webdataset():
    code = "import sys, shards.reader, shards.writer, shards.check; print(sorted(sys.modules))"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not any(f"'{name}'" in names for name in ("torch", "webdataset", "ray", "pandas"))


def test_reading_imports_nothing_that_writes():
    code = "import sys, shards.reader, shards.latents; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {f"shards.{n}" for n in ("writer", "publish", "card")} & set(names.stdout.split())


def test_every_table_is_checked_once(sharded, monkeypatch):
    checked, require = [], manifest.require_table

    def counted(content: bytes, of: dict, name: str, path: str) -> None:
        checked.append(name)
        require(content, of, name, path)

    monkeypatch.setattr(manifest, "require_table", counted)
    ShardDataset(sharded, "train")
    assert sorted(checked) == ["index", "samples", "shards"]
    manifest.load_shards(sharded / "shards", manifest.load(sharded / "shards"))
    assert sorted(checked[3:]) == ["index", "samples", "shards"]


def test_a_disk_that_cannot_read_is_damage_with_a_name(copied, monkeypatch):
    dataset = ShardDataset(copied, "train")

    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(DamagedError, match=rf"sample {dataset.key(0)} cannot be read \(Input/out"):
        dataset.window(0, 0, 2)
