"""The arrays of a world: their columns, and how meshes, mask colours and light maps fill them."""

from __future__ import annotations

import numpy as np

from capture.engine.meshes import Mesh

# Columns of `World.vertices`: position, normal, texture coordinates, light (a colour, or for
# triangles with a light map its texel coordinates).
POSITION, NORMAL, UV, LIGHT, VERTEX_COLUMNS = 0, 3, 6, 8, 12
# Columns of `World.faces`.
MATERIAL, OBJECT, MAPPED, FACE_COLUMNS = 3, 4, 5, 6
MAX_OBJECTS = 1 << 16  # renderers write their indices as uint16
FARTHEST_M = 1e6  # from the origin; float32 positions are centimetres apart there
ATLAS_WIDTH = 1024


def mask_color(index: int) -> tuple[int, int, int]:
    """A colour that no other index below 2^24 has; neighbours differ much (PASCAL VOC's map)."""
    rgb = [0, 0, 0]
    for bit in range(24):
        rgb[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return rgb[0], rgb[1], rgb[2]


def vertex_block(mesh: Mesh) -> np.ndarray:
    """A mesh's rows of `World.vertices`, lit evenly."""
    block = np.zeros((len(mesh.positions_m), VERTEX_COLUMNS), dtype=np.float32)
    block[:, POSITION:NORMAL] = mesh.positions_m
    block[:, NORMAL:UV] = mesh.normals
    block[:, UV:LIGHT] = mesh.uv_m
    block[:, LIGHT : LIGHT + 3] = 1.0
    return block


def face_block(
    mesh: Mesh, first_vertex: int, material: int, obj: int, *, mapped: bool
) -> np.ndarray:
    """A mesh's rows of `World.faces`."""
    block = np.empty((len(mesh.faces), FACE_COLUMNS), dtype=np.int32)
    block[:, :3] = mesh.faces + first_vertex
    block[:, MATERIAL:] = material, obj, mapped
    return block


def pack_charts(charts: np.ndarray, vertices: np.ndarray) -> int:
    """Place the charts in the atlas row by row; fills their x, y and the vertices' coordinates.

    Returns:
        Height of the atlas.
    """
    x = y = shelf = 0
    for k in np.argsort(-charts[:, 3], kind="stable"):
        columns, rows, first = charts[k, 2:]
        if x + columns > ATLAS_WIDTH:
            x, y, shelf = 0, y + shelf, 0
        charts[k, :2] = x, y
        # Texel centres lie on the rectangle's corners, so the light is continuous across panels.
        corners = np.array([(0, 0), (columns - 1, 0), (columns - 1, rows - 1), (0, rows - 1)])
        vertices[first : first + 4, LIGHT : LIGHT + 2] = corners + np.array([x, y])
        x, shelf = x + columns, max(shelf, rows)
    return max(y + shelf, 1)
