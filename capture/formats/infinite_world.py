"""Infinite-World's actions (MeiGen-AI/Infinite-World, scripts/infworld_inference.py).

Declares: a JSON list with an object a *frame*, `move` and `view`, each one of ten phrases; row t
stands beside frame t. Its code does not say which step a row describes: ours is the one that ends
at frame t, and row 0 is "no-op". "uncertain" is theirs, for poses that were estimated; we never
write it. There are no poses and no camera, so it is written only. Their videos have 30 frames a
second, ours their own rate.

<name>/actions.json, image.png (the first frame), prompt.txt, video.mp4
prompts.yaml            prompts: [[prompt, image, actions], ...], paths from where it is used
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capture import files, pictures
from capture.camera import invert
from capture.formats import pixels, steps
from capture.formats.record import Format, Posed, Slot

_STILL = "no-op"
# A direction counts from this share of a step's length on: 60 degrees to either side.
_SHARE = 0.5
_MOVED_ABOVE_M, _TURNED_ABOVE_DEG = 1e-3, 1e-2


def actions(cam_to_world: np.ndarray) -> list[dict[str, str]]:
    """Phrases for a path [T, 4, 4]; those of the first frame are "no-op"."""
    rows = [{"move": _STILL, "view": _STILL}]
    for step in invert(cam_to_world[:-1]) @ cam_to_world[1:]:
        right, _, ahead = step[:3, 3]
        least = max(_SHARE * float(np.hypot(right, ahead)), _MOVED_ABOVE_M)
        yaw, pitch = steps.turn_deg(step)
        turned = max(_SHARE * float(np.hypot(yaw, pitch)), _TURNED_ABOVE_DEG)
        move = (_word(ahead, least, "forward", "back"), _word(right, least, "right", "left"))
        view = (_word(pitch, turned, "up", "down"), _word(yaw, turned, "right", "left"))
        rows.append({"move": _phrase("go", *move), "view": _phrase("turn", *view)})
    return rows


def _word(value: float, least: float, positive: str, negative: str) -> str:
    return "" if abs(value) < least else positive if value > 0 else negative


def _phrase(verb: str, *words: str) -> str:
    return " and ".join(f"{verb} {word}" for word in words if word) or _STILL


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with actions, first frame, caption and video."""
    rows = actions(item.trajectory().cam_to_world)
    with files.replacing_folder(root / item.name) as folder:
        files.write_json(folder / "actions.json", rows)
        pictures.write_png(folder / "image.png", next(item.pictures().frames(0, 1)))
        (folder / "prompt.txt").write_text(item.caption + "\n", "utf-8")
        pixels.write_mp4(item.pictures(), folder / "video.mp4", item.rate())


def _finish(root: Path, names: Sequence[str]) -> None:
    """The list of prompts; JSON is YAML, and quotes safely."""
    rows = [
        [(root / name / "prompt.txt").read_text("utf-8").strip(), f"{name}/image.png",
         f"{name}/actions.json"]
        for name in names
    ]  # fmt: skip
    lines = "".join(f"  - {json.dumps(row)}\n" for row in rows)
    with files.replacing(root / "prompts.yaml") as temporary:
        temporary.write_text(f"prompts:\n{lines}", "utf-8")


FORMAT = Format(
    name="infinite-world",
    title="ten moves and ten views per frame, from camera to world, OpenCV axes, metres; MP4",
    write=write,
    finish=_finish,
)
