"""The renderer: colour, depth, normals and object masks of a world."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

import numba
import numpy as np
from numba.core import config

from capture.camera import Intrinsics, invert
from capture.engine import light, shading, sun, visibility
from capture.engine.materials import TWO_SIDED
from capture.engine.textures import noise
from capture.engine.world import World

OUTPUTS = ("lit", "depth", "normal", "object")
# From here on the near plane is meant to cut the scene open, and cut solids show a flat section.
SECTION_NEAR_M = 0.5
_SHADOW_BIAS_TEXELS = 1.5
_CLUSTER_FACES = 128
# numba's fallback threading layer does not allow two callers at once.
_LOCK = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What was rendered; None where it was not asked for. Arrays are read-only.

    Attributes:
        rgb: Display-encoded, anti-aliased, uint8 [H, W, 3].
        depth_m: Planar depth at the pixel centres, float32 [H, W]; infinity where there is nothing.
        normal: Shading normal of the side that is seen, unit, world axes, float32 [H, W, 3]; zero
            where there is nothing.
        object: Index into `World.objects`, uint16 [H, W]; 0 where there is nothing.
    """

    rgb: np.ndarray | None = None
    depth_m: np.ndarray | None = None
    normal: np.ndarray | None = None
    object: np.ndarray | None = None


