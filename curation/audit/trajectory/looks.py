"""Pictures of a page: the contact sheet, what is seen again with the warp error, the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from capture import projection
from capture.camera import Intrinsics, invert
from capture.formats import Posed
from capture.formats.pixels import Depth, Pictures
from capture.plan_map import ClearanceMap
from curation import exposure, geometry

# Differences of luma beyond this many levels look the same in the picture of errors.
MAX_LEVELS = 48
_TILE_PX, _PAIR_PX = 176, 224
_TILES, _ACROSS = 30, 6
_QUALITY = 74
_SAME_DEPTH = 0.05
_UNSEEN = np.array([96, 96, 96], np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two frames that should show the same.

    Attributes:
        now: The later frame, or the one that is looked from.
        then: The other one.
        kind: "again" where a place is seen again, "next" for frames in a row.
    """

    now: int
    then: int
    kind: str


def sheet_frames(num_frames: int, also: Sequence[int] = ()) -> list[int]:
    """Frames of the contact sheet, at most 30 evenly spread and those that are asked for.

    Steps are powers of two from 4 on, so that key frames, which decode at once, are among them.
    """
    step = 4
    while num_frames > _TILES * step:
        step *= 2
    return sorted({*range(0, num_frames, step), *(n for n in also if 0 <= n < num_frames)})


