"""Users' scenes: `.glb` and `.gltf` files (glTF 2.0) as worlds.

Read are node names (they become object ids), transforms, base-colour textures and factors, vertex
colours (one colour a triangle), emission, two-sidedness. Metres and y up, as glTF has it; a file in
other units is imported once with a scale. Nothing outside the file's own folder is opened.
"""

from __future__ import annotations

import dataclasses
import json
import re
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from scipy.spatial import KDTree
from trimesh.exchange.gltf import export_glb
from trimesh.visual import TextureVisuals

from capture import files
from capture.engine.lighting import Lamp, Lighting
from capture.engine.materials import DISPLAY_GAMMA, Material, plain
from capture.engine.meshes import Mesh
from capture.engine.world import World, WorldBuilder
from capture.navigation import sample_triangles
from capture.scene import FILE_SUFFIXES, Place, name_of

_SIZE_M = (1.0, 2000.0)
_MAX_TRIANGLES, _MAX_OBJECTS, _MAX_TEXTURE_PX = 2_000_000, 60_000, 1024
_EYE_M, _CLEARANCE_M = 1.6, 0.3
_WALK_M = 60.0  # cameras stay within this of the spawn point
_LAMP_STEP_M = 3.5
_FLOOR_SHARE = 0.6  # of the largest floor's area that another floor needs to count as one
_READABLE = {"KHR_materials_unlit", "KHR_mesh_quantization", "KHR_materials_emissive_strength"}
_Y_UP_TO_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def find(path: Path) -> list[Path]:
    """The scene files at a path: itself, or all in a folder, sorted.

    Raises:
        ValueError: If there is none.
    """
    found = (
        sorted(p for p in path.iterdir() if p.suffix.lower() in FILE_SUFFIXES)
        if path.is_dir()
        else []
    )
    if path.is_file() and path.suffix.lower() in FILE_SUFFIXES:
        found = [path]
    if not found:
        raise ValueError(f"{path} is neither a .glb or .gltf file nor a folder with some; check it")
    return found


def import_scenes(source: Path, target: Path, *, scale: float = 1.0) -> list[World]:
    """Check scene files and write each as one self-contained `.glb` in metres.

    Args:
        source: A file or a folder of files.
        target: Folder for `<name of the scene>.glb`; `scenes.build` takes those paths as names.
        scale: Metres per unit of the source, such as 0.01 for centimetres.

    Returns:
        The worlds, in the order of `find`.

    Raises:
        ValueError: If a file cannot be used; says why. The others are imported all the same.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a positive number, got {scale}")
    paths, worlds, refused = find(source), [], []
    named: dict[str, Path] = {}
    for path in paths:
        other = named.setdefault(name_of(str(path)), path)
        try:
            if other != path:
                raise ValueError(f"{path} and {other} would have one name; rename one")
            worlds.append(_import_scene(path, target, scale))
        except ValueError as error:
            refused.append(str(error))
    if len(refused) == len(paths) == 1:
        raise ValueError(refused[0])
    if refused:
        raise ValueError(
            f"{len(refused)} of {len(paths)} files in {source} cannot be used:\n"
            + "\n".join(refused)
        )
    return worlds


def _import_scene(path: Path, target: Path, scale: float) -> World:
    scene = _read(path)
    world = _build(scene, path, scale=scale, seed=0)
    scene.apply_transform(np.diag([scale, scale, scale, 1.0]))
    with files.replacing(target / f"{world.scene.name}.glb") as temporary:
        temporary.write_bytes(export_glb(scene))
    return world


def load(path: Path, *, seed: int = 0) -> World:
    """The world of one file.

    Args:
        path: A `.glb` or `.gltf` file in metres.
        seed: Of the clouds.

    Raises:
        ValueError: If it cannot be used; says why.
    """
    return _build(_read(path), path, scale=1.0, seed=seed)


def _read(path: Path) -> trimesh.Scene:
    """The scene graph of a file whose references are harmless."""
    _check(path, _document(path))
    try:
        return trimesh.load_scene(str(path), process=False)
    except Exception as error:  # whatever a broken file makes of the parser
        raise ValueError(f"{path} cannot be read as glTF 2.0 ({error}); export it again") from error


def _document(path: Path) -> dict[str, Any]:
    """The JSON part of a file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error.strerror})") from error
    if path.suffix.lower() == ".glb":
        if len(raw) < 20 or raw[:4] != b"glTF":
            raise ValueError(f"{path} is not a GLB file: it does not begin with 'glTF'")
        version, length, size, kind = struct.unpack("<II I4s", raw[4:20])
        if version != 2 or kind != b"JSON":
            raise ValueError(f"{path} is glTF {version}; version 2 is read: export it again")
        if length > len(raw) or 20 + size > len(raw):
            raise ValueError(f"{path} is cut off: {len(raw)} of {length} bytes; copy it again")
        raw = raw[20 : 20 + size]
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise ValueError(f"{path} holds no valid JSON ({error}); export it again") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a glTF file: its JSON is not an object")
    return document


