"""Furnishings as a table: what stands where, which way it faces, and what it is made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from capture.engine.meshes import transform
from capture.engine.scenes.apartment.style import Style
from capture.engine.scenes.parts.building import House

# "oak" is `Style.oak`, "cloths 3" is `Style.cloths[3]`; a tuple is a list of such names.
Name = str | tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One row of a table.

    Attributes:
        what: A function of `parts`: it takes the house, a place, materials, perhaps a generator.
        where: (x, y) or (x, y, z) of its back's middle, or of its centre where it has no back.
        way: Which way it faces, in degrees; see `parts.furniture.FROM_Y0`.
        materials: Names of `Style`'s materials, in the order of the function.
        on: What stands on or in it, relative to it.
        loose_deg: It is turned at random by up to this.
        options: Keyword arguments of the function.
    """

    what: Callable[..., Any]
    where: tuple[float, ...]
    way: float
    materials: tuple[Name, ...]
    on: tuple[Piece, ...]
    loose_deg: float
    options: dict[str, Any]


def piece(
    what: Callable[..., Any],
    where: tuple[float, ...],
    way: float,
    *materials: Name,
    on: tuple[Piece, ...] = (),
    loose_deg: float = 0.0,
    **options: Any,
) -> Piece:
    """A row in the order in which one says it; see `Piece`."""
    return Piece(
        what=what, where=where, way=way, materials=materials, on=on, loose_deg=loose_deg,
        options=options,
    )  # fmt: skip


def place(house: House, style: Style, pieces: Iterable[Piece], at: np.ndarray | None = None):
    """Build the rows in order, each followed by what stands on it.

    Args:
        house: Receives the pieces.
        style: Materials and the generator of all small choices.
        pieces: Rows.
        at: Frame of the rows, float64 [4, 4]; the plan's by default.
    """
    for p in pieces:
        loose = style.rng.uniform(-p.loose_deg, p.loose_deg) if p.loose_deg else 0.0
        spot = transform(*p.where, turn_deg=p.way + loose)
        spot = spot if at is None else at @ spot
        chance = {"rng": style.rng} if "rng" in inspect.signature(p.what).parameters else {}
        materials = [_material(style, name) for name in p.materials]
        p.what(house, spot, *materials, **chance, **p.options)
        place(house, style, p.on, spot)


def _material(style: Style, name: Name | None) -> Any:
    """A material's number, or a list of them, by its name."""
    if name is None or isinstance(name, tuple):
        return name and [_material(style, one) for one in name]
    attribute, _, number = name.partition(" ")
    found = getattr(style, attribute)
    return found[int(number)] if number else found
