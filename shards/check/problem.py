"""What a check finds: a file or folder, and a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

# What reading damaged files may raise.
_DAMAGE = (ValueError, KeyError, TypeError, OSError, pa.ArrowException)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: The file or folder.
        message: What is wrong, and what to do.
        repairable: Whether `shards.repair` mends it.
    """

    path: Path
    message: str
    repairable: bool = False

    def __str__(self) -> str:
        # "data" is not named by "dataset", nor "shards" by what a message says of shards.
        named = re.match(rf"{re.escape(str(self.path))}(?![\w.-])", self.message)
        return self.message if named else f"{self.path}: {self.message}"


def attempt(
    path: Path, function: Callable[..., object], *args: object, repairable: bool = False
) -> Iterator[Problem]:
    """The problem that `function(*args)` raises, if any."""
    try:
        function(*args)
    except _DAMAGE as error:
        yield Problem(path=path, message=_message(error), repairable=repairable)


def guarded(path: Path, found: Iterator[Problem]) -> Iterator[Problem]:
    """Problems, and that of a check that cannot go on."""
    try:
        yield from found
    except _DAMAGE as error:
        yield Problem(path=path, message=_message(error))


def _message(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"lacks the field {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename} cannot be read ({error.strerror}); make it readable, or delete it"
    return str(error)
