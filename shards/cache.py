"""A bounded cache of remote bytes on a local disk, shared by all processes of a machine."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from capture import files

_LOG = logging.getLogger(__name__)
_LOCK = ".lock"
# Eviction goes down to this share of the bound, so that it is seldom needed.
_AFTER_EVICTION = 0.9


class Cache:
    """Pieces of content by name; the least recently used give way.

    A piece appears under its name whole or not at all, is compared with its checksum whenever it is
    read, and is fetched again if it was damaged. A reader holds the bytes, not the file, so
    eviction takes nothing away from it. The folder may be deleted at any time.

    Args:
        folder: On a local disk; made when first needed.
        max_bytes: Of all pieces together, at every moment. A larger piece is not kept.
    """

    def __init__(self, folder: Path, max_bytes: int):
        if max_bytes < 1:
            raise ValueError(f"a cache holds at least one byte, got {max_bytes = }")
        self.folder, self.max_bytes = Path(folder), max_bytes

    def get(
        self, name: str, fetch: Callable[[], bytes | None], intact: Callable[[bytes], bool]
    ) -> bytes | None:
        """A piece, from the folder if it is there and intact, else from where it comes from.

        Args:
            name: Of a file; one name always means the same content.
            fetch: Gives the content, None if there is none.
            intact: Whether content is what it should be.

        Returns:
            The content; None or not intact only if `fetch` gave that.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError:
            content = None
        if content is not None:
            if intact(content):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path)
                return content
            _LOG.warning("%s was damaged; it is fetched again", path)
            path.unlink(missing_ok=True)
        content = fetch()
        if content is not None and intact(content):
            try:
                self._store(path, content)
            except OSError as error:
                _LOG.warning("%s cannot be kept (%s); reading goes on without it", path, error)
        return content

    def _store(self, path: Path, content: bytes) -> None:
        if len(content) > self.max_bytes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked() as total:
            if path.exists():  # another process was faster
                return
            size = total.read()
            if size is None or size + len(content) > self.max_bytes:
                size = self._evict(len(content))
            # Counted before it is there: a process that dies in between makes the count too high,
            # which the next eviction corrects.
            total.write(size + len(content))
            temporary = files.temporary_beside(path)
            try:
                temporary.write_bytes(content)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[_Total]:
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _Total(descriptor)
        finally:
            os.close(descriptor)

    def _evict(self, room: int) -> int:
        """Count, and if `room` is lacking delete what was not used longest; returns the bytes."""
        files.sweep(self.folder)
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat()
                        found.append((status.st_mtime_ns, entry.path, status.st_size))
        kept = sum(size for _, _, size in found)
        if kept + room <= self.max_bytes:
            return kept
        target = min(self.max_bytes - room, int(self.max_bytes * _AFTER_EVICTION))
        for _, path, size in sorted(found):
            if kept <= target:
                break
            Path(path).unlink(missing_ok=True)
            kept -= size
        return kept


class _Total:
    """The bytes of all pieces, kept in the lock's file."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def read(self) -> int | None:
        digits = os.pread(self._descriptor, 32, 0)
        return int(digits) if digits.isdigit() else None

    def write(self, size: int) -> None:
        os.pwrite(self._descriptor, b"%032d" % size, 0)
