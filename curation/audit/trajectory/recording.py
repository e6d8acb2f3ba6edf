"""A clip as a recording for the Rerun viewer (.rrd): poses, pictures, depth and curves over time.

Needs rerun-sdk (the extra `viz`), which is imported only here.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from capture import files
from capture.camera import Intrinsics
from capture.formats import Posed
from curation.audit.trajectory import looks, page
from curation.audit.trajectory.outside import over_time

_PICTURE_PX = 640
_DEPTH_EVERY = 4


def rerun() -> Any:
    """The module `rerun`.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise ValueError(
            "--rerun needs rerun-sdk, which is not installed: pip install 'relickit[viz]'"
        ) from error


def write_rrd(clip: Posed, path: Path) -> None:
    """Write a recording: every pose, curve and picture, and every fourth frame of depth.

    Args:
        clip: Of anybody's dataset, or `capture.formats.episodes.posed` of ours.
        path: The .rrd file; it appears when it is whole.

    Raises:
        ValueError: If rerun-sdk is not installed.
    """
    rr = rerun()
    with files.replacing(path) as temporary:
        recording = rr.RecordingStream("relickit", recording_id=clip.name)
        recording.save(temporary)
        try:
            _log(rr, recording, clip)
            recording.flush()
        finally:
            recording.disconnect()


def _log(rr: Any, recording: Any, clip: Posed) -> None:
    poses, at, per, drawn = over_time(clip)
    camera = page.camera_of(clip)
    up = {"z": rr.ViewCoordinates.RIGHT_HAND_Z_UP, "-y": rr.ViewCoordinates.RIGHT_HAND_Y_DOWN}
    if clip.declared.up in up:
        recording.log("world", up[clip.declared.up], static=True)
    known = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    recording.log("world/path", rr.LineStrips3D([poses[known, :3, 3]]), static=True)
    if clip.caption:
        recording.log("caption", rr.TextDocument(clip.caption), static=True)
    for curve in drawn:
        name = rr.SeriesLines(names=f"{curve.label}, {curve.unit}")
        recording.log(f"{curve.group}/{curve.name}", name, static=True)
    pictures = _pictures(clip)
    for frame in range(len(clip)):
        recording.set_time("frame", sequence=frame)
        if per == "s":
            recording.set_time("time", duration=float(at[frame]))
        if known[frame]:
            pose = rr.Transform3D(translation=poses[frame, :3, 3], mat3x3=poses[frame, :3, :3])
            recording.log("world/camera", pose)
        for curve in drawn:
            if np.isfinite(curve.values[frame]):
                value = rr.Scalars(float(curve.values[frame]))
                recording.log(f"{curve.group}/{curve.name}", value)
        rgb = next(pictures, None)
        if rgb is not None:
            if frame == 0:
                _log_camera(rr, recording, camera, rgb.shape[1])
            picture = rr.EncodedImage(contents=looks.jpeg(rgb), media_type="image/jpeg")
            recording.log("world/camera/picture", picture)
        if frame % _DEPTH_EVERY == 0 and (depth_m := _depth(clip, frame)) is not None:
            recording.log("world/camera/depth", rr.DepthImage(depth_m, meter=1.0))


def _pictures(clip: Posed) -> Iterator[np.ndarray]:
    """The pictures, made small, up to the first that cannot be read."""
    with contextlib.suppress(ValueError, OSError):  # the report says which
        if clip.rgb is not None:
            for rgb in clip.pictures().frames():
                yield _small(rgb, cv2.INTER_AREA)


def _depth(clip: Posed, frame: int) -> np.ndarray | None:
    """A frame's depth, made small, 0 where nothing is; None where there is none."""
    try:
        if clip.depth is None:
            return None
        depth_m = _small(looks.depth_of(clip.depth, frame), cv2.INTER_NEAREST)
    except (ValueError, OSError):  # the report says which
        return None
    return np.where(np.isfinite(depth_m), depth_m, np.float32(0.0))


def _log_camera(rr: Any, recording: Any, camera: Intrinsics | None, width_px: int) -> None:
    if camera is None:
        return
    scale = width_px / camera.width_px
    k = np.array(
        [
            [camera.fx_px * scale, 0.0, camera.cx_px * scale],
            [0.0, camera.fy_px * scale, camera.cy_px * scale],
            [0.0, 0.0, 1.0],
        ]
    )
    lens = rr.Pinhole(
        image_from_camera=k, resolution=[width_px, round(camera.height_px * scale)],
        camera_xyz=rr.ViewCoordinates.RDF,
    )  # fmt: skip
    recording.log("world/camera", lens, static=True)


def _small(picture: np.ndarray, how: int) -> np.ndarray:
    if picture.shape[1] <= _PICTURE_PX:
        return picture
    size = (_PICTURE_PX, round(picture.shape[0] * _PICTURE_PX / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=how)
