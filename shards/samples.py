"""What the manifest says of the samples of a split, as columns: a million take some 100 MB."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shards.published import Published
from shards.schema import PARTS, ShardError

# Samples whose rows of the index are compared at once, which bounds memory.
_BLOCK = 1 << 16
_WHERE = ("offset", "size", "crc32")


class Samples:
    """The samples of a split, sorted by key.

    Args:
        found: The shards folder.
        split: "train" or "val".

    Attributes:
        keys: Strings [n].
        lengths: Frames, int64 [n].
        weights: How often to draw each, float64 [n].
        shards: Names of all shards.
        shard: Index into them, int32 [n].
        row: Index into `where`, int64 [n].
        where: Offset, size and crc32 of every part, int64 [., parts, 3].

    Raises:
        ShardError: If a table is absent, damaged, or contradicts another.
    """

    def __init__(self, found: Published, split: str):
        columns = ("key", "shard", "split", "num_frames", "weight")
        table = found.table("samples", columns)
        keys = _whole(table["key"])
        order = pc.call_function("array_sort_indices", [keys]).to_numpy()
        self.row: np.ndarray = order[table["split"].to_numpy()[order] == split]
        self.lengths: np.ndarray = table["num_frames"].to_numpy()[self.row]
        self.weights: np.ndarray = table["weight"].to_numpy()[self.row]
        shard = _whole(table["shard"].unify_dictionaries())
        self.shards: list[str] = shard.dictionary.to_pylist()
        self.shard: np.ndarray = shard.indices.to_numpy()[self.row]
        del table, shard  # or they would be held while the index is read
        self.where = _places(found, keys)
        self.keys = keys.take(pa.array(self.row))
        del keys
        pa.default_memory_pool().release_unused()

    def __len__(self) -> int:
        return len(self.keys)


def _places(found: Published, keys: pa.Array) -> np.ndarray:
    """Offset, size and crc32 of every part of every sample of the table: int64 [n, parts, 3].

    The index has the rows of the samples in their order, and in each those of `PARTS`. It is read
    in pieces, which bounds memory.
    """
    stored, path = found.stored("index")
    file = pq.ParquetFile(pa.BufferReader(stored))
    if file.metadata.num_rows != len(keys) * len(PARTS):
        raise ShardError(f"{path}: not every sample has all parts; shard again")
    where = np.empty((len(keys), len(PARTS), 3), dtype=np.int64)
    first = 0
    for rows in file.iter_batches(_BLOCK * len(PARTS), columns=["key", "part", *_WHERE]):
        if len(rows) % len(PARTS):
            raise ShardError(f"{path}: a row group ends inside a sample; shard again")
        stop = first + len(rows) // len(PARTS)
        _require_aligned(rows, keys.slice(first, stop - first), path)
        for column, name in enumerate(_WHERE):
            where[first:stop, :, column] = rows[name].to_numpy().reshape(-1, len(PARTS))
        first = stop
    return where


def _require_aligned(rows: pa.RecordBatch, keys: pa.Array, path: str) -> None:
    """These rows of the index are those of these samples."""
    for column, part in enumerate(PARTS):
        mine = pa.array(np.arange(column, len(rows), len(PARTS)))
        same = rows["part"].take(mine).unique().to_pylist() == [part]
        if not same or not rows["key"].take(mine).equals(keys):
            raise ShardError(f"{path}: not every sample has a {part} in its place; shard again")


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks()
