"""Meshes: the primitives that scenes are built from.

Every primitive is closed (or a sheet meant for a two-sided material), wound counter-clockwise seen
from outside, and carries texture coordinates in metres: one material has one grain everywhere.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

# The two axes that a texture is projected to along each axis.
_ACROSS = np.array([[1, 2], [0, 2], [0, 1]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """Triangles with normals and texture coordinates.

    Attributes:
        positions_m: float64 [V, 3].
        normals: Unit length, float64 [V, 3].
        uv_m: Texture coordinates in metres, [V, 2]; the material says how many a texture spans.
        faces: int64 [F, 3], counter-clockwise seen from outside.
    """

    positions_m: np.ndarray
    normals: np.ndarray
    uv_m: np.ndarray
    faces: np.ndarray

    def at(self, x_m=0.0, y_m=0.0, z_m=0.0, *, turn_deg=0.0) -> Mesh:
        """Turned about z (counter-clockwise from above), then moved."""
        return self.moved(transform(x_m, y_m, z_m, turn_deg=turn_deg))

    def moved(self, matrix: np.ndarray) -> Mesh:
        """Under an affine transform [4, 4]; mirrored ones keep their outside."""
        linear = matrix[:3, :3]
        inverse, mirrored = _inverse(linear.tobytes())
        return Mesh(
            positions_m=self.positions_m @ linear.T + matrix[:3, 3],
            normals=_unit(self.normals @ inverse),
            uv_m=self.uv_m,
            faces=self.faces[:, ::-1] if mirrored else self.faces,
        )

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Mesh:
        """Stretched about the origin; one number scales evenly."""
        return self.moved(np.diag([x, x if y is None else y, x if z is None else z, 1.0]))

    def tilted(self, about_x_deg=0.0, about_y_deg=0.0) -> Mesh:
        """Turned about x, then about y."""
        return self.moved(rotation(1, about_y_deg) @ rotation(0, about_x_deg))

    def with_uv(self, uv_m: np.ndarray) -> Mesh:
        """The same mesh with other texture coordinates [V, 2]."""
        return Mesh(positions_m=self.positions_m, normals=self.normals, uv_m=uv_m, faces=self.faces)


def rotation(axis: int, angle_deg: float) -> np.ndarray:
    """Rotation [4, 4] about a coordinate axis (0, 1, 2), counter-clockwise."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out = np.eye(4)
    out[i, i], out[i, j], out[j, i], out[j, j] = c, -s, s, c
    return out


def transform(x_m=0.0, y_m=0.0, z_m=0.0, *, turn_deg=0.0) -> np.ndarray:
    """Rigid transform [4, 4]: a turn about z, then a move."""
    out = rotation(2, turn_deg)
    out[:3, 3] = x_m, y_m, z_m
    return out


def join(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0] + [len(m.positions_m) for m in meshes[:-1]])
    return Mesh(
        positions_m=np.concatenate([m.positions_m for m in meshes]),
        normals=np.concatenate([m.normals for m in meshes]),
        uv_m=np.concatenate([m.uv_m for m in meshes]),
        faces=np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]),
    )


def flat(positions_m: np.ndarray, faces: np.ndarray) -> Mesh:
    """Flat-shaded mesh of shared vertices [V, 3] and faces [F, 3], texture box-projected."""
    corners = np.asarray(positions_m, dtype=np.float64)[np.asarray(faces)]
    normals = _unit(_cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    positions, normals = corners.reshape(-1, 3), np.repeat(normals, 3, axis=0)
    return Mesh(
        positions_m=positions,
        normals=normals,
        uv_m=box_uv(positions, normals),
        faces=np.arange(len(positions)).reshape(-1, 3),
    )


def smooth(positions_m: np.ndarray, faces: np.ndarray) -> Mesh:
    """Smooth-shaded mesh with box-projected texture coordinates; normals are area-weighted."""
    positions = np.asarray(positions_m, dtype=np.float64)
    faces = np.asarray(faces)
    corners = positions[faces]
    area_normals = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(positions)
    for k in range(3):
        np.add.at(normals, faces[:, k], area_normals)
    normals = _unit(normals)
    return Mesh(
        positions_m=positions, normals=normals, uv_m=box_uv(positions, normals), faces=faces
    )


def box_uv(positions_m: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Texture coordinates [V, 2] in metres, projected along each normal's largest axis."""
    columns = _ACROSS[np.abs(normals).argmax(axis=1)]
    return positions_m[np.arange(len(positions_m))[:, None], columns]


_CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])
_CUBE_FACES = np.array(
    [
        triangle
        for a, b, c, d in (
            (0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3),
        )
        for triangle in ((a, b, c), (a, c, d))
    ]
)  # fmt: skip


