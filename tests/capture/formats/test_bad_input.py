"""Bad and hostile input: one sentence that names the file, never a crash, never a path outside."""

from __future__ import annotations

import json
import random
import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported import BOTH_WAYS

from capture import formats
from capture.formats import pixels, text

POSE = np.eye(4).tolist()
ROW = "0 0.9 1.2 0.5 0.5 0 0 1 0 0 0 0 1 0 0 0 0 1 0"


def put(root: Path, name: str, content: object) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def frames(**changes) -> dict:
    return {"frames": [{"file_path": "a.png", "transform_matrix": POSE, **changes}]}


def case(*rows: object, k: object = None) -> dict:
    return {
        "a/pose/poses.json": {"frames": [{"primary_pose": row} for row in rows]},
        "a/manifest.json": {"intrinsics_px": k},
    }


CAMERAS = "1 PINHOLE 4 4 2 2 2 2\n"
CASES = [
    ("nerfstudio", {"transforms.json": '{"frames": [\n 1,'}, r"transforms.json:2: not JSON"),
    ("nerfstudio", {"transforms.json": {"fames": []}}, "missing frames"),
    ("nerfstudio", {"transforms.json": {"frames": [3]}}, r"frames\[0\]: expected an object"),
    ("nerfstudio", {"transforms.json": frames(transform_matrix=[[1]])}, "matrix of 4 x 4"),
    ("nerfstudio", {"transforms.json": frames(file_path="../../x.png")}, "leads out"),
    ("nerfstudio", {"transforms.json": frames(file_path="/etc/passwd")}, "leads out"),
    ("nerfstudio", {"transforms.json": frames(file_path="C:\\x.png")}, "leads out"),
    ("nerfstudio", {"transforms.json": frames(depth_file_path="../d.png")}, "leads out"),
    ("nerfstudio", {"transforms.json": {"fl_x": "wide", **frames()}}, "fl_x: expected a number"),
    ("nerfstudio", {"transforms.json": "[" * 100_000}, "nested too deeply|not JSON"),
    (
        "colmap",
        {"cameras.txt": "1 FISH 4 4 2\n", "images.txt": ""},
        r"cameras.txt:1: expected CAMERA_ID MODEL",
    ),
    (
        "colmap",
        {"cameras.txt": CAMERAS, "images.txt": "# x\n1 1 0 0 0 0 0 0 1\n"},
        r"images.txt:2: expected IMAGE_ID",
    ),
    (
        "colmap",
        {"cameras.txt": CAMERAS, "images.txt": "1 1 0 0 0 0 0 0 7 a.png\n\n"},
        "unknown camera 7",
    ),
    (
        "colmap",
        {"cameras.txt": CAMERAS, "images.txt": "1 1 0 0 0 0 0 0 1 ../a.png\n\n"},
        "leads out",
    ),
    ("colmap", {"cameras.txt": CAMERAS, "images.txt": "# none\n"}, "has no images"),
    ("colmap", {"cameras.bin": b"\1\0", "images.bin": b""}, "ends at byte 2, in mid-record"),
    (
        "colmap",
        {"cameras.bin": struct.pack("<Q", 2**60), "images.bin": b""},
        "ends at byte 8, in mid-record",
    ),
    ("tum", {"groundtruth.txt": "# x\n0 1 2 3 4 5 6\n"}, r"groundtruth.txt:2: expected 8 numbers"),
    ("tum", {"groundtruth.txt": "0 1 2 3 0 0 0 one\n"}, r"groundtruth.txt:1: .* 'one'"),
    ("tum", {"groundtruth.txt": "# nothing\n"}, "holds no pose"),
    (
        "tum",
        {"groundtruth.txt": "0 1 2 3 0 0 0 1\n", "rgb.txt": "0 ../../etc/passwd\n"},
        r"rgb.txt:1: .* leads out",
    ),
    (
        "tum",
        {"groundtruth.txt": "0 1 2 3 0 0 0 1\n", "rgb.txt": "9 a.png\n"},
        "no picture is within 0.02 s",
    ),
    (
        "kitti",
        {"poses/00.txt": "1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0\n"},
        r"00.txt:2: expected 12 numbers .* got 3",
    ),
    (
        "kitti",
        {
            "poses/00.txt": "1 0 0 0 0 1 0 0 0 0 1 0\n",
            "sequences/00/calib.txt": "P0: 0 0 0 0 0 0 0 0 0 0 0 0\n",
        },
        r"calib.txt:1: P0 is no projection",
    ),
    ("re10k", {"pose_files/a.txt": f"url\n{ROW}\n1 2\n"}, r"a.txt:3: expected 19 numbers"),
    (
        "re10k",
        {
            "pose_files/a.txt": f"url\n{ROW}\n",
            "annotations.json": [{"pose_file": "a.txt", "clip_path": "/etc/passwd"}],
        },
        "leads out",
    ),
    ("lingbot", {"poses.npy": np.eye(4)}, r"expected the shape \[T, 4, 4\], got \[4, 4\]"),
    ("lingbot", {"poses.npy": b"not an array"}, "poses.npy is no plain npy array"),
    (
        "lingbot",
        {"poses.npy": np.tile(np.eye(4), (3, 1, 1)), "intrinsics.npy": np.ones((2, 4))},
        "2 rows for 3 poses",
    ),
    ("vipe", {"pose/a.npz": b"PK\3\4"}, "needs the arrays data, inds"),
    ("solarwm", {"index.jsonl": '{"sample_id": 1, "key": 1, "shard": "x.tar"}'}, "index.jsonl:1"),
    (
        "lerobot",
        {"meta/info.json": {"codebase_version": "v2.1", "fps": 1, "features": {}, "data_path": ""}},
        "version 'v2.1', we read v3.0",
    ),
    ("relickit", {"episode.json": "{"}, "is not JSON"),
    ("worldplay", {"a_pose.json": {"0": {"w2c": POSE}}}, r"\[0\]: missing intrinsic"),
    ("worldplay", {"a_pose.json": {}}, "holds no frame"),
    ("mind", {"action.json": {"mark_time": 0, "data": [{"ws": 0}]}}, r"data\[0\]: missing ad"),
    ("scene-mem-bench", case(), r"poses.json holds no primary_pose"),
    ("scene-mem-bench", case([1, 2, 3]), r"primary_pose 0: expected 6 numbers \(x, y, z, pitch"),
    ("scene-mem-bench", case([1, 2, 3, 4, 5, "6"]), "primary_pose 0: expected a number, got '6'"),
    ("scene-mem-bench", case([0] * 6, k=[1, 2]), r"intrinsics_px: expected 4 numbers \(fx, fy"),
    ("yume", {"Keys_W_Mouse_Up/a.txt": "Keys: W\n"}, "missing Mouse"),
    ("yume", {"Keys_W_Mouse_Up/a.txt": "Keys: W\nMouse: ·\n"}, "a clip without poses"),
    ("gamecraft", {"pose_files/a.txt": f"url\n{ROW}\n1 2\n"}, r"a.txt:3: expected 19 numbers"),
    ("matrix-game", {"camera.npz": b"PK"}, "no camera.npz with extrinsics_c2w"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), CASES)
