"""Matrix-Game: cameras as 3.5 takes them, keyboard and mouse as 2 and 3 do.

3.5 (README, "Camera format"): `camera.npz` holds `extrinsics_c2w` [T, 4, 4], camera to world,
OpenCV, metres, and `intrinsics` [T, 4] (or [4], [3, 3], [T, 3, 3]), fx, fy, cx, cy in pixels of the
first picture. A pose per frame.

2 and 3 (utils/conditions.py, utils/utils.py): `keyboard_condition` [T, 4] is W, S, A, D;
`mouse_condition` [T, 2] is pitch and yaw, up and right positive, 15 degrees a unit, values below
0.02 are passed over; row t leads from frame t to t + 1, and the keys move along the mean yaw of the
step. A pose is x, y, z in Unreal's axes and centimetres, pitch, yaw in degrees: no roll. They
publish these arrays, but no file for them: `actions.npz` is a file of those names. FastVideo's
pickled `.npy` is refused, as everything pickled is.

<name>/input.png, prompt.txt, camera.npz, actions.npz, video.mp4
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from capture import camera, files, pictures
from capture.formats import axes, pixels, steps, text
from capture.formats.pixels import Images
from capture.formats.record import Declared, Format, Labels, Posed, Slot

_NAMES = ("W", "S", "A", "D", "mouse_pitch", "mouse_yaw")
_DEG_PER_UNIT = 15.0
# A key is down where its direction has more than this share of the clip's mean step.
_KEY_ABOVE = 0.25


def _found(path: Path) -> list[Path]:
    here = [path] if (path / "camera.npz").is_file() else sorted(path.glob("*/"))
    found = [folder for folder in here if (folder / "camera.npz").is_file()]
    return found if any(_is_camera(folder / "camera.npz") for folder in found) else []


def _is_camera(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return "extrinsics_c2w.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _read(folder: Path) -> Posed:
    arrays = _arrays(folder / "camera.npz", "extrinsics_c2w", "intrinsics")
    poses = pixels.require_poses(arrays["extrinsics_c2w"], folder / "camera.npz", "extrinsics_c2w")
    first = folder / "input.png"
    rgb, fps, lacks = pixels.beside(folder / "video.mp4", len(poses))
    prompt = folder / "prompt.txt"
    return Posed(
        name=text.plain_name(folder.resolve().name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m"),
        cam_to_world=poses,
        fps=fps,
        intrinsics=_intrinsics(folder / "camera.npz", arrays["intrinsics"], len(poses)),
        size_px=Images((first,)).size_px() if first.is_file() else None,
        rgb=rgb,
        actions=_actions(folder / "actions.npz", len(poses)),
        caption="\n".join(text.lines(prompt)) if prompt.is_file() else "",
        lacks=lacks,
    )


def _intrinsics(file: Path, values: np.ndarray, num_frames: int) -> np.ndarray:
    if values.shape[-2:] == (3, 3):
        values = axes.pinhole(values)
    try:
        return np.broadcast_to(values, (num_frames, 4))
    except ValueError as error:
        raise ValueError(f"{file}: intrinsics is {list(values.shape)}") from error


def _actions(file: Path, num_frames: int) -> Labels | None:
    if not file.is_file():
        return None
    arrays = _arrays(file, "keyboard_condition", "mouse_condition")
    keys, mouse = arrays["keyboard_condition"], arrays["mouse_condition"]
    fits = keys.ndim == mouse.ndim == 2 and len(keys) == len(mouse) == num_frames
    if not fits or keys.shape[1] < 4 or mouse.shape[1] != 2:
        raise ValueError(
            f"{file}: expected keyboard_condition [{num_frames}, 4] and mouse_condition "
            f"[{num_frames}, 2], got {list(keys.shape)} and {list(mouse.shape)}"
        )
    return Labels(
        names=_NAMES,
        values=np.hstack([keys[:, :4], mouse]),
        meaning="row t leads from frame t to t + 1; a mouse unit is 15 degrees",
    )


def _arrays(file: Path, *names: str) -> dict[str, np.ndarray]:
    found = pixels.load_npz(file, *names)
    return {name: array.astype(np.float64) for name, array in found.items()}


def controls(cam_to_world: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keyboard [T, 4], mouse [T, 2] and poses [T, 5] of a path [T, 4, 4].

    The last row of keyboard and mouse is zero: nothing follows. Keys tell directions, not lengths;
    the turns and the poses are exact.
    """
    location_cm, rotation_deg = camera.to_unreal(cam_to_world)
    turn_deg = steps.unreal_turns_deg(rotation_deg)
    yaw = np.radians(rotation_deg[:-1, 1] + turn_deg[:, 1] / 2)
    dx, dy = np.diff(location_cm[:, :2], axis=0).T
    forward = np.cos(yaw) * dx + np.sin(yaw) * dy
    right = -np.sin(yaw) * dx + np.cos(yaw) * dy
    length = np.hypot(forward, right)
    limit = _KEY_ABOVE * length[length > 0].mean() if length.any() else np.inf
    keyboard, mouse = np.zeros((len(cam_to_world), 4)), np.zeros((len(cam_to_world), 2))
    keyboard[:-1] = np.stack([forward, -forward, -right, right], -1) > limit
    mouse[:-1] = turn_deg / _DEG_PER_UNIT
    return keyboard, mouse, np.hstack([location_cm, rotation_deg[:, :2]])


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with the first frame, caption, camera, actions and video."""
    poses, intrinsics = item.trajectory().cam_to_world, item.intrinsics_px()
    keyboard, mouse, unreal = controls(poses)
    with files.replacing_folder(root / item.name) as folder:
        pictures.write_png(folder / "input.png", next(item.pictures().frames(0, 1)))
        (folder / "prompt.txt").write_text(item.caption + "\n", "utf-8")
        np.savez(
            folder / "camera.npz", allow_pickle=False, extrinsics_c2w=poses, intrinsics=intrinsics
        )
        np.savez(
            folder / "actions.npz",
            allow_pickle=False,
            keyboard_condition=keyboard,
            mouse_condition=mouse,
            poses=unreal,
        )
        pixels.write_mp4(item.pictures(), folder / "video.mp4", item.rate())


FORMAT = Format(
    name="matrix-game",
    title="camera to world, OpenCV axes, metres; W S A D and mouse per frame; pixels; MP4",
    places=_found,
    load=_read,
    otherwise="has no camera.npz with extrinsics_c2w",
    write=write,
)
