"""Textures of the town: masonry, paving, roofs, leaves, windows, signs.

Masonry is pale and nearly neutral; materials tint it. Pictures (windows, doors, signs) span texture
coordinates 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from capture.engine.textures import noise

_SIZE = 256


def _encode(image: np.ndarray) -> np.ndarray:
    """Display values 0..1, [S, S] or [S, S, 3], to a texture."""
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    return (np.clip(image, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def _blend(low, high, share: np.ndarray) -> np.ndarray:
    """Between two colours by `share` [S, S]."""
    low, high = np.asarray(low, dtype=np.float32), np.asarray(high, dtype=np.float32)
    return low + (high - low) * share[..., None]


def plaster(seed: int = 1) -> np.ndarray:
    """Lime plaster with faint stains."""
    fine, coarse = noise(_SIZE, seed, cells=32, octaves=3), noise(_SIZE, seed + 1, cells=2)
    return _encode(0.84 + 0.14 * (fine - 0.5) + 0.3 * (coarse - 0.5))


def _courses(rows: int, columns: int, joint_px: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A running bond: distance to the nearest joint in texels, and a number 0..1 per stone."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] + 0.5
    row = np.floor(y * rows / _SIZE).astype(int)
    along = x * columns / _SIZE + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % columns
    to_row = np.abs((y * rows / _SIZE) % 1.0 - 0.5)
    to_column = np.abs(along % 1.0 - 0.5)
    edge = np.minimum((0.5 - to_row) * _SIZE / rows, (0.5 - to_column) * _SIZE / columns)
    shade = np.random.default_rng(seed).random((rows, columns))
    return np.clip(edge - joint_px, -1.0, 6.0), shade[row, column]


def brick(seed: int = 2) -> np.ndarray:
    """Bricks of 25 x 8.3 cm for a repeat of one metre; reddish by themselves."""
    edge, shade = _courses(12, 4, 1.2, seed)
    stone = _blend((0.60, 0.33, 0.25), (0.78, 0.50, 0.37), shade)
    grain = noise(_SIZE, seed, cells=32, octaves=3) - 0.5
    stone = stone + 0.22 * grain[..., None]
    return _encode(np.where(edge[..., None] < 0, (0.70, 0.66, 0.60), stone))


def ashlar(seed: int = 3) -> np.ndarray:
    """Sawn stone blocks, four courses and two blocks in a repeat."""
    edge, shade = _courses(4, 2, 0.8, seed)
    grain = noise(_SIZE, seed, cells=16, octaves=4) - 0.5
    value = 0.74 + 0.12 * shade + 0.25 * grain
    return _encode(np.where(edge < 0, 0.56, value))


def slabs(seed: int = 4) -> np.ndarray:
    """Paving slabs, six courses and four slabs in a repeat."""
    edge, shade = _courses(6, 4, 0.6, seed)
    grain = noise(_SIZE, seed, cells=32, octaves=3) - 0.5
    value = 0.66 + 0.10 * shade + 0.22 * grain + 0.1 * (noise(_SIZE, seed + 1, cells=2) - 0.5)
    stone = value[..., None] * (1.0, 0.975, 0.93)
    return _encode(np.where(edge[..., None] < 0, (0.36, 0.35, 0.33), stone))


def cobbles(seed: int = 5) -> np.ndarray:
    """Granite setts, twelve courses of ten in a repeat."""
    edge, shade = _courses(12, 10, 1.0, seed)
    dome = np.clip(edge / 5.0, -0.2, 1.0)
    grain = noise(_SIZE, seed, cells=64, octaves=2) - 0.5
    value = 0.36 + 0.2 * dome + 0.16 * shade + 0.15 * grain
    return _encode(value[..., None] * (1.0, 0.97, 0.92))


def asphalt(seed: int = 6) -> np.ndarray:
    """Worn asphalt."""
    fine, coarse = noise(_SIZE, seed, cells=128, octaves=2), noise(_SIZE, seed + 1, cells=2)
    value = 0.40 + 0.22 * (fine - 0.5) + 0.14 * (coarse - 0.5)
    return _encode(value[..., None] * (1.0, 0.99, 0.98))


def grass(seed: int = 7) -> np.ndarray:
    """Short grass."""
    blades = noise(_SIZE, seed, cells=64, octaves=3)
    return _encode(_blend((0.22, 0.32, 0.12), (0.55, 0.60, 0.28), blades))


def roof_tiles(seed: int = 8) -> np.ndarray:
    """Plain tiles, eight courses of eight in a repeat; v runs up the slope."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    row = np.floor(y * 8).astype(int)
    along = x * 8 + 0.5 * (row % 2)
    up, across = (y * 8) % 1.0, np.abs(along % 1.0 - 0.5) * 2
    shade = np.random.default_rng(seed).random((8, 8))[row, np.floor(along).astype(int) % 8]
    value = (
        0.62 + 0.22 * shade + 0.12 * (1 - across**2) + 0.2 * (noise(_SIZE, seed, cells=32) - 0.5)
    )
    # The lower edge of a tile is rounded and stands above the course below, which it shades.
    lip = 0.16 * across**2
    value = np.where(up < lip + 0.10, value * 0.55, value * (1.05 - 0.2 * up))
    return _encode(value)


