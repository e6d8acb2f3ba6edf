"""Reading parallel sets: latents of any window that was encoded, and words of captions.

    latents = Latents(Path("data/demo"), "latents-1a2b3c4d")
    latents.starts(key, 33)  # frames of the clip at which a window of 33 may begin
    latents.window(key, 0, 33)  # float16 [C, 9, h, w], what the codec made of these frames
    words, empty = Words(Path("data/demo"), "text-5e6f7a8b").read(key)

A causal autoencoder's first latent shows one frame, all others four, and each depends on all before
it. So the latents of a window are not a part of the clip's unless both begin at the same frame, and
a set holds one encoding for each frame at which windows may begin: of the whole clip from frame 0,
and of `window` frames from every further `every`-th one. Any 1 + 4 n frames from such a start are
the first n + 1 latents of its encoding, exactly as if only they had been encoded.
"""

from __future__ import annotations

import functools
import io
import zlib
from pathlib import Path

import numpy as np

from shards import manifest
from shards.encoded import Kind, shards_folder
from shards.schema import ShardError

# Frames of every latent but the first.
GROUP = 4


def part_of(start: int) -> str:
    """The name of the array with the latents from a frame on."""
    return f"latents_{start:05d}"


def starts(num_frames: int, window: int, every: int) -> list[int]:
    """Frames of a clip at which an encoding starts: 0, and every further one that fits.

    Args:
        num_frames: Of the clip.
        window: Frames of an encoding after the first.
        every: Frames between two starts; 0 for one start.
    """
    further = range(every, num_frames - window + 1, every) if every else ()
    return [0, *further]


class EncodedSet:
    """The arrays of one set, by key; every byte is checked. Safe in threads and after a fork.

    Args:
        folder: The dataset's folder, or its shards folder alone.
        name: The set's, such as "latents-1a2b3c4d".
        kind: What it must hold.

    Raises:
        ShardError: If the set or the shards of videos are absent or damaged, or the set was made
            from other clips.
    """

    def __init__(self, folder: Path, name: str, kind: Kind):
        shards = shards_folder(folder)
        self.folder = shards / name
        content = manifest.load(self.folder)
        if content.get("encoder", {}).get("kind") != kind:
            raise ShardError(f"{self.folder} holds no {kind}; name a set of {kind}")
        self.config: dict = content["encoder"]["config"]
        self.manifest_sha: str = content["manifest_sha"]
        _require_same_clips(shards, self.folder, content, captions=kind == "text")
        samples = manifest.load_table(self.folder, content, "samples").sort_by("key")
        index = manifest.load_table(self.folder, content, "index")
        index = index.sort_by([("key", "ascending"), ("part", "ascending")])
        # Sorted bytes and numbers: a million clips take tens of megabytes.
        self._keys = samples["key"].to_numpy().astype("S")
        self._num_frames = samples["num_frames"].to_numpy()
        self._rows = np.searchsorted(index["key"].to_numpy().astype("S"), self._keys)
        self._rows = np.append(self._rows, len(index))
        coded = [index[column].combine_chunks().dictionary_encode() for column in ("shard", "part")]
        (self._shards, self._shard), (self._parts, self._part) = (
            (code.dictionary.to_pylist(), code.indices.to_numpy()) for code in coded
        )
        where = [index[column].to_numpy() for column in ("offset", "size", "crc32")]
        self._where = np.stack(where, -1)

    @property
    def keys(self) -> list[str]:
        """Of all clips of both splits, sorted."""
        return [key.decode() for key in self._keys]

    def __contains__(self, key: str) -> bool:
        return self._place(key) is not None

    def num_frames(self, key: str) -> int:
        """Frames of a clip.

        Raises:
            ShardError: If the set does not have it.
        """
        return int(self._num_frames[self._require(key)])

    def names(self, key: str) -> list[str]:
        """Names of a clip's arrays, sorted."""
        i = self._require(key)
        parts = (self._parts[code] for code in self._part[self._rows[i] : self._rows[i + 1]])
        return [part.removesuffix(".npy") for part in parts]

    def array(self, key: str, name: str) -> np.ndarray:
        """One array of a clip, read-only.

        Raises:
            ShardError: If the set does not have it, or its bytes are not those that were written.
        """
        i = self._require(key)
        names = self.names(key)
        if name not in names:
            raise ShardError(f"sample {key} has the arrays {', '.join(names)}, got {name!r}")
        row = int(self._rows[i]) + names.index(name)
        offset, size, crc32 = self._where[row].tolist()
        shard = self._shards[self._shard[row]]
        try:
            with (self.folder / f"{shard}.tar").open("rb", buffering=0) as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            message = f"{self.folder / shard}.tar cannot be opened ({error.strerror}); encode again"
            raise ShardError(message) from error
        if len(content) != size or zlib.crc32(content) != crc32:
            raise ShardError(
                f"{self.folder / shard}.tar, sample {key}, part {name}.npy is damaged: its bytes "
                "are not those that were written; delete the tar and run `relickit encode` again"
            )
        return _array(content)

    def _place(self, key: str) -> int | None:
        i = int(np.searchsorted(self._keys, key.encode()))
        return i if i < len(self._keys) and self._keys[i] == key.encode() else None

    def _require(self, key: str) -> int:
        i = self._place(key)
        if i is None:
            raise ShardError(f"{self.folder} has no clip {key!r}; run `relickit encode` again")
        return i


