"""Kill the writer before every single step that touches the disk."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shards import jobs
from shards.check import check
from shards.reader import ShardDataset

KILLED = 9


@pytest.fixture(scope="module")
def small(sharding, tmp_path_factory) -> Path:
    """Two clips in two shards, published, and then curated again with other captions."""
    folder = sharding.dataset(tmp_path_factory.mktemp("kill") / "box")
    first_of = {}
    for clip in jobs.kept_clips(folder):
        first_of.setdefault(clip.scene_id, clip.clip_id)
    sharding.change_clips(folder, lambda r: {**r, "keep": r["clip_id"] in first_of.values()})
    sharding.shard(folder)
    sharding.change_clips(folder, lambda row: {**row, "caption": "Seen anew."})
    return folder


def run_until(step: int, action: Callable[[], object]) -> bool:
    """Run an action in a child that dies before its step-th touch of the disk; did it finish?"""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED)
        return status == 0
    left = [step]

    def dying(real: Callable) -> Callable:
        def counted(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os._exit(KILLED)
            return real(*args, **kwargs)

        return counted

    status = 1
    try:
        for owner, name in (
            (os, "replace"),
            (os, "fsync"),
            (os, "unlink"),
            (Path, "write_text"),
            (Path, "write_bytes"),
            (tarfile.TarFile, "addfile"),
            (tarfile.TarFile, "close"),
        ):
            setattr(owner, name, dying(getattr(owner, name)))
        action()
        status = 0
    finally:
        os._exit(status)


def test_killed_before_any_step_readers_see_old_or_new(small, sharding, tmp_path):
    reference = Path(shutil.copytree(small, tmp_path / "reference", symlinks=True))
    sharding.shard(reference)
    expected = {path.name: path.read_bytes() for path in (reference / "shards").iterdir()}
    shas = [ShardDataset(folder, "train").manifest_sha for folder in (small, reference)]
    seen, step, finished = [], 0, False
    while not finished:
        folder = Path(shutil.copytree(small, tmp_path / str(step), symlinks=True))
        finished = run_until(step, lambda folder=folder: sharding.shard(folder))
        for split in ("train", "val"):
            dataset = ShardDataset(folder, split)
            caption = dataset.window(0, 0, 1).caption
            assert (caption == "Seen anew.") == (dataset.manifest_sha == shas[1])
        seen.append(shas.index(dataset.manifest_sha))
        sharding.shard(folder)
        assert {p.name: p.read_bytes() for p in (folder / "shards").iterdir()} == expected
        step += 1
    assert seen == sorted(seen), "once the new manifest is there it stays"
    assert step > 40, f"{step} steps: some were not counted"
    assert check(folder) == []