def box(size_x_m: float, size_y_m: float, size_z_m: float) -> Mesh:
    """A box that stands on z = 0, centred in x and y."""
    return flat(_CUBE * (size_x_m, size_y_m, size_z_m), _CUBE_FACES)


def rounded_box(
    size_x_m: float, size_y_m: float, size_z_m: float, radius_m: float, *, steps: int = 2
) -> Mesh:
    """A box with rounded edges that stands on z = 0.

    Args:
        size_x_m: Width.
        size_y_m: Depth.
        size_z_m: Height.
        radius_m: Of the edges; limited to half the smallest size.
        steps: Faces across a quarter of a rounded edge.
    """
    half = np.array([size_x_m, size_y_m, size_z_m]) / 2
    radius = min(radius_m, half.min() * 0.999)
    # Each cube side is a grid: an inner flat part and `steps` rows of a rounded rim on either side.
    angles = np.linspace(-np.pi / 4, 0.0, steps + 1)
    rim = np.tan(angles)
    ticks = np.concatenate([rim, -rim[::-1]])
    side = np.concatenate([np.full(steps + 1, -1.0), np.full(steps + 1, 1.0)])
    n = len(ticks)
    grid = np.arange(n * n).reshape(n, n)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    quad = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    positions, normals, faces = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            i, j = (axis + 1) % 3, (axis + 2) % 3
            direction = np.empty((n, n, 3))
            direction[..., axis] = sign
            direction[..., i], direction[..., j] = ticks[:, None], ticks[None, :]
            direction = _unit(direction)
            centre = np.empty((n, n, 3))
            centre[..., axis] = sign * (half[axis] - radius)
            centre[..., i] = side[:, None] * (half[i] - radius)
            centre[..., j] = side[None, :] * (half[j] - radius)
            normals.append(direction.reshape(-1, 3))
            positions.append(
                (centre + radius * direction).reshape(-1, 3) + np.array([0, 0, half[2]])
            )
            faces.append((quad if sign > 0 else quad[:, ::-1]) + len(faces) * n * n)
    positions, normals = np.concatenate(positions), np.concatenate(normals)
    return Mesh(
        positions_m=positions,
        normals=normals,
        uv_m=box_uv(positions, normals),
        faces=np.concatenate(faces),
    )


def lathe(profile_m, *, sides: int = 16) -> Mesh:
    """A body of revolution about z.

    Args:
        profile_m: (radius, height) pairs from the bottom to the top, [P, 2]; repeat a point for a
            sharp edge.
        sides: Around.
    """
    profile = np.asarray(profile_m, dtype=np.float64)
    turn = np.linspace(0.0, 2 * np.pi, sides + 1)
    step = np.diff(profile, axis=0)
    slope = np.stack([step[:, 1], -step[:, 0]], 1)
    # A repeated point has no slope of its own: either copy keeps the normal of its own side.
    before = np.vstack([np.zeros((1, 2)), slope])
    after = np.vstack([slope, np.zeros((1, 2))])
    flat_normal = _unit(_unit(before) + _unit(after))
    c, s = np.cos(turn), np.sin(turn)
    c[-1], s[-1] = c[0], s[0]
    radius, height = profile[:, 0:1], profile[:, 1:2]
    positions = np.stack(
        [radius * c, radius * s, np.broadcast_to(height, (len(profile), sides + 1))], -1
    )
    nr, nz = flat_normal[:, 0:1], flat_normal[:, 1:2]
    normals = np.stack([nr * c, nr * s, np.broadcast_to(nz, (len(profile), sides + 1))], -1)
    around = turn[None, :] * max(profile[:, 0].max(), 1e-3)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(step, axis=1))])[:, None]
    uv = np.stack(np.broadcast_arrays(around, along), -1)
    return _strip(positions, normals, uv)


def cylinder(radius_m: float, height_m: float, *, top_radius_m=None, sides: int = 16) -> Mesh:
    """A closed cylinder or cone frustum that stands on z = 0."""
    top = radius_m if top_radius_m is None else top_radius_m
    profile = [
        (0, 0),
        (radius_m, 0),
        (radius_m, 0),
        (top, height_m),
        (top, height_m),
        (0, height_m),
    ]
    return lathe(profile, sides=sides)


