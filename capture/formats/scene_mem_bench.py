"""SceneMemBench (dataset card of scenemembench/SceneMemBench), made with Unreal Engine.

Declares, in its card: `core/index.json` lists all cases; each has `context.mp4`, which a model is
shown, `eval.mp4`, the truth it is compared with, `manifest.json` and `pose/poses.json`, where
`primary_pose` is [x, y, z, pitch, yaw, roll] in Unreal's axes, centimetres and degrees; ranges of
frames begin at 0 and leave out their end. Nothing else of the JSON files is public. So a reader
takes every `primary_pose` as they follow one another, for the frames of context and evaluation,
wherever it stands; the other names below are ours.

core/index.json               {"cases": [{"case_path": <name>, "context": [0, q], "eval": [q, T]}]}
core/<name>/context.mp4       until a view is seen again (`capture.revisits`)
core/<name>/eval.mp4          from there on, a second at least, nearly lossless: it is the truth
core/<name>/manifest.json     case_path, context, eval, fps, caption, intrinsics_px [fx, fy, cx, cy]
core/<name>/pose/poses.json   {"frames": [{"frame": 0, "primary_pose": [...]}, ...]}

A clip that sees nothing again, or only as it ends, has nothing to ask of a memory: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capture import camera, files, revisits
from capture.formats import pixels, text
from capture.formats.pixels import Joined, Video
from capture.formats.record import Declared, Format, LeftOut, Posed, Slot

_CORE, _POSES, _MANIFEST = "core", "pose/poses.json", "manifest.json"
_SHOWN, _ASKED = "context.mp4", "eval.mp4"
_MIN_ASKED_S = 1.0
_CRF = 4  # off by about 0.4 of 255, where 18 is by 1.5
_KEY = "primary_pose"
_NUMBERS = "x, y, z, pitch, yaw, roll"


def _found(path: Path) -> list[Path]:
    """Cases: the folder itself, or any up to four levels below it."""
    poses = (file for level in range(5) for file in sorted(path.glob("*/" * level + _POSES)))
    return [case for case in (file.parents[1] for file in poses) if (case / _MANIFEST).is_file()]


def _read(case: Path) -> Posed:
    rows = np.array(_poses(case / _POSES))
    manifest = text.require_object(text.load_json(case / _MANIFEST), str(case / _MANIFEST))
    rgb, fps, lacks = _pictures(case, len(rows))
    intrinsics = manifest.get("intrinsics_px")
    if intrinsics is not None:
        where = f"{case / _MANIFEST}: intrinsics_px"
        k = text.require_numbers(intrinsics, 4, where, "fx, fy, cx, cy")
        intrinsics = np.tile(k, (len(rows), 1))
    return Posed(
        name=text.plain_name(case.resolve().name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="unreal", unit="cm", up="z"),
        cam_to_world=camera.from_unreal(rows[:, :3], rows[:, 3:]),
        fps=fps,
        intrinsics=intrinsics,
        rgb=rgb,
        caption=str(manifest.get("caption", "")),
        lacks=lacks,
    )


def _poses(file: Path) -> list[list[float]]:
    """Every pose of a file, six numbers each, as they follow one another."""
    found = list(_values(text.load_json(file)))
    if not found:
        raise ValueError(f"{file} holds no {_KEY}")
    return [
        text.require_numbers(row, 6, f"{file}: {_KEY} {index}", _NUMBERS)
        for index, row in enumerate(found)
    ]


def _values(content: Any) -> Iterator[Any]:
    """What stands under the key at any depth: a pose, or a list of poses."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if _KEY in value:
                pose = value[_KEY]
                many = isinstance(pose, list) and pose and isinstance(pose[0], list)
                yield from pose if many else [pose]
            waiting += reversed([inside for key, inside in value.items() if key != _KEY])
        elif isinstance(value, list):
            waiting += reversed(value)


def _pictures(case: Path, num_poses: int) -> tuple[Joined | None, float | None, tuple[str, ...]]:
    """Both videos as one, their rate, and what they lack, in words."""
    shown, asked = (case / name for name in (_SHOWN, _ASKED))
    if missing := [file for file in (shown, asked) if not file.is_file()]:
        return None, None, (f"{missing[0]} is not there",)
    joined = Joined((Video(source=shown), Video(source=asked)))
    fps = pixels.video_rate(shown)
    if len(joined) != num_poses:
        return None, fps, (f"{case}: {len(joined)} frames for {num_poses} poses",)
    return joined, fps, ()


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`core/<name>/`, shown until something is seen again, and asked from there on.

    Raises:
        LeftOut: If nothing is, or less than a second before the end.
    """
    path = item.trajectory()
    asked = revisits.first(path)
    if asked is None:
        raise LeftOut("nothing is seen again after 2 s elsewhere, so a memory has nothing to show")
    if len(item) - asked < _MIN_ASKED_S * item.rate():
        raise LeftOut("what is seen again is seen less than a second before the end")
    location, angles = camera.to_unreal(path.cam_to_world)
    rows = np.concatenate([location, angles], axis=1).tolist()
    manifest: dict[str, Any] = {
        **_ranges(item.name, asked, len(item)),
        "fps": item.rate(),
        "caption": item.caption,
    }
    if item.intrinsics is not None:
        k = item.camera()
        manifest["intrinsics_px"] = [k.fx_px, k.fy_px, k.cx_px, k.cy_px]
    pictures = item.pictures()
    with files.replacing_folder(root / _mark(item.name, slot)) as folder:
        pixels.write_mp4(pixels.part(pictures, 0, asked), folder / _SHOWN, item.rate())
        rest = pixels.part(pictures, asked, len(item))
        pixels.write_mp4(rest, folder / _ASKED, item.rate(), crf=_CRF)
        (folder / _POSES).parent.mkdir()
        frames = [{"frame": index, _KEY: row} for index, row in enumerate(rows)]
        files.write_json(folder / _POSES, {"frames": frames})
        files.write_json(folder / _MANIFEST, manifest)


def _ranges(name: str, asked: int, count: int) -> dict[str, Any]:
    return {"case_path": name, "context": [0, asked], "eval": [asked, count]}


def _mark(name: str, slot: Slot) -> str:
    return f"{_CORE}/{name}"


def _finish(root: Path, names: Sequence[str]) -> None:
    cases = []
    for name in names:
        manifest = files.read_json(root / _CORE / name / _MANIFEST)
        cases.append(_ranges(name, *manifest["eval"]))
    files.write_json(root / _CORE / "index.json", {"cases": cases})


FORMAT = Format(
    name="scene-mem-bench",
    title="camera to world, Unreal axes, metres * 100 (cm), degrees; two MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise=f"has no {_POSES} beside a {_MANIFEST}",
    write=write,
    mark=_mark,
    finish=_finish,
)
