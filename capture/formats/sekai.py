"""Sekai's own release (Lixsp11/sekai-codebase; arXiv 2506.15675); Yume's cut of it is `yume`.

Declares, in the words of its authors (issues 15, 21, 23 and 24 of that repository): `extrinsic` is
camera to world with OpenCV's axes in a world that is no particular one, translations are scaled so
that none exceeds 1 along any axis (no metres), and `intrinsic` is divided by the width and height
of the picture. An npz per clip with `extrinsic` [T, 4, 4], a pose per frame of a video at 30 a
second, and `intrinsic` [3, 3]: names and shapes as several published loaders read them, one of
which notes that a clip's first rotation is close to diag(1, -1, -1). Then y is up: `--up y`. Ours
are in metres, z up, at their own rate.

<split>/<name>.npz, <name>.mp4          Sekai-Game; ours: "sekai"
<split>/<name>.npz, and <split>_clips/<video>/<name>.mp4    Sekai-Real, as its tools cut it
train/<split>.csv                       videoFile, cameraFile, caption and more
captions/<name>.txt                     what the csv is made from (ours)
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from capture import files
from capture.formats import axes, pixels, text
from capture.formats.record import Declared, Format, Posed, Slot

_SPLIT = "sekai"
_FPS = 30.0
_COLUMNS = ("videoFile", "cameraFile", "caption")


def _found(path: Path) -> list[Path]:
    """The cameras of a split, or of all splits in a folder."""
    cameras = sorted(path.glob("*.npz")) or sorted(path.glob("*/*.npz"))
    return cameras if cameras and _is_camera(cameras[0]) else []


def _is_camera(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return {"extrinsic.npy", "intrinsic.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _listed(path: Path) -> list[tuple[Path, str]]:
    """Every camera and its caption."""
    captions = dict(_captions(path))
    return [(file, captions.get(file.name, "")) for file in _found(path)]


def _captions(path: Path) -> Iterator[tuple[str, str]]:
    """Caption by the camera's file name, from the tables that lie where the release has them."""
    beside = path.resolve().parent / "train" / f"{path.resolve().name}.csv"
    for table in (*sorted(path.glob("*.csv")), *sorted(path.glob("train/*.csv")), beside):
        rows = csv.DictReader(text.lines(table)) if table.is_file() else ()
        for row in rows:
            if row.get("cameraFile"):
                yield Path(row["cameraFile"]).name, row.get("caption") or ""


def _read(found: tuple[Path, str]) -> Posed:
    file, caption = found
    arrays = pixels.load_npz(file, "extrinsic", "intrinsic")
    poses = pixels.require_poses(arrays["extrinsic"], file, "extrinsic")
    k = arrays["intrinsic"].astype(np.float64)
    if k.shape != (3, 3):
        raise ValueError(f"{file}: expected intrinsic [3, 3], got {list(k.shape)}")
    rgb, fps, lacks = pixels.beside(_video(file), len(poses))
    return Posed(
        name=text.plain_name(file.stem),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv"),
        cam_to_world=poses,
        fps=fps or _FPS,
        intrinsics=np.tile(axes.pinhole(k), (len(poses), 1)),
        intrinsics_unit="image",
        rgb=rgb,
        caption=caption,
        lacks=lacks,
    )


def _video(file: Path) -> Path:
    """Beside the camera, or where the release's tools put a clip that they cut."""
    beside = file.with_suffix(".mp4")
    video = file.stem.rsplit("_", 2)[0]
    cut = file.parent.with_name(f"{file.parent.name}_clips") / video / beside.name
    return cut if cut.is_file() and not beside.is_file() else beside


def write(item: Posed, root: Path, slot: Slot) -> None:
    """Caption and video, then the camera."""
    k = item.camera()
    px = np.array([k.fx_px, k.fy_px, k.cx_px, k.cy_px])
    intrinsic = axes.camera_matrix(px / [k.width_px, k.height_px, k.width_px, k.height_px])
    with files.replacing(root / "captions" / f"{item.name}.txt") as temporary:
        temporary.write_text(item.caption, "utf-8")
    with files.replacing(root / _SPLIT / f"{item.name}.mp4") as temporary:
        pixels.write_mp4(item.pictures(), temporary, item.rate())
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        poses = item.trajectory().cam_to_world
        np.savez(temporary, allow_pickle=False, extrinsic=poses, intrinsic=intrinsic)


def _mark(name: str, slot: Slot) -> str:
    return f"{_SPLIT}/{name}.npz"


def _finish(root: Path, names: Sequence[str]) -> None:
    with (
        files.replacing(root / "train" / f"{_SPLIT}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as opened,
    ):
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for name in names:
            caption = (root / "captions" / f"{name}.txt").read_text("utf-8")
            rows.writerow((f"{name}.mp4", f"{name}.npz", " ".join(caption.split())))


FORMAT = Format(
    name="sekai",
    title="camera to world, 4x4, OpenCV axes, metres; shares of the image; MP4; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no <name>.npz with `extrinsic` and `intrinsic`, nor is it a folder of such",
    listed=_listed,
    write=write,
    mark=_mark,
    finish=_finish,
)
