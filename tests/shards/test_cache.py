from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from shards.cache import Cache


def content_of(number: int, size: int = 1000) -> bytes:
    """Bytes that end with their own checksum."""
    body = np.random.default_rng(number).bytes(size - 4)
    return body + zlib.crc32(body).to_bytes(4, "big")


def intact(content: bytes) -> bool:
    return zlib.crc32(content[:-4]).to_bytes(4, "big") == content[-4:]


class Origin:
    """Where pieces come from; counts what is asked for."""

    def __init__(self):
        self.asked: list[int] = []

    def get(self, cache: Cache, number: int) -> bytes | None:
        def fetch() -> bytes:
            self.asked.append(number)
            return content_of(number)

        return cache.get(f"piece-{number}", fetch, intact)


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.iterdir() if not p.name.startswith("."))


def test_what_was_fetched_is_kept(tmp_path):
    origin = Origin()
    for _ in range(3):
        assert origin.get(Cache(tmp_path / "new", 10_000), 1) == content_of(1)
    assert origin.asked == [1]
    assert not list(tmp_path.glob("**/*.tmp-*"))


def test_the_bound_holds_and_the_least_recently_used_go(tmp_path):
    origin, cache = Origin(), Cache(tmp_path, 5_500)
    for number in range(5):
        origin.get(cache, number)
        os.utime(tmp_path / f"piece-{number}", ns=(number, number))
    origin.get(cache, 0)  # used again: now the newest
    origin.get(cache, 5)
    assert size_of(tmp_path) <= 5_500
    left = {p.name for p in tmp_path.glob("piece-*")}
    assert {"piece-0", "piece-5"} <= left
    assert "piece-1" not in left
    for number in range(40):
        assert origin.get(cache, number) == content_of(number)
        assert size_of(tmp_path) <= 5_500


def test_a_piece_that_is_too_large_is_not_kept(tmp_path):
    origin, cache = Origin(), Cache(tmp_path, 999)
    assert origin.get(cache, 1) == content_of(1)
    assert not list(tmp_path.glob("piece-*"))


@pytest.mark.parametrize("damage", [b"", b"x" * 1000, content_of(1)[:-1]])
def test_a_damaged_piece_is_fetched_again(tmp_path, damage, caplog):
    origin, cache = Origin(), Cache(tmp_path, 10_000)
    origin.get(cache, 1)
    (tmp_path / "piece-1").write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert origin.get(cache, 1) == content_of(1)
    assert "was damaged; it is fetched again" in caplog.text
    assert origin.get(cache, 1) == content_of(1)
    assert origin.asked == [1, 1]


def test_what_comes_damaged_is_not_kept(tmp_path):
    cache = Cache(tmp_path, 10_000)
    assert cache.get("piece", lambda: b"wrong", intact) == b"wrong"
    assert cache.get("piece", lambda: None, intact) is None
    assert cache.get("piece", lambda: content_of(3), intact) == content_of(3)


def test_what_a_killed_process_left_does_not_count_for_ever(tmp_path):
    origin, cache = Origin(), Cache(tmp_path, 5_500)
    origin.get(cache, 0)
    (tmp_path / ".lock").write_bytes(b"%032d" % 5_400)  # counted, but never written
    for number in range(1, 4):
        origin.get(cache, number)
    assert len(list(tmp_path.glob("piece-*"))) == 4


@pytest.mark.parametrize("mark", [b"", b"nonsense"])
def test_a_lost_count_is_made_again(tmp_path, mark):
    origin, cache = Origin(), Cache(tmp_path, 5_500)
    for number in range(5):
        origin.get(cache, number)
    (tmp_path / ".lock").write_bytes(mark)
    for number in range(5, 12):
        origin.get(cache, number)
        assert size_of(tmp_path) <= 5_500


def test_a_full_disk_is_no_error(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file", 10_000)  # a folder cannot be made there
    with caplog.at_level(logging.WARNING):
        assert cache.get("piece", lambda: content_of(1), intact) == content_of(1)
    assert "reading goes on without it" in caplog.text


def use(folder: Path, seed: int, results: multiprocessing.Queue) -> None:
    """Read pieces in an order of one's own, and watch the bound."""
    origin, cache = Origin(), Cache(folder, 7_500)
    right, largest = True, 0
    for number in np.random.default_rng(seed).integers(0, 20, 150).tolist():
        right &= origin.get(cache, number) == content_of(number)
        with os.scandir(folder) as entries:
            sizes = []
            for entry in entries:
                if not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        sizes.append(entry.stat().st_size)
        largest = max(largest, sum(sizes))
    results.put((right, largest))


def test_processes_share_it(tmp_path):
    started = multiprocessing.get_context("fork")
    results = started.Queue()
    processes = [started.Process(target=use, args=(tmp_path, seed, results)) for seed in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(right for right, _ in found)
    # A folder is not listed in one moment, so a piece that moved may be seen beside its successor.
    assert max(largest for _, largest in found) <= 7_500 + 2_000
    assert size_of(tmp_path) <= 7_500
    assert int((tmp_path / ".lock").read_bytes()) == size_of(tmp_path)


def test_a_cache_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="max_bytes = 0"):
        Cache(tmp_path, 0)