class Renderer:
    """Renders one world, deterministically: the same bytes for any number of threads.

    The last pose's visibility and outputs are kept, so asking for the outputs of one pose one after
    the other costs the same as asking for all at once.
    """

    def __init__(self, world: World, threads: int | None = None):
        """Prepare a world: bakes its light (cached on disk) and casts the sun's shadow.

        Args:
            world: It may be changed through its methods between frames.
            threads: Number of threads; None for all that numba has.
        """
        self._world = world
        limit = int(config.NUMBA_NUM_THREADS)  # pyright: ignore[reportAttributeAccessIssue]
        self._threads = limit if threads is None else max(1, min(threads, limit))
        self._clouds = noise(512, world.lighting.seed, cells=4, octaves=7, gain=0.55)
        self._revision = -1
        self._key: tuple = ()
        self._outputs: dict[str, np.ndarray] = {}
        self._slot_face = np.empty(0, dtype=np.int32)
        self._depth_key = np.empty((0, 0, 0), dtype=np.float32)
        self._seen = np.empty((0, 0, 0), dtype=np.int32)
        self._samples = 0
        with _LOCK:
            numba.set_num_threads(self._threads)
            self._follow_world()
            self._atlas = light.apply(world, self._shadow, self._to_shadow, self._light_vector())

    def render(
        self,
        cam_to_world: np.ndarray,
        intrinsics: Intrinsics,
        *,
        near_m: float = 0.05,
        outputs: tuple[str, ...] = OUTPUTS,
    ) -> Frame:
        """One frame.

        Args:
            cam_to_world: OpenCV camera pose, float64 [4, 4].
            intrinsics: Pinhole camera.
            near_m: Nothing nearer than this (planar) is seen. Above 0.5 the cut shows a flat
                section of solids, as in a dollhouse view.
            outputs: Any of "lit", "depth", "normal", "object"; only these are computed.
        """
        unknown = set(outputs) - set(OUTPUTS)
        if unknown:
            raise ValueError(f"unknown outputs {sorted(unknown)}; there are {OUTPUTS}")
        pose = np.asarray(cam_to_world, dtype=np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all():
            raise ValueError(f"cam_to_world must be a finite [4, 4] pose, got {cam_to_world!r}")
        if not near_m > 0:
            raise ValueError(f"near_m must be positive, got {near_m}")
        with _LOCK:
            numba.set_num_threads(self._threads)
            self._follow_world()
            key = (pose.tobytes(), intrinsics, near_m)
            if key != self._key:
                self._key, self._outputs, self._samples = key, {}, 0
            missing = [o for o in outputs if o not in self._outputs]
            samples = visibility.NUM_SAMPLES if "lit" in missing else 1
            if missing and self._samples < samples:
                self._see(pose, intrinsics, near_m, samples)
            if any(o != "lit" for o in missing):
                self._measure(intrinsics)
            if "lit" in missing:
                self._shade(pose, intrinsics, near_m)
            chosen = {_FIELDS[o]: self._outputs[o] for o in outputs}
        return Frame(**chosen)

    def _follow_world(self) -> None:
        """Take up changes of the world since the last frame."""
        if self._revision == self._world.revision:
            return
        self._revision = self._world.revision
        self._key = ()
        size = len(self._world.faces)
        if len(self._slot_face) != size:
            self._planes = np.empty((size, visibility.PLANE_COLUMNS))
            self._boxes = np.empty((size, visibility.BOX_COLUMNS), dtype=np.int32)
            self._slot_face = np.empty(size, dtype=np.int32)
            self._two_sided = self._world.materials.values[:, TWO_SIDED] > 0
        self._runs, self._spheres = _clusters(self._world)
        visible = np.array([o.visible for o in self._world.objects])
        self._drawn = np.flatnonzero(visible[self._runs[:, 2]])
        self._cast_shadow()

    def _cast_shadow(self) -> None:
        """Shadow map of the drawn clusters seen from the sun, in a square around them."""
        lighting = self._world.lighting
        size = lighting.shadow_px
        toward = np.array(lighting.to_sun) / np.linalg.norm(lighting.to_sun)
        side = np.cross(toward, (0.0, 0.0, 1.0) if abs(toward[2]) < 0.9 else (1.0, 0.0, 0.0))
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(toward, side), toward])
        low, high = np.reshape(self._world.scene.bounds_m, (2, 3))
        corner = np.array(list(itertools.product(*zip(low, high, strict=True))))
        seen = corner @ axes.T
        centre = (seen.min(axis=0) + seen.max(axis=0)) / 2
        span = float((seen.max(axis=0) - seen.min(axis=0))[:2].max()) * 1.02 + 0.5
        to_shadow = np.zeros((3, 4))
        to_shadow[:, :3] = axes * np.array([size / span, size / span, 1.0])[:, None]
        to_shadow[:2, 3] = size / 2 - centre[:2] * size / span
        self._texel_m = span / size
        self._to_shadow = to_shadow
        height = np.empty((size, 1, size), dtype=np.float32)
        slots = np.empty((size, 1, size), dtype=np.int32)
        self._draw(self._drawn, to_shadow, (size, size), 0.0, False, False, height, slots)
        self._shadow = height[:, 0]
        cells = -(-size // sun.BOUNDS_CELL)
        self._shadow_bounds = np.empty((cells, cells, 2), dtype=np.float32)
        sun.shadow_bounds(self._shadow, self._shadow_bounds)

    def _draw(self, order, projection, size, near_m, perspective, cull, key, seen) -> None:
        """Set up and rasterize clusters in the given order."""
        lengths = self._runs[order, 1] - self._runs[order, 0]
        starts = np.cumsum(lengths) - lengths
        counts = np.zeros(len(order), dtype=np.int64)
        extents = np.empty((len(order), visibility.EXTENT_COLUMNS))
        w = self._world
        visibility.set_up(
            w.vertices, w.faces, self._two_sided, self._runs, order, starts, projection, size,
            float(near_m), perspective, cull, self._planes, self._boxes, self._slot_face, counts,
            extents,
        )  # fmt: skip
        limit = 1.0 / near_m if perspective else np.inf
        visibility.rasterize(
            self._planes, self._boxes, starts, counts, extents, key.shape[1], float(limit), key,
            seen,
        )  # fmt: skip

    def _see(self, pose, intrinsics: Intrinsics, near_m: float, samples: int) -> None:
        """Fill the visibility buffer of a pose."""
        projection = intrinsics.matrix() @ invert(pose)[:3]
        width, height = intrinsics.width_px, intrinsics.height_px
        order = self._drawn[_in_view(self._spheres[self._drawn], projection, width, height, near_m)]
        away = np.linalg.norm(self._spheres[order, :3] - pose[:3, 3], axis=1)
        order = order[np.argsort(away - self._spheres[order, 3], kind="stable")]
        if self._seen.shape != (height, samples, width):
            self._depth_key = np.empty((height, samples, width), dtype=np.float32)
            self._seen = np.empty((height, samples, width), dtype=np.int32)
        cull = near_m < SECTION_NEAR_M
        self._draw(
            order, projection, (width, height), near_m, True, cull, self._depth_key, self._seen
        )
        self._samples = samples

    def _measure(self, intrinsics: Intrinsics) -> None:
        """Ground truth from the visibility buffer."""
        shape = (intrinsics.height_px, intrinsics.width_px)
        depth, normal = np.empty(shape, dtype=np.float32), np.empty((*shape, 3), dtype=np.float32)
        objects = np.empty(shape, dtype=np.uint16)
        w = self._world
        visibility.ground_truth(
            self._seen, self._planes, self._boxes, self._slot_face, w.faces, w.vertices,
            depth, normal, objects,
        )  # fmt: skip
        self._keep(depth=depth, normal=normal, object=objects)

    def _shade(self, pose, intrinsics: Intrinsics, near_m: float) -> None:
        """Colour from the visibility buffer."""
        rgb = np.empty((intrinsics.height_px, intrinsics.width_px, 3), dtype=np.uint8)
        w, m = self._world, self._world.materials
        to_shadow, rays, eye, light_vector = map(
            np.float32,
            (self._to_shadow, _rays(pose, intrinsics), pose[:3, 3], self._light_vector()),
        )
        shading.shade_image(
            self._seen, self._planes, self._boxes, self._slot_face, near_m >= SECTION_NEAR_M,
            w.faces, w.vertices, m.values, m.texels, m.levels, m.sizes, self._atlas, self._shadow,
            self._shadow_bounds, to_shadow, rays, eye, light_vector, self._clouds, rgb,
        )  # fmt: skip
        self._keep(lit=rgb)

    def _light_vector(self) -> np.ndarray:
        """`Lighting` in the layout of the shader."""
        lighting = self._world.lighting
        out = np.zeros(sun.LIGHT_FIELDS)
        out[sun.SUN_X : sun.SUN_R] = np.array(lighting.to_sun) / np.linalg.norm(lighting.to_sun)
        out[sun.SUN_R : sun.ZENITH] = lighting.sun_rgb
        out[sun.ZENITH : sun.HORIZON] = lighting.zenith_rgb
        out[sun.HORIZON : sun.GROUND] = lighting.horizon_rgb
        out[sun.GROUND : sun.CLOUDINESS] = lighting.ground_rgb
        out[sun.CLOUDINESS] = lighting.cloudiness
        out[sun.HAZE] = 1.0 / lighting.haze_m
        out[sun.SHADOW_BIAS] = _SHADOW_BIAS_TEXELS * self._texel_m
        out[sun.EXPOSURE] = lighting.exposure
        return out

    def _keep(self, **outputs: np.ndarray) -> None:
        for name, array in outputs.items():
            array.setflags(write=False)
            self._outputs[name] = array


_FIELDS = {"lit": "rgb", "depth": "depth_m", "normal": "normal", "object": "object"}


def _rays(pose: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Matrix from pixel coordinates (x, y, 1) to world directions of planar depth 1."""
    return np.ascontiguousarray(pose[:3, :3] @ np.linalg.inv(intrinsics.matrix()))


def _in_view(spheres, projection, width: int, height: int, near_m: float) -> np.ndarray:
    """Which spheres [K, 4] touch the view frustum, bool [K]; half a pixel of margin."""
    x, y, z = projection
    sides = np.stack([x + 0.5 * z, (width + 0.5) * z - x, y + 0.5 * z, (height + 0.5) * z - y, z])
    sides[4, 3] -= near_m
    sides /= np.linalg.norm(sides[:, :3], axis=1, keepdims=True)
    inside = spheres[:, :3] @ sides[:, :3].T + sides[:, 3]
    return (inside >= -spheres[:, 3:4]).all(axis=1)


def _clusters(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Runs of at most 128 neighbouring triangles of one object, and spheres around them.

    Returns:
        Runs (first face, end face, object) int64 [K, 3]; spheres (x, y, z, radius) float64 [K, 4].
    """
    runs = np.array(
        [
            (first, min(first + _CLUSTER_FACES, o.faces[1]), k)
            for k, o in enumerate(world.objects)
            for first in range(*o.faces, _CLUSTER_FACES)
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    corners = world.vertices[world.faces[:, :3], :3].astype(np.float64)
    low = np.minimum.reduceat(corners.min(axis=1), runs[:, 0])
    high = np.maximum.reduceat(corners.max(axis=1), runs[:, 0])
    centre = (low + high) / 2
    radius = np.linalg.norm(high - low, axis=1) / 2
    return runs, np.column_stack([centre, radius])
