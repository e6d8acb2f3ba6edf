"""Configs as JSON: written with every output, read back strictly."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from capture import files

T = TypeVar("T")


def to_json(config: Any) -> dict:
    """A JSON-ready dictionary of a dataclass, tuples as lists."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(kind: type[T], data: Any, where: str = "config") -> T:
    """A dataclass from `to_json`'s dictionary.

    Args:
        kind: The dataclass.
        data: A dictionary.
        where: Name of the source, for messages.

    Raises:
        ValueError: On an unknown key (with the nearest known one), a missing key or a wrong type.
    """
    if not isinstance(data, dict):
        raise ValueError(
            f"{where}: expected an object with the keys of {kind.__name__}, got {data!r}"
        )
    fields = {f.name: f for f in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(fields)}"
            raise ValueError(f"{where}: unknown key {key!r}{hint}")
    hints = typing.get_type_hints(kind)
    values = {key: _value(hints[key], value, f"{where}.{key}") for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def save(path: Path, config: Any) -> None:
    """Write a config atomically."""
    files.write_json(path, to_json(config))


def load(kind: type[T], path: Path) -> T:
    """Read a config strictly."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"there is no config {path}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return from_json(kind, data, str(path))


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value, where)  # pyright: ignore[reportArgumentType]
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise ValueError(f"{where}: expected {len(kinds)} entries, got {len(value)}")
        return tuple(
            _value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or hint
    if isinstance(plain, type) and (
        not isinstance(value, plain) or (plain is int and value is True)
    ):
        raise ValueError(f"{where}: expected {plain.__name__}, got {value!r}")
    return value
