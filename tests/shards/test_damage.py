from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shards.damage import DamagedError
from shards.reader import ShardDataset
from shards.schema import PARTS, ShardError
from shards.windows import Window, WindowOrder


@pytest.fixture
def damaged(sharded: Path, tmp_path: Path) -> tuple[Path, list[int]]:
    """A shards folder, and which of its six training samples have a wrong byte."""
    folder = Path(shutil.copytree(sharded / "shards", tmp_path / "shards"))
    dataset = ShardDataset(folder, "train")
    for i in (1, 4):
        flip(folder, dataset, i, "rgb.mp4")
    return folder, [1, 4]


def flip(folder: Path, dataset: ShardDataset, i: int, part: str) -> None:
    """Change one byte of a part in its tar."""
    content = dataset.part(i, part)
    for tar in folder.glob("*.tar"):
        offset = tar.read_bytes().find(content)
        if offset >= 0:
            with tar.open("r+b") as file:
                file.seek(offset + len(content) // 2)
                byte = file.read(1)[0]
                file.seek(offset + len(content) // 2)
                file.write(bytes([byte ^ 1]))


def test_damage_fails_by_default(damaged):
    folder, wrong = damaged
    dataset = ShardDataset(folder, "train")
    for i in range(len(dataset)):
        if i in wrong:
            with pytest.raises(DamagedError, match=rf"sample {dataset.key(i)}, part rgb.mp4"):
                dataset.window(i, 0, 5)
        else:
            assert dataset.window(i, 0, 5).key == dataset.key(i)


def test_a_damaged_part_does_not_spoil_the_others(damaged):
    folder, wrong = damaged
    dataset = ShardDataset(folder, "train")
    for part in PARTS[:-1]:
        assert dataset.part(wrong[0], part)


def test_stand_ins_are_counted_always_the_same_and_said_once(damaged, caplog):
    folder, wrong = damaged
    dataset = ShardDataset(folder, "train", on_damage="replace")
    with caplog.at_level(logging.WARNING):
        first = [dataset.window(i, 0, 5).key for i in range(len(dataset))]
        again = [ShardDataset(folder, "train", on_damage="replace").window(1, 0, 5).key]
        again += [dataset.window(i, 0, 5).key for i in range(2, len(dataset))]
    assert again == first[1:]
    bad = {dataset.key(i) for i in wrong}
    assert not bad & set(first)
    assert [key for key in dataset.keys if key not in bad] == [
        key for i, key in enumerate(first) if i not in wrong
    ]
    assert set(dataset.replaced) == bad
    assert dataset.replaced[dataset.key(4)] == 2  # 1 may have been tried in its place, too
    # Two samples, and one of them again in another dataset object.
    said = [r.message for r in caplog.records if "stands in" in r.message]
    assert len(set(said)) == 2
    assert len(said) <= 4


def test_stand_ins_are_long_enough(damaged):
    folder, _ = damaged
    dataset = ShardDataset(folder, "train", on_damage="replace")
    for i in (1, 4):
        clip = dataset.clip(i)
        assert len(clip) == dataset.num_frames(i)
        assert dataset.num_frames(dataset.keys.index(clip.key)) >= len(clip)


def test_when_everything_is_damaged_it_fails(damaged):
    folder, _ = damaged
    dataset = ShardDataset(folder, "train", on_damage="replace")
    for i in (0, 2, 3, 5):
        flip(folder, dataset, i, "actions.npz")
    with pytest.raises(DamagedError, match=rf"sample {dataset.key(3)}, part actions.npz"):
        dataset.window(3, 0, 2)


def test_a_truncated_shard_loses_only_what_is_cut(sharded, tmp_path, caplog):
    folder = Path(shutil.copytree(sharded / "shards", tmp_path / "shards"))
    tar = sorted(folder.glob("train-*.tar"))[0]
    os.truncate(tar, tar.stat().st_size // 2)
    dataset = ShardDataset(folder, "train", on_damage="replace")
    assert f"{tar.name}: expected" in caplog.text
    assert len([dataset.window(i, 0, 3) for i in range(len(dataset))]) == 6
    assert 1 <= len(dataset.replaced) < 4


def test_an_absent_shard_is_not_damage(sharded, tmp_path):
    folder = Path(shutil.copytree(sharded / "shards", tmp_path / "shards"))
    dataset = ShardDataset(folder, "train", on_damage="replace")
    for tar in folder.glob("train-*.tar"):
        tar.unlink()
    with pytest.raises(ShardError, match="cannot be opened"):
        dataset.window(0, 0, 2)
    with pytest.raises(ShardError, match="found nothing"):
        ShardDataset(folder, "train", on_damage="replace")


def batches(dataset: ShardDataset, order: WindowOrder, **shares: int) -> Iterator[list[Window]]:
    for step in range(3):
        yield order.batch(step, **shares)


def test_workers_agree_on_stand_ins_and_count_them_together(damaged):
    data = pytest.importorskip("torch.utils.data")
    folder, wrong = damaged
    alone = ShardDataset(folder, "train", on_damage="replace")
    order = WindowOrder(alone.lengths, seed=1, global_batch=6, phases=[(9, 1)])
    windows = [window for batch in batches(alone, order) for window in batch]
    expected = [describe(alone[window]) for window in windows]
    assert set(alone.replaced) == {alone.key(i) for i in wrong}
    dataset = ShardDataset(folder, "train", on_damage="replace")
    loader = data.DataLoader(
        dataset,
        batch_sampler=list(batches(dataset, order)),
        num_workers=2,
        collate_fn=describe_all,
    )
    assert [clip for batch in loader for clip in batch] == expected
    assert dataset.replaced == alone.replaced


def test_processes_that_are_started_anew_count_together(damaged):
    folder, wrong = damaged
    dataset = ShardDataset(folder, "train", on_damage="replace")
    dataset.window(wrong[0], 0, 2)
    started = multiprocessing.get_context("spawn")
    process = started.Process(target=dataset.window, args=(wrong[0], 0, 2))
    process.start()
    process.join(60)
    assert dataset.replaced[dataset.key(wrong[0])] == 2
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.replaced == {}


def describe(clip) -> tuple[str, int, bytes]:
    return clip.key, clip.start, clip.frames.tobytes()


def describe_all(clips: list) -> list:
    return [describe(clip) for clip in clips]


def test_a_wrong_choice_is_refused(sharded):
    with pytest.raises(ValueError, match="fail or replace"):
        ShardDataset(sharded, "train", on_damage="ignore")  # type: ignore[arg-type]
