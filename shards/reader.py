"""Random access to the clips of a dataset's shards, every byte checked."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from shards import codec, manifest
from shards.schema import PARTS, SPLITS, Clip, ShardError

_MAX_OPEN = 64


class ShardDataset:
    """The clips of one split, sorted by key; reads only the bytes that are asked for.

    Safe in threads, after a fork, and pickled into worker processes. Numpy only.

    Args:
        folder: The dataset's folder, or its shards folder alone.
        split: "train" or "val".

    Raises:
        ShardError: If the manifest or a shard is absent, damaged or cut short.
    """

    def __init__(self, folder: Path, split: str):
        if split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        folder = Path(folder)
        self.folder = folder / "shards" if (folder / "shards").is_dir() else folder
        self.split = split
        content = manifest.load(self.folder)
        self.manifest_sha: str = content["manifest_sha"]
        self._load(content)
        self._open = _OpenFiles()

    def _load(self, content: dict) -> None:
        for row in manifest.load_table(self.folder, content, "shards").to_pylist():
            if row["split"] == self.split:
                require_size(self.folder / f"{row['shard']}.tar", row["bytes"])
        samples = manifest.load_table(self.folder, content, "samples")
        samples = samples.filter(pc.field("split") == self.split).sort_by("key")
        self.keys: list[str] = samples["key"].to_pylist()
        self._shards: list[str] = samples["shard"].to_pylist()
        self._num_frames = samples["num_frames"].to_numpy()
        # Offset, size and crc32 of every part of every sample: int64 [n, parts, 3].
        self._where = np.empty((len(self.keys), len(PARTS), 3), dtype=np.int64)
        index = manifest.load_table(self.folder, content, "index")
        index = index.filter(pc.field("key").isin(self.keys))
        for column, part in enumerate(PARTS):
            rows = index.filter(pc.field("part") == part).sort_by("key")
            if not rows["key"].equals(samples["key"]):
                raise ShardError(f"{self.folder}: not every sample has a {part}; shard again")
            where = [rows[name].to_numpy() for name in ("offset", "size", "crc32")]
            self._where[:, column] = np.stack(where, -1)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": _OpenFiles()}

    def __len__(self) -> int:
        return len(self.keys)

    def num_frames(self, i: int) -> int:
        """Length of sample i."""
        return int(self._num_frames[i])

    def clip(self, i: int) -> Clip:
        """Sample i, whole."""
        return self.window(i, 0, self.num_frames(i))

    def window(self, i: int, start: int, length: int) -> Clip:
        """Frames [start, start + length) of sample i; only these are decoded.

        The window's actions are the clip's own rows in the clip's own unit, but its first row is
        static.

        Raises:
            ShardError: If a part does not hold the bytes that were written; names it.
            ValueError: If the sample has no such frames.
        """
        if not 0 <= start < start + length <= self.num_frames(i):
            raise ValueError(
                f"sample {self.keys[i]} has frames 0 to {self.num_frames(i)}, "
                f"got {start = }, {length = }"
            )
        parts = {name: self.part(i, name) for name in PARTS}
        return codec.decode(parts, start, start + length)

    def part(self, i: int, name: str) -> bytes:
        """The bytes of one part of sample i, checked.

        Raises:
            ShardError: If they are not the bytes that were written.
        """
        offset, size, crc32 = self._where[i, PARTS.index(name)].tolist()
        shard = self._shards[i]
        content = self._open.read(self.folder / f"{shard}.tar", size, offset)
        require_intact(content, size, crc32, shard=shard, key=self.keys[i], part=name)
        return content


def require_intact(
    content: bytes, size: int, crc32: int, *, shard: str, key: str, part: str
) -> None:
    """Compare what was read with what was written.

    Raises:
        ShardError: If they differ; it names the shard, the sample and the part.
    """
    if len(content) == size and zlib.crc32(content) == crc32:
        return
    what = (
        f"{len(content)} of {size} bytes are there"
        if len(content) != size
        else "its bytes are not those that were written (crc32)"
    )
    raise ShardError(
        f"shard {shard}, sample {key}, part {part} is damaged: {what}; "
        f"delete {shard}.tar and run `relickit shard` again"
    )


def require_size(path: Path, expected: int) -> None:
    """Compare a file's size with what was written.

    Raises:
        ShardError: If the file is absent or of another size.
    """
    found = path.stat().st_size if path.is_file() else None
    if found != expected:
        raise ShardError(
            f"{path}: expected {expected} bytes, found {'nothing' if found is None else found}; "
            "run `relickit shard` again"
        )


class _File:
    """A read-only descriptor, closed when nobody holds it any more."""

    def __init__(self, path: Path):
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self):
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class _OpenFiles:
    """The descriptors that were used last; positions are never shared, so forks may inherit it."""

    def __init__(self):
        self._files: OrderedDict[Path, _File] = OrderedDict()

    def read(self, path: Path, size: int, offset: int) -> bytes:
        try:
            file = self._files.pop(path, None) or _File(path)
        except OSError as error:
            raise ShardError(
                f"{path} cannot be opened ({error.strerror}); if the dataset was sharded again "
                "meanwhile, start again with the new shards"
            ) from error
        self._files[path] = file
        while len(self._files) > _MAX_OPEN:
            self._files.popitem(last=False)
        return os.pread(file.descriptor, size, offset)
