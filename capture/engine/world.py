"""Worlds: what the embedded engine renders, and how scenes write them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from capture.engine import layout
from capture.engine import materials as mats
from capture.engine.lighting import Lamp, Lighting
from capture.engine.materials import Material, MaterialTable
from capture.engine.meshes import Mesh, quad
from capture.scene import Place, Scene


@dataclass(kw_only=True, slots=True)
class WorldObject:
    """One thing in the world. Change it only through `World`.

    Attributes:
        id: Unique, without spaces: "sofa_1".
        label: What a person calls it: "blue sofa".
        mask_rgb: Its colour in instance masks; unique.
        faces: Half-open range of its triangles in `World.faces`.
        vertices: Half-open range of its vertices in `World.vertices`.
        visible: Hidden objects are in no output and cast no shadow.
        position_m: Where its pivot (bottom centre at rest) is, float64 [3].
        rotation: Of the object about its pivot, float64 [3, 3]; the identity at rest.
        scale: Along its own axes, float64 [3].
    """

    id: str
    label: str
    mask_rgb: tuple[int, int, int]
    faces: tuple[int, int] = (0, 0)
    vertices: tuple[int, int] = (0, 0)
    visible: bool = True
    position_m: np.ndarray = field(default_factory=lambda: np.zeros(3))
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))


@dataclass(kw_only=True, slots=True)
class World:
    """Textured triangles in world metres, the objects they belong to, and the light.

    Attributes:
        scene: What is known of it without rendering.
        spawn_m: A good place for a camera to start, float64 [3].
        spawn_heading_deg: Its heading, counter-clockwise from +x.
        lighting: Sun, sky, exposure.
        lamps: Baked lights.
        portals_m: Windows through which the sky lights the inside: corner and two sides whose cross
            product points inward, float64 [P, 3, 3]; empty outdoors.
        objects: `objects[0]` is the background and has no triangles.
        vertices: float32 [V, layout.VERTEX_COLUMNS], positions and normals as they are now.
        faces: int32 [F, layout.FACE_COLUMNS]: vertices, material, object, whether light-mapped.
        materials: Packed materials.
        atlas_size: (height, width) of the light map.
        charts: Light-mapped rectangles: atlas x, y, columns, rows, vertex index, int64 [C, 5].
        barriers_m: Invisible triangles that stop cameras (window panes), float32 [B, 3, 3].
        rest_vertices: `vertices` before any object was moved, relative to the object's pivot.
        revision: Grows with every change, so that renderers know.
    """

    scene: Scene
    spawn_m: np.ndarray
    spawn_heading_deg: float
    lighting: Lighting
    lamps: tuple[Lamp, ...]
    portals_m: np.ndarray
    objects: list[WorldObject]
    vertices: np.ndarray
    faces: np.ndarray
    materials: MaterialTable
    atlas_size: tuple[int, int]
    charts: np.ndarray
    barriers_m: np.ndarray
    rest_vertices: np.ndarray
    revision: int = 0
    _by_id: dict[str, int] = field(init=False)

    def __post_init__(self):
        self._by_id = {o.id: k for k, o in enumerate(self.objects)}
        if len(self._by_id) != len(self.objects):
            raise ValueError(f"object ids must be unique in scene {self.scene.name!r}")

    def index(self, object_id: str) -> int:
        """Index of an object in `objects`.

        Raises:
            ValueError: If there is none of that name.
        """
        if object_id not in self._by_id:
            raise ValueError(f"scene {self.scene.name!r} has no object {object_id!r}")
        return self._by_id[object_id]

    def spawn(self, kind: str, mesh: Mesh, material: Material) -> str:
        """Add an object whose pivot is at the world's origin.

        Nothing is baked for it: it has the mean light of the world's vertices.

        Args:
            kind: Without spaces; the object is called `<kind>_<n>`.
            mesh: In metres about its pivot.
            material: What it looks like.

        Returns:
            Its id.

        Raises:
            ValueError: If the world is full.
        """
        index, count = len(self.objects), 1
        if index >= layout.MAX_OBJECTS:
            raise ValueError(f"a world has at most {layout.MAX_OBJECTS} objects; remove some")
        while f"{kind}_{count}" in self._by_id:
            count += 1
        self.materials = mats.extend(self.materials, material)
        v, f = len(self.vertices), len(self.faces)
        vertices = layout.vertex_block(mesh)
        # Vertices of light-mapped panels hold texel coordinates instead of light.
        plain = np.unique(self.faces[self.faces[:, layout.MAPPED] == 0, :3])
        if len(plain):
            light = slice(layout.LIGHT, layout.LIGHT + 3)
            vertices[:, light] = self.vertices[plain, light].mean(axis=0)
        self.vertices = np.concatenate([self.vertices, vertices])
        self.rest_vertices = np.concatenate([self.rest_vertices, vertices[:, : layout.UV]])
        faces = layout.face_block(mesh, v, len(self.materials.values) - 1, index, mapped=False)
        self.faces = np.concatenate([self.faces, faces])
        spawned = WorldObject(
            id=f"{kind}_{count}",
            label=kind.replace("_", " "),
            mask_rgb=layout.mask_color(index),
            faces=(f, len(self.faces)),
            vertices=(v, len(self.vertices)),
        )
        self.objects.append(spawned)
        self._by_id[spawned.id] = index
        self.revision += 1
        return spawned.id

    def move(self, object_id: str, *, position_m=None, rotation=None, scale=None) -> None:
        """Give an object another position [3], rotation [3, 3] or scale [3]; None keeps it.

        Baked light moves along with the object; the sun's shadow is cast anew.

        Raises:
            ValueError: For a scale of zero or a place too far away; the object stays as it is.
        """
        o = self.objects[self.index(object_id)]
        place, turn, size = (
            old if new is None else np.array(new, dtype=np.float64)
            for old, new in ((o.position_m, position_m), (o.rotation, rotation), (o.scale, scale))
        )
        part = slice(*o.vertices)
        rest = self.rest_vertices[part].astype(np.float64)
        points = (rest[:, :3] * size) @ turn.T + place
        if np.any(size == 0) or not (np.abs(points) <= layout.FARTHEST_M).all():
            raise ValueError(
                f"{object_id} must have some size and stay within {layout.FARTHEST_M:g} m of the "
                f"origin, got scale {size} at {place}"
            )
        o.position_m, o.rotation, o.scale = place, turn, size
        self.vertices[part, :3] = points
        normals = (rest[:, 3:6] / o.scale) @ o.rotation.T
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        self.vertices[part, 3:6] = normals
        self.revision += 1

    def show(self, object_id: str, visible: bool) -> None:
        """Show or hide an object."""
        self.objects[self.index(object_id)].visible = visible
        self.revision += 1

    def recolor(self, object_id: str, mask_rgb: tuple[int, int, int]) -> None:
        """Give an object another mask colour, which need not be unique."""
        self.objects[self.index(object_id)].mask_rgb = mask_rgb

    def bounds_of(self, object_id: str) -> tuple[float, ...]:
        """(min x, min y, min z, max x, max y, max z) of an object in world metres."""
        points = self.vertices[slice(*self.objects[self.index(object_id)].vertices), :3]
        low, high = points.min(axis=0), points.max(axis=0)
        return (*map(float, low), *map(float, high))

    def visible_faces(self) -> np.ndarray:
        """Which faces belong to visible objects, bool [F]."""
        visible = np.array([o.visible for o in self.objects])
        return visible[self.faces[:, layout.OBJECT]]

    def triangles_m(self) -> np.ndarray:
        """All that stops a camera: visible triangles and window panes, float32 [F, 3, 3]."""
        corners = self.faces[self.visible_faces()][:, :3]
        return np.concatenate([self.vertices[corners, :3], self.barriers_m])


class WorldBuilder:
    """Collects materials, objects and meshes, and makes a `World` of them.

    Example:
        >>> b = WorldBuilder()
        >>> oak = b.material(Material(texture=plain(0.6, 0.4, 0.2)))
        >>> table = b.object("table", "oak table")        # becomes "table_1"
        >>> b.add(table, box(1.2, 0.8, 0.75).at(2.0, 3.0), oak)
        >>> world = b.finish(name="example", bounds_m=(0, 0, 0, 5, 5, 3), spawn_m=(1, 1, 1.5))
    """

    def __init__(self):
        self._materials: list[Material] = []
        self._objects = [WorldObject(id="background", label="sky", mask_rgb=(0, 0, 0))]
        self._counts: dict[str, int] = {}
        self._parts: list[list[tuple[Mesh, int]]] = [[]]
        self._panels: list[list[tuple[Mesh, int, int, int]]] = [[]]
        self._barriers: list[np.ndarray] = []
        self._portals: list[np.ndarray] = []
        self._lamps: list[Lamp] = []

    def material(self, material: Material) -> int:
        """Register a material; its number goes to `add`."""
        self._materials.append(material)
        return len(self._materials) - 1

    def object(self, kind: str, label: str | None = None) -> int:
        """Begin an object called `<kind>_<n>`; its number goes to `add`.

        Args:
            kind: Without spaces.
            label: What a person calls it; by default the kind with blanks for underscores.
        """
        if not kind or " " in kind:
            raise ValueError(f"an object's kind has no spaces and is not empty, got {kind!r}")
        self._counts[kind] = self._counts.get(kind, 0) + 1
        index = len(self._objects)
        self._objects.append(
            WorldObject(
                id=f"{kind}_{self._counts[kind]}",
                label=label or kind.replace("_", " "),
                mask_rgb=layout.mask_color(index),
            )
        )
        self._parts.append([])
        self._panels.append([])
        return index

    def add(self, obj: int, mesh: Mesh, material: int) -> None:
        """Add a mesh, in world metres, to an object. Its light is baked at its vertices."""
        self._parts[obj].append((mesh, material))

    def panel(
        self, obj: int, corner_m, side_u_m, side_v_m, material: int, *, texel_m: float = 0.1
    ) -> None:
        """Add a flat rectangle whose light is baked into a map: for floors, walls, ceilings.

        Args:
            obj: From `object`.
            corner_m: [3].
            side_u_m: [3], first side.
            side_v_m: [3], second side, at a right angle; the outside is u x v.
            material: From `material`; texture coordinates are box-projected world metres.
            texel_m: Size of a light-map texel.
        """
        mesh = quad(corner_m, side_u_m, side_v_m)
        axis = np.abs(mesh.normals[0]).argmax()
        mesh = mesh.with_uv(np.delete(mesh.positions_m, axis, axis=1))
        columns, rows = (
            int(np.clip(np.ceil(np.linalg.norm(side) / texel_m), 2, layout.ATLAS_WIDTH - 2)) + 1
            for side in (side_u_m, side_v_m)
        )
        self._panels[obj].append((mesh, material, columns, rows))

    def barrier(self, corner_m, side_u_m, side_v_m) -> None:
        """An invisible rectangle that stops cameras, such as a window pane."""
        mesh = quad(corner_m, side_u_m, side_v_m)
        self._barriers.append(mesh.positions_m[mesh.faces])

    def portal(self, corner_m, side_u_m, side_v_m) -> None:
        """A window that lets sky light in; u x v points inward. Make one for every window."""
        self._portals.append(np.array([corner_m, side_u_m, side_v_m], dtype=np.float64))

    def lamp(self, lamp: Lamp) -> None:
        """Add a baked light."""
        self._lamps.append(lamp)

    def finish(
        self,
        *,
        name: str,
        bounds_m: tuple[float, ...],
        spawn_m: tuple[float, float, float],
        spawn_heading_deg: float = 0.0,
        seed: int = 0,
        setting: str = "",
        light: str = "",
        places: tuple[Place, ...] = (),
        lighting: Lighting | None = None,
    ) -> World:
        """The world of everything that was added; see `World` and `capture.scene.Scene`."""
        vertices, faces, charts = self._assemble()
        objects = self._objects
        rest = vertices[:, :6].copy()
        for o in objects[1:]:
            part = slice(*o.vertices)
            low, high = vertices[part, :3].min(axis=0), vertices[part, :3].max(axis=0)
            o.position_m = np.array([*(low[:2] + high[:2]) / 2, low[2]], dtype=np.float64)
            rest[part, :3] -= o.position_m
        height = layout.pack_charts(charts, vertices)
        scene = Scene(
            name=name,
            seed=seed,
            bounds_m=tuple(float(b) for b in bounds_m),
            setting=setting,
            light=light,
            places=places,
            labels={o.id: o.label for o in objects[1:]},
        )
        return World(
            scene=scene,
            spawn_m=np.array(spawn_m, dtype=np.float64),
            spawn_heading_deg=spawn_heading_deg,
            lighting=lighting or Lighting(),
            lamps=tuple(self._lamps),
            portals_m=np.array(self._portals).reshape(-1, 3, 3),
            objects=objects,
            vertices=vertices,
            faces=faces,
            materials=mats.pack(self._materials),
            atlas_size=(height, layout.ATLAS_WIDTH),
            charts=charts,
            barriers_m=np.array(self._barriers, dtype=np.float32).reshape(-1, 3, 3),
            rest_vertices=rest,
        )

    def _assemble(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices, faces and charts of all objects in order, as `World` describes them."""
        vertices, faces, charts, v0, f0 = [], [], [], 0, 0
        for index, (parts, panels) in enumerate(zip(self._parts, self._panels, strict=True)):
            if index and not parts and not panels:
                raise ValueError(f"object {self._objects[index].id!r} has no mesh; add one")
            first_v, first_f = v0, f0
            plain = [(mesh, material, 0, 0) for mesh, material in parts]
            for mesh, material, columns, rows in plain + panels:
                if columns:
                    charts.append((0, 0, columns, rows, v0))
                vertices.append(layout.vertex_block(mesh))
                faces.append(layout.face_block(mesh, v0, material, index, mapped=columns > 0))
                v0, f0 = v0 + len(mesh.positions_m), f0 + len(mesh.faces)
            o = self._objects[index]
            self._objects[index] = dataclasses.replace(
                o, vertices=(first_v, v0), faces=(first_f, f0)
            )
        return (
            np.concatenate(vertices),
            np.concatenate(faces),
            np.array(charts, dtype=np.int64).reshape(-1, 5),
        )
