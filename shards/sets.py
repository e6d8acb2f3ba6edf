"""shards/sets.json: which parallel sets lie beside the videos.

Object stores and disks say which folders they have; most web servers do not, so each one that
publishes a set writes down all that are there.
"""

from __future__ import annotations

import re
from pathlib import Path

from capture import files
from shards import manifest
from shards.schema import ShardError

NAME = "sets.json"
# Like `schema.SET`, but of any kind: a later version may have more, which is no damage.
_PLAIN = re.compile(r"[a-z]+-[0-9a-f]+")
# Somebody else's list is written over at most this often.
_ATTEMPTS = 10


def write(folder: Path) -> bool:
    """Bring the list up to date; returns whether it was not.

    Any number of processes may publish at once: who has written looks again, so the last one to
    write has seen every set that was published before.

    Args:
        folder: The shards folder.
    """
    for attempt in range(_ATTEMPTS):
        found = published(folder)
        if listed(folder) == found:
            return attempt > 0
        files.write_json(folder / NAME, {"sets": found})
    return True


def published(folder: Path) -> list[str]:
    """Names of the sets in a folder on a disk, sorted."""
    return sorted(mark.parent.name for mark in folder.glob(f"*/{manifest.NAME}"))


def listed(folder: Path) -> list[str] | None:
    """Names that the list of a folder on a disk has; None if there is no such list."""
    try:
        return parse((folder / NAME).read_bytes(), str(folder / NAME))
    except (OSError, ShardError):
        return None


def parse(content: bytes, path: str) -> list[str]:
    """Names of sets from the bytes of a list.

    Args:
        content: Of the file.
        path: Where it is, for messages.

    Raises:
        ShardError: If it is damaged.
    """
    try:
        names = files.parse_json(content, path)["sets"]
        if all(_PLAIN.fullmatch(name) for name in names):
            return list(names)
    except (ValueError, KeyError, TypeError):
        pass
    raise ShardError(f"{path} is damaged; delete it, or run `relickit check --repair` there")
