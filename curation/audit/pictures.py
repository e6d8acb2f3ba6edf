"""Pictures of a report: as files beside the page, or inside it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

# Takes the content of a picture and ".jpg" or ".svg", and gives its address on the page.
Album = Callable[[bytes, str], str]
_KINDS = {".jpg": "image/jpeg", ".svg": "image/svg+xml"}
_QUALITY = 78


def inline(content: bytes, suffix: str) -> str:
    """The album of a page that is one file: a picture's address is its content."""
    return f"data:{_KINDS[suffix]};base64,{base64.b64encode(content).decode()}"


def jpeg(rgb: np.ndarray) -> bytes:
    """uint8 [H, W, 3] as JPEG.

    Raises:
        ValueError: If it is no picture.
    """
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {rgb.shape} cannot be written as JPEG")
    return data.tobytes()


def from_file(path: Path, max_width_px: int = 1000) -> bytes | None:
    """A picture file as JPEG, made smaller where it is wide; None if it is absent."""
    picture = cv2.imread(str(path)) if path.is_file() else None
    if picture is None:
        return None
    if picture.shape[1] > max_width_px:
        height = round(picture.shape[0] * max_width_px / picture.shape[1])
        picture = cv2.resize(picture, (max_width_px, height), interpolation=cv2.INTER_AREA)
    return jpeg(picture[..., ::-1])
