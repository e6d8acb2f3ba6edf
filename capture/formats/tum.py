"""TUM RGB-D benchmark (cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats).

Declares: `timestamp tx ty tz qx qy qz qw`, camera to world, OpenCV camera (the optical frame),
metres, seconds; single spaces, `#` begins a comment. `rgb.txt` and `depth.txt` hold
`timestamp file`; depth is planar, 16-bit PNG, 5000 per metre (so nothing beyond 13.1 m), 0 is
nothing. A picture belongs to the nearest pose within 0.02 s, as in the benchmark's associate.py.
The format holds no intrinsics.

<name>/groundtruth.txt, rgb.txt, rgb/000000.png ..., depth.txt, depth/000000.png ...
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import files
from capture.formats import axes, pixels, text
from capture.formats.pixels import DepthImages, Images
from capture.formats.record import Declared, Format, Posed, Slot

POSES = "groundtruth.txt"
DEPTH_PER_M = 5000.0
_FIELDS = "timestamp tx ty tz qx qy qz qw"
_MAX_APART_S = 0.02


def _found(path: Path) -> list[Path]:
    """A file with rows of eight numbers, or groundtruth.txt of a folder or of those in it."""
    if path.is_file():
        return [path] if path.suffix in (".txt", ".tum") and _is_tum(path) else []
    if (path / POSES).is_file():
        return [path / POSES]
    return sorted(path.glob(f"*/{POSES}"))


def _listed(path: Path) -> list[Path]:
    return [path] if path.is_file() else _found(path)


def _is_tum(path: Path) -> bool:
    try:
        _, line = next(text.rows(path), (0, ""))
        return len(text.numbers(line.split(), 8, "", _FIELDS)) == 8
    except ValueError:
        return False


def table(file: Path) -> tuple[list[int], np.ndarray]:
    """The line of each pose, and the numbers in it: float64 [N, 8], time, position, xyzw.

    Raises:
        ValueError: If there is none, or a line does not hold eight numbers; names the line.
    """
    lines, rows = [], []
    for number, line in text.rows(file):
        fields = line.replace(",", " ").split()
        rows.append(text.numbers(fields, 8, f"{file}:{number}", _FIELDS))
        lines.append(number)
    if not rows:
        raise ValueError(f"{file} holds no pose")
    return lines, np.array(rows)


def _read(file: Path) -> Posed:
    _, rows = table(file)
    folder = file.parent
    is_benchmark = file.name == POSES
    name = folder.resolve().name if is_benchmark else file.stem
    rgb = _list(folder / "rgb.txt") if is_benchmark else []
    t_s, poses = rows[:, 0], axes.from_quaternions(rows[:, [7, 4, 5, 6]], rows[:, 1:4])
    notes, pictures, depth = [], None, None
    if rgb:
        pairs = _nearest(np.array([when for when, _ in rgb]), t_s)
        if not pairs:
            raise ValueError(f"{folder}: no picture is within {_MAX_APART_S} s of a pose")
        if len(pairs) < len(rgb):
            notes.append(
                f"{folder}: {len(rgb) - len(pairs)} pictures have no pose and are left out"
            )
        pictures = Images(tuple(rgb[picture][1] for picture, _ in pairs))
        depth = _depth(folder, np.array([rgb[picture][0] for picture, _ in pairs]))
        chosen = [pose for _, pose in pairs]
        t_s, poses = t_s[chosen], poses[chosen]
    length = np.linalg.norm(rows[:, 4:], axis=1)
    if np.any(np.abs(length - 1.0) > 1e-3):
        notes.append(f"{file}: quaternions of length {length.min():.4g} to {length.max():.4g}")
    return Posed(
        name=text.plain_name(name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", depth="planar" if depth else None),
        cam_to_world=poses,
        t_s=t_s,
        rgb=pictures,
        depth=depth,
        notes=tuple(notes),
    )


def _list(path: Path) -> list[tuple[float, Path]]:
    """Times and files of rgb.txt or depth.txt; empty without the file."""
    if not path.is_file():
        return []
    entries = []
    for number, line in text.rows(path):
        where, fields = f"{path}:{number}", line.split(maxsplit=1)
        if len(fields) != 2:
            raise ValueError(f"{where}: expected `timestamp file`, got {line!r}")
        (when,) = text.numbers(fields[:1], 1, where, "timestamp")
        entries.append((when, text.inside(path.parent, fields[1], where)))
    return entries


def _depth(folder: Path, t_s: np.ndarray) -> DepthImages | None:
    """The depth of every picture, or None where one has none."""
    entries = _list(folder / "depth.txt")
    if not entries:
        return None
    pairs = _nearest(t_s, np.array([when for when, _ in entries]))
    if len(pairs) < len(t_s):
        return None
    chosen = tuple(entries[index][1] for _, index in pairs)
    return DepthImages(files=chosen, m_per_unit=1 / DEPTH_PER_M)


def _nearest(wanted_s: np.ndarray, known_s: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of places whose times are nearest, and near enough."""
    order = np.argsort(known_s, kind="stable")
    after = np.clip(np.searchsorted(known_s[order], wanted_s), 1, max(len(order) - 1, 1))
    before, after = order[after - 1], order[np.minimum(after, len(order) - 1)]
    nearer = np.abs(known_s[before] - wanted_s) <= np.abs(known_s[after] - wanted_s)
    nearest = np.where(nearer, before, after)
    close = np.abs(known_s[nearest] - wanted_s) <= _MAX_APART_S
    return [(int(i), int(nearest[i])) for i in np.flatnonzero(close)]


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` as the benchmark has it; pictures and depth where there are any."""
    path = item.trajectory()
    wxyz = axes.to_quaternions(path.cam_to_world)
    values = np.column_stack([path.t_s, path.position_m, wxyz[:, [1, 2, 3, 0]]])
    with files.replacing_folder(root / item.name) as folder:
        lines = [f"{text.exact(*row)}\n" for row in values]
        (folder / POSES).write_text(f"# {_FIELDS}\n{''.join(lines)}")
        if item.rgb is not None:
            pixels.write_images(item.rgb, folder / "rgb", "%06d.png")
            _write_list(folder, "rgb", path.t_s)
        if item.depth is not None:
            pixels.write_depth(item.depth, folder / "depth", "%06d.png", DEPTH_PER_M)
            _write_list(folder, "depth", path.t_s)


def _write_list(folder: Path, kind: str, t_s: np.ndarray) -> None:
    lines = [f"{text.exact(when)} {kind}/{i:06d}.png\n" for i, when in enumerate(t_s)]
    (folder / f"{kind}.txt").write_text("# timestamp filename\n" + "".join(lines))


FORMAT = Format(
    name="tum",
    title="camera to world, quaternion xyzw, OpenCV axes, metres, seconds; PNG; no intrinsics",
    places=_found,
    load=_read,
    otherwise=f"has no {POSES}, neither itself nor in the folders inside",
    listed=_listed,
    write=write,
)
