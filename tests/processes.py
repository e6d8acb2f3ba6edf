"""Processes of this machine, from /proc: `ps` is not everywhere, and cuts long lines."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """Parent and command line."""

    parent: int
    command: str


def running() -> dict[int, Process]:
    """By id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may just have ended
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            found[int(folder.name)] = Process(parent, command)
    return found


def descendants(root: int, name: str) -> list[int]:
    """Processes under `root` whose command line holds `name`, by id."""
    all_ = running()

    def descends(pid: int) -> bool:
        while pid in all_ and pid != root:
            pid = all_[pid].parent
        return pid == root

    return sorted(pid for pid, process in all_.items() if name in process.command and descends(pid))
