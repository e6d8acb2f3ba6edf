"""Still pictures on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from capture import files


def write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write a picture, uint8 [H, W, 3], atomically."""
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    with files.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Write a picture, uint8 [H, W, 3], without loss, atomically."""
    done, data = cv2.imencode(".png", rgb[..., ::-1])
    assert done
    with files.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def read(path: Path) -> np.ndarray:
    """A picture file as uint8 [H, W, 3] RGB.

    Raises:
        ValueError: If the file is absent or no picture.
    """
    if not path.is_file():
        raise ValueError(f"there is no picture {path}")
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path} is no picture that can be read (PNG, JPEG, BMP, WebP...)")
    return bgr[..., ::-1]
