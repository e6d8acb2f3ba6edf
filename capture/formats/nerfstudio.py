"""nerfstudio: a folder with `transforms.json` (docs/quickstart/data_conventions.md there).

Declares: `transform_matrix` is camera to world; OpenGL camera (x right, y up, z backward); world z
up; intrinsics in pixels, for all frames or for each; depth in 16-bit PNG, planar, millimetres. The
positions have a scale of their own unless there is depth; ours are in metres. There is no frame
rate; we add the key `fps`, which other readers pass over. A reader sorts the frames by file name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from capture import files
from capture.formats import axes, pixels, text
from capture.formats.pixels import DepthImages, Images
from capture.formats.record import Declared, Format, Posed, Slot

MARK = "transforms.json"
_IMAGES, _DEPTHS = "images/frame_%05d.png", "depth/frame_%05d.png"
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_PINHOLE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")


def _found(path: Path) -> list[Path]:
    """A transforms.json, that of a folder, or those of the folders in it."""
    if path.name == MARK and path.is_file():
        return [path]
    if (path / MARK).is_file():
        return [path / MARK]
    return sorted(path.glob(f"*/{MARK}"))


def _read(file: Path) -> Posed:
    content = text.require_object(text.load_json(file), str(file), "frames")
    frames = content["frames"]
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"{file}: frames is a list of at least one frame")
    for index, frame in enumerate(frames):
        text.require_object(frame, f"{file}: frames[{index}]", "file_path", "transform_matrix")
    images = [_picture(file, frame["file_path"], i) for i, frame in enumerate(frames)]
    order = sorted(range(len(frames)), key=lambda i: text.natural(str(images[i])))
    poses = [
        text.require_matrix(
            frames[i]["transform_matrix"], 4, 4, f"{file}: frames[{i}].transform_matrix"
        )
        for i in order
    ]
    depths = _depths(file, [frames[i] for i in order])
    there = all(images[i].is_file() for i in order)
    size, intrinsics = _cameras(file, content, [frames[i] for i in order])
    return Posed(
        name=text.plain_name(file.resolve().parent.name),
        format=FORMAT.name,
        declared=Declared(
            pose="c2w",
            axes="opengl",
            up="z",
            unit="m" if depths else None,
            depth="planar" if depths else None,
        ),
        cam_to_world=axes.flip_yz(np.array(poses)),
        fps=text.require_number(content["fps"], f"{file}: fps") if "fps" in content else None,
        intrinsics=intrinsics,
        size_px=size,
        rgb=Images(tuple(images[i] for i in order)) if there else None,
        depth=DepthImages(files=depths, m_per_unit=1 / pixels.MM_PER_M) if depths else None,
        notes=tuple(_unread(file, content, frames)),
        lacks=() if there else (f"{file}: some of its images are not there",),
    )


def _picture(file: Path, name: Any, index: int) -> Path:
    """The image of a frame; NeRF's first data sets leave the suffix out."""
    path = text.inside(file.parent, name, f"{file}: frames[{index}].file_path")
    return path if path.suffix else path.with_suffix(".png")


def _depths(file: Path, frames: list[dict[str, Any]]) -> tuple[Path, ...]:
    if not all("depth_file_path" in frame for frame in frames):
        return ()
    where = f"{file}: depth_file_path"
    return tuple(text.inside(file.parent, frame["depth_file_path"], where) for frame in frames)


def _cameras(
    file: Path, content: dict[str, Any], frames: list[dict[str, Any]]
) -> tuple[tuple[int, int] | None, np.ndarray | None]:
    """Size and [N, 4] intrinsics; a frame's own keys come before those of all frames."""

    def value(frame: dict[str, Any], key: str) -> float | None:
        found = frame.get(key, content.get(key))
        return None if found is None else text.require_number(found, f"{file}: {key}")

    width, height = (
        None if number is None else text.require_size(number, f"{file}: {key}")
        for key, number in (("w", value(frames[0], "w")), ("h", value(frames[0], "h")))
    )
    rows = []
    for frame in frames:
        fx, angle = value(frame, "fl_x"), value(frame, "camera_angle_x")
        if fx is None and angle is not None and width:
            fx = width / 2 / math.tan(angle / 2)
        fy, cx, cy = value(frame, "fl_y"), value(frame, "cx"), value(frame, "cy")
        cx = width / 2 if cx is None and width else cx
        cy = height / 2 if cy is None and height else cy
        rows.append((fx, fx if fy is None else fy, cx, cy))
    known = all(number is not None for row in rows for number in row)
    intrinsics = np.array(rows, dtype=np.float64) if known else None
    return (width, height) if width and height else None, intrinsics


def _unread(file: Path, content: dict[str, Any], frames: list[dict[str, Any]]) -> list[str]:
    notes = []
    bent = {key for source in (content, *frames) for key in _DISTORTION if source.get(key)}
    if bent:
        notes.append(f"{file}: the lens distortion {', '.join(sorted(bent))} is not applied")
    model = content.get("camera_model", "OPENCV")
    if model not in _PINHOLE:
        notes.append(f"{file}: the camera model {model!r} is read as a pinhole")
    return notes


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with transforms.json, images and, where there is depth, depth."""
    path, k = item.trajectory(), item.camera()
    with files.replacing_folder(root / item.name) as folder:
        pixels.write_images(item.pictures(), folder / "images", "frame_%05d.png")
        if item.depth is not None:
            pixels.write_depth(item.depth, folder / "depth", "frame_%05d.png", pixels.MM_PER_M)
        frames = []
        for index, pose in enumerate(axes.flip_yz(path.cam_to_world)):
            frame: dict[str, Any] = {
                "file_path": _IMAGES % index,
                "transform_matrix": pose.tolist(),
            }
            if item.depth is not None:
                frame["depth_file_path"] = _DEPTHS % index
            frames.append(frame)
        content = {
            "camera_model": "OPENCV",
            "w": k.width_px,
            "h": k.height_px,
            "fl_x": k.fx_px,
            "fl_y": k.fy_px,
            "cx": k.cx_px,
            "cy": k.cy_px,
            **dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0),
            "fps": item.rate(),
            "frames": frames,
        }
        files.write_json(folder / MARK, content)


FORMAT = Format(
    name="nerfstudio",
    title="camera to world, OpenGL axes, z up, metres; PNG images, depth in mm; a pose per frame",
    places=_found,
    load=_read,
    otherwise=f"has no {MARK}, neither itself nor in the folders inside",
    write=write,
)
