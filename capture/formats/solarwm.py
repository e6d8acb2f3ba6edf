"""SolarWM's raw WebDataset (docs/data-contract.md and src/solarwm/data there).

An index, JSONL or JSONL.gz, is authoritative; a row names a clip, the shard (a POSIX path, relative
and inside the root), its size in bytes, and the members. Declares: `c2w` float32 [T, 4, 4], camera
to world, "authoritative_source_c2w_no_axis_flip", OpenCV, with the scale of its source (ours:
metres, z up); other arrays are named w2c, vipe_c2w, vipe_w2c and relative_w2c. A pose per frame.
Intrinsics are [T, 3, 3] in pixels; its Wan reader passes them over and assumes a focal length of
969.697/1920 of the width.

index.jsonl.gz
wds/shard-000000.tar    <key>.video.mp4, <key>.camera.npz, <key>.intrinsics.npy, <key>.manifest.json

What we write has one clip a shard, so that an export continues after any clip.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from capture import files
from capture.formats import axes, pixels, text
from capture.formats.pixels import Member, Video
from capture.formats.record import Declared, Format, Posed, Slot

# An index, where a row of it stands, and the row.
_Row: TypeAlias = tuple[Path, str, dict[str, Any]]
_INDEX = "index.jsonl.gz"
_PATTERNS = ("*.jsonl", "*.jsonl.gz", "indexes/*.jsonl", "indexes/*.jsonl.gz")
_CONVENTION = "authoritative_source_c2w_no_axis_flip"
# Arrays that a camera.npz may hold, and whether they are camera to world; the first one counts.
_ARRAYS = {
    "c2w": True,
    "w2c": False,
    "vipe_c2w": True,
    "vipe_w2c": False,
    "relative_w2c": False,
}
# What the manifest attests, at the values that SolarWM's recipes ask for.
_GUARDS = {"magnitude_audit_seconds": 10.0, "max_camera_abs": 20.0, "max_rel_translation": 20.0}


def _found(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if _is_index(path) else []
    return [file for pattern in _PATTERNS for file in sorted(path.glob(pattern)) if _is_index(file)]


def _is_index(path: Path) -> bool:
    try:
        _, row = next(_rows(path))
    except (ValueError, StopIteration, OSError):
        return False
    return {"sample_id", "key", "shard"} <= set(row)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each row stands, and the row."""
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ValueError(f"{path} is no JSONL file")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}:{number}"
                if line.strip():
                    yield where, text.require_object(_parsed(line, where), where)
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error})") from error