class Latents(EncodedSet):
    """Latents of windows of the clips of both splits; see the top of this file.

    Args:
        folder: The dataset's folder, or its shards folder alone.
        name: The set's, such as "latents-1a2b3c4d"; see `training.encode.find_latents`.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__(folder, name, "latents")

    def starts(self, key: str, num_frames: int) -> list[int]:
        """Frames of a clip at which a window of this many frames may begin; maybe none."""
        whole, window, every = self.num_frames(key), self.config["window"], self.config["every"]
        if num_frames > window:
            return [0] if num_frames <= whole else []
        return [s for s in starts(whole, window, every) if s + num_frames <= whole]

    def window(self, key: str, start: int, num_frames: int) -> np.ndarray:
        """What the codec makes of frames [start, start + num_frames) of a clip.

        Args:
            key: The clip's.
            start: One of `starts`.
            num_frames: 1 + 4 n.

        Returns:
            float16 [C, n + 1, h, w], read-only.

        Raises:
            ShardError: If no encoding starts there, or is damaged.
        """
        if num_frames % GROUP != 1:
            raise ShardError(f"latents stand for 1, 5, 9, ... frames, got {num_frames}")
        if start not in self.starts(key, num_frames):
            raise ShardError(
                f"sample {key}: no encoding of {num_frames} frames starts at frame {start}; there "
                f"are {self.starts(key, num_frames)}"
            )
        latents = self.array(key, part_of(start))[: (num_frames - 1) // GROUP + 1]
        return latents.transpose(1, 0, 2, 3)


class Words(EncodedSet):
    """Captions as sequences of vectors.

    Args:
        folder: The dataset's folder, or its shards folder alone.
        name: The set's, such as "text-5e6f7a8b"; see `training.encode.find_words`.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__(folder, name, "text")

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """A clip's caption, and what takes its place when it is dropped.

        Returns:
            float16 [n, dim] and [m, dim], without the zeros that follow.
        """
        return self.array(key, "words"), self.array(key, "empty")


def _require_same_clips(shards: Path, folder: Path, content: dict, *, captions: bool) -> None:
    columns = ["key", "episode_sha256", "start", "num_frames", *(["caption"] if captions else [])]
    videos = manifest.load_table(shards, manifest.load(shards), "samples")
    mine = manifest.load_table(folder, content, "samples")
    if not videos.select(columns).sort_by("key").equals(mine.select(columns).sort_by("key")):
        lacking = len(set(videos["key"].to_pylist()) - set(mine["key"].to_pylist()))
        raise ShardError(
            f"{folder} was made from other clips than the shards have now ({lacking} are missing, "
            "others may have changed); run `relickit encode` again"
        )


def _array(content: bytes) -> np.ndarray:
    """The array of a .npy file, where it lies."""
    begin = 10 + int.from_bytes(content[8:10], "little")
    shape, dtype = _layout(content[:begin])
    return np.frombuffer(content, dtype, offset=begin).reshape(shape)


@functools.lru_cache(maxsize=64)
def _layout(header: bytes) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type from the beginning of a .npy file; few differ, and parsing one takes long."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ShardError(f"an array of .npy version 1.0 was expected, got {version}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype
