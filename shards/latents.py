"""Reading parallel sets: latents of any window that was encoded, and words of captions.

    latents = Latents("data/demo", "latents-1a2b3c4d")  # or an address, as in `shards.folder`
    latents.starts(key, 33)  # frames of the clip at which a window of 33 may begin
    latents.window(key, 0, 33)  # float16 [C, 9, h, w], what the codec made of these frames
    words, empty = Words("data/demo", "text-5e6f7a8b").read(key)

A causal autoencoder's first latent shows one frame, all others four, and each depends on all before
it. So the latents of a window are not a part of the clip's unless both begin at the same frame, and
a set holds one encoding for each frame at which windows may begin: of the whole clip from frame 0,
and of `window` frames from every further `every`-th one. Any 1 + 4 n frames from such a start are
the first n + 1 latents of its encoding, exactly as if only they had been encoded.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from shards import arrays, manifest
from shards.cache import Cache
from shards.damage import readable
from shards.folder import inside
from shards.published import Published, open_shards, published
from shards.schema import Kind, ShardError

# Frames of every latent but the first.
GROUP = 4


class OtherClipsError(ShardError):
    """A set that was made before the shards were written again."""


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
    """The members of one set, by key; every byte is checked.

    Safe in threads, after a fork, and pickled into worker processes.

    Args:
        location: The dataset's folder, or its shards folder alone, as a path or an address such as
            "s3://bucket/demo"; see `shards.folder`.
        name: The set's, such as "latents-1a2b3c4d".
        kind: What it must hold.
        cache: Keeps what is read from an address.

    Attributes:
        name: The set's.
        location: Of the set's folder.
        config: Of its encoder.
        manifest_sha: Identifies the content.

    Raises:
        OtherClipsError: If the set was made from other clips.
        ShardError: If the set or the shards of videos are absent or damaged, or nobody answers.
    """

    def __init__(self, location: Path | str, name: str, kind: Kind, *, cache: Cache | None = None):
        videos = open_shards(location, cache)
        found = published(inside(videos.address, name), cache)
        if found is None:
            raise ShardError(
                f"{inside(videos.folder.location, name)}/{manifest.NAME} is not there; "
                "run `relickit encode` to its end"
            )
        self.name, self.location, self._folder = name, found.folder.location, found.folder
        if found.content.get("encoder", {}).get("kind") != kind:
            raise ShardError(f"{self.location} holds no {kind}; name a set of {kind}")
        self.config: dict = found.content["encoder"]["config"]
        self.manifest_sha: str = found.content["manifest_sha"]
        samples = found.table("samples").sort_by("key")
        _require_same_clips(videos, samples, self.location, captions=kind == "text")
        index = found.table("index").sort_by([("key", "ascending"), ("part", "ascending")])
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
        self._codes = {part: i for i, part in enumerate(self._parts)}

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
        """Names of a clip's members, sorted."""
        i = self._require(key)
        return [self._parts[code] for code in self._part[self._rows[i] : self._rows[i + 1]]]

    def array(self, key: str, name: str) -> np.ndarray:
        """The array `<name>.npy` of a clip, read-only; see `member`."""
        return arrays.from_npy(self.member(key, f"{name}.npy"))

    def member(self, key: str, name: str) -> bytes:
        """One member of a clip.

        Raises:
            ShardError: If the set does not have it, or its bytes are not those that were written.
        """
        i, code = self._require(key), self._codes.get(name)
        first, stop = self._rows[i : i + 2].tolist()
        parts = self._part[first:stop].tolist()
        if code not in parts:
            names = ", ".join(self.names(key))
            raise ShardError(f"sample {key} has the members {names}, got {name!r}")
        row = first + parts.index(code)
        offset, size, crc32 = self._where[row].tolist()
        tar = f"{self._shards[self._shard[row]]}.tar"

        def intact(content: bytes) -> bool:
            return len(content) == size and zlib.crc32(content) == crc32

        with readable(f"{self.location}/{tar}, sample {key}"):
            content = self._folder.read(tar, offset, size, intact)
        if not intact(content):
            raise ShardError(
                f"{self.location}/{tar}, sample {key}, part {name} is damaged: its bytes "
                "are not those that were written; delete the tar and run `relickit encode` again"
            )
        return content

    def _place(self, key: str) -> int | None:
        i = int(np.searchsorted(self._keys, key.encode()))
        return i if i < len(self._keys) and self._keys[i] == key.encode() else None

    def _require(self, key: str) -> int:
        i = self._place(key)
        if i is None:
            raise ShardError(f"{self.location} has no clip {key!r}; run `relickit encode` again")
        return i


class _OneKind(EncodedSet):
    """A set of the kind that its class is for.

    Args:
        location: The dataset's folder or address; see `EncodedSet`.
        name: The set's, such as "latents-1a2b3c4d"; `training.encode` finds the one of a recipe.
        cache: Keeps what is read from an address.
    """

    _KIND: ClassVar[Kind]

    def __init__(self, location: Path | str, name: str, *, cache: Cache | None = None):
        super().__init__(location, name, self._KIND, cache=cache)


class Latents(_OneKind):
    """Latents of windows of the clips of both splits; see the top of this file."""

    _KIND = "latents"

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


class Words(_OneKind):
    """Captions as sequences of vectors."""

    _KIND = "text"

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """A clip's caption, and what takes its place when it is dropped.

        Returns:
            float16 [n, dim] and [m, dim], without the zeros that follow.
        """
        return self.array(key, "words"), self.array(key, "empty")


def _require_same_clips(
    videos: Published, samples: pa.Table, location: str, *, captions: bool
) -> None:
    columns = ["key", "episode_sha256", "start", "num_frames", *(["caption"] if captions else [])]
    theirs = videos.table("samples", columns).select(columns).sort_by("key")
    if not theirs.equals(samples.select(columns)):
        lacking = len(set(theirs["key"].to_pylist()) - set(samples["key"].to_pylist()))
        raise OtherClipsError(
            f"{location} was made from other clips than the shards have now ({lacking} are "
            "missing, others may have changed); run `relickit encode` again"
        )
