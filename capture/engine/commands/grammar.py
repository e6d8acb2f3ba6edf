"""Command templates: which text reaches which handler (plugin 1.0.1, `CommandDispatcher.cpp`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from capture.engine.protocol import Buffer

if TYPE_CHECKING:
    from capture.engine.state import Engine

# Text, or the parts of a binary body.
Body: TypeAlias = str | list[Buffer]
Handler: TypeAlias = Callable[..., Body]

# "float" is the plugin's `[-+]?\d*[.]?\d+`, written so that it cannot backtrack quadratically.
_TYPES = {"str": r"([^ ]*)", "uint": r"(\d*)", "float": r"([-+]?(?:\d*[.])?\d+)"}
_PLACEHOLDER = re.compile(r"\[(str|uint|float)\]")
INVALID = "Argument Invalid"
_INT32_MAX = 2**31 - 1
_MAX_DIGITS = 100


class CommandError(ValueError):
    """A command failed; the text follows `error ` in the reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A template and what it does.

    Attributes:
        template: As in `help`: `vset /camera/[uint]/fov [float]`.
        description: One line for `help`.
        handler: Called with the engine and the arguments, converted by type.
        extension: Not in UnrealCV: listed by `vget /unrealcv/commands` alone.
        pattern: The template as a regular expression; searched, anchored at the end only.
        types: Types of the placeholders.
    """

    template: str
    description: str
    handler: Handler
    extension: bool
    pattern: re.Pattern[str]
    types: tuple[str, ...]

    @property
    def verb(self) -> str:
        """The word before the first space."""
        return self.template.split(" ", 1)[0]


@dataclass(frozen=True, slots=True)
class Routes:
    """A list of routes that handlers join by decoration."""

    items: list[Route] = field(default_factory=list)

    def add(self, *templates: str, help: str, extension: bool = False):
        """Decorator: the function handles these templates."""

        def register(handler: Handler) -> Handler:
            for template in templates:
                self.items.append(_route(template, help, handler, extension))
            return handler

        return register


def _route(template: str, description: str, handler: Handler, extension: bool) -> Route:
    pieces = _PLACEHOLDER.split(template)
    expression = "".join(
        _TYPES[piece] if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return Route(
        template=template,
        description=description,
        handler=handler,
        extension=extension,
        pattern=re.compile(expression + r"[ ]*\Z", re.ASCII),
        types=tuple(pieces[1::2]),
    )


class Dispatcher:
    """Finds the handler of a command and runs it.

    The verb must be equal, ignoring case; the rest is case-sensitive. Of several templates that
    fit, the one registered last wins.
    """

    def __init__(self, routes: Iterable[Route]):
        self.routes = tuple(routes)
        self._by_verb: dict[str, list[Route]] = {}
        for route in reversed(self.routes):
            self._by_verb.setdefault(route.verb.lower(), []).append(route)

    def run(self, engine: Engine, command: str) -> Body:
        """The body of the reply.

        Raises:
            CommandError: If no template fits, or the handler refuses.
        """
        for route in self._by_verb.get(command.split(" ", 1)[0].lower(), ()):
            found = route.pattern.search(command)
            if found:
                texts = zip(route.types, found.groups(), strict=True)
                return route.handler(engine, *(_convert(kind, text) for kind, text in texts))
        raise CommandError(f"No handler found for URI '{command}'. Can not find a handler")


def _convert(kind: str, text: str) -> str | int | float:
    if kind == "str":
        return text
    if kind == "uint":
        return min(int(text or 0), _INT32_MAX) if len(text) <= _MAX_DIGITS else _INT32_MAX
    # The plugin reads arguments into 32-bit floats.
    with np.errstate(over="ignore"):
        value = float(np.float32(text))
    if not np.isfinite(value):
        raise CommandError(INVALID)
    return value
