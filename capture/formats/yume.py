"""Yume's training clips, cut from Sekai (stdstu12/YUME).

Layout as in its docs/data_preprocess.md and fastvideo/dataset/t2v_datasets.py. A clip holds *one*
combination of keys and mouse throughout, so what we write of one of ours is its runs of at least 33
frames, the fewest that Yume takes; the rest is left out. Keys and mouse are those of its
decode_camera_controls_from_c2w_sequence.py: from frame to frame, in the camera's axes (OpenCV),
with its limits of 1e-4 units and 1e-3 rad. The txt counts frames of the source video from 0, both
ends in; the npy is `c2w` [T, 4, 4] of these frames, camera to world, with the scale of its source
(ours: metres, z up). 30 frames a second there, ours their own rate. No intrinsics.

Keys_<keys>_Mouse_<mouse>/<name>_frames_<start>-<end>.mp4, .txt, .npy
runs/<name>.json        which of these are <name>'s (ours)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from capture import files
from capture.camera import invert
from capture.formats import pixels, text
from capture.formats.record import Declared, Format, Labels, LeftOut, Posed, Slot

MIN_FRAMES = 33
_MOVED_ABOVE, _TURNED_ABOVE_RAD = 1e-4, 1e-3
_STILL = "·"
# The folders' words for Yume's arrows, as far as it names them.
_WORDS = {"↑": "Up", "↓": "Down", "←": "Left", "→": "Right"}
_KEYS, _MOUSE = ("W", "S", "D", "A"), ("↑", "↓", "→", "←")


def controls(cam_to_world: np.ndarray) -> list[tuple[str, str]]:
    """Keys and mouse of each step of a path [T, 4, 4]: T - 1 pairs such as ("W+A", "↑→")."""
    steps = invert(cam_to_world[:-1]) @ cam_to_world[1:]
    move = steps[:, :3, 3]
    turn = Rotation.from_matrix(steps[:, :3, :3]).as_euler("xyz")
    return [
        (
            "+".join(_signs(z, _MOVED_ABOVE, "WS") + _signs(x, _MOVED_ABOVE, "DA")) or "None",
            "".join(_signs(up, _TURNED_ABOVE_RAD, "↑↓") + _signs(right, _TURNED_ABOVE_RAD, "→←"))
            or _STILL,
        )
        for (x, _, z), (up, right, _) in zip(move.tolist(), turn.tolist(), strict=True)
    ]


def _signs(value: float, above: float, names: str) -> list[str]:
    return [names[0]] if value > above else [names[1]] if value < -above else []


def runs(cam_to_world: np.ndarray) -> Iterator[tuple[int, int, str, str]]:
    """Frames [start, stop) with the same keys and mouse throughout, 33 or more of them."""
    start = 0
    for (keys, mouse), group in itertools.groupby(controls(cam_to_world)):
        steps = len(list(group))
        if steps + 1 >= MIN_FRAMES:
            yield start, start + steps + 1, keys, mouse
        start += steps


def _found(path: Path) -> list[Path]:
    inside = (f for p in ("Keys_*_Mouse_*/*.txt", "*.txt") for f in sorted(path.glob(p)))
    return [file for file in inside if file.parent.name.startswith("Keys_")]


def _read(file: Path) -> Posed:
    fields = dict(
        (key.strip(), value.split("#")[0].strip())
        for key, colon, value in (line.partition(":") for line in text.lines(file))
        if colon
    )
    if missing := [name for name in ("Keys", "Mouse") if name not in fields]:
        raise ValueError(f"{file}: missing {', '.join(missing)}")
    source = file.with_suffix(".npy")
    if not source.is_file():
        raise ValueError(f"{source} is not there: a clip without poses")
    poses = pixels.require_poses(pixels.load_npy(source), source)
    rgb, fps, lacks = pixels.beside(file.with_suffix(".mp4"), len(poses))
    pressed = fields["Keys"].split("+")
    row = [*(k in pressed for k in _KEYS), *(arrow in fields["Mouse"] for arrow in _MOUSE)]
    return Posed(
        name=text.plain_name(file.stem),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv"),
        cam_to_world=poses,
        fps=fps,
        rgb=rgb,
        actions=Labels(
            names=(*_KEYS, *_MOUSE),
            values=np.tile(np.array(row, dtype=np.float64), (len(poses), 1)),
            meaning="the same throughout the clip",
        ),
        lacks=lacks,
    )


def write(item: Posed, root: Path, slot: Slot) -> None:
    """Video, poses and txt of every run, then the list of them.

    Raises:
        LeftOut: If there is no run.
    """
    poses, pictures, written = item.trajectory().cam_to_world, item.pictures(), []
    for start, stop, keys, mouse in runs(poses):
        words = "".join(_WORDS[arrow] for arrow in mouse if arrow in _WORDS) or mouse
        base = root / f"Keys_{keys}_Mouse_{words}" / f"{item.name}_frames_{start}-{stop - 1}"
        with files.replacing(base.with_name(f"{base.name}.mp4")) as temporary:
            pixels.write_mp4(pixels.part(pictures, start, stop), temporary, item.rate())
        with files.replacing(base.with_name(f"{base.name}.npy")) as temporary:
            np.save(temporary, poses[start:stop], allow_pickle=False)
        with files.replacing(base.with_name(f"{base.name}.txt")) as temporary:
            temporary.write_text(
                f"Start Frame: {start}\n\nEnd Frame: {stop - 1}\n\n"
                f"Duration: {stop - start} frames\n\nKeys: {keys}\n\nMouse: {mouse}\n",
                "utf-8",
            )
        written.append(base.relative_to(root).as_posix())
    if not written:
        raise LeftOut(f"no {MIN_FRAMES} frames have the same keys and mouse throughout")
    files.write_json(root / _mark(item.name, slot), written)


def _mark(name: str, slot: Slot) -> str:
    return f"runs/{name}.json"


FORMAT = Format(
    name="yume",
    title="camera to world, 4x4, OpenCV axes, metres; one key and mouse a clip; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no Keys_*_Mouse_*/*.txt",
    write=write,
    mark=_mark,
)