def boards(seed: int = 9) -> np.ndarray:
    """Eight planks across a repeat, grain along v."""
    _, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    plank = np.floor(x * 8).astype(int)
    shade = np.random.default_rng(seed).random(8)[plank]
    grain = cv2.resize(noise(_SIZE, seed, cells=64, octaves=2)[:32], (_SIZE, _SIZE))
    value = 0.70 + 0.12 * shade + 0.25 * (grain - 0.5)
    return _encode(np.where(np.abs((x * 8) % 1.0 - 0.5) > 0.47, 0.35, value))


def leaves(seed: int = 10) -> np.ndarray:
    """Foliage, mottled."""
    share = np.clip(noise(_SIZE, seed, cells=16, octaves=4) * 2.2 - 0.6, 0, 1)
    return _encode(_blend((0.25, 0.31, 0.16), (0.47, 0.52, 0.28), share))


def bark(seed: int = 11) -> np.ndarray:
    """Furrowed bark."""
    furrows = cv2.resize(noise(_SIZE, seed, cells=32, octaves=3)[:64], (_SIZE, _SIZE))
    return _encode(_blend((0.26, 0.21, 0.17), (0.56, 0.49, 0.41), furrows))


def stripes() -> np.ndarray:
    """Eight white and eight dark-tintable bands across 0..1: an awning's cloth."""
    x = np.arange(_SIZE) * 16 // _SIZE
    row = np.where(x % 2 == 0, 0.95, 0.30)
    return _encode(np.tile(row, (_SIZE, 1)))