def _check(path: Path, document: dict[str, Any]) -> None:
    """Refuse what is out of reach or would be drawn wrongly."""
    unknown = sorted(set(document.get("extensionsRequired", ())) - _READABLE)
    if unknown:
        raise ValueError(
            f"{path} needs the glTF extensions {', '.join(unknown)}, which are not read; export it "
            "without compression and with PNG or JPEG textures"
        )
    folder = path.parent.resolve()
    for part in (*document.get("buffers", ()), *document.get("images", ())):
        uri = part.get("uri") if isinstance(part, dict) else None
        if uri is None or str(uri).startswith("data:"):
            continue
        spot = (folder / str(uri)).resolve()
        if ":" in str(uri) or Path(str(uri)).is_absolute() or not spot.is_relative_to(folder):
            raise ValueError(
                f"{path} refers to {uri!r}; only files beside it are opened: pack it as GLB"
            )
        if not spot.is_file():
            raise ValueError(f"{path} refers to {uri!r}, which is not there; copy it along")


def _build(scene: trimesh.Scene, path: Path, *, scale: float, seed: int) -> World:
    builder = WorldBuilder()
    looks = _Looks(builder)
    names: list[str] = []
    for node in sorted(scene.graph.nodes_geometry):
        matrix, geometry = scene.graph[node]
        mesh = scene.geometry[geometry]
        if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
            continue
        place = np.diag([scale, scale, scale, 1.0]) @ _Y_UP_TO_Z_UP @ matrix
        obj = builder.object("part")
        names.append(str(node))
        for piece, material in looks.pieces(mesh):
            builder.add(obj, piece.moved(place), material)
    if not names:
        raise ValueError(f"{path} has no triangles; points and lines are not drawn")
    if len(names) > _MAX_OBJECTS:
        raise ValueError(
            f"{path} has {len(names)} objects, at most {_MAX_OBJECTS} are read; join some"
        )
    return _finish(builder, names, path, seed)


