"""Damage: how it is noticed, and how what stood in for it is counted."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from pathlib import Path

import numpy as np

from shards.schema import ShardError

_LOG = logging.getLogger(__name__)


class DamagedError(ShardError):
    """Bytes that are not those that were written."""


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Say in one sentence that the disk does not give what is stored on it.

    Args:
        what: Shard and sample, for the message.

    Raises:
        DamagedError: In place of the operating system's error.
    """
    try:
        yield
    except OSError as error:
        raise DamagedError(
            f"{what} cannot be read ({error.strerror}); look after the disk, and make the shard "
            "again or copy it from elsewhere"
        ) from error


def require_intact(
    content: bytes, size: int, crc32: int, *, shard: str, key: str, part: str, remedy: str = ""
) -> None:
    """Compare what was read with what was written.

    Args:
        content: What was read.
        size: Bytes that were written.
        crc32: Of what was written.
        shard: For the message, as are `key` and `part`.
        key: The sample's.
        part: Its name.
        remedy: What to do about it, the sentence's end; to write the shard again by default.

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
    remedy = remedy or f"delete {shard}.tar and run `relickit shard` again"
    raise DamagedError(f"shard {shard}, sample {key}, part {part} is damaged: {what}; {remedy}")


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


class Tally:
    """Which samples were replaced, written down by a process and its loader workers together.

    A nameless file, to which each appends indices: appending is atomic and needs no lock.
    """

    def __init__(self):
        self._descriptor, name = tempfile.mkstemp()
        os.unlink(name)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_APPEND)

    def __del__(self):
        os.close(self._descriptor)

    def __getstate__(self) -> dict:
        # A descriptor passes to a process that is being started, and nowhere else.
        starting = get_spawning_popen() is not None
        return {"descriptor": DupFd(self._descriptor) if starting else None}

    def __setstate__(self, state: dict) -> None:
        if state["descriptor"] is None:
            self.__init__()
        else:
            self._descriptor = state["descriptor"].detach()

    def add(self, i: int, error: DamagedError) -> None:
        """Count sample i, and say so the first time."""
        if i not in self.counts():
            _LOG.warning("another sample stands in: %s", error)
        os.write(self._descriptor, np.int64(i).tobytes())

    def counts(self) -> dict[int, int]:
        """How often each sample was replaced."""
        size = os.fstat(self._descriptor).st_size
        found = np.frombuffer(os.pread(self._descriptor, size, 0), dtype=np.int64)
        return dict(sorted(Counter(found.tolist()).items()))
