"""Clips of anybody's, looked for once in a process: every task of a stage asks for them again."""

from __future__ import annotations

import functools
from pathlib import Path

from capture import formats
from capture.formats import Clips


@functools.lru_cache(maxsize=4)
def clips(path: Path, format: str | None = None) -> Clips:
    """The clips at a path; see `capture.formats.read`."""
    return formats.read(path, format)