def sphere(radius_m: float, *, sides: int = 16) -> Mesh:
    """A sphere about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    profile = np.stack([np.cos(angle), np.sin(angle)], 1)
    profile[[0, -1], 0] = 0.0
    return lathe(profile * radius_m, sides=sides)


def tube(path_m, radius_m, *, sides: int = 8) -> Mesh:
    """A round tube along a path.

    Args:
        path_m: [P, 3] points.
        radius_m: One radius or one per point.
        sides: Around.
    """
    path = np.asarray(path_m, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radius_m, dtype=np.float64), len(path))[:, None, None]
    tangent = _unit(np.gradient(path, axis=0))
    least = np.eye(3)[np.abs(tangent).sum(axis=0).argmin()]
    first = _unit(_cross(tangent, least))
    second = _cross(tangent, first)
    turn = np.linspace(0.0, 2 * np.pi, sides + 1)
    normals = (
        np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    )
    normals[:, -1] = normals[:, 0]
    positions = path[:, None] + radius * normals
    along = np.concatenate([[0.0], np.cumsum(_length(np.diff(path, axis=0)))])
    uv = np.stack(np.broadcast_arrays(turn[None, :] * radius.max(), along[:, None]), -1)
    return _strip(positions, normals, uv)


def sheet(positions_m: np.ndarray) -> Mesh:
    """A smooth sheet through a grid of points [R, C, 3]; outside is where rows x columns point.

    Texture coordinates follow the lengths along the first row and column.
    """
    grid = np.asarray(positions_m, dtype=np.float64)
    normals = _unit(_cross(np.gradient(grid, axis=0), np.gradient(grid, axis=1)))
    # What is pinched to a point has no slope of its own: it takes its row's, and a row that is
    # pinched as a whole the sheet's.
    for axis in (1, (0, 1)):
        pinched = ~normals.any(axis=-1)
        mean = np.broadcast_to(_unit(normals.sum(axis=axis, keepdims=True)), normals.shape)
        normals[pinched] = mean[pinched]
    down = np.linalg.norm(np.diff(grid[:, 0], axis=0), axis=-1)
    across = np.linalg.norm(np.diff(grid[0], axis=0), axis=-1)
    v = np.concatenate([[0.0], np.cumsum(down)])[:, None]
    u = np.concatenate([[0.0], np.cumsum(across)])[None, :]
    return _strip(grid, normals, np.stack(np.broadcast_arrays(u, v), -1), outward=1)


def quad(corner_m, side_u_m, side_v_m) -> Mesh:
    """A parallelogram whose outside is u x v; texture coordinates run 0..1 along both sides."""
    corner, u, v = (np.asarray(a, dtype=np.float64) for a in (corner_m, side_u_m, side_v_m))
    normal = np.cross(u, v)
    return Mesh(
        positions_m=np.stack([corner, corner + u, corner + u + v, corner + v]),
        normals=np.broadcast_to(normal / np.linalg.norm(normal), (4, 3)).copy(),
        uv_m=np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]),
        faces=np.array([[0, 1, 2], [0, 2, 3]]),
    )


def _strip(positions, normals, uv, outward: int = -1) -> Mesh:
    """Faces of a grid [R, C, 3]; triangles without area are dropped."""
    rows, columns = positions.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (
        g.ravel() for g in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    )
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    flat_positions = positions.reshape(-1, 3)
    corners = flat_positions[faces]
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces = faces[_length(area) > 1e-12]
    return Mesh(
        positions_m=flat_positions,
        normals=normals.reshape(-1, 3),
        uv_m=np.ascontiguousarray(uv, dtype=np.float64).reshape(-1, 2),
        faces=faces[:, ::outward],
    )


# `np.cross` and `np.linalg.norm` cost more than all the rest on meshes of a few corners, of which a
# world has thousands; these give the same bits.
def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of vectors [..., 3]."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    out = np.empty(a.shape)
    out[..., 0], out[..., 1], out[..., 2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return out


def _length(vectors: np.ndarray) -> np.ndarray:
    """Lengths [...] of vectors [..., N]."""
    squares = vectors * vectors
    total = squares[..., 0] + squares[..., 1]
    return np.sqrt(total + squares[..., 2] if vectors.shape[-1] == 3 else total)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., N], N 2 or 3, of length one; those without length stay as they are."""
    return vectors / np.maximum(_length(vectors), 1e-12)[..., None]


@functools.lru_cache(maxsize=1024)
def _inverse(linear: bytes) -> tuple[np.ndarray, bool]:
    """Inverse of a matrix [3, 3] and whether it mirrors; most meshes stand in few directions."""
    matrix = np.frombuffer(linear).reshape(3, 3)
    return np.linalg.inv(matrix), bool(np.linalg.det(matrix) <= 0)
