"""HY-WorldPlay: what its trainer reads (trainer/dataset/ar_camera_hunyuan_w_mem_dataset.py there).

Declares: `<name>_pose.json` has an entry "0", "1", ... per *frame*, `w2c` 4x4, world to camera,
OpenCV, and `intrinsic` 3x3 in pixels; positions in its data's scale (ours: metres, z up).
`<name>_action.json` has the same keys: `move_action`, of the letters W, S, D, A, and `view_action`,
one of LR, LL, LU, LD or nothing; row t is the move that ends at frame t. For sampling,
`<name>_latent_pose.json` has an entry per *latent* (frames 0, 4, 8, ...): `extrinsic` 4x4, camera
to world, and `K`. Latents and text embeddings are WorldPlay's own to make.

<name>/<name>.mp4, <name>.txt, <name>_pose.json, <name>_action.json, <name>_latent_pose.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from capture import files
from capture.camera import invert
from capture.formats import axes, pixels, steps, text
from capture.formats.record import Declared, Format, Labels, Posed, Slot

_MOVES, _VIEWS = ("W", "S", "D", "A"), ("LR", "LL", "LU", "LD")
_PER_LATENT = 4
# WorldPlay's own limits for labels from poses, which it gives per latent.
_MOVED_ABOVE = 0.01 / _PER_LATENT
_TURNED_ABOVE_DEG = 5e-2 / _PER_LATENT
_WITHIN = 0.5  # cosine of 60 degrees


def _found(path: Path) -> list[Path]:
    for pattern in ("*_pose.json", "*/*_pose.json"):
        files_here = [f for f in sorted(path.glob(pattern)) if not f.stem.endswith("_latent_pose")]
        if files_here:
            return files_here
    return []


def _read(file: Path) -> Posed:
    name = file.name.removesuffix("_pose.json")
    entries = _entries(file, "w2c", "intrinsic")
    poses = [text.require_matrix(e["w2c"], 4, 4, f"{file}: [{i}].w2c") for i, e in entries]
    k = np.array(
        [text.require_matrix(e["intrinsic"], 3, 3, f"{file}: [{i}].intrinsic") for i, e in entries]
    )
    prompt = file.with_name(f"{name}.txt")
    rgb, fps, lacks = pixels.beside(file.with_name(f"{name}.mp4"), len(poses))
    return Posed(
        name=text.plain_name(name),
        format=FORMAT.name,
        declared=Declared(pose="w2c", axes="opencv"),
        cam_to_world=axes.invert(np.array(poses)),
        fps=fps,
        intrinsics=axes.pinhole(k),
        rgb=rgb,
        actions=_actions(file.with_name(f"{name}_action.json"), len(poses)),
        caption="\n".join(text.lines(prompt)) if prompt.is_file() else "",
        lacks=lacks,
    )


def _entries(file: Path, *keys: str) -> list[tuple[str, dict[str, Any]]]:
    """Keys and objects of a JSON object, in the order of the file, as WorldPlay takes them."""
    content = text.require_object(text.load_json(file), str(file))
    if not content:
        raise ValueError(f"{file} holds no frame")
    return [
        (key, text.require_object(entry, f"{file}: [{key}]", *keys))
        for key, entry in content.items()
    ]


def _actions(file: Path, num_frames: int) -> Labels | None:
    if not file.is_file():
        return None
    entries = _entries(file, "move_action", "view_action")
    if len(entries) != num_frames:
        raise ValueError(f"{file}: {len(entries)} actions for {num_frames} poses")
    values = [
        [
            *(letter in str(entry["move_action"]) for letter in _MOVES),
            *(entry["view_action"] == view for view in _VIEWS),
        ]
        for _, entry in entries
    ]
    return Labels(
        names=(*_MOVES, *_VIEWS),
        values=np.array(values, dtype=np.float64),
        meaning="row t is the move that ends at frame t",
    )


def labels(cam_to_world: np.ndarray) -> list[dict[str, str]]:
    """WorldPlay's words for a path [T, 4, 4]; those of the first frame are empty."""
    out = [{"move_action": "", "view_action": ""}]
    for step in invert(cam_to_world[:-1]) @ cam_to_world[1:]:
        move, length = step[:3, 3], float(np.linalg.norm(step[:3, 3]))
        keys = ""
        if length > _MOVED_ABOVE:
            for axis, (positive, negative) in ((2, "WS"), (0, "DA")):
                share = move[axis] / length
                keys += positive if share > _WITHIN else negative if share < -_WITHIN else ""
        right, up = steps.turn_deg(step)
        turn, (positive, negative) = (
            (right, ("LR", "LL")) if abs(right) >= abs(up) else (up, ("LU", "LD"))
        )
        view = "" if abs(turn) <= _TURNED_ABOVE_DEG else positive if turn > 0 else negative
        out.append({"move_action": keys, "view_action": view})
    return out


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with the video, its caption, poses and actions per frame, poses per latent."""
    poses = item.trajectory().cam_to_world
    k = axes.camera_matrix(item.intrinsics_px())
    frames = [
        {"w2c": w2c.tolist(), "intrinsic": kt.tolist()}
        for w2c, kt in zip(invert(poses), k, strict=True)
    ]
    latents = [
        {"extrinsic": pose.tolist(), "K": kt.tolist()}
        for pose, kt in zip(poses[::_PER_LATENT], k[::_PER_LATENT], strict=True)
    ]
    with files.replacing_folder(root / item.name) as folder:
        pixels.write_mp4(item.pictures(), folder / f"{item.name}.mp4", item.rate())
        (folder / f"{item.name}.txt").write_text(item.caption + "\n", "utf-8")
        for kind, rows in (
            ("pose", frames),
            ("action", labels(poses)),
            ("latent_pose", latents),
        ):
            text.write_numbered(folder / f"{item.name}_{kind}.json", rows)


FORMAT = Format(
    name="worldplay",
    title="world to camera, 4x4, OpenCV axes, metres; WSDA and views; MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no *_pose.json, neither itself nor in the folders inside",
    write=write,
)
