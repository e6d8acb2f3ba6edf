"""Textures of the warehouse: cardboard, sheet metal, concrete, roller doors."""

from __future__ import annotations

import cv2
import numpy as np

from capture.engine.scenes.parts.interiors import encode
from capture.engine.textures import noise

_SIZE = 256


def concrete(seed: int = 1) -> np.ndarray:
    """Ground concrete with joints at the rim of each repeat and a few stains."""
    fine, coarse = noise(512, seed, cells=64, octaves=3), noise(512, seed + 1, cells=3, octaves=4)
    value = 0.60 + 0.10 * (fine - 0.5) + 0.26 * (coarse - 0.5)
    y, x = np.mgrid[0:512, 0:512]
    joint = np.minimum(x, y) < 3
    return encode(np.where(joint, 0.36, value)[..., None] * np.array([1.0, 0.985, 0.95]))


def sheet_metal(seed: int = 2) -> np.ndarray:
    """Trapezoidal sheets: ribs along v, six to a repeat; for a tint."""
    x = (np.arange(_SIZE) + 0.5) / _SIZE * 6 % 1.0
    rib = 0.80 + 0.14 * np.clip((0.5 - np.abs(x - 0.5)) * 8 - 1.2, -1, 1)
    rib = np.where(np.abs(x - 0.32) < 0.05, 0.62, rib)
    dirt = noise(_SIZE, seed, cells=(3, 24), octaves=4) - 0.5
    return encode(np.repeat((rib[None, :] + 0.12 * dirt)[..., None], 3, axis=-1))


def shutter() -> np.ndarray:
    """A roller door's slats, twelve to a repeat; for a tint."""
    y = (np.arange(_SIZE) + 0.5) / _SIZE * 12 % 1.0
    row = 0.72 + 0.22 * np.sin(np.pi * y)
    row = np.where(y < 0.1, 0.42, row)
    return encode(np.broadcast_to(row[:, None, None], (_SIZE, _SIZE, 3)))


def carton(seed: int) -> np.ndarray:
    """One side of a cardboard box: tape, a label, arrows."""
    rng = np.random.default_rng(seed)
    flute = noise(_SIZE, seed, cells=(64, 4), octaves=3) - 0.5
    image = np.empty((_SIZE, _SIZE, 3), dtype=np.float32)
    image[:] = np.array([0.72, 0.56, 0.40]) * rng.uniform(0.86, 1.08)
    image *= 1 + 0.16 * flute[..., None]
    image[:, 118:138] = image[:, 118:138] * 0.35 + np.array([0.80, 0.70, 0.52]) * 0.6
    x, y = int(rng.integers(20, 60)), int(rng.integers(30, 70))
    cv2.rectangle(image, (x, y), (x + 66, y + 48), (0.93, 0.92, 0.88), -1)
    for k in range(14):
        left = x + 6 + 4 * k
        cv2.line(image, (left, y + 8), (left, y + 26), (0.1, 0.1, 0.1), int(rng.integers(1, 3)))
    for k in range(2):
        end = x + 10 + int(rng.integers(20, 50))
        cv2.line(image, (x + 6, y + 33 + 7 * k), (end, y + 33 + 7 * k), (0.2, 0.2, 0.2), 2)
    ink = ((0.45, 0.10, 0.08), (0.12, 0.16, 0.30), (0.15, 0.13, 0.11))[int(rng.integers(3))]
    for column in (188, 220):
        cv2.arrowedLine(image, (column, 60), (column, 112), ink, 5, cv2.LINE_AA, tipLength=0.4)
    edge = np.minimum.reduce(
        [*np.mgrid[0:_SIZE, 0:_SIZE], *(_SIZE - 1 - np.mgrid[0:_SIZE, 0:_SIZE])]
    )
    return encode(image * np.clip(0.72 + edge / 14, 0, 1)[..., None])


def hazard() -> np.ndarray:
    """Yellow and black diagonal bands."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE]
    band = ((x + y) * 4 // _SIZE) % 2 == 0
    return encode(np.where(band[..., None], (0.92, 0.74, 0.12), (0.08, 0.08, 0.08)))
