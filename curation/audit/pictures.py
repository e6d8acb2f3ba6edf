"""Pictures as data URIs, so that a report is one file."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from capture.episode import Episode
from capture.video import GOP

_NUM_FRAMES = 8
_FRAME_WIDTH_PX = 208
_GAP_PX = 3
_QUALITY = 78


def strip(episode: Episode) -> str:
    """Eight frames of an episode side by side, as a JPEG data URI."""
    frames = [_resize(episode.frames(i, i + 1)[0]) for i in _spread(len(episode))]
    height = frames[0].shape[0]
    gap = np.full((height, _GAP_PX, 3), 251, np.uint8)
    row = [part for frame in frames for part in (frame, gap)][:-1]
    return jpeg(np.concatenate(row, axis=1))


def jpeg(rgb: np.ndarray) -> str:
    """uint8 [H, W, 3] as a JPEG data URI."""
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {rgb.shape} cannot be written as JPEG")
    return _uri(data.tobytes())


def from_file(path: Path, max_width_px: int = 1000) -> str | None:
    """A picture file as a JPEG data URI, made smaller where it is wide; None if it is absent."""
    picture = cv2.imread(str(path)) if path.is_file() else None
    if picture is None:
        return None
    if picture.shape[1] > max_width_px:
        height = round(picture.shape[0] * max_width_px / picture.shape[1])
        picture = cv2.resize(picture, (max_width_px, height), interpolation=cv2.INTER_AREA)
    return jpeg(picture[..., ::-1])


def _spread(num_frames: int) -> list[int]:
    """Eight frames, evenly; key frames where the episode is long, since those decode at once."""
    index = np.linspace(0, num_frames - 1, _NUM_FRAMES)
    if num_frames > 2 * GOP * _NUM_FRAMES:
        index = index // GOP * GOP
    return [int(i) for i in index]


def _resize(frame: np.ndarray) -> np.ndarray:
    height = round(frame.shape[0] * _FRAME_WIDTH_PX / frame.shape[1])
    shrinks = frame.shape[1] > _FRAME_WIDTH_PX
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(frame, (_FRAME_WIDTH_PX, height), interpolation=how)


def _uri(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
