"""Scenes: six procedural worlds that need no download, and users' glTF files."""

from __future__ import annotations

import importlib
from pathlib import Path

from capture.engine.world import World
from capture.scene import FILE_SUFFIXES

NAMES = ("apartment", "town", "courtyard", "warehouse", "museum", "valley")


def build(name: str, seed: int = 0) -> World:
    """A built-in world, or a user's.

    Args:
        name: One of `NAMES`, or the path of a `.glb` or `.gltf` file.
        seed: Other seeds give other layouts, colours and things; the same seed the same bytes.

    Raises:
        ValueError: If there is no such scene, or the file cannot be used.
    """
    # Imported when asked for: a world needs only its own parts.
    if Path(name).suffix.lower() in FILE_SUFFIXES:
        return importlib.import_module(f"{__name__}.imported").load(Path(name), seed=seed)
    if name not in NAMES:
        raise ValueError(
            f"there is no built-in scene {name!r}; there are {', '.join(NAMES)}, "
            "or give the path of a .glb or .gltf file"
        )
    return importlib.import_module(f"{__name__}.{name}").build(seed)
