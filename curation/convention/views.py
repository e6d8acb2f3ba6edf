"""The frames of a clip that a detector looks at: small pictures, depth, and which pairs to compare.

Up to three windows of a clip are read, every few frames of each. Pairs are chosen by how far the
picture moves between them (DIS flow), because that does not depend on what the poses mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from capture.camera import Intrinsics
from capture.formats import Posed
from curation import exposure, geometry
from curation.convention.hypothesis import Stored, in_file, usable

MAX_PAIRS = 24
_WINDOWS = 3
_WINDOW_FRAMES = 73
_STRIDE = 3
# Shares of the picture's width that things move between the frames of a pair.
_BEST_SHIFT, _LEAST_SHIFT, _MOST_SHIFT = 0.08, 0.008, 0.25
_UNKNOWN_FOV_DEG = 90.0


@dataclass(frozen=True, kw_only=True)
class Views:
    """What was taken of a clip.

    Attributes:
        poses: As they stand in the file.
        frames: Which frames were looked at, increasing, int [K].
        window: Which window each belongs to, int [K].
        camera: Of the small pictures, as the file declares it.
        camera_known: False where the file gives no intrinsics, and 90 degrees stand for them.
        luma: uint8 [K, H, W], or None without pictures.
        depth_m: float32 [K, H, W] as the file declares it, or None without depth.
        notes: What could not be read, one sentence each.
    """

    poses: Stored
    frames: np.ndarray
    window: np.ndarray
    camera: Intrinsics
    camera_known: bool
    luma: np.ndarray | None
    depth_m: np.ndarray | None
    notes: tuple[str, ...] = ()


def sample(clip: Posed) -> Views:
    """Read what is needed of a clip: at most 75 frames of each kind.

    Raises:
        ValueError: If there is neither a readable picture nor readable depth, or fewer than two
            frames have a usable pose: a sentence that says which.
    """
    poses = in_file(clip.cam_to_world, clip.declared)
    chosen = [(f, w) for f, w in _chosen(len(clip)) if usable(poses[f : f + 1])[0]]
    if len(chosen) < 2:
        raise ValueError("fewer than two of the frames have a usable pose")
    frames = np.array([f for f, _ in chosen])
    window = np.array([w for _, w in chosen])
    notes: list[str] = []
    luma = _read(notes, "pictures", lambda: _lumas(clip, frames))
    depth = _read(notes, "depth", lambda: _depths(clip, frames, luma))
    if luma is None and depth is None:
        raise ValueError("; ".join(notes) or "there are neither pictures nor depth")
    small = luma if luma is not None else depth
    assert small is not None
    camera, known = _camera(clip, small[0].shape[::-1])
    return Views(
        poses=Stored.of(poses),
        frames=frames,
        window=window,
        camera=geometry.shrink_camera(camera),
        camera_known=known,
        luma=None if luma is None else np.stack([geometry.shrink(p) for p in luma]),
        depth_m=None if depth is None else np.stack([geometry.shrink(p) for p in depth]),
        notes=tuple(notes),
    )


def pairs(views: Views) -> np.ndarray:
    """Places in `views.frames` of the pairs to compare, int [P, 2]; empty if nothing moves."""
    shown = views.luma if views.luma is not None else _as_pictures(views.depth_m)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    width, found = shown.shape[2], []
    for a in range(len(shown)):
        shifts = []
        for b in (a + 1, a + 2, a + 4, a + 8):
            if b < len(shown) and views.window[a] == views.window[b]:
                moved = flow.calc(shown[a], shown[b], None)  # pyright: ignore[reportCallIssue, reportArgumentType]
                shift = float(np.median(np.linalg.norm(moved, axis=-1))) / width
                shifts.append((abs(np.log(max(shift, 1e-9) / _BEST_SHIFT)), shift, b))
        if shifts and _LEAST_SHIFT < min(shifts)[1] < _MOST_SHIFT:
            found.append((min(shifts)[0], a, min(shifts)[2]))
    return spread(np.array([(a, b) for _, a, b in found], dtype=np.int64).reshape(-1, 2))


def spread(candidates: np.ndarray, count: int = MAX_PAIRS) -> np.ndarray:
    """At most `count` rows, evenly over all."""
    if len(candidates) <= count:
        return candidates
    return candidates[np.unique(np.linspace(0, len(candidates) - 1, count).round().astype(int))]


def _chosen(num_frames: int) -> Iterator[tuple[int, int]]:
    """Frames and their windows."""
    stride = max(1, min(_STRIDE, num_frames // 24))
    if num_frames <= _WINDOWS * _WINDOW_FRAMES:
        yield from ((frame, 0) for frame in range(0, num_frames, stride))
        return
    for window in range(_WINDOWS):
        first = round(window * (num_frames - _WINDOW_FRAMES) / (_WINDOWS - 1))
        yield from ((first + offset, window) for offset in range(0, _WINDOW_FRAMES, stride))


def _read(notes: list[str], what: str, read) -> list[np.ndarray] | None:
    """What `read` gives; a note instead where it fails."""
    try:
        found = read()
    except ValueError as error:
        notes.append(f"the {what} cannot be compared: {error}")
        return None
    if found is not None and len({picture.shape for picture in found}) > 1:
        notes.append(f"the {what} cannot be compared: their sizes differ within the clip")
        return None
    return found


def _lumas(clip: Posed, frames: np.ndarray) -> list[np.ndarray] | None:
    if clip.rgb is None:
        return None
    source = clip.pictures()
    return [exposure.luma(rgb) for rgb in _at(source.frames, frames)]


def _depths(
    clip: Posed, frames: np.ndarray, luma: list[np.ndarray] | None
) -> list[np.ndarray] | None:
    if clip.depth is None:
        return None
    if len(clip.depth) != len(clip):
        raise ValueError(f"{len(clip.depth)} depth frames for {len(clip)} poses")
    depths = list(_at(clip.depth.frames_m, frames))
    if luma is not None and depths[0].shape != luma[0].shape:
        size = luma[0].shape[::-1]
        depths = [cv2.resize(d, size, interpolation=cv2.INTER_NEAREST_EXACT) for d in depths]
    return depths


def _at(read, frames: np.ndarray) -> Iterator[np.ndarray]:
    """Single frames, read in runs that are near each other."""
    wanted, runs = frames.tolist(), np.flatnonzero(np.diff(frames) > _WINDOW_FRAMES)
    starts = [0, *(runs + 1).tolist(), len(wanted)]
    for a, b in itertools.pairwise(starts):
        chosen = set(wanted[a:b])
        for place, frame in enumerate(read(wanted[a], wanted[b - 1] + 1), start=wanted[a]):
            if place in chosen:
                yield frame


def _camera(clip: Posed, size_px: tuple[int, ...]) -> tuple[Intrinsics, bool]:
    """The camera of the pictures that are there, and whether the file gives it."""
    width, height = size_px
    if clip.intrinsics is None:
        return Intrinsics.from_fov(width, height, _UNKNOWN_FOV_DEG), False
    values = np.median(clip.intrinsics, axis=0)
    if clip.intrinsics_unit == "image":
        values = values * [width, height, width, height]
    elif clip.size_px is not None:
        scale = width / clip.size_px[0], height / clip.size_px[1]
        values = values * [*scale, *scale]
    if not np.isfinite(values).all() or values[:2].min() <= 0:
        return Intrinsics.from_fov(width, height, _UNKNOWN_FOV_DEG), False
    fx, fy, cx, cy = values.tolist()
    known = Intrinsics(width_px=width, height_px=height, fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy)
    return known, True


def _as_pictures(depth_m: np.ndarray | None) -> np.ndarray:
    """Depth as pictures for the flow: brighter is nearer."""
    assert depth_m is not None
    nearness = 1.0 / np.maximum(depth_m, 1e-9)
    top = float(np.percentile(nearness, 99)) or 1.0
    return np.clip(255 * nearness / top, 0, 255).astype(np.uint8)