def _parsed(content: str | bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON ({error})") from error


def _listed(path: Path) -> list[_Row]:
    """Every row of every index."""
    return [(index, where, row) for index in _found(path) for where, row in _rows(index)]


def _read(found: _Row) -> Posed:
    index, where, row = found
    names = ("sample_id", "shard", "video_member", "camera_member")
    text.require_object(row, where, *names)
    members = _members(_shard(index, row, where), where)
    manifest = row.get("manifest")
    if manifest is None:
        manifest = _parsed(_member(members, row, "manifest_member", where).read(), where)
    manifest = text.require_object(manifest, f"{where}: manifest")
    array, poses = _poses(_member(members, row, "camera_member", where), manifest, where)
    fps = row.get("fps") or _inner(manifest, "video").get("fps")
    intrinsics = None
    if row.get("intrinsics_member"):
        source = _member(members, row, "intrinsics_member", where)
        intrinsics = _intrinsics(source.read(), len(poses), where)
    notes = ()
    declared = _inner(manifest, "camera").get("convention", _CONVENTION)
    if declared != _CONVENTION:
        notes = (f"{where}: the manifest declares the camera convention {declared!r}",)
    return Posed(
        name=text.plain_name(str(row["sample_id"])),
        format=FORMAT.name,
        declared=Declared(pose="c2w" if _ARRAYS[array] else "w2c", axes="opencv"),
        cam_to_world=poses if _ARRAYS[array] else axes.invert(poses),
        fps=None if fps is None else text.require_number(fps, f"{where}: fps"),
        intrinsics=intrinsics,
        rgb=Video(source=_member(members, row, "video_member", where)),
        caption=str(row.get("caption") or _inner(manifest, "prompt").get("text", "")),
        notes=notes,
    )


def _inner(manifest: dict[str, Any], key: str) -> dict[str, Any]:
    value = manifest.get(key)
    return value if isinstance(value, dict) else {}


def _shard(index: Path, row: dict[str, Any], where: str) -> Path:
    """The row's tar, of the declared size, below the index or below the folder above it."""
    for root in (index.parent, index.parent.parent):
        shard = text.inside(root, row["shard"], f"{where}: shard")
        if shard.is_file():
            size = row.get("shard_size")
            if size is not None and size != shard.stat().st_size:
                raise ValueError(
                    f"{where}: {shard} should have {size} bytes, it has {shard.stat().st_size}"
                )
            return shard
    raise ValueError(f"{where}: the shard {row['shard']!r} is not there")


def _members(shard: Path, where: str) -> dict[str, Member]:
    try:
        with tarfile.open(shard, "r:") as tar:
            return {
                entry.name: Member(shard, entry.offset_data, entry.size)
                for entry in tar
                if entry.isfile()
            }
    except tarfile.TarError as error:
        raise ValueError(f"{where}: {shard} is no uncompressed tar ({error})") from error


def _member(members: dict[str, Member], row: dict[str, Any], field: str, where: str) -> Member:
    name = row.get(field)
    if not isinstance(name, str) or name not in members:
        raise ValueError(f"{where}: {field} {name!r} is not in {row['shard']}")
    return members[name]


def _poses(source: Member, manifest: dict[str, Any], where: str) -> tuple[str, np.ndarray]:
    wanted = _inner(manifest, "camera").get("array_key")
    arrays = pixels.load_npz(source.read(), where=f"{where}: the camera")
    array = wanted or next((name for name in _ARRAYS if name in arrays), None)
    if not isinstance(array, str) or array not in _ARRAYS or array not in arrays:
        raise ValueError(f"{where}: the camera has none of {', '.join(_ARRAYS)}")
    return array, pixels.require_poses(arrays[array], where, array)


def _intrinsics(content: bytes, num_frames: int, where: str) -> np.ndarray:
    values = pixels.load_npy(content, f"{where}: intrinsics_member").astype(np.float64)
    if values.shape[-2:] == (3, 3):
        values = axes.pinhole(values)
    try:
        return np.broadcast_to(values, (num_frames, 4))
    except ValueError as error:
        raise ValueError(f"{where}: intrinsics of the shape {list(values.shape)}") from error


def write(item: Posed, root: Path, slot: Slot) -> None:
    """One shard with one clip."""
    poses = item.trajectory().cam_to_world.astype(np.float32)
    manifest = {
        "video": {"fps": item.rate()},
        "prompt": {"text": item.caption},
        "camera": {
            "array_key": "c2w",
            "convention": _CONVENTION,
            "dtype": "float32",
            "finite": True,
            "shape": list(poses.shape),
            **_GUARDS,
        },
        "metadata": {"sample_id": item.name},
    }
    camera, intrinsics = io.BytesIO(), io.BytesIO()
    np.savez(camera, allow_pickle=False, c2w=poses)
    np.save(intrinsics, axes.camera_matrix(item.intrinsics_px()), allow_pickle=False)
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        video = temporary.with_suffix(".mp4")
        try:
            pixels.write_mp4(item.pictures(), video, item.rate())
            members = {
                "video.mp4": video.read_bytes(),
                "camera.npz": camera.getvalue(),
                "intrinsics.npy": intrinsics.getvalue(),
                "manifest.json": json.dumps(manifest, sort_keys=True).encode(),
            }
        finally:
            video.unlink(missing_ok=True)
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in members.items():
                entry = tarfile.TarInfo(f"{_key(item.name)}.{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def _key(name: str) -> str:
    """WebDataset splits a member's name at its first dot."""
    return name.replace(".", "_")


def _mark(name: str, slot: Slot) -> str:
    return f"wds/shard-{slot.number:06d}.tar"


def _finish(root: Path, names: Sequence[str]) -> None:
    """The index, from what the shards say of themselves."""
    rows = []
    for number, name in enumerate(names):
        shard, key = _mark(name, Slot(number=number)), _key(name)
        members = _members(root / shard, shard)
        manifest = json.loads(members[f"{key}.manifest.json"].read())
        row = {
            "sample_id": name,
            "key": key,
            "shard": shard,
            "shard_size": (root / shard).stat().st_size,
            "num_frames": manifest["camera"]["shape"][0],
            "fps": manifest["video"]["fps"],
            "epoch_repeats": 1,
            "caption": manifest["prompt"]["text"],
            "video_member": f"{key}.video.mp4",
            "camera_member": f"{key}.camera.npz",
            "intrinsics_member": f"{key}.intrinsics.npy",
            "manifest_member": f"{key}.manifest.json",
        }
        rows.append(json.dumps(row, sort_keys=True) + "\n")
    with files.replacing(root / _INDEX) as temporary:
        temporary.write_bytes(gzip.compress("".join(rows).encode(), mtime=0))


FORMAT = Format(
    name="solarwm",
    title="camera to world, float32, OpenCV axes, metres; pixels; MP4 in tars; a pose per frame",
    places=_found,
    load=_read,
    otherwise="has no index (JSONL with sample_id, key and shard)",
    listed=_listed,
    write=write,
    mark=_mark,
    finish=_finish,
    numbered=True,
)