class _Looks:
    """Materials of a file, each registered once."""

    def __init__(self, builder: WorldBuilder):
        self._builder = builder
        self._known: dict[Any, int] = {}
        self._textures: dict[int, np.ndarray] = {}
        self._white = plain(1, 1, 1)

    def pieces(self, mesh: trimesh.Trimesh) -> list[tuple[Mesh, int]]:
        """A geometry as meshes of one material each."""
        normals = np.array(mesh.vertex_normals, dtype=np.float64)
        count, faces = len(mesh.vertices), np.array(mesh.faces)
        visual: Any = mesh.visual
        uv = getattr(visual, "uv", None)
        uv = np.zeros((count, 2)) if uv is None or len(uv) != count else np.array(uv)[:, :2]
        whole = Mesh(
            positions_m=np.array(mesh.vertices, dtype=np.float64),
            normals=normals,
            uv_m=uv,
            faces=faces,
        )
        if isinstance(visual, TextureVisuals):
            return [(whole, self._material(visual.material))]
        # Colours at vertices: the mean of each triangle in steps that the eye hardly sees.
        colors = np.array(visual.vertex_colors)[:, :3][faces].mean(axis=1)
        shades, which = np.unique((colors / 16).round().astype(int), axis=0, return_inverse=True)
        parts = []
        for k, shade in enumerate(shades):
            linear = tuple(float(c) for c in np.minimum(shade / 15.9375, 1.0) ** DISPLAY_GAMMA)
            part = dataclasses.replace(whole, faces=faces[which.ravel() == k])
            parts.append((part, self._register(self._white, linear, 0.0, False)))
        return parts

    def _material(self, source: Any) -> int:
        """A PBR material's base colour, emission and sides."""
        image = getattr(source, "baseColorTexture", None)
        factor = getattr(source, "baseColorFactor", None)
        tint = np.ones(3) if factor is None else np.array(factor, dtype=np.float64)[:3]
        tint = tint / 255 if tint.max() > 1 else tint
        emission = getattr(source, "emissiveFactor", None)
        glow = 0.0 if emission is None else float(np.max(emission))
        texture = self._white if image is None else self._texture(image)
        sides = bool(getattr(source, "doubleSided", False))
        return self._register(texture, tuple(float(c) for c in tint), glow, sides)

    def _texture(self, image: Any) -> np.ndarray:
        """A picture as a square texture whose first row is at v = 0."""
        if id(image) not in self._textures:
            pixels = np.array(image.convert("RGB"))[::-1]
            side = 1 << min(max(pixels.shape[:2]) - 1, _MAX_TEXTURE_PX - 1).bit_length()
            resized = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
            self._textures[id(image)] = resized
        return self._textures[id(image)]

    def _register(self, texture: np.ndarray, tint, glow: float, two_sided: bool) -> int:
        key = (id(texture), tint, glow, two_sided)
        if key not in self._known:
            look = Material(texture=texture, tint=tint, glow=glow, two_sided=two_sided, gloss=0.05)
            self._known[key] = self._builder.material(look)
        return self._known[key]


def _finish(builder: WorldBuilder, names: list[str], path: Path, seed: int) -> World:
    """The world with its object ids, a spawn point, bounds and light."""
    draft = builder.finish(name="draft", bounds_m=(0,) * 6, spawn_m=(0, 0, 0))
    triangles = draft.triangles_m().astype(np.float64)
    if len(triangles) > _MAX_TRIANGLES:
        raise ValueError(
            f"{path} has {len(triangles)} triangles, at most {_MAX_TRIANGLES} are read; decimate it"
        )
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    size = float((high - low).max())
    if not _SIZE_M[0] <= size <= _SIZE_M[1]:  # also if it is not finite
        raise ValueError(
            f"{path} is {size:.4g} m large; scenes have {_SIZE_M[0]:g} to {_SIZE_M[1]:g} m: "
            "import it with a scale, such as --scale 0.01 if its unit is the centimetre"
        )
    spawn, roofed = _spawn(triangles, low, high, path)
    near, far = np.maximum(low[:2], spawn[:2] - _WALK_M), np.minimum(high[:2], spawn[:2] + _WALK_M)
    if roofed:
        _add_lamps(builder, triangles, spawn, near, far)
    bounds = (*near, low[2], *far, max(high[2], spawn[2] + 0.5))
    name = name_of(str(path))
    world = builder.finish(
        name=name,
        seed=seed,
        bounds_m=bounds,
        spawn_m=(float(spawn[0]), float(spawn[1]), float(spawn[2])),
        setting=f"the scene {name.replace('_', ' ')}",
        light="even lamp light" if roofed else "clear daylight",
        places=(Place(name=name.replace("_", " "), bounds_m=tuple(map(float, bounds))),),
        lighting=Lighting(
            fill_rgb=(0.34, 0.33, 0.32), cell_m=0.25, seed=seed,
            haze_m=float("inf") if roofed else 900.0,
        ),
    )  # fmt: skip
    return _named(world, names, path)