def test_one_sentence(tmp_path, name, content, sentence):
    for file, value in content.items():
        put(tmp_path, file, value)
    with pytest.raises(ValueError, match=sentence) as error:
        list(formats.read(tmp_path, name))
    assert "\n" not in str(error.value)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "poses.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no plain npy array"):
        list(formats.read(tmp_path, "lingbot"))


@pytest.mark.parametrize("name", list(formats.FORMATS))
def test_nothing_there_is_a_sentence(tmp_path, name):
    with pytest.raises(ValueError):
        list(formats.read(tmp_path, name))
    with pytest.raises(ValueError, match="is not there"):
        formats.read(tmp_path / "absent", name)


def test_unknown_folders_are_not_recognised(tmp_path):
    put(tmp_path, "notes.txt", "hello\nworld\n")
    put(tmp_path, "noise.txt", bytes(range(256)))
    put(tmp_path, "data.jsonl", '{"a": 1}\n')
    assert formats.recognise(tmp_path) is None
    with pytest.raises(ValueError, match="in no known format; tell which with --format"):
        formats.read(tmp_path)


def test_bad_numbers_pass_a_reader_and_stop_a_writer(tmp_path):
    put(tmp_path, "groundtruth.txt", "0 nan 0 0 0 0 0 1\n1 0 0 0 0 0 0 0\n2 0 0 0 0 0 0 2\n")
    (record,) = formats.read(tmp_path)
    assert np.isnan(record.cam_to_world[0, 0, 3]) and np.isnan(record.cam_to_world[1, 0, 0])
    np.testing.assert_allclose(record.cam_to_world[2], np.eye(4))
    assert "quaternions of length 0 to 2" in record.notes[0]
    with pytest.raises(ValueError, match="finite"):
        record.trajectory()


