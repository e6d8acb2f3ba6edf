"""The tars that lie in a folder, and the file beside each: what is known without a manifest."""

from __future__ import annotations

import json
import tarfile
import zlib
from pathlib import Path

from shards.schema import SPLITS, Part, Shard, ShardError


def tars(folder: Path) -> list[Path]:
    """Every tar in a folder, sorted; those of an earlier plan too."""
    return sorted(path for split in SPLITS for path in folder.glob(f"{split}-*.tar"))


def lost(folder: Path) -> list[Path]:
    """Tars that the files beside them speak of, and that are not there."""
    known = (path for split in SPLITS for path in folder.glob(f"{split}-*.json"))
    return sorted(tar for path in known if not (tar := path.with_suffix(".tar")).exists())


def beside(tar: Path) -> Shard | None:
    """What the file beside a tar says of it; nothing if it is absent or damaged."""
    try:
        shard = Shard.from_json(json.loads(tar.with_suffix(".json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return shard if shard.name == tar.stem else None


def members(tar: Path) -> list[tuple[str, Part, bytes]]:
    """Key, place and content of every member.

    Raises:
        ShardError: If the tar does not end where its last member does: the reader of the standard
            library stops at a damaged header without a word.
    """
    found, end = [], 0
    content = tar.read_bytes()
    try:
        with tarfile.open(tar, mode="r:") as opened:
            for member in opened:
                stop = member.offset_data + member.size
                key, _, name = member.name.partition(".")
                data, end = content[member.offset_data : stop], -(-stop // 512) * 512
                part = Part(
                    name=name, offset=member.offset_data, size=member.size, crc32=zlib.crc32(data)
                )
                found.append((key, part, data))
    except tarfile.TarError as error:
        raise ShardError(
            f"{tar} is no whole tar ({error}); delete it and write it again"
        ) from error
    if len(content) - end < 1024 or any(content[end:]):
        raise ShardError(f"{tar} is no whole tar; delete it and write it again")
    return found
