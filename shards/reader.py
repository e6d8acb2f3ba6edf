"""Random access to the clips of a dataset's shards, every byte checked."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import zlib
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from shards import codec, manifest
from shards.cache import Cache
from shards.folder import Folder, LocalFolder, open_folder
from shards.order import stand_in
from shards.samples import Samples, load_table
from shards.schema import PARTS, SPLITS, Clip, ShardError
from shards.windows import Window

_LOG = logging.getLogger(__name__)
# Other samples that are tried in place of a damaged one.
_STAND_INS = 1000


class DamagedError(ShardError):
    """Bytes that are not those that were written."""


class ShardDataset:
    """The clips of one split, sorted by key; reads only the bytes that are asked for.

    Safe in threads, after a fork, and pickled into worker processes. Numpy only.

    Args:
        folder: The dataset's folder or its shards folder alone, as a path or an address such as
            "s3://bucket/demo" or "https://host/demo"; see `shards.folder`.
        split: "train" or "val".
        on_damage: What happens when a sample's bytes are not those that were written: "fail", or
            "replace" it by another sample, always the same one; `replaced` counts.
        cache: Keeps what is read from an address.

    Attributes:
        manifest_sha: Identifies the content, weights included.

    Raises:
        ShardError: If the manifest or a shard is absent, damaged or cut short.
    """

    def __init__(
        self,
        folder: Path | str,
        split: str,
        *,
        on_damage: Literal["fail", "replace"] = "fail",
        cache: Cache | None = None,
    ):
        if split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        if on_damage not in ("fail", "replace"):
            raise ValueError(f"on_damage is fail or replace, got {on_damage!r}")
        self.split = split
        self._folder, content = _open(folder, cache)
        self.manifest_sha: str = content["manifest_sha"]
        self._require_sizes(content, replace=on_damage == "replace")
        self._samples = Samples(self._folder, content, split)
        self._tally = _Tally(len(self)) if on_damage == "replace" else None

    def _require_sizes(self, content: dict, *, replace: bool) -> None:
        if isinstance(self._folder, LocalFolder):  # elsewhere it would cost a request a shard
            shards = load_table(self._folder, content, "shards", ("shard", "split", "bytes"))
            for row in shards.filter(pc.field("split") == self.split).to_pylist():
                try:
                    require_size(self._folder.path / f"{row['shard']}.tar", row["bytes"])
                except DamagedError as error:
                    if not replace:
                        raise
                    _LOG.warning("%s", error)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, window: Window) -> Clip:
        return self.window(window.index, window.start, window.length)

    @property
    def keys(self) -> list[str]:
        """The clips' ids, ascending."""
        return self._samples.keys.to_pylist()

    @property
    def lengths(self) -> np.ndarray:
        """Frames of every sample, int64 [n]."""
        return self._samples.lengths

    @property
    def weights(self) -> np.ndarray:
        """How often to draw each sample, float64 [n], for `shards.windows.WindowOrder`."""
        return self._samples.weights

    @property
    def replaced(self) -> dict[str, int]:
        """How often each damaged sample was replaced, by this process and its loader workers."""
        counts = self._tally.counts() if self._tally else np.empty(0)
        return {self.key(i): int(counts[i]) for i in np.flatnonzero(counts).tolist()}

    def key(self, i: int) -> str:
        """Id of sample i."""
        return self._samples.keys[i].as_py()

    def num_frames(self, i: int) -> int:
        """Length of sample i."""
        return int(self._samples.lengths[i])

    def clip(self, i: int) -> Clip:
        """Sample i, whole; a longer one may stand in for a damaged one, cut to its length."""
        return self.window(i, 0, self.num_frames(i))

    def window(self, i: int, start: int, length: int) -> Clip:
        """Frames [start, start + length) of sample i; only these are decoded.

        The window's actions are the clip's own rows in the clip's own unit, but its first row is
        static. The key of the clip that stands in for a damaged one is its own.

        Raises:
            DamagedError: If a part does not hold the bytes that were written; names it.
            ShardError: If the shard cannot be read.
            ValueError: If the sample has no such frames.
        """
        if not 0 <= start < start + length <= self.num_frames(i):
            raise ValueError(
                f"sample {self.key(i)} has frames 0 to {self.num_frames(i)}, "
                f"got {start = }, {length = }"
            )
        try:
            return self._read(i, start, length)
        except DamagedError as error:
            if self._tally is None:
                raise
            return self._replacement(i, start, length, error)

    def _read(self, i: int, start: int, length: int) -> Clip:
        return codec.decode(self._parts(i, 0, len(PARTS)), start, start + length)

    def _replacement(self, i: int, start: int, length: int, error: DamagedError) -> Clip:
        """The window of the first intact sample in a line that depends on i alone."""
        assert self._tally is not None
        self._tally.add(i, error)
        for attempt in range(_STAND_INS):
            other = stand_in(i, attempt, len(self))
            spare = self.num_frames(other) - length
            if other == i or spare < 0:
                continue
            try:
                return self._read(other, min(start, spare), length)
            except DamagedError as another:
                self._tally.add(other, another)
        raise error

    def part(self, i: int, name: str) -> bytes:
        """The bytes of one part of sample i, checked.

        Raises:
            DamagedError: If they are not the bytes that were written.
            ShardError: If the shard cannot be read.
        """
        column = PARTS.index(name)
        return self._parts(i, column, column + 1)[name]

    def _parts(self, i: int, first: int, stop: int) -> dict[str, bytes]:
        """Parts [first, stop) of sample i, which lie one after the other, in one read."""
        where = self._samples.where[self._samples.row[i], first:stop].tolist()
        begin, end = where[0][0], where[-1][0] + where[-1][1]

        def pieces(content: bytes) -> list[bytes]:
            return [content[offset - begin :][:size] for offset, size, _ in where]

        def intact(content: bytes) -> bool:
            crc32s = [zlib.crc32(piece) for piece in pieces(content)]
            return len(content) == end - begin and crc32s == [row[2] for row in where]

        shard = self._samples.shards[self._samples.shard[i]]
        content = self._folder.read(f"{shard}.tar", begin, end - begin, intact)
        parts: dict[str, bytes] = dict(zip(PARTS[first:stop], pieces(content), strict=True))
        for (name, piece), (_, size, crc32) in zip(parts.items(), where, strict=True):
            require_intact(piece, size, crc32, shard=shard, key=self.key(i), part=name)
        return parts


