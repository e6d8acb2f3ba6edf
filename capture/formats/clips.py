"""Our own shards as records: what an audit reads of a dataset that somebody packed.

Camera to world, OpenCV camera, right-handed world with z up, metres; no depth; a pose and an action
per frame. Read from the tars alone, without the manifest, so that damaged ones can be looked at.

<shard>.tar of <key>.actions.npz, <key>.camera.npz, <key>.meta.json, <key>.rgb.mp4
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from capture import actions
from capture.formats import pixels, text
from capture.formats.pixels import Member, Video
from capture.formats.record import Declared, Format, Labels, Posed

_CAMERA = ".camera.npz"


def _tars(path: Path) -> list[Path]:
    """A tar of ours, those in a folder, or those in its `shards` folder."""
    if path.is_file():
        return [path] if path.suffix == ".tar" and _is_ours(path) else []
    for folder in (path, path / "shards"):
        if found := [tar for tar in sorted(folder.glob("*.tar")) if _is_ours(tar)]:
            return found
    return []


def _is_ours(tar: Path) -> bool:
    """Whether the first member is one that our writer puts first."""
    try:
        with tarfile.open(tar, "r:") as archive:
            first = archive.next()
        return first is not None and first.name.endswith(".actions.npz")
    except (tarfile.TarError, OSError):
        return False


def _listed(path: Path) -> list[tuple[Path, str]]:
    """Every sample of every tar: the tar and the key."""
    return [(tar, key) for tar in _tars(path) for key in _keys(tar)]


def _keys(tar: Path) -> list[str]:
    """Keys of the samples, in the order of the tar; a damaged end is met when they are read."""
    return list(dict.fromkeys(name.split(".", 1)[0] for name in _members(tar)))


def _members(tar: Path) -> dict[str, Member]:
    found = {}
    try:
        with tarfile.open(tar, "r:") as archive:
            for entry in archive:
                found[entry.name] = Member(tar, entry.offset_data, entry.size)
    except tarfile.TarError as error:
        if not found:
            raise ValueError(f"{tar} is no uncompressed tar ({error})") from error
    return found


def _read(found: tuple[Path, str]) -> Posed:
    tar, key = found
    members, where = _members(tar), f"{tar}: {key}"
    for part in (_CAMERA, ".meta.json", ".rgb.mp4"):
        if key + part not in members:
            raise ValueError(f"{where} has no {part[1:]}; the shard is cut short")
    names = ("cam_to_world", "t_s", "intrinsics")
    arrays = pixels.load_npz(members[key + _CAMERA].read(), *names, where=where)
    poses, camera = arrays["cam_to_world"], arrays["intrinsics"]
    if camera.shape != (6,) or not np.isfinite(camera).all():
        raise ValueError(f"{where}: intrinsics are six numbers, got {list(camera.shape)}")
    meta = _meta(members[key + ".meta.json"], where)
    video = Video(source=members[key + ".rgb.mp4"])
    lacks = ()
    if len(video) != len(poses):
        lacks = (f"{where}: {len(video)} frames for {len(poses)} poses",)
    return Posed(
        name=text.plain_name(key),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z"),
        cam_to_world=poses,
        t_s=arrays["t_s"],
        fps=text.require_number(meta["fps"], f"{where}: fps"),
        intrinsics=np.tile(camera[:4], (len(poses), 1)),
        size_px=(int(camera[4]), int(camera[5])),
        rgb=None if lacks else video,
        actions=_actions(members.get(key + ".actions.npz"), where),
        caption=str(meta.get("caption", "")),
        lacks=lacks,
    )


def _meta(member: Member, where: str) -> dict[str, Any]:
    try:
        content = json.loads(member.read())
    except ValueError as error:
        raise ValueError(f"{where}: meta.json is not JSON ({text.one_line(error)})") from error
    return text.require_object(content, f"{where}: meta.json", "fps")


def _actions(member: Member | None, where: str) -> Labels | None:
    if member is None:
        return None
    arrays = pixels.load_npz(member.read(), "values", "step_m", where=where)
    return Labels(
        names=actions.NAMES,
        values=arrays["values"],
        meaning="row t is the move from frame t - 1 to frame t; turns in degrees",
        step_m=float(arrays["step_m"]),
    )


FORMAT = Format(
    name="shards",
    title="camera to world, 4x4, OpenCV axes, z up, metres; RELIC's 13 actions; MP4 in tars",
    places=_tars,
    load=_read,
    otherwise="holds no shard of ours",
    listed=_listed,
)
