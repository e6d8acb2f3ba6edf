"""The town's trees and shrubs: crowns of many small leaves around a few boughs."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh, cylinder, join, lathe, sphere, tube
from capture.engine.scenes.parts import masonry as textures
from capture.engine.scenes.parts.site import Color, Site

GREENS: dict[str, Color] = {
    "linden": (0.90, 0.92, 0.74),
    "maple": (0.98, 0.92, 0.68),
    "plane": (0.84, 0.90, 0.78),
}


def foliage(
    centres_m: np.ndarray, radii_m: np.ndarray, count: int, leaf_m: float, rng: np.random.Generator
) -> Mesh:
    """Pointed leaves on the skins of clumps; they are shaded like the clumps they lie on.

    Args:
        centres_m: Of the clumps, [N, 3].
        radii_m: Of the clumps, [N].
        count: Number of leaves.
        leaf_m: Length of a leaf.
        rng: Source of all choices.
    """
    clump = rng.choice(len(centres_m), count, p=radii_m**2 / np.square(radii_m).sum())
    outward = rng.normal(size=(count, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    middle = centres_m[clump] + outward * (radii_m[clump] * rng.uniform(0.72, 1.08, count))[:, None]
    facing = outward + 0.75 * rng.normal(size=(count, 3))
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    along = np.cross(facing, rng.normal(size=(count, 3)))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(facing, along)
    size = leaf_m * rng.uniform(0.7, 1.3, (count, 1))
    corners = [along * 0.62, across * 0.36 - along * 0.3, -across * 0.36 - along * 0.3]
    positions = np.stack([middle + size * corner for corner in corners], 1).reshape(-1, 3)
    crown = middle - centres_m.mean(axis=0)
    crown /= np.linalg.norm(crown, axis=1, keepdims=True)
    normals = 0.9 * outward + 0.8 * crown + 0.35 * facing
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(
        positions_m=positions,
        normals=np.repeat(normals, 3, axis=0),
        uv_m=np.repeat(rng.uniform(0, 1, (count, 2)), 3, axis=0)
        + np.tile([(0.0, 0.06), (0.06, -0.06), (-0.06, -0.06)], (count, 1)),
        faces=np.arange(3 * count).reshape(-1, 3),
    )


def build_tree(
    site: Site, kind: str, seed: int, *, height_m: float = 6.2, paved: bool = True
) -> None:
    """A leafy tree; where the ground is paved, with a ring of soil around its foot."""
    rng = np.random.default_rng(seed)
    obj = site.builder.object("tree", f"{kind} tree")
    wood = site.paints(textures.bark, repeat_m=0.8)
    scale = height_m / 6.2
    lean = rng.uniform(-0.16, 0.16, 2)
    trunk = np.array([(0, 0, -0.05), (0, 0, 0.25), (*lean * 0.5, 1.4), (*lean, 2.5), (*lean, 4.4)])
    meshes = [tube(trunk * scale, np.array([0.20, 0.135, 0.115, 0.10, 0.03]) * scale, sides=9)]
    fork = np.array([*lean, 2.3])
    clumps, radii = [np.array([*lean, 4.6])], [1.15]
    for bough in range(5):
        turn = 2 * np.pi * (bough + rng.uniform(-0.25, 0.25)) / 5
        reach, rise = rng.uniform(0.85, 1.35), rng.uniform(1.0, 1.9)
        tip = fork + np.array([reach * np.cos(turn), reach * np.sin(turn), rise])
        bend = (fork + tip) / 2 + (0, 0, -0.15)
        meshes.append(tube(np.array([fork, bend, tip]) * scale, [0.06, 0.045, 0.02], sides=5))
        clumps.append(tip)
        radii.append(rng.uniform(0.72, 1.0))
        twig = (0.5 * np.cos(turn + 0.9), 0.5 * np.sin(turn + 0.9), rng.uniform(-0.2, 0.7))
        outer = tip + np.array(twig)
        clumps.append(outer)
        radii.append(rng.uniform(0.5, 0.75))
    site.add(obj, join(meshes), wood)
    centres, sizes = np.array(clumps) * scale, np.array(radii) * scale
    tint = GREENS[kind]
    green = site.paints(textures.leaves, color=tint, repeat_m=1.0, two_sided=True, translucency=0.3)
    shade = site.paints(textures.leaves, color=tuple(0.62 * c for c in tint), repeat_m=0.7)
    core = [sphere(0.74 * r, sides=8).at(*c) for c, r in zip(centres, sizes, strict=True)]
    site.add(obj, join(core), shade)
    site.add(obj, foliage(centres, sizes, 2100, 0.22 * scale, rng), green)
    if not paved:
        return
    soil = site.paints.plain((0.27, 0.22, 0.18))
    site.add(obj, cylinder(0.55, 0.02, sides=20), soil)
    iron = site.paints.plain((0.20, 0.20, 0.21), gloss=0.2)
    site.add(obj, lathe([(0.55, 0), (0.55, 0.05), (0.62, 0.05), (0.62, 0)], sides=20), iron)


def build_planter(site: Site, color: str, bloom: Color, seed: int) -> None:
    """A stone tub with a shrub and blossoms."""
    rng = np.random.default_rng(seed)
    obj = site.builder.object("planter", f"planter with {color} flowers")
    profile = [(0, 0), (0.27, 0), (0.27, 0), (0.36, 0.40), (0.42, 0.46), (0.42, 0.54), (0.42, 0.54),
               (0.35, 0.54), (0.35, 0.54), (0.33, 0.46), (0, 0.46)]  # fmt: skip
    stone = site.paints(textures.plaster, color=(0.72, 0.68, 0.62), repeat_m=1.0)
    site.add(obj, lathe(profile, sides=18), stone)
    green = site.paints(textures.leaves, repeat_m=0.6, two_sided=True, translucency=0.4)
    clumps = np.array([(0.0, 0.0, 0.62), (0.16, 0.1, 0.58), (-0.15, 0.08, 0.60), (0, -0.17, 0.57)])
    sizes = np.array([0.26, 0.18, 0.19, 0.18])
    site.add(obj, foliage(clumps, sizes, 150, 0.13, rng), green)
    petals = site.paints.plain(bloom, two_sided=True, translucency=0.3)
    site.add(obj, foliage(clumps, sizes * 1.1, 70, 0.09, rng), petals)
