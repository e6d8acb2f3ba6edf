"""Materials: what surfaces look like, and their textures packed for the shader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Columns of the packed material table.
TEXTURE, TINT, GLOW, GLOSS, SHININESS, TRANSLUCENCY, TWO_SIDED, REPEAT, COLUMNS = (
    0, 1, 4, 5, 6, 7, 8, 9, 10,
)  # fmt: skip
DISPLAY_GAMMA = 2.2
# Texels hold square roots of linear light: fine steps in the dark, and decoded by one product.
CHANNEL_BITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What a surface looks like.

    Attributes:
        texture: Display-encoded colours uint8 [S, S, 3], S a power of two; it must tile.
        repeat_m: Metres that one copy of the texture spans (1.0 for texture coordinates in 0..1).
        tint: Linear colour that multiplies the texture.
        glow: Light that the surface sends out itself, as a multiple of its colour.
        gloss: Strength of the sun's highlight and of the sheen at grazing angles, 0..1.
        shininess: Exponent of the highlight.
        translucency: Share of the sunlight on the back that shows on the front (leaves, curtains).
        two_sided: Whether the back is drawn as well; needed for sheets.
    """

    texture: np.ndarray
    repeat_m: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    glow: float = 0.0
    gloss: float = 0.0
    shininess: float = 30.0
    translucency: float = 0.0
    two_sided: bool = False

    def __post_init__(self):
        shape = self.texture.shape
        size = shape[0] if shape else 0
        if (
            shape != (size, size, 3)
            or self.texture.dtype != np.uint8
            or size & (size - 1)
            or not size
        ):
            raise ValueError(
                "a texture is uint8 [S, S, 3] with S a power of two, "
                f"got {self.texture.dtype} {shape}; resize it"
            )
        if not self.repeat_m > 0:
            raise ValueError(f"repeat_m must be positive, got {self.repeat_m}")


@dataclass(frozen=True, kw_only=True, slots=True)
class MaterialTable:
    """Materials in the layout of the shader.

    Attributes:
        values: float32 [M, COLUMNS].
        texels: All mip levels of all textures, int32 [N]: square roots of linear red, green
            and blue, ten bits each from the lowest.
        levels: Start of each mip level in `texels`, int64 [T, L]; unused levels repeat the last.
        sizes: Side of level 0, int64 [T].
        albedo: Mean linear colour of each material, float32 [M, 3].
    """

    values: np.ndarray
    texels: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray
    albedo: np.ndarray


def pack(materials: list[Material]) -> MaterialTable:
    """Materials to tables; equal textures are stored once."""
    textures: dict[int, int] = {}
    images: list[np.ndarray] = []
    values = np.zeros((len(materials), COLUMNS), dtype=np.float32)
    for row, m in zip(values, materials, strict=True):
        if id(m.texture) not in textures:
            textures[id(m.texture)] = len(images)
            images.append(m.texture)
        row[TEXTURE] = textures[id(m.texture)]
        row[TINT : TINT + 3] = m.tint
        row[GLOW:] = (
            m.glow, m.gloss, m.shininess, m.translucency, m.two_sided, 1.0 / m.repeat_m,
        )  # fmt: skip
    linear = [_LINEAR[image] for image in images]
    chains = [_mip_chain(level) for level in linear]
    depth = max(len(chain) for chain in chains)
    levels = np.zeros((len(chains), depth), dtype=np.int64)
    parts, start = [], 0
    for texture, chain in enumerate(chains):
        for level in range(depth):
            levels[texture, level] = start
            if level < len(chain):
                parts.append(chain[level])
                levels[texture, level] = start
                start += len(chain[level])
            else:
                levels[texture, level] = levels[texture, level - 1]
    mean = np.stack([level.reshape(-1, 3).mean(axis=0) for level in linear])
    albedo = mean[values[:, TEXTURE].astype(int)] * values[:, TINT : TINT + 3]
    return MaterialTable(
        values=values,
        texels=np.concatenate(parts),
        levels=levels,
        sizes=np.array([len(i) for i in images], dtype=np.int64),
        albedo=albedo.astype(np.float32),
    )


def extend(table: MaterialTable, material: Material) -> MaterialTable:
    """A table with one more material behind the others."""
    new = pack([material])
    depth = max(table.levels.shape[1], new.levels.shape[1])
    levels = [
        np.pad(t, ((0, 0), (0, depth - t.shape[1])), mode="edge")
        for t in (table.levels, new.levels + len(table.texels))
    ]
    values = new.values.copy()
    values[:, TEXTURE] += len(table.sizes)
    return MaterialTable(
        values=np.concatenate([table.values, values]),
        texels=np.concatenate([table.texels, new.texels]),
        levels=np.concatenate(levels),
        sizes=np.concatenate([table.sizes, new.sizes]),
        albedo=np.concatenate([table.albedo, new.albedo]),
    )


def plain(r: float, g: float, b: float) -> np.ndarray:
    """A one-colour texture from display-encoded numbers in 0..1."""
    return (np.array([[[r, g, b]]]) * 255 + 0.5).astype(np.uint8)


# Display-encoded to linear.
_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** np.float32(DISPLAY_GAMMA)


def _mip_chain(linear: np.ndarray) -> list[np.ndarray]:
    """Levels of a texture [S, S, 3] down to one texel, averaged in linear light, packed int32."""
    chain = []
    while True:
        root = (np.sqrt(linear) * ((1 << CHANNEL_BITS) - 1) + np.float32(0.5)).astype(np.int32)
        packed = root[..., 0] | root[..., 1] << CHANNEL_BITS | root[..., 2] << 2 * CHANNEL_BITS
        chain.append(packed.ravel())
        if len(linear) == 1:
            return chain
        rows = linear[::2] + linear[1::2]
        linear = (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
