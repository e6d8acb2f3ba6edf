"""Other people's formats: one module a family, reader and writer side by side.

`FORMATS` lists them all; `recognise` tells which one a path is in; `read` gives its clips as
`Posed`, the neutral record. Adding one is one small module with a `Format`, and a line below.
"""

from __future__ import annotations

from pathlib import Path

from capture.formats import (
    clips,
    colmap,
    context_memory,
    episodes,
    infinite_world,
    kitti,
    lerobot,
    lingbot,
    matrix_game,
    mind,
    nerfstudio,
    re10k,
    sana_wm,
    scene_mem_bench,
    sekai,
    solarwm,
    tum,
    worldplay,
    yume,
)
from capture.formats.record import Clips, Declared, Format, Labels, LeftOut, Posed, Slot

__all__ = [
    "FORMATS",
    "Clips",
    "Declared",
    "Format",
    "Labels",
    "LeftOut",
    "Posed",
    "Slot",
    "find",
    "read",
    "recognise",
]

# The first one that recognises a path wins, so those with a telling file name come first.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        episodes.FORMAT,
        clips.FORMAT,
        lerobot.FORMAT,
        nerfstudio.FORMAT,
        colmap.FORMAT,
        colmap.TEXT_FORMAT,
        lingbot.FORMAT,
        lingbot.VIPE_FORMAT,
        tum.FORMAT,
        kitti.FORMAT,
        re10k.GAMECRAFT_FORMAT,
        re10k.FORMAT,
        sana_wm.FORMAT,
        solarwm.FORMAT,
        matrix_game.FORMAT,
        worldplay.FORMAT,
        mind.FORMAT,
        scene_mem_bench.FORMAT,
        context_memory.FORMAT,
        infinite_world.FORMAT,
        sekai.FORMAT,
        yume.FORMAT,
    )
}


def find(name: str) -> Format:
    """A format by its name.

    Raises:
        ValueError: If there is none; lists those that there are.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def recognise(path: Path) -> Format | None:
    """The format of a file or folder, or None; cheap, and never raises."""
    for format in FORMATS.values():
        try:
            if format.recognises(path):
                return format
        except OSError:
            continue
    return None


def read(path: Path, name: str | None = None) -> Clips:
    """Every clip at a path, each read when it is asked for.

    Args:
        path: A file or a folder.
        name: Its format; recognised by default.

    Raises:
        ValueError: If nothing is there or the format is not recognised; when a clip is read, if
            its content is bad: the sentence names the file and, in text, the line.
    """
    if not path.exists():
        raise ValueError(f"{path} is not there")
    format = recognise(path) if name is None else find(name)
    if format is None:
        readable = ", ".join(format.name for format in FORMATS.values() if format.load)
        raise ValueError(f"{path} is in no known format; tell which with --format: {readable}")
    return format.read(path)
