"""The tars that lie in a folder, and the file beside each: what is known without a manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
import zlib
from pathlib import Path

from capture import files
from shards.schema import SPLITS, Part, Shard, ShardError

# In the file beside a tar: SHA-256 of all else in it. A file of an earlier version has none.
_SELF = "json_sha256"


def tars(folder: Path) -> list[Path]:
    """Every tar in a folder, sorted; those of an earlier plan too."""
    return sorted(path for split in SPLITS for path in folder.glob(f"{split}-*.tar"))


def lost(folder: Path) -> list[Path]:
    """Tars that the files beside them speak of, and that are not there."""
    known = (path for split in SPLITS for path in folder.glob(f"{split}-*.json"))
    return sorted(tar for path in known if not (tar := path.with_suffix(".tar")).exists())


def beside(tar: Path, *, proved: bool = True) -> Shard | None:
    """What the file beside a tar says of it; nothing if it is absent or damaged.

    Args:
        tar: The file, which need not be there.
        proved: Nothing either if the file has no SHA-256 of itself, as those of earlier versions.
    """
    try:
        said = files.read_json(tar.with_suffix(".json"))
        mark = said.pop(_SELF, None)
        if mark != _sha256(said) and (proved or mark is not None):
            return None
        shard = Shard.from_json(said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return shard if shard.name == tar.stem else None


def write_beside(tar: Path, shard: Shard) -> bool:
    """Write the file beside a tar, unless it proves itself and says so already; was it written?"""
    if beside(tar) == shard:
        return False
    said = dataclasses.asdict(shard)
    files.write_json(tar.with_suffix(".json"), {**said, _SELF: _sha256(said)})
    return True


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


def _sha256(said: dict) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
