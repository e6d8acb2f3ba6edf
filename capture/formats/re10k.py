"""RealEstate10K rows, in the layout that CameraCtrl reads (cameractrl/data/dataset.py there).

A text file per clip: first a line that names the source (a URL), then 19 numbers a row:
`timestamp fx fy cx cy 0 0` and the first three rows of *world to camera*, row-major. Declares:
OpenCV camera, microseconds, intrinsics as fractions of the image's width and height; positions
have a scale of their own (what we write is in metres, z up).

pose_files/<name>.txt, video_clips/<name>.mp4
annotations.json        [{"clip_name", "clip_path", "pose_file", "caption"}, ...]

Hunyuan-GameCraft takes the same rows with a frame number, from 0, in place of the time
(GetPoseEmbedsFromTxt of hymm_sp/sample_inference.py there): `gamecraft` is this layout with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from capture import files
from capture.camera import invert
from capture.formats import axes, pixels, text
from capture.formats.record import Declared, Format, Posed, Slot

_US_PER_S = 1e6
_FIELDS = "timestamp fx fy cx cy 0 0 and a 3x4 pose"
_ANNOTATIONS = "annotations.json"


def _found(path: Path) -> list[Path]:
    """A pose file, those in a folder, or those in its pose_files/."""
    if path.is_file():
        return [path] if path.suffix == ".txt" and _is_re10k(path) else []
    named = sorted((path / "pose_files").glob("*.txt"))
    if any(_is_re10k(file) for file in named):
        return named  # damaged ones too
    return [file for file in sorted(path.glob("*.txt")) if _is_re10k(file)]


def _numbered(path: Path) -> list[Path]:
    """The same, where the rows of the first file are numbered."""
    found = _found(path)
    return found if any(_is_numbered(file) for file in found[:1]) else []


def _listed(path: Path) -> list[Path]:
    return [path] if path.is_file() else _found(path)


def _is_re10k(path: Path) -> bool:
    try:
        rows = text.lines(path)
        return len(text.numbers(rows[1].split(), 19, "", _FIELDS)) == 19
    except (ValueError, IndexError):
        return False


def _is_numbered(file: Path) -> bool:
    """Whether the rows begin with 0, 1, ... in place of a time."""
    rows = [line for line in text.lines(file)[1:] if line.strip()]
    return [line.split()[0] for line in rows] == [str(index) for index in range(len(rows))]


def _read(file: Path) -> Posed:
    rows = [
        text.numbers(line.split(), 19, f"{file}:{number}", _FIELDS)
        for number, line in enumerate(text.lines(file), start=1)
        if number > 1 and line.strip()
    ]
    if not rows:
        raise ValueError(f"{file} holds no pose; its first line names the source, rows follow")
    table = np.array(rows)
    root = file.parent.parent if file.parent.name == "pose_files" else file.parent
    clip, caption = root / "video_clips" / f"{file.stem}.mp4", ""
    annotation = _annotation(root, file)
    if annotation:
        clip = text.inside(root, annotation["clip_path"], f"{root / _ANNOTATIONS}: clip_path")
        caption = str(annotation.get("caption", ""))
    video, fps, lacks = pixels.beside(clip, len(table))
    numbered = _is_numbered(file)
    return Posed(
        name=text.plain_name(file.stem),
        format=GAMECRAFT_FORMAT.name if numbered else FORMAT.name,
        declared=Declared(pose="w2c", axes="opencv"),
        cam_to_world=axes.invert(axes.from_rows(table[:, 7:])),
        t_s=None if numbered else table[:, 0] / _US_PER_S,
        fps=fps if numbered else None,
        intrinsics=table[:, 1:5],
        intrinsics_unit="image",
        rgb=video,
        caption=caption,
        lacks=lacks,
    )


def _annotation(root: Path, file: Path) -> dict | None:
    """What annotations.json says of a pose file."""
    path = root / _ANNOTATIONS
    if not path.is_file():
        return None
    entries = text.load_json(path)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of clips, got {type(entries).__name__}")
    for index, entry in enumerate(entries):
        text.require_object(entry, f"{path}: [{index}]", "clip_path", "pose_file")
        if Path(str(entry["pose_file"])).name == file.name:
            return entry
    return None


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`video_clips/<name>.mp4`, its caption, then `pose_files/<name>.txt`."""
    _write(item, root, slot, [round(t_s * _US_PER_S) for t_s in item.trajectory().t_s])


def write_gamecraft(item: Posed, root: Path, slot: Slot) -> None:
    """The same, with numbered rows."""
    _write(item, root, slot, range(len(item)))


def _write(item: Posed, root: Path, slot: Slot, stamps: Iterable[int]) -> None:
    path, (width, height) = item.trajectory(), item.size()
    world_to_cam = invert(path.cam_to_world)[:, :3].reshape(-1, 12)
    shares = item.intrinsics_px() / [width, height, width, height]
    with files.replacing(root / "video_clips" / f"{item.name}.mp4") as temporary:
        pixels.write_mp4(item.pictures(), temporary, item.rate())
    with files.replacing(root / "captions" / f"{item.name}.txt") as temporary:
        temporary.write_text(item.caption, "utf-8")
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        rows = [
            f"{stamp} {text.exact(*share)} 0 0 {text.exact(*pose)}\n"
            for stamp, share, pose in zip(stamps, shares, world_to_cam, strict=True)
        ]
        temporary.write_text(f"{item.name}\n" + "".join(rows))


def _mark(name: str, slot: Slot) -> str:
    return f"pose_files/{name}.txt"


def _finish(root: Path, names: Sequence[str]) -> None:
    entries = [
        {
            "clip_name": name,
            "clip_path": f"video_clips/{name}.mp4",
            "pose_file": f"pose_files/{name}.txt",
            "caption": (root / "captions" / f"{name}.txt").read_text("utf-8"),
        }
        for name in names
    ]
    with files.replacing(root / _ANNOTATIONS) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + "\n")


FORMAT = Format(
    name="re10k",
    title="world to camera, 3x4 rows, OpenCV axes, metres, microseconds; MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise=f"has no text file with rows of 19 numbers ({_FIELDS})",
    listed=_listed,
    write=write,
    mark=_mark,
    finish=_finish,
)
GAMECRAFT_FORMAT = replace(
    FORMAT,
    name="gamecraft",
    title="world to camera, 3x4 rows, OpenCV axes, metres, frame numbers; MP4; a pose per frame",
    places=_numbered,
    write=write_gamecraft,
)
