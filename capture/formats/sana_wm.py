"""SANA-WM-Bench (docs/sana-wm-bench.md of NVlabs/Sana, and tools/metrics/sana_wm there).

Declares: an npz per trajectory with `c2w` [T, 4, 4], camera to world; `intrinsics` [T, 3, 3] in
pixels of the picture; `fps` and `num_frames`. The camera is OpenCV's in a world whose y points
down, in metres (inference_video_scripts/wm/camera_control.py: forward is the third column, and
motion keeps to the plane y = 0). A pose per frame; 961 frames at 16 a second there, ours as they
are. The first picture is all that the benchmark has; the video is our addition.

images/<name>.png
scene_set/kept_scenes.txt                          a name a line
<split>/sanawm_export_v2/<name>.npz, <name>.mp4
<split>/sanawm_export_v2/run_manifest.jsonl        id, prompt, image_path, camera_path

The benchmark's own `scene_trajectories_v2.json` holds pairs of frames to compare; it is not read,
and not written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from capture import files, pictures
from capture.formats import axes, pixels, text
from capture.formats.pixels import Images
from capture.formats.record import Declared, Format, Posed, Slot

_FOLDER = "sanawm_export_v2"
_MANIFEST = "run_manifest.jsonl"
# The benchmark's folder, where a row of a manifest stands, and the row.
_Row: TypeAlias = tuple[Path, str, dict[str, Any]]
# What we write is one split.
_SPLIT = Path("benchmark_relickit") / _FOLDER


def _found(path: Path) -> list[Path]:
    """The manifests of a benchmark, of a split, or of a split's folder."""
    patterns = (_MANIFEST,) if path.name == _FOLDER else (f"{_FOLDER}/{_MANIFEST}",)
    for pattern in (*patterns, f"*/{_FOLDER}/{_MANIFEST}"):
        if manifests := sorted(path.resolve().glob(pattern)):
            return manifests
    return []


def _listed(path: Path) -> list[_Row]:
    """Every row of every manifest."""
    return [
        (manifest.parents[2], f"{manifest}:{number}", row)
        for manifest in _found(path)
        for number, row in _rows(manifest)
    ]


def _rows(manifest: Path) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in text.rows(manifest, comment="\0"):
        where = f"{manifest}:{number}"
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: not JSON ({text.one_line(error)})") from error
        rows.append((number, text.require_object(content, where, "id", "camera_path")))
    return rows


def _read(found: _Row) -> Posed:
    root, where, row = found
    file = text.inside(root, row["camera_path"], f"{where}: camera_path")
    arrays = pixels.load_npz(file, "c2w", "intrinsics")
    poses = pixels.require_poses(arrays["c2w"], file, "c2w")
    k = arrays["intrinsics"].astype(np.float64)
    if k.shape != (len(poses), 3, 3):
        raise ValueError(f"{file}: expected intrinsics [{len(poses)}, 3, 3], got {list(k.shape)}")
    rgb, _, lacks = pixels.beside(file.with_suffix(".mp4"), len(poses))
    first = text.inside(root, row.get("image_path", "none"), f"{where}: image_path")
    return Posed(
        name=text.plain_name(str(row["id"])),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="-y"),
        cam_to_world=poses,
        fps=float(pixels.load_npz(file, "fps")["fps"]),
        intrinsics=axes.pinhole(k),
        size_px=Images((first,)).size_px() if first.is_file() else None,
        rgb=rgb,
        caption=str(row.get("prompt", "")),
        lacks=lacks,
    )


def write(item: Posed, root: Path, slot: Slot) -> None:
    """The picture and the video, then the npz; what the manifest says of it lies beside it."""
    poses = axes.turned(item.trajectory().cam_to_world, "z", "-y")
    k = axes.camera_matrix(item.intrinsics_px())
    first = next(item.pictures().frames(0, 1))
    pictures.write_png(root / "images" / f"{item.name}.png", first)
    with files.replacing(root / _SPLIT / f"{item.name}.mp4") as temporary:
        pixels.write_mp4(item.pictures(), temporary, item.rate())
    with files.replacing(root / "prompts" / f"{item.name}.txt") as temporary:
        temporary.write_text(item.caption, "utf-8")
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        np.savez(
            temporary,
            allow_pickle=False,
            c2w=poses,
            intrinsics=k,
            fps=item.rate(),
            num_frames=len(poses),
        )


def _mark(name: str, slot: Slot) -> str:
    return (_SPLIT / f"{name}.npz").as_posix()


def _finish(root: Path, names: Sequence[str]) -> None:
    rows = [
        {
            "id": name,
            "prompt": (root / "prompts" / f"{name}.txt").read_text("utf-8"),
            "image_path": f"images/{name}.png",
            "camera_path": _mark(name, Slot()),
        }
        for name in names
    ]
    for path, lines in (
        (_SPLIT / _MANIFEST, [json.dumps(row, sort_keys=True) for row in rows]),
        (Path("scene_set/kept_scenes.txt"), names),
    ):
        with files.replacing(root / path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines))


FORMAT = Format(
    name="sana-wm",
    title="camera to world, 4x4, OpenCV axes, -y up, metres; pixels; MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise=f"has no {_FOLDER}/{_MANIFEST}, nor is it one's folder",
    listed=_listed,
    write=write,
    mark=_mark,
    finish=_finish,
)
