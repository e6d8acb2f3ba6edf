"""Built-in scenes: procedural worlds that need no download."""

from __future__ import annotations

import importlib

from capture.engine.world import World

NAMES = ("apartment", "town", "courtyard", "warehouse", "museum", "valley")


def build(name: str, seed: int = 0) -> World:
    """A built-in world.

    Args:
        name: One of `NAMES`.
        seed: Other seeds give other layouts, colours and things; the same seed the same bytes.

    Raises:
        ValueError: If there is no such scene.
    """
    if name not in NAMES:
        raise ValueError(f"there is no built-in scene {name!r}; there are {', '.join(NAMES)}")
    return importlib.import_module(f"capture.engine.scenes.{name}").build(seed)
