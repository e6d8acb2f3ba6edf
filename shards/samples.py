"""What the manifest says of the samples of a split, as columns: a million take some 100 MB."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shards import manifest
from shards.folder import Folder
from shards.schema import PARTS, ShardError

# Samples whose rows of the index are compared at once, which bounds memory.
_BLOCK = 1 << 16


class Samples:
    """The samples of a split, sorted by key.

    Args:
        folder: The shards folder.
        content: Its manifest.
        split: "train" or "val".

    Attributes:
        keys: Strings [n].
        lengths: Frames, int64 [n].
        weights: How often to draw each, float64 [n].
        shards: Names of all shards.
        shard: Index into them, int32 [n].
        where: Offset, size and crc32 of every part, int64 [n, parts, 3].

    Raises:
        ShardError: If a table is absent, damaged, or contradicts another.
    """

    def __init__(self, folder: Folder, content: dict, split: str):
        columns = ("key", "shard", "split", "num_frames", "weight")
        table = load_table(folder, content, "samples", columns)
        keys = _plain(table["key"])
        rows = pa.table({"key": keys, "split": table["split"], "row": np.arange(len(keys))})
        rows = rows.filter(pc.field("split") == split).sort_by("key")
        mine = rows["row"].to_numpy()
        self.keys = _plain(rows["key"])
        self.lengths: np.ndarray = table["num_frames"].to_numpy()[mine]
        self.weights: np.ndarray = table["weight"].to_numpy()[mine]
        shard = table["shard"].unify_dictionaries().combine_chunks()
        self.shards: list[str] = shard.dictionary.to_pylist()
        self.shard: np.ndarray = shard.indices.to_numpy()[mine]
        self.where = _places(folder, content, keys)[mine]

    def __len__(self) -> int:
        return len(self.keys)


def load_table(folder: Folder, content: dict, name: str, columns: tuple[str, ...]) -> pa.Table:
    """Columns of one of `manifest.TABLES`, its bytes checked.

    Raises:
        ShardError: If the file is absent or damaged.
    """
    file, sha256 = content["tables"][name]["file"], content["tables"][name]["sha256"]
    path = f"{folder.location}/{file}"
    stored = folder.whole(file, lambda data: hashlib.sha256(data).hexdigest() == sha256)
    if stored is None:
        raise ShardError(f"{path} is not there; run `relickit shard` again")
    return manifest.parse_table(stored, content, name, path, columns)


def _places(folder: Folder, content: dict, keys: pa.Array) -> np.ndarray:
    """Offset, size and crc32 of every part of every sample of the table: int64 [n, parts, 3].

    The index has the rows of the samples in their order, and in each those of `PARTS`.
    """
    index = load_table(folder, content, "index", ("key", "part", "offset", "size", "crc32"))
    shape = (len(keys), len(PARTS))
    if len(index) != shape[0] * shape[1]:
        raise ShardError(f"{folder.location}: not every sample has all parts; shard again")
    for first in range(0, len(keys), _BLOCK):
        _require_aligned(folder, index, keys, first, min(first + _BLOCK, len(keys)))
    where = np.empty((*shape, 3), dtype=np.int64)
    for column, name in enumerate(("offset", "size", "crc32")):
        where[..., column] = index[name].to_numpy().reshape(shape)
    return where


def _require_aligned(
    folder: Folder, index: pa.Table, keys: pa.Array, first: int, stop: int
) -> None:
    """The rows of the index that belong to samples [first, stop) are theirs."""
    rows = index.slice(first * len(PARTS), (stop - first) * len(PARTS))
    found, names = _plain(rows["key"]), _plain(rows["part"])
    for column, part in enumerate(PARTS):
        mine = pa.array(np.arange(column, len(rows), len(PARTS)))
        same = names.take(mine).unique().to_pylist() == [part]
        if not same or not found.take(mine).equals(keys.slice(first, stop - first)):
            raise ShardError(
                f"{folder.location}: not every sample has a {part} in its place; shard again"
            )


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Strings without a dictionary, in one piece."""
    whole = column.cast(pa.string()).combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.array([], pa.string())
