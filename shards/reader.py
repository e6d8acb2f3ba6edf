"""Random access to the clips of a dataset's shards, every byte checked."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from shards import codec
from shards.cache import Cache
from shards.damage import DamagedError, Tally, readable, require_intact, require_size
from shards.folder import LocalFolder
from shards.order import stand_in
from shards.published import Published, open_shards
from shards.samples import Samples
from shards.schema import PARTS, SPLITS, Clip
from shards.windows import Window

_LOG = logging.getLogger(__name__)
# Other samples that are tried in place of a damaged one.
_STAND_INS = 1000


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
        found = open_shards(folder, cache)
        self._folder = found.folder
        self.manifest_sha: str = found.content["manifest_sha"]
        self._require_sizes(found, replace=on_damage == "replace")
        self._samples = Samples(found, split)
        self._tally = Tally() if on_damage == "replace" else None

    def _require_sizes(self, found: Published, *, replace: bool) -> None:
        if isinstance(self._folder, LocalFolder):  # elsewhere it would cost a request a shard
            shards = found.table("shards", ("shard", "split", "bytes"))
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
        counts = self._tally.counts() if self._tally else {}
        return {self.key(i): count for i, count in counts.items()}

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
        return codec.decode(self.parts(i), start, start + length)

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

    def parts(self, i: int) -> dict[str, bytes]:
        """The bytes of all parts of sample i by name, checked; see `part`."""
        return self._parts(i, 0, len(PARTS))

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
            return [content[offset - begin : offset - begin + size] for offset, size, _ in where]

        def intact(content: bytes) -> bool:
            crc32s = [zlib.crc32(piece) for piece in pieces(content)]
            return len(content) == end - begin and crc32s == [row[2] for row in where]

        shard = self._samples.shards[self._samples.shard[i]]
        with readable(f"shard {shard}, sample {self.key(i)}"):
            content = self._folder.read(f"{shard}.tar", begin, end - begin, intact)
        parts: dict[str, bytes] = dict(zip(PARTS[first:stop], pieces(content), strict=True))
        for (name, piece), (_, size, crc32) in zip(parts.items(), where, strict=True):
            require_intact(
                piece,
                size,
                crc32,
                shard=shard,
                key=self.key(i),
                part=name,
                remedy=self._remedy(shard),
            )
        return parts

    def _remedy(self, shard: str) -> str:
        if isinstance(self._folder, LocalFolder):
            return ""
        return f"compare {self._folder.location}/{shard}.tar with its source and copy it again"
