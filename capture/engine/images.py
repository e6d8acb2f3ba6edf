"""Rendered arrays to the bytes that UnrealCV sends: png, bmp, npy.

Images are `uint8 [H, W, 4]` in the order blue, green, red, alpha, top row first.
"""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np

from capture.engine.protocol import Buffer

_BMP_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")
BMP_HEADER_BYTES = _BMP_HEADER.size
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_FLOAT16_MAX = 65504.0


def from_rgb(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] to an image."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)


def from_objects(objects: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Object indices, integer [H, W], to the image of their colours, uint8 [num_objects + 1, 3]."""
    colours = np.full((len(palette), 4), 255, np.uint8)
    colours[:, :3] = palette[:, ::-1]
    return colours.view(np.uint32)[:, 0].take(objects).view(np.uint8).reshape(*objects.shape, 4)


def from_normals(normal: np.ndarray) -> np.ndarray:
    """Unit normals, float32 [H, W, 3] in Unreal's axes, to (n + 1) / 2; grey where nothing is."""
    image = np.full((*normal.shape[:2], 4), 255, np.uint8)
    image[..., :3] = (normal[..., ::-1] * 127.5 + 128.0).clip(0, 255)
    return image


def unreal_normals(normal: np.ndarray) -> np.ndarray:
    """Normals [H, W, 3] in our axes to Unreal's, whose Y is ours mirrored."""
    return normal * np.array([1, -1, 1], dtype=np.float32)


def depth_cm(depth_m: np.ndarray, *, as_unreal: bool) -> np.ndarray:
    """Planar depth in centimetres, float32 [H, W].

    Args:
        depth_m: Metres, infinity where nothing is.
        as_unreal: Round through a half float, as the plugin's render target does: infinity above
            65504 cm, and exactly 65504 where nothing is.
    """
    centimetres = depth_m * np.float32(100.0)
    if not as_unreal:
        return centimetres
    with np.errstate(over="ignore"):
        rounded = centimetres.astype(np.float16).astype(np.float32)
    rounded[np.isinf(depth_m)] = _FLOAT16_MAX
    return rounded


def encode_bmp(image: np.ndarray) -> list[Buffer]:
    """32-bit BMP: 54 bytes of header, then the pixels, top row first (the height is negative)."""
    height, width = image.shape[:2]
    num_bytes = image.nbytes
    # Signature, file size, 2 reserved, offset; then BITMAPINFOHEADER without compression.
    header = _BMP_HEADER.pack(
        *(b"BM", BMP_HEADER_BYTES + num_bytes, 0, 0, BMP_HEADER_BYTES),
        *(40, width, -height, 1, 32, 0, num_bytes, 0, 0, 0, 0),
    )
    return [header, np.ascontiguousarray(image).data]


def encode_png(image: np.ndarray) -> list[Buffer]:
    """PNG with alpha."""
    ok, data = cv2.imencode(".png", image, _PNG_OPTIONS)
    assert ok  # in-memory encoding of a uint8 image has no way to fail
    return [data.data]


def encode_npy(array: np.ndarray) -> list[Buffer]:
    """NumPy's format 1.0, C order, little-endian."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return [header.getvalue(), array.data]
