"""Textures of the apartment: paint, wood, cloth, tiles, rugs, pictures. Display-encoded uint8."""

from __future__ import annotations

import colorsys

import numpy as np

from capture.engine.textures import noise

Color = tuple[float, float, float]


def encode(image: np.ndarray) -> np.ndarray:
    """Display values 0..1 [S, S, 3] as a texture."""
    return (np.clip(image, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """A display colour; the hue wraps at 1."""
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Texel centres as (y, x) in 0..1, [S, S] each."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _blend(a, b, t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0.0, 1.0)[..., None]
    return np.asarray(a, dtype=np.float32) * (1 - t) + np.asarray(b, dtype=np.float32) * t


def paint(color: Color, seed: int, *, size: int = 256) -> np.ndarray:
    """Rolled wall paint: nearly even, with the mottle that tells a wall from a flat colour."""
    mottle = noise(size, seed, cells=4, octaves=7, gain=0.75)
    return encode(np.asarray(color, dtype=np.float32) * (0.955 + 0.09 * mottle[..., None]))


def planks(dark: Color, pale: Color, seed: int, *, rows: int = 12, size: int = 1024) -> np.ndarray:
    """Floor boards along x, each with its own tone and grain; joints are thin and dark."""
    rng = np.random.default_rng(seed)
    y, x = _grid(size)
    row = (y * rows).astype(int)
    shift = rng.random(rows)[row]
    half = ((x * 2 + shift) % 2).astype(int)
    tone = rng.random((rows, 2))[row, half]
    grain = noise(size, seed + 1, cells=(128, 4), octaves=3, gain=0.6)
    figure = noise(size, seed + 2, cells=(24, 3), octaves=4, gain=0.5)
    rings = 0.5 + 0.5 * np.sin((figure * 14 + tone * 9) * 2 * np.pi)
    t = 0.22 + 0.42 * (tone - 0.5) + 0.45 * grain + 0.16 * rings + 0.1 * figure
    image = _blend(dark, pale, t)
    across = np.abs(y * rows - np.round(y * rows)) / rows * size
    along = (x * 2 + shift) % 1.0
    along = np.minimum(along, 1 - along) / 2 * size
    joint = np.minimum(across, along)
    return encode(image * (1.0 - 0.5 * np.exp(-((joint / 1.3) ** 2)))[..., None])


def herringbone(dark: Color, pale: Color, seed: int, *, size: int = 1024) -> np.ndarray:
    """Parquet of blocks four times as long as wide, set at right angles."""
    rng = np.random.default_rng(seed)
    n, long = 16, 4
    y, x = _grid(size)
    cx, cy = (x * n).astype(int), (y * n).astype(int)
    phase = (cx - cy) % (2 * long)
    flat = phase < long
    start_x = np.where(flat, cx - phase, cx)
    start_y = np.where(flat, cy, cy - (2 * long - 1 - phase))
    tone = rng.random((n, n, 2))[start_y % n, start_x % n, flat.astype(int)]
    grain_x = noise(size, seed + 1, cells=(128, 6), octaves=3, gain=0.6)
    grain_y = noise(size, seed + 2, cells=(6, 128), octaves=3, gain=0.6)
    t = 0.25 + 0.5 * (tone - 0.5) + 0.5 * np.where(flat, grain_x, grain_y)
    edge_x = np.where(flat, np.minimum(x * n - start_x, start_x + long - x * n), 0.5)
    edge_x = np.where(flat, edge_x, np.minimum(x * n - cx, cx + 1 - x * n))
    edge_y = np.where(
        flat,
        np.minimum(y * n - cy, cy + 1 - y * n),
        np.minimum(y * n - start_y, start_y + long - y * n),
    )
    joint = np.minimum(edge_x, edge_y) / n * size
    return encode(_blend(dark, pale, t) * (1.0 - 0.42 * np.exp(-((joint / 1.4) ** 2)))[..., None])


def wood(dark: Color, pale: Color, seed: int, *, size: int = 256) -> np.ndarray:
    """A veneer with its grain along x."""
    figure = noise(size, seed, cells=(8, 1), octaves=4, gain=0.5)
    grain = noise(size, seed + 1, cells=(64, 2), octaves=3, gain=0.6)
    rings = 0.5 + 0.5 * np.sin(figure * 26 * np.pi)
    return encode(_blend(dark, pale, 0.15 + 0.3 * rings + 0.55 * grain))


def cloth(color: Color, seed: int, *, size: int = 256, weave: int = 64, depth=0.16) -> np.ndarray:
    """Woven cloth."""
    y, x = _grid(size)
    thread = np.sin(x * weave * 2 * np.pi) * np.sin(y * weave * 2 * np.pi)
    fuzz = noise(size, seed, cells=8, octaves=6, gain=0.8)
    shade = 1.0 - depth / 2 + depth * 0.5 * thread + depth * 1.6 * (fuzz - 0.5)
    return encode(np.asarray(color, dtype=np.float32) * shade[..., None])


def tiles(
    color: Color, grout: Color, seed: int, *, rows=8, columns=8, offset=0.0, size=512
) -> np.ndarray:
    """Glazed tiles; `offset` shifts every second row by that share of a tile."""
    rng = np.random.default_rng(seed)
    y, x = _grid(size)
    row = (y * rows).astype(int)
    across = x * columns + offset * (row % 2)
    column = across.astype(int) % columns
    tone = 0.93 + 0.09 * rng.random((rows, columns))[row, column]
    cloud = noise(size, seed, cells=6, octaves=6, gain=0.6)
    image = np.asarray(color, dtype=np.float32) * (tone * (0.95 + 0.1 * cloud))[..., None]
    edge_y = np.abs(y * rows - np.round(y * rows)) / rows * size
    edge_x = np.abs(across - np.round(across)) / columns * size
    return encode(_blend(image, grout, np.clip(2.4 - np.minimum(edge_x, edge_y), 0, 1)))


def checker(a: Color, b: Color, seed: int, *, cells: int = 4, size: int = 512) -> np.ndarray:
    """Two-coloured stone tiles."""
    y, x = _grid(size)
    odd = ((x * cells).astype(int) + (y * cells).astype(int)) % 2
    vein = noise(size, seed, cells=5, octaves=7, gain=0.62)
    image = _blend(a, b, odd.astype(np.float32)) * (0.88 + 0.24 * vein)[..., None]
    edge = np.minimum(
        np.abs(x * cells - np.round(x * cells)), np.abs(y * cells - np.round(y * cells))
    )
    return encode(image * np.where(edge < 0.008, 0.72, 1.0)[..., None])


def marble(color: Color, vein: Color, seed: int, *, size: int = 256) -> np.ndarray:
    """Polished stone."""
    y, x = _grid(size)
    bend = noise(size, seed, cells=3, octaves=6, gain=0.55)
    line = np.abs(np.sin((x + y + bend * 2.2) * 2 * np.pi))
    return encode(_blend(vein, color, line**0.35 * 0.85 + 0.3 * bend))


def stripes(colors: list[Color], seed: int, *, count: int = 12, size: int = 256) -> np.ndarray:
    """Woven stripes of random widths across y."""
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.random(count - 1))
    y, _ = _grid(size)
    picked = np.asarray(colors, dtype=np.float32)[rng.integers(0, len(colors), count)]
    return encode(picked[np.searchsorted(edges, y)] * _pile(size, seed))


def rug(kind: str, colors: list[Color], seed: int, *, size: int = 512) -> np.ndarray:
    """A rug over 0..1: "medallion", "diamonds", "rings", "trellis" or "berber"; needs 4 colours."""
    y, x = _grid(size)
    c = np.asarray(colors, dtype=np.float32)
    u, v = np.abs(x - 0.5) * 2, np.abs(y - 0.5) * 2
    if kind == "medallion":
        field = (np.floor((u + v) * 9) % 2).astype(int)
        flower = np.cos(x * 16 * np.pi) * np.cos(y * 16 * np.pi) > 0.55
        index = np.where(u + v < 0.75, 1 + field, np.where(flower, 3, 0))
    elif kind == "diamonds":
        a = np.abs((x * 6) % 1 - 0.5) + np.abs((y * 9) % 1 - 0.5)
        index = np.select([a < 0.14, a < 0.26, a < 0.44], [3, 1, 2], 0)
    elif kind == "rings":
        radius = np.hypot(x - 0.5, y - 0.5)
        index = np.select(
            [radius < 0.1, radius < 0.2, radius < 0.32, radius < 0.4], [3, 1, 2, 1], 0
        )
    elif kind == "trellis":
        a = np.abs(np.sin((x + y) * 7 * np.pi)) * np.abs(np.sin((x - y) * 7 * np.pi))
        index = np.select([a < 0.06, a > 0.85], [2, 3], 0)
    else:
        zigzag = np.abs((x * 8) % 1 - 0.5)
        index = ((y * 10 + zigzag * 1.4).astype(int) * 7 % 11 % 4).astype(int)
    rim = np.maximum(u, v)
    index = np.where(rim > 0.95, 0, np.where(rim > 0.9, 2, np.where(rim > 0.84, 1, index)))
    return encode(c[index] * _pile(size, seed))


def _pile(size: int, seed: int) -> np.ndarray:
    """Shade of a carpet's pile, [S, S, 1]."""
    return (0.72 + 0.5 * noise(size, seed + 9, cells=48, octaves=4, gain=0.9))[..., None]


# Bases whose complements go well with rooms: rust, amber, blue, teal, navy, red, olive.
_PICTURE_HUES = (0.04, 0.1, 0.57, 0.48, 0.62, 0.99, 0.18)


def picture(kind: int, seed: int, *, size: int = 256) -> np.ndarray:
    """A painting over 0..1 in one of six manners; `kind` counts round."""
    rng = np.random.default_rng(seed)
    hue = _PICTURE_HUES[seed % len(_PICTURE_HUES)] + rng.uniform(-0.02, 0.02)
    recipe = ((0, 0.6, 0.72), (0.06, 0.42, 0.88), (0.5, 0.5, 0.5), (0.54, 0.3, 0.8),
              (0.1, 0.6, 0.3), (0.08, 0.1, 0.94))  # fmt: skip
    palette = np.array([hsv(hue + d, s, v) for d, s, v in recipe], dtype=np.float32)
    paint_one = (_hills, _discs, _blocks, _waves, _fields, _leaves)[kind % 6]
    canvas = 0.94 + 0.12 * noise(size, seed + 5, cells=32, octaves=4, gain=0.8)
    return encode(paint_one(rng, palette, size, seed) * canvas[..., None])


def _hills(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    image = _blend(palette[5], palette[1], 1 - y)
    sun_x, sun_y = rng.uniform(0.25, 0.75), rng.uniform(0.6, 0.8)
    image = np.where((np.hypot(x - sun_x, y - sun_y) < 0.11)[..., None], palette[0], image)
    for k in range(4):
        line = noise(size, seed + k, cells=3, octaves=3 + k)[k * 17] * 0.5 + 0.42 - 0.16 * k
        color = palette[3] * (1 - k / 3) + palette[4] * (k / 3)
        image = np.where((y < line[None, :])[..., None], color, image)
    return image


def _discs(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    image = np.broadcast_to(palette[5], (size, size, 3)).copy()
    for _ in range(14):
        cx, cy, r = rng.random(), rng.random(), rng.uniform(0.05, 0.28)
        distance = np.hypot(x - cx, y - cy)
        inside = (distance < r) & ((distance > r * 0.55) | (rng.random() < 0.6))
        image[inside] = 0.35 * image[inside] + 0.65 * palette[rng.integers(0, 5)]
    return image


def _blocks(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    xs, ys = np.sort(rng.random(4)), np.sort(rng.random(4))
    cell = np.searchsorted(xs, x) * 5 + np.searchsorted(ys, y)
    image = palette[rng.integers(0, 6, 25)][cell]
    for line, axis in [(a, x) for a in xs] + [(a, y) for a in ys]:
        image = np.where((np.abs(axis - line) < 0.012)[..., None], 0.08, image)
    return image


def _waves(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    bend = noise(size, seed, cells=3, octaves=3) * rng.uniform(0.5, 1.2)
    return palette[((y * 6 + bend * 4 + 0.15 * np.sin(x * 9)) % 5).astype(int)]


def _fields(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    edge, rough = rng.uniform(0.35, 0.65), 0.03 * (noise(size, seed, cells=8, octaves=5) - 0.5)
    image = np.where((y + rough > edge)[..., None], palette[0], palette[2])
    rim = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) + rough > 0.43
    gap = np.abs(y + rough - edge) < 0.025
    return np.where((rim | gap)[..., None], palette[1], image)


def _leaves(rng, palette, size, seed) -> np.ndarray:
    y, x = _grid(size)
    image = np.broadcast_to(palette[5], (size, size, 3)).copy()
    stem = 0.5 + 0.08 * np.sin(y * 5 + rng.random() * 6)
    image[(np.abs(x - stem) < 0.008) & (y > 0.08) & (y < 0.92)] = palette[4]
    for k in range(9):
        cy, side = 0.16 + 0.085 * k, 1 if k % 2 else -1
        a = (x - 0.5) * side * 0.8 - (y - cy) * -0.6
        b = (x - 0.5) * side * -0.6 + (y - cy) * 0.8
        leaf = (np.abs(b) < 0.055 * np.sin(np.clip(a / 0.34, 0, 1) * np.pi)) & (a > 0)
        image[leaf] = palette[(2, 4, 0)[k % 3]]
    return image


def mirror(wall: Color, floor: Color, seed: int, *, size: int = 256) -> np.ndarray:
    """What a bathroom's mirror shows: the wall behind one, an open door, a towel, out of focus."""
    rng = np.random.default_rng(seed)
    y, x = _grid(size)
    image = _blend(np.asarray(floor) * 0.8, wall, (y - 0.06) * 12)
    image = _blend(image, (0.93, 0.92, 0.90), (y - 0.86) * 20)
    door = 0.52 + 0.1 * rng.random()
    soft = 40.0
    for left, right, low, high, color in (
        (door, door + 0.3, 0.04, 0.76, (0.86, 0.85, 0.82)),
        (door + 0.03, door + 0.27, 0.07, 0.73, (0.58, 0.53, 0.46)),
        (0.12, 0.3, 0.3, 0.62, (0.55, 0.60, 0.64)),
    ):
        inside = np.minimum(np.minimum(x - left, right - x), np.minimum(y - low, high - y))
        image = _blend(image, color, 0.5 + inside * soft)
    glint = np.exp(-(((x + y * 0.6 - 0.55) / 0.09) ** 2))
    return encode(0.92 * image + 0.10 * glint[..., None])


def leaf(seed: int, color: Color, *, size: int = 128) -> np.ndarray:
    """A leaf's surface: midrib along x, paler veins."""
    y, x = _grid(size)
    vein = np.abs(np.sin((x * 9 - np.abs(y - 0.5) * 7) * np.pi)) ** 6
    tone = 0.72 + 0.4 * noise(size, seed, cells=6, octaves=5) + 0.12 * vein
    tone += 0.22 * np.exp(-(((y - 0.5) / 0.03) ** 2))
    return encode(np.asarray(color, dtype=np.float32) * tone[..., None])


def grass(seed: int, *, size: int = 512) -> np.ndarray:
    """A lawn."""
    blades = noise(size, seed, cells=32, octaves=4, gain=0.9)
    patch = noise(size, seed + 1, cells=4, octaves=4)
    return encode(_blend((0.26, 0.36, 0.14), (0.52, 0.58, 0.28), 0.6 * blades + 0.5 * patch - 0.05))