def require_intact(
    content: bytes, size: int, crc32: int, *, shard: str, key: str, part: str
) -> None:
    """Compare what was read with what was written.

    Raises:
        DamagedError: If they differ; it names the shard, the sample and the part.
    """
    if len(content) == size and zlib.crc32(content) == crc32:
        return
    what = (
        f"{len(content)} of {size} bytes are there"
        if len(content) != size
        else "its bytes are not those that were written (crc32)"
    )
    raise DamagedError(
        f"shard {shard}, sample {key}, part {part} is damaged: {what}; "
        f"delete {shard}.tar and run `relickit shard` again"
    )


def require_size(path: Path, expected: int) -> None:
    """Compare a file's size with what was written.

    Raises:
        DamagedError: If the file is of another size.
        ShardError: If it is absent.
    """
    found = path.stat().st_size if path.is_file() else None
    if found != expected:
        error = ShardError if found is None else DamagedError
        raise error(
            f"{path}: expected {expected} bytes, found {'nothing' if found is None else found}; "
            "run `relickit shard` again"
        )


class _Tally:
    """How often each sample was replaced, counted by a process and its loader workers together."""

    def __init__(self, n: int):
        self._n = n
        self._counts = multiprocessing.Array(ctypes.c_uint32, n)

    def __getstate__(self) -> dict:
        # A shared array passes to a process that is being started, and nowhere else.
        shared = get_spawning_popen() is not None
        return {"_n": self._n, "_counts": self._counts if shared else None}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["_n"])
        if state["_counts"] is not None:
            self._counts = state["_counts"]

    def add(self, i: int, error: DamagedError) -> None:
        """Count sample i, and say so the first time."""
        with self._counts.get_lock():
            self._counts[i] += 1
            first = self._counts[i] == 1
        if first:
            _LOG.warning("another sample stands in: %s", error)

    def counts(self) -> np.ndarray:
        """Of every sample, uint32 [n]."""
        return np.array(self._counts.get_obj(), dtype=np.uint32)


def _open(location: Path | str, cache: Cache | None) -> tuple[Folder, dict]:
    """The shards folder at an address, or in the dataset's folder there, and its manifest."""
    address, mark, query = str(location).partition("?" if "://" in str(location) else "\0")
    for inner in (f"{address.rstrip('/')}/shards", address):
        folder = open_folder(inner + mark + query, cache)
        content = folder.whole(manifest.NAME)
        if content is not None:
            return folder, manifest.parse(content, f"{folder.location}/{manifest.NAME}")
    raise ShardError(
        f"{address} has no shards/{manifest.NAME}, nor is it a shards folder; "
        "run `relickit shard` on this dataset first"
    )
