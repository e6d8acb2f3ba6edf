"""Anybody's clip in our terms: metres, z up, a rate, one camera; what export and import start from.

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
from capture.formats.pixels import Depth
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


def assumed(record: Posed, given: Given) -> str:
    """What is taken because neither the format nor anybody says it, in a sentence; may be empty."""
    unit = "centimetres" if record.declared.axes == "unreal" else "metres"
    is_open = {
        f"unit ({unit} are taken, see --scale)": not record.declared.unit and given.scale == 1.0,
        "axis that points up (z is taken, see --up)": not record.declared.up and not given.up,
    }
    listed = [what for what, open in is_open.items() if open]
    return f"{record.format} does not declare its {' and its '.join(listed)}" if listed else ""


def settled(record: Posed, given: Given) -> Posed:
    """The same clip in metres with z up, and what was given where it leaves something open.

    Rotations that are off by less than `axes.ROUNDED`, as six digits or float32 leave them, become
    the nearest rotation. Intrinsics are those of the pictures that are there. Depth is kept where
    it is planar and there is one for every pose; a note says so where it is not.

    Args:
        record: The clip.
        given: What to take where it leaves something open.

    Raises:
        ValueError: If its pictures ought to be there and are not, or cannot be read.
    """
    if record.rgb is None and record.lacks:
        raise ValueError(record.lacks[0])
    poses = axes.nearest_rigid(record.cam_to_world)
    if (up := given.up or record.declared.up or "z") != "z":
        poses = axes.turned(poses, up, "z")
    poses[:, :3, 3] *= given.scale
    depth, notes = _depth(record, given)
    settled = dataclasses.replace(
        record,
        declared=Declared(
            pose="c2w", axes="opencv", unit="m", up="z", depth="planar" if depth else None
        ),
        cam_to_world=poses,
        depth=depth,
        notes=(*record.notes, *record.lacks, *notes),
        lacks=(),
    )
    if record.fps is None and record.t_s is None:
        settled = dataclasses.replace(settled, fps=given.fps)
    return settled if record.rgb is None else _with_camera(settled, record.rgb.size_px(), given)


def _with_camera(record: Posed, size_px: tuple[int, int], given: Given) -> Posed:
    """With intrinsics in pixels of pictures of this size, as far as anybody knows them."""
    (width, height), k = size_px, record.intrinsics
    if k is None and given.fov_deg is not None:
        camera = Intrinsics.from_fov(width, height, given.fov_deg)
        k = np.tile([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], (len(record), 1))
    elif k is not None and record.intrinsics_unit == "image":
        k = k * [width, height, width, height]
    elif k is not None and record.size_px not in (None, size_px):
        before = np.array([*record.size_px, *record.size_px])
        k = k * ([width, height, width, height] / before)
    return dataclasses.replace(record, intrinsics=k, intrinsics_unit="px", size_px=size_px)


def adopt(record: Posed, given: Given) -> Posed:
    """The same clip, settled, with a picture and a time for every pose, and one camera.

    Args:
        record: The clip.
        given: What to take where it leaves something open.

    Raises:
        ValueError: If it has no pictures or odd ones, neither rate nor times, no intrinsics, or a
            camera that zooms; says what would help. `trajectory()` tells what the poses are.
    """
    record = settled(record, given)
    pictures, (width, height) = record.pictures(), record.size()
    if width % 2 or height % 2:
        raise ValueError(
            f"{record.name}: pictures of {width}x{height}; 4:2:0 video needs an even width and "
            "height, so scale or crop them first"
        )
    record.camera()
    return dataclasses.replace(
        record,
        fps=record.rate(),
        frame_index=np.arange(len(record)),
        t_s=_times(record),
        rgb=pictures,
    )


def _times(record: Posed) -> np.ndarray:
    """Seconds, the first one 0."""
    if record.t_s is not None:
        return record.t_s - record.t_s[0]
    assert record.frame_index is not None
    return (record.frame_index - record.frame_index[0]) / record.rate()


def _depth(record: Posed, given: Given) -> tuple[Depth | None, tuple[str, ...]]:
    if record.depth is None:
        return None, ()
    if record.declared.depth != "planar" or len(record.depth) != len(record):
        said = f"{record.name}: depth is not planar, or there is not one for every pose; left out"
        return None, (said,)
    return record.depth if given.scale == 1.0 else _Scaled(record.depth, given.scale), ()
