"""Users' glTF files: what is read from them, and what is refused with a clear sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb, export_gltf
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial

from capture.camera import Intrinsics, pose_from_angles
from capture.engine import scenes
from capture.engine.raster import Renderer
from capture.engine.scenes import imported

# A picture whose upper half is red and whose lower half is blue.
_FLAG = Image.fromarray(
    np.concatenate([np.full((8, 16, 3), (200, 20, 20)), np.full((8, 16, 3), (20, 20, 200))]).astype(
        np.uint8
    )
)


def _wall(corner, u, v, material) -> trimesh.Trimesh:
    """A rectangle seen from u x v, the picture upright along v."""
    corner, u, v = (np.array(a, dtype=float) for a in (corner, u, v))
    points = np.array([corner, corner + u, corner + u + v, corner + v])
    visual = TextureVisuals(uv=[(0, 0), (1, 0), (1, 1), (0, 1)], material=material)
    return trimesh.Trimesh(points, [(0, 1, 2), (0, 2, 3)], visual=visual, process=False)


def room(scale: float = 1.0) -> trimesh.Scene:
    """A room of 6 x 5 m (y up, as glTF has it) with a flag on its far wall, and a green crate."""
    flag = PBRMaterial(baseColorTexture=_FLAG)
    grey = PBRMaterial(baseColorFactor=(0.5, 0.5, 0.5, 1.0))
    x, y, z = (np.array(a, dtype=float) * scale for a in ((6, 0, 0), (0, 3, 0), (0, 0, 5)))
    scene = trimesh.Scene()
    for name, corner, u, v, material in (
        ("Floor", 0 * x, z, x, grey), ("Ceiling", y, x, z, grey), ("Far wall", 0 * x, x, y, flag),
        ("near", x + z, -x, y, grey), ("left", z, -z, y, grey), ("right", x, z, y, grey),
    ):  # fmt: skip
        scene.add_geometry(_wall(corner, u, v, material), node_name=name, geom_name=name)
    crate = trimesh.creation.box((0.8 * scale,) * 3)
    crate.apply_translation((scale, 0.4 * scale, scale))
    crate.visual = ColorVisuals(crate, vertex_colors=[(20, 180, 30, 255)] * 8)
    scene.add_geometry(crate, node_name="Green crate.001", geom_name="crate")
    return scene


def save(path: Path, scene: trimesh.Scene) -> Path:
    path.write_bytes(export_glb(scene))
    return path


def test_a_textured_room_is_seen_as_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    world = scenes.build(str(save(tmp_path / "my room.glb", room())))
    assert world.scene.id == "my_room-0" and world.scene.place_at(world.spawn_m) is not None
    labels = world.scene.labels
    assert labels["Green_crate.001"] == "green crate" and labels["Far_wall"] == "far wall"
    # y up becomes z up: the far wall (z = 0 in the file) is at y = 0, the room lies at y < 0.
    np.testing.assert_allclose(world.bounds_of("Far_wall"), (0, 0, 0, 6, 0, 3), atol=1e-6)
    np.testing.assert_allclose(
        world.bounds_of("Green_crate.001"), (0.6, -1.4, 0, 1.4, -0.6, 0.8), atol=1e-6
    )
    assert 1.0 < world.spawn_m[2] < 2.0 and world.lamps
    renderer = Renderer(world, threads=1)
    camera = Intrinsics.from_fov(64, 48, 70.0)
    frame = renderer.render(pose_from_angles((3.0, -3.5, 1.5), 90.0, 0.0), camera)
    assert frame.rgb is not None and frame.depth_m is not None and frame.object is not None
    upper, lower = frame.rgb[16, 32].astype(int), frame.rgb[32, 32].astype(int)
    assert upper[0] > 2 * upper[2] and lower[2] > 2 * lower[0]
    assert frame.depth_m[24, 32] == pytest.approx(3.5, abs=1e-4)
    assert world.objects[frame.object[24, 32]].id == "Far_wall"
    crate = renderer.render(pose_from_angles((3.0, -3.5, 1.5), 128.0, -22.0), camera)
    assert crate.rgb is not None and crate.object is not None
    seen = crate.rgb[crate.object == world.index("Green_crate.001")].astype(int)
    assert len(seen) > 20 and (seen[:, 1] > 1.5 * seen[:, 0]).mean() > 0.9


def test_import_scales_and_packs(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    save(source / "b.glb", room(100.0))
    (source / "notes.txt").write_text("x")
    for name, data in export_gltf(room(100.0)).items():
        (source / name.replace("model.gltf", "a.gltf")).write_bytes(data)
    assert [p.name for p in imported.find(source)] == ["a.gltf", "b.glb"]
    worlds = imported.import_scenes(source, target, scale=0.01)
    assert [w.scene.name for w in worlds] == ["a", "b"]
    again = scenes.build(str(target / "b.glb"))
    np.testing.assert_allclose(again.vertices[:, :3], worlds[1].vertices[:, :3], atol=1e-5)
    assert set(again.scene.labels) == set(worlds[1].scene.labels)


def test_a_bad_file_does_not_keep_the_others_of_a_folder_out(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    save(source / "my room.glb", room())
    save(source / "small.glb", room(0.01))
    (source / "a.glb").write_bytes(b"solid cube")
    (source / "my_room.gltf").write_text("{}")
    with pytest.raises(ValueError, match="3 of 4 files") as caught:
        imported.import_scenes(source, target)
    lines = str(caught.value).splitlines()[1:]
    assert [Path(line.split(".gl")[0]).name for line in lines] == ["a", "my_room", "small"]
    assert "does not begin with 'glTF'" in lines[0] and "one name; rename" in lines[1]
    assert "--scale" in lines[2]
    assert [p.name for p in target.iterdir()] == ["my_room.glb"]
    assert scenes.build(str(target / "my_room.glb")).scene.name == "my_room"


def test_wrong_scale_asks_for_one(tmp_path):
    with pytest.raises(ValueError, match=r"0\.06 m large.*--scale"):
        scenes.build(str(save(tmp_path / "small.glb", room(0.01))))
    with pytest.raises(ValueError, match="scale must be a positive number"):
        imported.import_scenes(tmp_path / "small.glb", tmp_path / "out", scale=-1.0)


@pytest.mark.parametrize(
    "uri", ["https://example.org/a.png", "/etc/passwd", "../secret.png", "file:///etc/passwd"]
)
def test_references_outside_the_folder_are_refused(tmp_path, uri):
    path = tmp_path / "a.gltf"
    path.write_text(json.dumps({"asset": {"version": "2.0"}, "images": [{"uri": uri}]}))
    with pytest.raises(ValueError, match="only files beside it"):
        imported.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"solid cube", "does not begin with 'glTF'"),
        (b"glTF\x01\x00\x00\x00" + b"\x20\x00\x00\x00" + b"\x00" * 40, "version 2 is read"),
        (
            b"glTF\x02\x00\x00\x00" + b"\xff\xff\x00\x00" + b"\x10\x00\x00\x00JSON" + b"{}",
            "cut off",
        ),
        (
            b"glTF\x02\x00\x00\x00" + b"\x18\x00\x00\x00" + b"\x04\x00\x00\x00JSON{{{{",
            "no valid JSON",
        ),
        (
            b"glTF\x02\x00\x00\x00" + b"\x18\x00\x00\x00" + b"\x04\x00\x00\x00JSON[12]",
            "not an object",
        ),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    (tmp_path / "broken.glb").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        imported.load(tmp_path / "broken.glb")


def test_what_is_not_read_is_said(tmp_path):
    path = tmp_path / "a.gltf"
    needs = {"asset": {"version": "2.0"}, "extensionsRequired": ["KHR_draco_mesh_compression"]}
    path.write_text(json.dumps(needs))
    with pytest.raises(ValueError, match="KHR_draco_mesh_compression"):
        imported.load(path)
    path.write_text(json.dumps({"asset": {"version": "2.0"}, "buffers": [{"uri": "gone.bin"}]}))
    with pytest.raises(ValueError, match="not there"):
        imported.load(path)
    with pytest.raises(ValueError, match="no floor"):
        imported.load(
            save(
                tmp_path / "hung.glb", trimesh.Scene([_wall((0, 0, 0), (4, 0, 0), (0, 3, 0), None)])
            )
        )
    with pytest.raises(ValueError, match=r"neither a \.glb"):
        imported.find(tmp_path / "nothing")
    with pytest.raises(ValueError, match="cannot be opened"):
        scenes.build(str(tmp_path / "nothing.glb"))


def test_one_stands_inside_and_not_on_the_roof(tmp_path, monkeypatch):
    """Floor and roof are slabs of one size: both have a surface that faces up."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scene = room()
    for name, height in (("slab", -0.2), ("roof", 3.2)):
        slab = trimesh.creation.box((6.4, 0.2, 5.4))
        slab.apply_translation((3.0, height, 2.5))
        scene.add_geometry(slab, node_name=name, geom_name=name)
    world = scenes.build(str(save(tmp_path / "hall.glb", scene)))
    assert 1.0 < world.spawn_m[2] < 2.0 and world.lamps
