"""What all pages of trajectories share: times, the path, pictures; and how a page is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from capture import files
from capture.camera import Intrinsics
from capture.formats import Posed
from curation.audit import folder
from curation.audit.trajectory import looks
from curation.audit.trajectory.curves import digits
from curation.audit.trajectory.looks import Pair

# Of a page's content; another one is written anew, pictures and all.
VERSION = 2


def store(out: Path, key: str, content: Mapping, wanted: object, draw: Callable[[], dict]) -> bool:
    """Write a page's data; pictures are drawn only where others are wanted than are there.

    Args:
        out: The report's folder.
        key: Of the page.
        content: All but the pictures.
        wanted: What decides the pictures, ready for JSON: sources and frames.
        draw: Draws them, and gives what the page says of them, with the addresses of the files.

    Returns:
        Whether anything had to be done.
    """
    name = folder.page_name(key)
    before = _kept(out, name)
    drawn, said = _mark([VERSION, wanted]), _mark([VERSION, wanted, content])
    whole = before is not None and all((out / one).is_file() for one in before["files"])
    if before is not None and whole and before["mark"] == said:
        return False
    reuse = before is not None and whole and before["drawn"] == drawn
    pictures = before["pictures"] if before is not None and reuse else draw()
    marks = {"mark": said, "drawn": drawn, "files": sorted(_addresses(pictures))}
    folder.write_data(out, name, {**content, **marks, "pictures": pictures})
    return True


def path_json(cam_to_world: np.ndarray, up: str | None, shown: np.ndarray, unit: str) -> dict:
    """The path as the page takes it: positions, and where the camera looks, with z up.

    Args:
        cam_to_world: Poses, float64 [T, 4, 4]; may hold NaN.
        up: The world's axis that points up: "z", "-y"; None: what is up in most pictures.
        shown: Frames, of `curves.thin`.
        unit: Of the positions.
    """
    poses = cam_to_world[shown]
    world = _upright(cam_to_world, up)
    position = poses[:, :3, 3] @ world.T
    known = np.isfinite(position).all(axis=1)
    size = float(np.ptp(position[known], axis=0).max()) if known.any() else 1.0
    places = max(0, min(12, 4 - int(np.floor(np.log10(max(size, 1e-9))))))

    def flat(vectors: np.ndarray, decimals: int) -> list[float | None]:
        rounded = np.round(vectors, decimals).ravel().tolist()
        return [value + 0.0 if np.isfinite(value) else None for value in rounded]

    return {
        "unit": unit,
        "position": flat(position, places),
        "forward": flat(poses[:, :3, 2] @ world.T, 3),
        "up": flat(-poses[:, :3, 1] @ world.T, 3),
    }


def view_of(camera: Intrinsics | None) -> list[float] | None:
    """Half the width and height of the picture at distance 1; None without a camera."""
    if camera is None:
        return None
    sides = (camera.width_px / camera.fx_px / 2, camera.height_px / camera.fy_px / 2)
    return [round(side, 4) for side in sides]


def actions_json(
    names: Sequence[str],
    units: Sequence[str],
    values: np.ndarray,
    shown: np.ndarray,
    meaning: str = "",
) -> dict:
    """Actions over time as the page takes them: what is largest in every few frames.

    Args:
        names: One per column.
        units: One per column; columns of one unit are drawn on one scale.
        values: float64 [T, len(names)].
        shown: Frames, of `curves.thin`.
        meaning: A sentence about units and timing.
    """
    step = int(shown[1] - shown[0]) if len(shown) > 1 else 1
    padded = np.pad(values, ((0, -len(values) % step), (0, 0)))
    blocks = padded.reshape(-1, step, len(names))
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], 1)[:, 0]
    rows = [[digits(value, 3) for value in row] for row in largest.T.tolist()]
    return {"names": list(names), "units": list(units), "meaning": meaning, "values": rows}


def pictures_of(
    out: Path, clip: Posed, camera: Intrinsics | None, frames: Sequence[int], pairs: Sequence[Pair]
) -> dict:
    """Draw the contact sheet and the pairs; what cannot be read is said, and never raises.

    Returns:
        `sheet` and `pairs` with the addresses of their files, and `note`: why they are absent.
    """
    found: dict = {"sheet": None, "pairs": [], "note": ""}
    if clip.rgb is None:
        return {**found, "note": "There are no pictures."}
    try:
        data, layout = looks.sheet(clip.pictures(), frames)
        found["sheet"] = {"picture": folder.write_picture(out, data), **layout}
        for pair in pairs:
            data, about = looks.compare(clip, camera, pair)
            about |= {"error": _short(about["error"]), "seen": _short(about["seen"])}
            said = {"now": pair.now, "then": pair.then, "kind": pair.kind}
            found["pairs"].append({"picture": folder.write_picture(out, data), **said, **about})
    except (ValueError, OSError, cv2.error) as error:
        found["note"] = f"The pictures cannot be read: {' '.join(str(error).split())}"
    return found


def camera_of(clip: Posed) -> Intrinsics | None:
    """The one camera of a clip, or None where it is not known, zooms or makes no sense."""
    try:
        return clip.camera()
    except (ValueError, OSError, OverflowError):
        return None


def _short(value: float | None) -> float | int | None:
    return None if value is None else digits(value, 3)


def _upright(cam_to_world: np.ndarray, up: str | None) -> np.ndarray:
    """Rotation from the world of the poses to one with z up, [3, 3]."""
    if up == "z":
        return np.eye(3)
    vertical = np.array([0.0, -1.0, 0.0])
    if up is None:
        known = cam_to_world[np.isfinite(cam_to_world).all(axis=(1, 2))]
        mean = -known[:, :3, 1].mean(axis=0) if len(known) else np.zeros(3)
        size = float(np.linalg.norm(mean))
        vertical = mean / size if 0.1 < size < 10.0 else np.array([0.0, 0.0, 1.0])
    across = np.eye(3)[np.argmin(np.abs(vertical))]
    x = across - vertical * float(across @ vertical)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(vertical, x), vertical])


def _kept(out: Path, name: str) -> dict | None:
    """The data of a page as an earlier run wrote it; None if there is none that can be read."""
    file = out / "data" / f"{name}.js"
    try:
        text = file.read_text(encoding="ascii")
        content = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and {"mark", "drawn", "files", "pictures"} <= set(content)
    return content if whole else None


def _addresses(said: object) -> set[str]:
    """The picture files that a page speaks of."""
    if isinstance(said, Mapping):
        own = {said["picture"]} if isinstance(said.get("picture"), str) else set()
        return own.union(*map(_addresses, said.values()))
    return set().union(*map(_addresses, said)) if isinstance(said, list) else set()


def _mark(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def source_mark(*sources: Path) -> list[str]:
    """Hashes of small files that pictures depend on; "" for one that is not there."""
    return [files.sha256(file) if file.is_file() else "" for file in sources]