def window(seed: int) -> np.ndarray:
    """What a pane shows: the sky's reflection above, a dim room or a curtain behind."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    room = np.stack([0.10 + 0.05 * y, 0.11 + 0.05 * y, 0.13 + 0.05 * y], -1)
    if rng.random() < 0.7:
        folds = 0.72 + 0.12 * np.sin(x * rng.uniform(60, 110) + 3 * np.sin(7 * x))
        half = rng.uniform(0.14, 0.34)
        hem = np.abs(x - 0.5) > 0.5 - half * (0.75 + 0.25 * y)
        cloth = np.array([[0.86, 0.82, 0.74], [0.80, 0.80, 0.80], [0.72, 0.58, 0.48]])
        room = np.where(hem[..., None], folds[..., None] * cloth[rng.integers(3)] * 0.62, room)
    if rng.random() < 0.35:
        blind = y > rng.uniform(0.45, 0.85)
        room = np.where(blind[..., None], np.array([0.62, 0.60, 0.55]), room)
    streak = 0.5 + 0.5 * np.sin(2.2 * x + 1.3 * y + rng.uniform(0, 6))
    share = 0.18 + 0.42 * np.clip(y * 1.1 + 0.25 * (streak - 0.5), 0, 1)
    sky = np.array([0.62, 0.72, 0.82])
    return _encode(room * (1 - share[..., None]) + sky * share[..., None])


def display(seed: int) -> np.ndarray:
    """A shop window: shelves with goods in warm light, the street's reflection over it."""
    rng = np.random.default_rng(seed)
    image = np.full((_SIZE, _SIZE, 3), (0.36, 0.29, 0.22), dtype=np.float32)
    image *= (0.75 + 0.5 * np.linspace(0, 1, _SIZE))[:, None, None]
    colours = rng.uniform(0.25, 0.85, (9, 3)) * (1.0, 0.88, 0.72)
    for shelf in (10, 70, 130):
        cv2.rectangle(image, (0, shelf), (_SIZE, shelf + 5), (0.25, 0.18, 0.12), -1)
        x = int(rng.integers(2, 12))
        while x < _SIZE - 26:
            wide, tall = int(rng.integers(9, 24)), int(rng.integers(18, 48))
            colour = tuple(float(c) for c in colours[rng.integers(9)])
            foot = shelf + 6
            if rng.random() < 0.5:
                cv2.rectangle(image, (x, foot), (x + wide, foot + tall), colour, -1, cv2.LINE_AA)
            else:
                centre = (x + wide // 2, foot + tall // 2)
                cv2.ellipse(
                    image, centre, (wide // 2, tall // 2), 0, 0, 360, colour, -1, cv2.LINE_AA
                )
            x += wide + int(rng.integers(3, 16))
    y, x = np.mgrid[0:_SIZE, 0:_SIZE] / _SIZE
    share = 0.10 + 0.30 * np.clip(y + 0.4 * np.sin(3 * x + y + seed), 0, 1)
    return _encode(image * (1 - share[..., None]) + np.array([0.6, 0.68, 0.76]) * share[..., None])


def sign(text: str, ground: tuple[float, ...], letters: tuple[float, ...]) -> np.ndarray:
    """A painted name board, eight times as wide as high."""
    wide, high = 2048, 256
    image = np.empty((high, wide, 3), dtype=np.uint8)
    image[:] = _encode(np.array([[ground]]))
    letters = tuple(255.0 * c for c in letters)
    cv2.rectangle(image, (14, 14), (wide - 15, high - 15), letters, 5, cv2.LINE_AA)
    font, scale, weight = cv2.FONT_HERSHEY_TRIPLEX, 4.6, 9
    (w, h), _ = cv2.getTextSize(text, font, scale, weight)
    scale *= min(1.0, (wide - 160) / w)
    (w, h), _ = cv2.getTextSize(text, font, scale, weight)
    place = ((wide - w) // 2, (high + h) // 2)
    cv2.putText(image, text, place, font, scale, letters, weight, cv2.LINE_AA)
    return cv2.resize(image, (512, 512), interpolation=cv2.INTER_AREA)[::-1].copy()


def door(seed: int = 12) -> np.ndarray:
    """Four panels, for a tint."""
    image = np.full((_SIZE, _SIZE), 0.78, dtype=np.float32)
    for x0, x1 in ((30, 116), (140, 226)):
        for y0, y1 in ((18, 112), (136, 238)):
            cv2.rectangle(image, (x0, y0), (x1, y1), 0.52, 5, cv2.LINE_AA)
            cv2.rectangle(image, (x0 + 8, y0 + 8), (x1 - 8, y1 - 8), 0.90, 3, cv2.LINE_AA)
    return _encode(image + 0.06 * (noise(_SIZE, seed, cells=16) - 0.5))


def clock() -> np.ndarray:
    """A white dial at ten past ten."""
    image = np.full((_SIZE, _SIZE, 3), (0.20, 0.21, 0.24), dtype=np.float32)
    centre, ink = (128, 128), (0.10, 0.10, 0.12)
    cv2.circle(image, centre, 118, (0.93, 0.91, 0.84), -1, cv2.LINE_AA)
    cv2.circle(image, centre, 118, (0.72, 0.58, 0.25), 7, cv2.LINE_AA)
    for hour in range(12):
        angle = np.pi / 6 * hour
        inner, outer = 88, 106
        ends = [
            (int(128 + r * np.sin(angle)), int(128 + r * np.cos(angle))) for r in (inner, outer)
        ]
        cv2.line(image, ends[0], ends[1], ink, 8 if hour % 3 == 0 else 5, cv2.LINE_AA)
    for turn, length, weight in ((60, 78, 5), (-55, 54, 8)):
        angle = np.radians(turn)
        tip = (int(128 + length * np.sin(angle)), int(128 + length * np.cos(angle)))
        cv2.line(image, centre, tip, ink, weight, cv2.LINE_AA)
    return _encode(image)


def stained_glass(seed: int = 13) -> np.ndarray:
    """Leaded church glass, dark from outside."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0.10, 0.42, (16, 16, 3)) * (0.8, 0.85, 1.1)
    image = cv2.resize(small.astype(np.float32), (_SIZE, _SIZE), interpolation=cv2.INTER_NEAREST)
    y, x = np.mgrid[0:_SIZE, 0:_SIZE]
    lead = ((x + y) % 16 < 2) | ((x - y) % 16 < 2)
    return _encode(np.where(lead[..., None], 0.08, image))
