"""Reading other people's text: errors name the file and the line; no path leaves its folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def rows(path: Path, *, comment: str = "#") -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without ends; empty lines and comments are left out.

    Raises:
        ValueError: If the file is absent or is no text.
    """
    for number, line in enumerate(lines(path), start=1):
        line = line.strip()
        if line and not line.startswith(comment):
            yield number, line


def lines(path: Path) -> list[str]:
    """All lines of a UTF-8 file.

    Raises:
        ValueError: If the file is absent or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise ValueError(f"{path} is not there") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text") from error


def numbers(fields: Sequence[str], count: int, where: str, what: str) -> list[float]:
    """Exactly `count` numbers; NaN and infinity pass, an audit reports them.

    Args:
        fields: The words of a line.
        count: How many there must be.
        where: File and line, for the message.
        what: Their names, for the message.

    Raises:
        ValueError: If there are more or fewer, or one is no number.
    """
    if len(fields) != count:
        raise ValueError(f"{where}: expected {count} numbers ({what}), got {len(fields)}")
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise ValueError(f"{where}: expected numbers ({what}); {error}") from error


def load_json(path: Path) -> Any:
    """Any JSON value.

    Raises:
        ValueError: If the file is absent or not JSON; names the line.
    """
    try:
        return json.loads("\n".join(lines(path)))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply to be read") from error


def require_object(value: Any, where: str, *keys: str) -> dict[str, Any]:
    """A JSON object with these keys.

    Raises:
        ValueError: If it is none, or a key is missing.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {type(value).__name__}")
    if missing := [key for key in keys if key not in value]:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    return value


def require_number(value: Any, where: str) -> float:
    """A number, not a string or a truth value.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where}: expected a number, got {value!r}")
    return float(value)


def require_numbers(value: Any, count: int, where: str, what: str) -> list[float]:
    """A list of exactly `count` numbers.

    Args:
        value: What was read.
        count: How many there must be.
        where: File and place in it, for the message.
        what: Their names, for the message.

    Raises:
        ValueError: If it is no list, of another length, or holds something else.
    """
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"{where}: expected {count} numbers ({what}), got {value!r}")
    return [require_number(number, where) for number in value]


def require_size(value: Any, where: str) -> int:
    """A width or height: a whole number from 1 to a million.

    Raises:
        ValueError: If it is none.
    """
    number = require_number(value, where)
    if not 1 <= number <= 1e6 or number != int(number):
        raise ValueError(f"{where}: expected a whole number of pixels, got {value!r}")
    return int(number)


def require_matrix(value: Any, height: int, width: int, where: str) -> list[list[float]]:
    """A list of `height` lists of `width` numbers.

    Raises:
        ValueError: If it has another shape or holds something else.
    """
    right = isinstance(value, list) and len(value) == height
    if not right or any(not isinstance(row, list) or len(row) != width for row in value):
        raise ValueError(f"{where}: expected a matrix of {height} x {width} numbers")
    return [[require_number(entry, where) for entry in row] for row in value]


def inside(folder: Path, name: Any, where: str) -> Path:
    """The file that a relative name inside a file means.

    Args:
        folder: What the name is relative to, and must not leave.
        name: What was read.
        where: File and line, for the message.

    Raises:
        ValueError: If it is no text, absolute, or leads out of the folder.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"{where}: expected a file name, got {name!r}")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise ValueError(f"{where}: {name!r} leads out of the dataset's folder; it is refused")
    return folder / path


def one_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def plain_name(text: str) -> str:
    """A file name of letters, digits, dots, dashes and underscores.

    Never hidden, never empty, and no option of a command. A name that had to be changed ends in
    eight digits of its SHA-256, so that "my room" and "my_room" stay two.
    """
    plain = plain_word(text)
    if plain == text:
        return text
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def plain_word(text: str) -> str:
    """The same without these digits: two texts may give one word."""
    return _NAME.sub("_", text).strip("._-") or "clip"


def exact(*values: float) -> str:
    """Numbers with single spaces between them, in the fewest digits that give the same float64."""
    return " ".join(repr(float(value)) for value in values)


def write_numbered(path: Path, rows: Sequence[object]) -> None:
    """A JSON object with the keys "0", "1", ... in this order, an entry a line."""
    lines = ",\n".join(f'"{index}": {json.dumps(row)}' for index, row in enumerate(rows))
    path.write_text(f"{{\n{lines}\n}}\n")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts frame_2 before frame_10."""
    return [(int(run), "") if run.isdigit() else (-1, run) for run in re.split(r"(\d+)", name)]
