"""What was published at an address: a folder of shards, its manifest and the tables it names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from shards import manifest
from shards.cache import Cache
from shards.folder import Folder, inside, open_folder
from shards.schema import ShardError


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A folder with a manifest.

    Attributes:
        address: Its path or address, with what says how to reach it.
        folder: Reads it.
        content: Of its manifest.json.
    """

    address: str
    folder: Folder
    content: dict

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One of `manifest.TABLES`, its bytes checked; see `manifest.parse_table`.

        Raises:
            ShardError: If the file is absent or damaged.
        """
        stored, _ = self.stored(name)
        return manifest.parse_table(stored, self.content, name, columns)

    def stored(self, name: str) -> tuple[bytes, str]:
        """The bytes of a table's file, checked, and where it is.

        Raises:
            ShardError: If the file is absent or damaged.
        """
        file, sha256 = (self.content["tables"][name][field] for field in ("file", "sha256"))
        path = f"{self.folder.location}/{file}"
        stored = self.folder.whole(file, lambda data: hashlib.sha256(data).hexdigest() == sha256)
        if stored is None:
            raise ShardError(f"{path} is not there; run `{manifest.maker(path)}` again")
        manifest.require_table(stored, self.content, name, path)
        return stored, path


def open_shards(location: Path | str, cache: Cache | None = None) -> Published:
    """The shards folder at an address, or in the dataset's folder there.

    Args:
        location: A path, or an address as in `shards.folder`.
        cache: For what is fetched from elsewhere.

    Raises:
        ShardError: If neither is there, or its manifest is damaged.
        ValueError: If nothing reads such an address.
    """
    for address in (inside(location, "shards"), str(location)):
        found = published(address, cache)
        if found is not None:
            return found
    raise ShardError(
        f"{str(location).partition('?')[0]} has no shards/{manifest.NAME}, nor is it a shards "
        "folder; run `relickit shard` on this dataset first"
    )


def published(address: str, cache: Cache | None = None) -> Published | None:
    """The folder at an address, None if it has no manifest.

    Raises:
        ShardError: If its manifest is damaged.
    """
    folder = open_folder(address, cache)
    stored = folder.whole(manifest.NAME)
    if stored is None:
        return None
    content = manifest.parse(stored, f"{folder.location}/{manifest.NAME}")
    return Published(address=address, folder=folder, content=content)