def test_a_singular_pose_is_nan_not_a_crash(tmp_path):
    put(tmp_path, "a.txt", "url\n0 1 1 0.5 0.5 0 0" + " 0" * 12 + f"\n{ROW}\n")
    (record,) = formats.read(tmp_path)
    assert np.isnan(record.cam_to_world[0]).all() and np.isfinite(record.cam_to_world[1]).all()


def test_a_video_of_another_length_is_noted(exports):
    (file,) = (exports / "yume").rglob("*.mp4")
    same, fps, none = pixels.beside(file, 33)
    assert same is not None and fps == 16.0 and none == ()
    other, _, (note,) = pixels.beside(file, 5)
    assert other is None and note.endswith(".mp4: 33 frames for 5 poses")
    assert pixels.beside(file.with_name("absent.mp4"), 5) == (None, None, ())


def test_missing_pictures_are_noted(tmp_path):
    put(tmp_path, "transforms.json", {**frames(), "k1": 0.1, "camera_model": "OPENCV_FISHEYE"})
    (record,) = formats.read(tmp_path)
    assert record.rgb is None and len(record.notes) == 2
    assert record.lacks == (f"{tmp_path / 'transforms.json'}: some of its images are not there",)
    with pytest.raises(ValueError, match="has no pictures"):
        record.pictures()


def test_a_damaged_file_among_sound_ones_is_not_skipped(tmp_path):
    put(tmp_path, "poses/00.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n")
    put(tmp_path, "poses/01.txt", "")
    found = formats.read(tmp_path)
    assert len(found) == 2
    with pytest.raises(ValueError, match=r"01\.txt holds no pose"):
        found[1]


def test_frames_in_the_order_of_their_names(tmp_path):
    poses = [np.eye(4), np.eye(4)]
    poses[0][0, 3], poses[1][0, 3] = 10.0, 2.0
    entries = [
        {"file_path": f"frame_{n}", "transform_matrix": pose.tolist()}
        for n, pose in zip((10, 2), poses, strict=True)
    ]
    put(tmp_path, "transforms.json", {"frames": entries, "w": 8, "h": 4, "camera_angle_x": 1.0})
    for n in (2, 10):
        cv2.imwrite(str(tmp_path / f"frame_{n}.png"), np.full((4, 8, 3), n, np.uint8))
    (record,) = formats.read(tmp_path)
    assert record.cam_to_world[:, 0, 3].tolist() == [2.0, 10.0]
    assert [int(f[0, 0, 0]) for f in record.pictures().frames()] == [2, 10]
    assert record.intrinsics_px()[0] == pytest.approx([4 / np.tan(0.5), 4 / np.tan(0.5), 4, 2])


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\\b", "", None, 3, "a\0b"])
def test_names_that_lead_out(name):
    with pytest.raises(ValueError):
        text.inside(Path("root"), name, "file:1")


def test_names_are_made_plain():
    for name in ("pan.4", "apartment-0-0dc9ba-00000", "my_room"):
        assert text.plain_name(name) == name
    changed = {"../../etc/passwd": "etc_passwd", "...": "clip", "a b/c:d": "a_b_c_d", "-rf": "rf"}
    for name, word in {**changed, "my room": "my_room", "\udc80": "clip"}.items():
        made = text.plain_name(name)
        assert re.fullmatch(rf"{word}-[0-9a-f]{{8}}", made) and text.plain_word(name) == word
    rooms = [
        "\N{CJK UNIFIED IDEOGRAPH-5BA2}",
        "\N{CJK UNIFIED IDEOGRAPH-5EDA}",
        "a b",
        "a:b",
        "a_b",
    ]
    assert len({text.plain_name(room) for room in rooms}) == len(rooms)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_damaged_files_are_a_sentence_never_a_crash(exports, name):
    rng = random.Random(name)
    pixels = (".png", ".mp4", ".jpg")
    there = [p for p in sorted((exports / name).rglob("*")) if p.is_file()]
    for file in (p for p in there if p.suffix not in pixels):
        whole = file.read_bytes()
        for _ in range(12):
            damaged = bytearray(whole[: rng.choice((len(whole), rng.randrange(len(whole) + 1)))])
            for _ in range(rng.randint(0, 4) if damaged else 0):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            file.write_bytes(damaged)
            formats.recognise(exports / name)
            try:
                list(formats.read(exports / name, name))
            except ValueError as error:
                assert "\n" not in str(error)
        file.write_bytes(whole)
    assert len(list(formats.read(exports / name))) == 1
