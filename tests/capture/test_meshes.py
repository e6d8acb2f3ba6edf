"""Primitives: closed, seen from outside, with normals of unit length."""

from __future__ import annotations

import numpy as np
import pytest

from capture.engine import meshes
from capture.engine.meshes import Mesh

SOLIDS = {
    "box": (meshes.box(1.0, 2.0, 3.0), 6.0),
    "rounded box": (meshes.rounded_box(1.0, 2.0, 3.0, 0.1), 5.9),
    "cylinder": (meshes.cylinder(1.0, 2.0, sides=64), 2 * np.pi),
    "cone": (meshes.cylinder(1.0, 3.0, top_radius_m=0.0, sides=64), np.pi),
    "sphere": (meshes.sphere(1.0, sides=64), 4 / 3 * np.pi),
}


def volume_m3(mesh: Mesh) -> float:
    """By the divergence theorem: positive if triangles are wound counter-clockwise from outside."""
    a, b, c = mesh.positions_m[mesh.faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_solids_are_closed_and_face_outward(name, mirror):
    """Also mirrored, stretched, turned and moved, which multiplies the volume by the stretch."""
    mesh, volume = SOLIDS[name]
    placed = mesh.scaled(2.0 * mirror, 1.0, 1.5).tilted(20.0, -35.0).at(4.0, -3.0, 2.0, turn_deg=70)
    assert volume_m3(placed) == pytest.approx(3.0 * volume, rel=0.02)
    used = placed.normals[np.unique(placed.faces)]
    np.testing.assert_allclose(np.linalg.norm(used, axis=1), 1.0, atol=1e-9)
    corners = placed.positions_m[placed.faces]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("fk,fjk->fj", outward, placed.normals[placed.faces]) > 0).all()


def test_a_sheet_may_be_pinched_to_points():
    """In a corner, in a whole row at its end, and in a row between others."""
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(4.0), indexing="ij")
    grid = np.stack([rows, columns, np.zeros_like(rows)], -1)
    for pinched in ((slice(0, 2), 0), (slice(0, 3), slice(None)), (slice(1, 4), slice(None))):
        sheet = grid.copy()
        sheet[pinched] = sheet[pinched][0] if isinstance(pinched[1], int) else sheet[pinched][0, 0]
        normals = meshes.sheet(sheet).normals
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)
        assert (normals[:, 2] > 0).all()  # rows x columns


@pytest.mark.parametrize("shape", [(7, 3), (4, 5, 3), (1, 3)])
def test_the_short_forms_give_the_bits_of_numpy(shape):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, *shape)) * 10.0 ** rng.integers(-9, 9, (2, *shape))
    assert meshes._cross(a, b).tobytes() == np.cross(a, b).tobytes()
    assert meshes._length(a).tobytes() == np.linalg.norm(a, axis=-1).tobytes()
    flat = a[..., :2].copy()
    assert meshes._length(flat).tobytes() == np.linalg.norm(flat, axis=-1).tobytes()
