"""Anybody's clip in our terms: metres, z up, one camera, a rate; what an import starts from.

A format leaves things open, such as the scale of a scene or the rate of its pictures; `Given` says
what to take. Nothing else is made up: a clip without pictures, or with poses that are no rigid
motions, is refused in a sentence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from capture.camera import Intrinsics
from capture.formats import axes
from capture.formats.pixels import Depth, Pictures
from capture.formats.record import Declared, Posed


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What to take where a source leaves it open.

    Attributes:
        fps: Frames per second of a source with neither times nor a rate.
        fov_deg: Horizontal field of view of a source without intrinsics.
        up: The source's world axis that points up; by default what its format declares, else z.
        scale: Metres of one unit of the source's positions.
    """

    fps: float | None = None
    fov_deg: float | None = None
    up: axes.Up | None = None
    scale: float = 1.0

    def __post_init__(self):
        for name in ("fps", "scale"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(f"--{name} is a positive number, got {value}")


@dataclass(frozen=True, slots=True)
class _Scaled:
    """Depth of a source whose unit is no metre."""

    depth: Depth
    scale: float

    def __len__(self) -> int:
        return len(self.depth)

    def frames_m(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Depth`."""
        return (depth_m * np.float32(self.scale) for depth_m in self.depth.frames_m(start, stop))


def adopt(record: Posed, given: Given) -> Posed:
    """The same clip with rigid poses in metres with z up, times, a rate, one camera in pixels.

    Rotations that are off by less than `axes.ROUNDED`, as six digits or float32 leave them, become
    the nearest rotation. Depth is kept where it is planar and there is one for every pose; a note
    says so where it is not.

    Args:
        record: The clip.
        given: What to take where it leaves something open.

    Raises:
        ValueError: If it has no pictures or odd ones, neither rate nor times, no intrinsics, or a
            camera that zooms; says what would help. `trajectory()` tells what the poses are.
    """
    poses = axes.nearest_rigid(record.cam_to_world)
    poses = axes.turned(poses, given.up or record.declared.up or "z", "z")
    poses[:, :3, 3] *= given.scale
    if record.rgb is None and record.lacks:
        raise ValueError(record.lacks[0])
    pictures = record.pictures()
    camera = _camera(record, pictures, given)
    depth, notes = _depth(record, given)
    return dataclasses.replace(
        record,
        declared=Declared(
            pose="c2w", axes="opencv", unit="m", up="z", depth="planar" if depth else None
        ),
        cam_to_world=poses,
        fps=_rate(record, given),
        frame_index=np.arange(len(record)),
        intrinsics=np.tile(
            [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], (len(record), 1)
        ),
        intrinsics_unit="px",
        size_px=(camera.width_px, camera.height_px),
        t_s=_times(record, given),
        rgb=pictures,
        depth=depth,
        notes=(*record.notes, *record.lacks, *notes),
        lacks=(),
    )


def _rate(record: Posed, given: Given) -> float:
    if record.fps is None and record.t_s is None and given.fps is not None:
        return given.fps
    try:
        return record.rate()
    except ValueError as error:
        raise ValueError(f"{error}; say it with --fps") from error


def _times(record: Posed, given: Given) -> np.ndarray:
    """Seconds, the first one 0."""
    if record.t_s is not None:
        return record.t_s - record.t_s[0]
    assert record.frame_index is not None
    return (record.frame_index - record.frame_index[0]) / _rate(record, given)


def _camera(record: Posed, pictures: Pictures, given: Given) -> Intrinsics:
    """The clip's camera, in pixels of the pictures that are there."""
    width, height = pictures.size_px()
    if width % 2 or height % 2:
        raise ValueError(
            f"{record.name}: pictures of {width}x{height}; 4:2:0 video needs an even width and "
            "height, so scale or crop them first"
        )
    if record.intrinsics is None:
        if given.fov_deg is None:
            raise ValueError(
                f"{record.name}: the source has no intrinsics; "
                "say its horizontal field of view with --fov"
            )
        return Intrinsics.from_fov(width, height, given.fov_deg)
    return record.camera().scaled(width, height)


def _depth(record: Posed, given: Given) -> tuple[Depth | None, tuple[str, ...]]:
    if record.depth is None:
        return None, ()
    if record.declared.depth != "planar" or len(record.depth) != len(record):
        said = f"{record.name}: depth is not planar, or there is not one for every pose; left out"
        return None, (said,)
    return record.depth if given.scale == 1.0 else _Scaled(record.depth, given.scale), ()
