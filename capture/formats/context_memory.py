"""Context-as-Memory's data set, made with Unreal Engine 5, as its readers take it.

Layout and names as in Echo-Memory's docs/dataset_preprocessing.md and src/model_training/
fov_retrieval.py (Echo-Team-Joy-Future-Academy-JD/Echo-Memory), captions as MemCam's
dataset/videos.py reads them.

Declares: `position` [x, y, z] and `rotation` [roll, pitch, yaw] in degrees of a CineCameraActor,
with z up: Unreal's axes. No unit is given: Unreal's own is the centimetre, so a reader declares
none, but divides by 100, and what we write is in centimetres. A pose per frame; 30 frames a second
and a field of view of 52.67 degrees in the data set (the paper, arXiv 2506.03141), neither of which
is in the files.

frames/<name>/0000.png ...
jsons/<name>.json       {"CineCameraActor": {"0": {"position", "rotation", "scale"}, ...}}
captions.txt            <name>/0000_0076.mp4<tab>caption; the second frame is the last one

`overlap_labels/`, which frames see the same, are the authors' to compute, and not written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capture import camera, files
from capture.formats import pixels, text
from capture.formats.pixels import Images
from capture.formats.record import Declared, Format, Posed, Slot

_ACTOR = "CineCameraActor"
_CAPTIONS = "captions.txt"


def _found(path: Path) -> list[Path]:
    return [file for file in sorted(path.glob("jsons/*.json")) if (path / "frames").is_dir()]


def _read(file: Path) -> Posed:
    root, name = file.parent.parent, file.stem
    entries = _entries(file)
    position, angles = (
        [text.require_numbers(e[key], 3, f"{file}: [{i}].{key}", of) for i, e in entries]
        for key, of in (("position", "x, y, z"), ("rotation", "roll, pitch, yaw"))
    )
    frames = tuple(root / "frames" / name / f"{index:04d}.png" for index, _ in entries)
    missing = [frame for frame in frames if not frame.is_file()]
    lacks = (f"{missing[0]} is not there ({len(missing)} such pictures)",) if missing else ()
    return Posed(
        name=text.plain_name(name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="unreal", up="z"),
        # roll, pitch, yaw to pitch, yaw, roll
        cam_to_world=camera.from_unreal(position, np.roll(angles, -1, axis=1)),
        rgb=None if missing else Images(frames),
        caption=_caption(root / _CAPTIONS, name),
        lacks=lacks,
    )


def _entries(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """Frame numbers and poses, in order."""
    content = text.require_object(text.load_json(file), str(file), _ACTOR)
    poses = text.require_object(content[_ACTOR], f"{file}: {_ACTOR}")
    if not poses:
        raise ValueError(f"{file} holds no pose")
    found = []
    for key, value in poses.items():
        if not key.isascii() or not key.isdigit():
            raise ValueError(f"{file}: {_ACTOR} has frame numbers as keys, got {key!r}")
        entry = text.require_object(value, f"{file}: [{key}]", "position", "rotation")
        found.append((int(key), entry))
    return sorted(found, key=lambda pair: pair[0])


def _caption(file: Path, name: str) -> str:
    """Of the first segment of a clip; empty where there is none."""
    for line in text.lines(file) if file.is_file() else ():
        segment, _, caption = line.partition("\t")
        if segment.startswith(f"{name}/"):
            return caption.strip()
    return ""


def write(item: Posed, root: Path, slot: Slot) -> None:
    """The frames, then the poses; the caption waits beside them for the end."""
    location, angles = camera.to_unreal(item.trajectory().cam_to_world)
    with files.replacing_folder(root / "frames" / item.name) as folder:
        pixels.write_images(item.pictures(), folder, "%04d.png")
    caption = " ".join(item.caption.split())
    with files.replacing(root / "captions" / f"{item.name}.txt") as temporary:
        temporary.write_text(f"{item.name}/0000_{len(item) - 1:04d}.mp4\t{caption}\n", "utf-8")
    # pitch, yaw, roll to roll, pitch, yaw
    rows = zip(location.tolist(), np.roll(angles, 1, axis=1).tolist(), strict=True)
    poses = {
        str(index): {"position": position, "rotation": rotation, "scale": [1.0, 1.0, 1.0]}
        for index, (position, rotation) in enumerate(rows)
    }
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        temporary.write_text(json.dumps({_ACTOR: poses}, indent=1) + "\n")


def _mark(name: str, slot: Slot) -> str:
    return f"jsons/{name}.json"


def _finish(root: Path, names: Sequence[str]) -> None:
    lines = [(root / "captions" / f"{name}.txt").read_text("utf-8") for name in names]
    with files.replacing(root / _CAPTIONS) as temporary:
        temporary.write_text("".join(lines), "utf-8")


FORMAT = Format(
    name="context-as-memory",
    title="camera to world, Unreal axes, metres * 100 (cm), degrees; PNG; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no frames/ and jsons/*.json",
    write=write,
    mark=_mark,
    finish=_finish,
)
