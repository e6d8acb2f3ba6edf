"""Folders of shards: on a disk, in an object store, on a web server.

Each is read by byte ranges; `open_folder` chooses by the address:

    data/demo, file:///data/demo        the disk
    s3://bucket/demo?region=eu-west-1   S3 and what speaks its language (`endpoint_override`,
                                        `scheme`, `anonymous=true`); credentials as for `aws`
    gs://, abfs://, hdfs://             whatever `pyarrow.fs` opens
    https://host/demo, http://          a server that honours `Range`
"""

from __future__ import annotations

import hashlib
import os
import urllib.parse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from shards.cache import Cache
from shards.remote import ObjectStore, Source, WebServer
from shards.schema import ShardError

_MAX_OPEN = 64

Intact = Callable[[bytes], bool]


class Folder(Protocol):
    """Files to be read by byte ranges; safe in threads, after a fork, and pickled."""

    location: str

    def read(self, name: str, offset: int, size: int, intact: Intact) -> bytes:
        """A range of a file; shorter where the file ends.

        Args:
            name: Of the file.
            offset: Of the first byte.
            size: Number of bytes.
            intact: Whether content is what it should be; what is not may be fetched once more.

        Raises:
            ShardError: If the file is absent or cannot be read.
        """
        ...

    def whole(self, name: str, intact: Intact | None = None) -> bytes | None:
        """A file, None if it is absent; one that is given no checksum is never cached."""
        ...

    def folders(self) -> list[str]:
        """Names of the folders in it, sorted; from a web server those that sets.json lists.

        Raises:
            ShardError: If it cannot be read.
        """
        ...


def open_folder(location: Path | str, cache: Cache | None = None) -> Folder:
    """The folder at an address.

    Args:
        location: A path, or an address as above.
        cache: For what is fetched from elsewhere.

    Raises:
        ValueError: If nothing reads such an address.
    """
    if isinstance(location, Path) or "://" not in location:
        return LocalFolder(Path(location))
    scheme = urllib.parse.urlsplit(location).scheme
    if scheme == "file":
        return LocalFolder(Path(urllib.parse.unquote(urllib.parse.urlsplit(location).path)))
    source = WebServer if scheme in ("http", "https") else ObjectStore
    return RemoteFolder(source(location), cache)


def inside(location: Path | str, name: str) -> str:
    """The address of a folder in the one at an address."""
    address, mark, query = str(location).partition("?" if "://" in str(location) else "\0")
    return f"{address.rstrip('/')}/{name}{mark}{query}"


class LocalFolder:
    """A folder on a disk."""

    def __init__(self, path: Path):
        self.path, self.location = path, str(path)
        self._open = _OpenFiles(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": _OpenFiles(self.path)}

    def read(self, name: str, offset: int, size: int, intact: Intact) -> bytes:
        """A range of a file; see `Folder`."""
        return self._open.read(name, size, offset)

    def whole(self, name: str, intact: Intact | None = None) -> bytes | None:
        """A file, None if it is absent."""
        path = self.path / name
        return path.read_bytes() if path.is_file() else None

    def folders(self) -> list[str]:
        """Names of the folders in it; see `Folder`."""
        return sorted(path.name for path in self.path.iterdir() if path.is_dir())


class RemoteFolder:
    """A folder that is reached over a network: ranges, fetched once more if damaged on the way."""

    def __init__(self, source: Source, cache: Cache | None):
        self.location, self._source, self._cache = source.location, source, cache
        self._mark = hashlib.sha256(self.location.encode()).hexdigest()[:8]

    def read(self, name: str, offset: int, size: int, intact: Intact) -> bytes:
        """A range of a file; see `Folder`."""
        content = self._get(
            f"{name}-{offset}-{size}", lambda: self._source.read(name, offset, size), intact
        )
        if content is None:
            raise ShardError(
                f"{self.location}/{name} is not there; if the dataset was sharded again meanwhile, "
                "start again with the new shards"
            )
        return content

    def whole(self, name: str, intact: Intact | None = None) -> bytes | None:
        """A file, None if it is absent."""
        if intact is None:
            return self._source.whole(name)
        return self._get(name, lambda: self._source.whole(name), intact)

    def folders(self) -> list[str]:
        """Names of the folders in it; see `Folder`."""
        return self._source.folders()

    def _get(self, name: str, fetch: Callable[[], bytes | None], intact: Intact) -> bytes | None:
        def twice() -> bytes | None:
            content = fetch()
            return content if content is None or intact(content) else fetch()

        if self._cache is None:
            return twice()
        return self._cache.get(f"{self._mark}-{name}", twice, intact)


class _File:
    """A read-only descriptor, closed when nobody holds it any more."""

    def __init__(self, path: Path):
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self):
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class _OpenFiles:
    """The descriptors that were used last; positions are never shared, so forks may inherit it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files: OrderedDict[str, _File] = OrderedDict()

    def read(self, name: str, size: int, offset: int) -> bytes:
        try:
            file = self._files.pop(name, None) or _File(self._folder / name)
        except OSError as error:
            raise ShardError(
                f"{self._folder / name} cannot be opened ({error.strerror}); if the dataset was "
                "sharded again meanwhile, start again with the new shards"
            ) from error
        self._files[name] = file
        while len(self._files) > _MAX_OPEN:
            self._files.popitem(last=False)
        return os.pread(file.descriptor, size, offset)