def _named(world: World, names: list[str], path: Path) -> World:
    """The world with nodes' names as object ids."""
    taken: set[str] = set()
    objects, labels = [world.objects[0]], {}
    for o, name in zip(world.objects[1:], names, strict=True):
        base = re.sub(r"\s+", "_", name.strip()) or "object"
        unique, count = base, 1
        while unique in taken:
            count += 1
            unique = f"{base}_{count}"
        taken.add(unique)
        label = re.sub(r"[\W\d_]+", " ", name).strip().lower() or unique
        objects.append(dataclasses.replace(o, id=unique, label=label))
        labels[unique] = label
    scene = dataclasses.replace(world.scene, labels=labels, file=str(path))
    return dataclasses.replace(world, objects=objects, scene=scene)


def _spawn(triangles, low, high, path: Path) -> tuple[np.ndarray, bool]:
    """A free point at eye height above the lowest large floor, and whether a roof is over it.

    Of floors of about one size the lowest: the highest one is the roof's outside.
    """
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(cross, axis=1) / 2
    level = cross[:, 2] > 1.6 * area  # normal within 37 degrees of up
    if not level.any():
        raise ValueError(
            f"{path} has no floor: no surface faces up (+y in the file); turn it upright"
        )
    heights = triangles[level].mean(axis=1)[:, 2]
    bins = np.round((heights - low[2]) / 0.25).astype(int)
    weight = np.bincount(bins, weights=area[level])
    lowest = bins == np.flatnonzero(weight >= _FLOOR_SHARE * weight.max())[0]
    floor = float(np.average(heights[lowest], weights=area[level][lowest]))
    spacing = max(0.15, float((high - low)[:2].max()) / 400)
    cloud = sample_triangles(triangles, (*low, *high), spacing)
    ground = cloud[np.abs(cloud[:, 2] - floor) < 0.3]
    over = cloud[cloud[:, 2] > floor + 1.0]
    roof = KDTree(over[:, :2]) if len(over) else None
    eye = floor + min(_EYE_M, max(0.6 * (high[2] - floor), 0.4) if len(over) else _EYE_M)
    steps = [np.linspace(a, b, 42)[1:-1] for a, b in zip(low[:2], high[:2], strict=True)]
    x, y = (g.ravel() for g in np.meshgrid(*steps, indexing="ij"))
    points = np.column_stack([x, y, np.full(len(x), eye)])
    clearance = KDTree(cloud).query(points)[0]
    clearance[KDTree(ground[:, :2]).query(points[:, :2])[0] > 2 * spacing] = 0.0
    middle = np.linalg.norm(points[:, :2] - (low + high)[:2] / 2, axis=1) / np.linalg.norm(
        high - low
    )
    score = np.minimum(clearance, 1.2) - 0.5 * middle - 9.0 * (clearance < _CLEARANCE_M)
    best = int(score.argmax())
    if clearance[best] < _CLEARANCE_M:
        raise ValueError(
            f"{path} has no free place {eye - floor:.2f} m above its largest floor with "
            f"{_CLEARANCE_M} m to spare; check its scale and that it is not one solid"
        )
    covered = roof is not None and roof.query(points[best, :2])[0] < 2 * spacing
    return points[best], bool(covered)


def _add_lamps(builder: WorldBuilder, triangles, spawn, near, far) -> None:
    """Lamps in a grid where there is air half a metre over the eye."""
    tree = KDTree(sample_triangles(triangles, (*near, spawn[2] - 1, *far, spawn[2] + 2), 0.2))
    counts = [max(round((b - a) / _LAMP_STEP_M), 1) for a, b in zip(near, far, strict=True)]
    for i in range(min(counts[0], 12)):
        for j in range(min(counts[1], 12)):
            x, y = near + (far - near) * (np.array([i, j]) + 0.5) / np.minimum(counts, 12)
            spot = (float(x), float(y), float(spawn[2] + 0.5))
            if tree.query(spot)[0] > 0.2:
                builder.lamp(Lamp(position_m=spot, rgb=(1.6, 1.5, 1.35), reach_m=9.0))
