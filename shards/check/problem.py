"""What a check finds: a file or folder, and a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


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
    except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
        message = f"lacks the field {error}" if isinstance(error, KeyError) else str(error)
        yield Problem(path=path, message=message, repairable=repairable)