def sheet(pictures: Pictures, frames: Sequence[int]) -> tuple[bytes, dict]:
    """The contact sheet.

    Args:
        pictures: One for every frame.
        frames: Which ones.

    Returns:
        A JPEG, and where the frames lie in it: `frames`, `columns`, `tile_px` [width, height].

    Raises:
        ValueError: If a frame cannot be read.
    """
    tiles = [_resized(frame_of(pictures, n), _TILE_PX) for n in frames]
    height = tiles[0].shape[0]
    rows = -(-len(tiles) // _ACROSS)
    columns = min(len(tiles), _ACROSS)
    picture = np.full((rows * height, columns * _TILE_PX, 3), _UNSEEN, np.uint8)
    for n, tile in enumerate(tiles):
        y, x = n // columns * height, n % columns * _TILE_PX
        picture[y : y + height, x : x + _TILE_PX] = tile[:height]
    layout = {"frames": list(frames), "columns": columns, "tile_px": [_TILE_PX, height]}
    return jpeg(picture), layout


def compare(clip: Posed, camera: Intrinsics | None, pair: Pair) -> tuple[bytes, dict]:
    """Two frames side by side, and how far they differ where both see the same surface.

    The picture of `then` is warped to where the camera is `now`: every pixel is lifted by its
    depth, moved by the two poses and looked up, as in `geometry.photometric_error`. Surfaces that
    something hides from the other camera (its depth differs by more than 5 %) are left out.

    Args:
        clip: With pictures, and poses in the metres of its depth.
        camera: Of all frames; without it, or without planar depth, nothing is warped.
        pair: Which frames.

    Returns:
        A JPEG of two parts (now, then) or four (and then as seen from now, and the error), and
        `parts`, `part_px`, and, in levels and percent of the picture, `error` and `seen`.
    """
    pictures = clip.pictures()
    now, then = frame_of(pictures, pair.now), frame_of(pictures, pair.then)
    parts = [_resized(now, _PAIR_PX), _resized(then, _PAIR_PX)]
    said: dict[str, float | None] = {"error": None, "seen": None}
    if clip.depth is not None and camera is not None and clip.declared.depth == "planar":
        here, there = (depth_of(clip.depth, n) for n in (pair.now, pair.then))
        size = (camera.height_px, camera.width_px)
        if {now.shape[:2], then.shape[:2], here.shape, there.shape} == {size}:
            i_to_j = invert(clip.cam_to_world[pair.then]) @ clip.cam_to_world[pair.now]
            warped, error, seen = _warped(now, then, here, there, camera, i_to_j)
            said["seen"] = 100.0 * float(np.mean(seen))
            said["error"] = float(error[seen].mean()) if seen.any() else None
            parts += [_resized(warped, _PAIR_PX), _resized(_heat(error, seen), _PAIR_PX)]
    height = min(part.shape[0] for part in parts)
    picture = np.concatenate([part[:height] for part in parts], axis=1)
    return jpeg(picture), {**said, "parts": len(parts), "part_px": [_PAIR_PX, height]}


def ground(grid: ClearanceMap) -> tuple[bytes, list[float]]:
    """The free space of a scene from above: surfaces dark, what is out of reach grey.

    Returns:
        A PNG of a pixel a cell, +x to the right and +y up, and its edges: x_min, x_max, y_min,
        y_max in metres.
    """
    inside = np.argwhere(grid.reachable)
    if not len(inside):
        inside = np.argwhere(np.ones_like(grid.reachable))
    low = np.maximum(inside.min(axis=0) - 2, 0)
    high = np.minimum(inside.max(axis=0) + 3, grid.reachable.shape)
    part = np.s_[low[0] : high[0], low[1] : high[1]]
    picture = np.ascontiguousarray(np.swapaxes(grid.colours()[part], 0, 1)[::-1])
    (x0, y0), (x1, y1) = (
        (np.asarray(grid.origin_m, dtype=np.float64) + (edge - 0.5) * grid.cell_m).tolist()
        for edge in (low, high)
    )
    return png(picture), [x0, x1, y0, y1]


def frame_of(pictures: Pictures, index: int) -> np.ndarray:
    """One frame, uint8 [H, W, 3]; ValueError if it cannot be read."""
    for frame in pictures.frames(index, index + 1):
        return frame
    raise ValueError(f"frame {index} is not among the {len(pictures)} pictures")


def depth_of(depth: Depth, index: int) -> np.ndarray:
    """One frame's depth, float32 [H, W] metres; ValueError if it cannot be read."""
    for frame in depth.frames_m(index, index + 1):
        return frame
    raise ValueError(f"frame {index} is not among the {len(depth)} of the depth")


def jpeg(rgb: np.ndarray) -> bytes:
    """A picture, uint8 [H, W, 3], as JPEG."""
    return _encoded(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def png(rgb: np.ndarray) -> bytes:
    """A picture, uint8 [H, W, 3], as PNG."""
    return _encoded(".png", rgb, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _encoded(suffix: str, rgb: np.ndarray, how: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, rgb[..., ::-1], how)
    if not done:
        raise ValueError(f"a picture of shape {rgb.shape} cannot be written as {suffix[1:]}")
    return data.tobytes()


def _warped(
    now: np.ndarray,
    then: np.ndarray,
    depth_now: np.ndarray,
    depth_then: np.ndarray,
    camera: Intrinsics,
    i_to_j: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`then` as seen from now, uint8 [h, w, 3]; the error in levels, and where both see it."""
    small = geometry.shrink_camera(camera)
    now, then = geometry.shrink(now), geometry.shrink(then)
    depth_now, depth_then = geometry.shrink(depth_now), geometry.shrink(depth_then)
    u, v, z, inside = projection.project(depth_now, small, i_to_j)
    warped = cv2.remap(then, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.remap(depth_then, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    with np.errstate(invalid="ignore"):
        seen = inside & (np.abs(there - z) < _SAME_DEPTH * z)
    error = cv2.absdiff(exposure.luma(now), exposure.luma(warped))
    return np.where(seen[..., None], warped, _UNSEEN), error, seen


def _heat(error: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Errors in levels uint8 [h, w] as colours, dark to bright; grey where nothing is compared."""
    level = np.minimum(error, MAX_LEVELS).astype(np.float32) * (255.0 / MAX_LEVELS)
    colours = cv2.applyColorMap(level.astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return np.where(seen[..., None], colours, _UNSEEN)


def _resized(frame: np.ndarray, width_px: int) -> np.ndarray:
    height = max(1, round(frame.shape[0] * width_px / frame.shape[1]))
    how = cv2.INTER_AREA if frame.shape[1] > width_px else cv2.INTER_CUBIC
    return cv2.resize(frame, (width_px, height), interpolation=how)
