"""KITTI odometry benchmark (devkit's readme.txt).

Declares: a pose is the first three rows of camera to world, 12 numbers in row-major order, and the
world is the *first left camera* (OpenCV axes, so y points down); metres; a pose per frame.
`calib.txt` holds the 3x4 projections P0..P3 of the rectified cameras, whose last column shifts a
camera against the left grey one; `times.txt` the seconds. Image 2 is the left colour camera.

poses/<name>.txt
sequences/<name>/{calib.txt,times.txt,image_2/000000.png ...}

What we write is rebased to the first frame, as the benchmark wants it; all four cameras are one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import files
from capture.camera import invert
from capture.formats import axes, pixels, text
from capture.formats.pixels import Images
from capture.formats.record import Declared, Format, Posed, Slot

# A picture folder and the projection that belongs to it; colour first.
_CAMERAS = (("image_2", "P2"), ("image_0", "P0"))


def _found(path: Path) -> list[Path]:
    """A file with rows of twelve numbers, or all in poses/ if one is: the others are damaged."""
    candidates = [path] if path.is_file() else sorted((path / "poses").glob("*.txt"))
    known = any(file.suffix == ".txt" and _is_kitti(file) for file in candidates)
    return candidates if known else []


def _listed(path: Path) -> list[Path]:
    return [path] if path.is_file() else _found(path)


def _is_kitti(path: Path) -> bool:
    try:
        _, line = next(text.rows(path), (0, ""))
        return len(text.numbers(line.split(), 12, "", "a 3x4 pose")) == 12
    except ValueError:
        return False


def _read(file: Path) -> Posed:
    rows = [
        text.numbers(line.split(), 12, f"{file}:{number}", "a 3x4 pose")
        for number, line in text.rows(file)
    ]
    if not rows:
        raise ValueError(f"{file} holds no pose")
    poses = axes.from_rows(np.array(rows))
    sequence = file.parent.parent / "sequences" / file.stem
    lacks = []
    images, projection = _pictures(sequence)
    if images and len(images) != len(poses):
        lacks.append(f"{sequence}: {len(images)} pictures for {len(poses)} poses")
        images = ()
    poses, intrinsics = _of_camera(poses, _calibration(sequence / "calib.txt").get(projection))
    times = _times(sequence / "times.txt")
    if times is not None and len(times) != len(poses):
        lacks.append(f"{sequence}/times.txt has {len(times)} times for {len(poses)} poses")
        times = None
    return Posed(
        name=text.plain_name(file.stem),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="-y"),
        cam_to_world=poses,
        t_s=times,
        intrinsics=intrinsics,
        rgb=Images(images) if images else None,
        lacks=tuple(lacks),
    )


def _pictures(sequence: Path) -> tuple[tuple[Path, ...], str]:
    """The pictures of a sequence, if any, and the name of their projection."""
    for folder, projection in _CAMERAS:
        if images := tuple(sorted((sequence / folder).glob("*.png"))):
            return images, projection
    return (), "P0"


def _of_camera(
    poses: np.ndarray, projection: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Poses and intrinsics [N, 4] of one of the rectified cameras."""
    if projection is None:
        return poses, None
    shift = np.eye(4)
    shift[:3, 3] = -np.linalg.solve(projection[:, :3], projection[:, 3])
    return poses @ shift, np.tile(axes.pinhole(projection), (len(poses), 1))


def _calibration(path: Path) -> dict[str, np.ndarray]:
    """3x4 projections by name; empty without the file."""
    found = {}
    for number, line in text.rows(path) if path.is_file() else ():
        name, _, values = line.partition(":")
        if name.startswith("P"):
            where = f"{path}:{number}"
            rows = text.numbers(values.split(), 12, where, f"the projection {name}")
            found[name] = np.array(rows).reshape(3, 4)
            if np.linalg.det(found[name][:, :3]) == 0:
                raise ValueError(f"{where}: {name} is no projection, its first 3x3 is singular")
    return found


def _times(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    return np.array(
        [text.numbers([line], 1, f"{path}:{n}", "seconds")[0] for n, line in text.rows(path)]
    )


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`sequences/<name>/`, then `poses/<name>.txt`."""
    path, k = item.trajectory(), item.camera()
    with files.replacing_folder(root / "sequences" / item.name) as folder:
        pixels.write_images(item.pictures(), folder / "image_2", "%06d.png")
        projection = text.exact(*np.hstack([k.matrix(), np.zeros((3, 1))]).ravel())
        lines = [f"P{camera}: {projection}\n" for camera in range(4)]
        (folder / "calib.txt").write_text("".join(lines))
        (folder / "times.txt").write_text("".join(f"{text.exact(t)}\n" for t in path.t_s))
    relative = invert(path.cam_to_world[:1]) @ path.cam_to_world
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        rows = relative[:, :3].reshape(-1, 12)
        temporary.write_text("".join(f"{text.exact(*row)}\n" for row in rows))


def _mark(name: str, slot: Slot) -> str:
    return f"poses/{name}.txt"


FORMAT = Format(
    name="kitti",
    title="camera to first camera, 3x4 rows, OpenCV axes, metres, seconds; PNG; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no poses/*.txt with twelve numbers a line",
    listed=_listed,
    write=write,
    mark=_mark,
)
