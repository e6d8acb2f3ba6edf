"""MIND (README of CSU-JPG/MIND, "Dataset Format"), made with Unreal Engine 5.

Declares: `action.json` holds a row per frame: `time`, the keys ws, ad, ud, lr, and positions and
angles x roll, y pitch, z yaw in degrees, in Unreal's axes, of the actor and, in third person, of
the camera; in first person the actor stands for the camera. Its README calls the keys 0 and 1, its
code 0 for nothing, 1 for forward, left, up, left and 2 for backward, right, down, right; the code
counts. No unit is given: Unreal's own is the centimetre, so a reader declares none, but divides by
100, and what we write is in centimetres. 24 frames a second in MIND, ours at their own rate.
What lies before `mark_time` is memory, what follows is compared; ours marks the first frame that
sees something again (`capture.revisits`), or 0 where none does.

<name>/action.json, video.mp4
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from capture import camera, files, revisits
from capture.formats import pixels, steps, text
from capture.formats.record import Declared, Format, Labels, Posed, Slot

_FILE = "action.json"
_KEYS = ("ws", "ad", "ud", "lr")
_MOVED_ABOVE_M, _TURNED_ABOVE_DEG = 1e-3, 1e-2


def _found(path: Path) -> list[Path]:
    """Itself, a folder of such, or any level of MIND-Data/1st_data/test/mem_test/data-1."""
    found = [file for level in range(5) for file in sorted(path.glob("*/" * level + _FILE))]
    return found if any(_is_mind(file) for file in found) else []


def _is_mind(file: Path) -> bool:
    try:
        content = text.load_json(file)
    except (ValueError, OSError):
        return False
    return isinstance(content, dict) and {"mark_time", "data"} <= set(content)


def _read(file: Path) -> Posed:
    content = text.require_object(text.load_json(file), str(file), "data")
    rows = content["data"]
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{file}: data is a list of at least one frame")
    first = text.require_object(rows[0], f"{file}: data[0]")
    who = "camera" if "camera_pos" in first else "actor"
    location, angles, keys = [], [], []
    for index, row in enumerate(rows):
        where = f"{file}: data[{index}]"
        row = text.require_object(row, where, *_KEYS, f"{who}_pos", f"{who}_rpy")
        x, y, z = _three(row[f"{who}_pos"], f"{where}.{who}_pos")
        roll, pitch, yaw = _three(row[f"{who}_rpy"], f"{where}.{who}_rpy")
        location.append((x, y, z))
        angles.append((pitch, yaw, roll))
        keys.append([text.require_number(row[key], f"{where}.{key}") for key in _KEYS])
    rgb, fps, lacks = pixels.beside(file.with_name("video.mp4"), len(rows))
    notes = ()
    if who == "actor":
        notes = (f"{file}: first person, the pose is the actor's, not the camera's",)
    return Posed(
        name=text.plain_name(file.resolve().parent.name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="unreal", up="z"),
        cam_to_world=camera.from_unreal(location, angles),
        fps=fps,
        rgb=rgb,
        actions=Labels(
            names=_KEYS,
            values=np.array(keys),
            meaning="0 nothing; 1 forward, left, up, left; 2 backward, right, down, right",
        ),
        caption=str(content.get("caption", "")),
        notes=notes,
        lacks=lacks,
    )


def _three(value: Any, where: str) -> tuple[float, float, float]:
    entry = text.require_object(value, where, "x", "y", "z")
    x, y, z = (text.require_number(entry[key], f"{where}.{key}") for key in "xyz")
    return x, y, z


def keys(cam_to_world: np.ndarray) -> np.ndarray:
    """ws, ad, ud, lr of a path [T, 4, 4]: int64 [T, 4]; row t leads to frame t + 1, the last is 0.

    Keys tell directions, not lengths: of a step, those that have at least half of its length.
    """
    step = camera.ego_axes(cam_to_world[:-1]) @ np.diff(cam_to_world[:, :3, 3], axis=0)[..., None]
    turn = steps.unreal_turns_deg(camera.to_unreal(cam_to_world)[1])
    length = np.linalg.norm(step[:, :, 0], axis=1)
    limit = np.maximum(length / 2, _MOVED_ABOVE_M)
    # Positive: forward, left, up, left.
    signed = np.stack([step[:, 0, 0], -step[:, 1, 0], turn[:, 0], -turn[:, 1]], -1)
    limits = np.stack([limit, limit, *[np.full_like(limit, _TURNED_ABOVE_DEG)] * 2], -1)
    out = np.zeros((len(cam_to_world), 4), dtype=np.int64)
    out[:-1] = np.where(signed >= limits, 1, np.where(signed <= -limits, 2, 0))
    return out


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` in third person, with the camera standing for the actor too."""
    path = item.trajectory()
    poses = path.cam_to_world
    location, angles = camera.to_unreal(poses)
    rows = []
    for time, pressed in enumerate(keys(poses).tolist()):
        position = dict(zip("xyz", location[time].tolist(), strict=True))
        pitch, yaw, roll = angles[time].tolist()
        turned = {"x": roll, "y": pitch, "z": yaw}
        rows.append(
            {
                "time": time,
                **dict(zip(_KEYS, pressed, strict=True)),
                "actor_pos": position,
                "actor_rpy": turned,
                "camera_pos": position,
                "camera_rpy": turned,
            }
        )
    content = {
        "mark_time": revisits.first(path) or 0,
        "total_time": len(rows),
        "caption": item.caption,
        "data": rows,
    }
    with files.replacing_folder(root / item.name) as folder:
        pixels.write_mp4(item.pictures(), folder / "video.mp4", item.rate())
        files.write_json(folder / "action.json", content)


FORMAT = Format(
    name="mind",
    title="camera to world, Unreal axes, metres * 100 (cm), degrees; keys; MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no action.json with mark_time and data",
    write=write,
)
