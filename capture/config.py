"""Configs as JSON: written with every output, read back strictly."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from capture import files

T = TypeVar("T")
_hints = functools.cache(typing.get_type_hints)


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
        ValueError: On an unknown key (with the nearest known one), a missing key, a wrong type, or
            a value that the dataclass refuses.
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
    if missing := [name for name, f in fields.items() if _required(f) and name not in data]:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    hints = _hints(kind)
    values = {key: _value(hints[key], value, f"{where}.{key}") for key, value in data.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def save(path: Path, config: Any) -> None:
    """Write a config atomically."""
    files.write_json(path, to_json(config))


def load(kind: type[T], path: Path) -> T:
    """Read a config strictly.

    Raises:
        ValueError: If there is no such file, or see `from_json`.
    """
    try:
        data = files.read_json(path)
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    return from_json(kind, data, str(path))


def _required(field: dataclasses.Field) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value, where)  # pyright: ignore[reportArgumentType]
    if origin in (types.UnionType, typing.Union):
        (kind,) = (a for a in arguments if a is not type(None))
        return None if value is None else _value(kind, value, where)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(map(repr, arguments))
            raise ValueError(f"{where}: expected one of {known}, got {value!r}")
        return value
    if origin is tuple:
        return _entries(arguments, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or hint
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise ValueError(f"{where}: expected {plain.__name__}, got {value!r}")
    if plain is float and not math.isfinite(value):  # Python's JSON reads NaN and Infinity
        raise ValueError(f"{where}: expected a finite number, got {value}")
    return value


def _entries(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, got {value!r}")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{where}: expected {len(kinds)} entries, got {len(value)}")
    return tuple(
        _value(kind, entry, f"{where}[{place}]")
        for place, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )
