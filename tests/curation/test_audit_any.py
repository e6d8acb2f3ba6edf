"""Audits of anybody's data: bad input is reported in words, item by item; pooling and rules."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import elsewhere
import numpy as np
import pytest

from capture import formats
from capture.formats import Clips, Declared, Posed
from capture.formats.pixels import Images, Video
from curation.audit import findings, outside
from curation.audit.checks import RULES, check
from curation.audit.item import audit_item


def walk(num_frames: int = 24) -> np.ndarray:
    return elsewhere.hand_held(num_frames) @ np.diag([1.0, -1.0, -1.0, 1.0])


def posed(poses: np.ndarray | None = None, **changes) -> Posed:
    record = Posed(
        name="clip",
        format="test",
        declared=Declared(pose="c2w", axes="opencv", unit="m"),
        cam_to_world=walk() if poses is None else poses,
        fps=24.0,
    )
    return replace(record, **changes)


def rules(clip: Posed) -> dict[str, str]:
    return {problem.rule: problem.text for problem in check(clip)}


def test_a_sound_clip_has_no_problem():
    assert rules(posed()) == {}


def test_nan_poses():
    poses = walk()
    poses[3:5, 0, 3] = np.nan
    assert rules(posed(poses))["poses"] == "2 frames from 3 to 4: NaN or infinity in the pose"


def test_what_is_no_rotation():
    poses = walk()
    poses[7, :3, :3] *= 1.5
    assert "frame 7: no rotation" in rules(posed(poses))["poses"]
    flipped = walk()
    flipped[:, :3, 0] *= -1
    assert "a reflection (determinant -1)" in rules(posed(flipped))["poses"]
    assert "transposed?" in rules(posed(np.swapaxes(walk(), 1, 2)))["poses"]


def test_a_path_without_length():
    assert "never moves" in rules(posed(np.tile(np.eye(4), (9, 1, 1))))["motionless"]
    assert rules(posed(walk(1)))["motionless"] == "1 pose: no path"


def test_a_teleport():
    poses = walk()
    poses[12:, 0, 3] += 30.0
    assert "the largest after frame 11" in rules(posed(poses))["jumps"]


@pytest.mark.parametrize(("factor", "said"), [(1e4, "m/s if the positions"), (1e-5, "a path of")])
def test_absurd_units(factor, said):
    poses = walk()
    poses[:, :3, 3] *= factor
    assert said in rules(posed(poses))["unit"]
    assert "unit" not in rules(posed(poses, declared=Declared(pose="c2w", axes="opencv")))


def test_missing_frames_and_bad_times():
    index = np.delete(np.arange(30), slice(10, 16))
    assert rules(posed(frame_index=index))["missing"].startswith("6 frames have no pose")
    t_s = np.arange(24) / 24
    assert "a gap follows" in rules(posed(t_s=np.where(t_s > 0.5, t_s + 2, t_s)))["missing"]
    assert "runs back" in rules(posed(t_s=t_s[::-1]))["times"]
    t_s[4] = np.nan
    assert "frame 4: the time" in rules(posed(t_s=t_s))["times"]


def test_impossible_cameras():
    assert (
        "field of view of 178.9"
        in rules(posed(intrinsics=np.tile([0.5, 0.5, 50, 50], (24, 1)), size_px=(100, 100)))[
            "intrinsics"
        ]
    )
    assert (
        "principal point"
        in rules(posed(intrinsics=np.tile([80, 80, -50, 50], (24, 1)), size_px=(100, 100)))[
            "intrinsics"
        ]
    )
    assert (
        "fx, fy, cx, cy"
        in rules(posed(intrinsics=np.tile([np.nan, 80, 50, 50], (24, 1)), size_px=(100, 100)))[
            "intrinsics"
        ]
    )


def images(folder: Path, sizes: list[tuple[int, int]]) -> Images:
    names = []
    for n, (width, height) in enumerate(sizes):
        names.append(folder / f"{n:03d}.png")
        cv2.imwrite(str(names[-1]), np.full((height, width, 3), 90, np.uint8))
    return Images(tuple(names))


def test_mixed_resolutions(tmp_path):
    mixed = images(tmp_path, [(16, 8)] * 23 + [(8, 8)])
    assert (
        rules(posed(rgb=mixed))["resolution"].endswith("16x8, 8x8")
        or "8x8, 16x8" in (rules(posed(rgb=mixed))["resolution"])
    )


def test_a_size_that_is_not_the_pictures(tmp_path):
    rgb = images(tmp_path, [(16, 8)] * 24)
    assert rules(posed(rgb=rgb, size_px=(32, 16)))["resolution"] == (
        "the pictures are 16x8, the file says 32x16"
    )


def test_unreadable_pictures(tmp_path):
    rgb = images(tmp_path, [(16, 8)] * 24)
    rgb.files[12].write_bytes(b"no image")
    assert "cannot be decoded" in rules(posed(rgb=rgb))["unreadable"]
    (tmp_path / "v.mp4").write_bytes(b"\0" * 500)
    assert "cannot be read" in rules(posed(rgb=Video(source=tmp_path / "v.mp4")))["unreadable"]


def test_bad_depth():
    empty = elsewhere.Kept(np.full((24, 4, 4), np.inf, np.float32))
    assert "nothing is anywhere" in rules(posed(depth=empty))["missing"]
    negative = elsewhere.Kept(np.full((24, 4, 4), -1.0, np.float32))
    assert "negative" in rules(posed(depth=negative))["unreadable"]
    short = elsewhere.Kept(np.ones((20, 4, 4), np.float32))
    assert rules(posed(depth=short))["missing"] == "20 depth frames for 24 poses"


def fake(*entries: Posed | Exception) -> Clips:
    def load(entry):
        if isinstance(entry, Exception):
            raise entry
        return entry

    return Clips(entries, load)


def test_a_clip_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    clips = fake(posed(), ValueError(f"{tmp_path}/a.txt:3: bad\nnews"), KeyError("odd"), posed())
    items = [audit_item(clips, n, tmp_path) for n in range(4)]
    assert [bool(item["problems"]) for item in items] == [False, True, True, False]
    assert items[1]["problems"] == [{"rule": "unreadable", "text": "a.txt:3: bad news"}]
    assert items[2]["problems"][0]["text"] == "KeyError: 'odd'"
    json.dumps(items, allow_nan=False)


def test_mislabelled_files_are_said(tmp_path):
    """KITTI rows in a file that is read as TUM, and a picture in place of poses."""
    (tmp_path / "a.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    clips = formats.read(tmp_path / "a.txt", "tum")
    assert "expected 8 numbers" in audit_item(clips, 0, tmp_path)["problems"][0]["text"]
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((4, 4, 3), np.uint8))
    clips = formats.read(tmp_path / "b.png", "tum")
    assert "is no UTF-8 text" in audit_item(clips, 0, tmp_path)["problems"][0]["text"]


@pytest.fixture
def report(tmp_path) -> dict:
    bad = walk()
    bad[3] = np.nan
    hostile = "<script>alert(1)</script>"
    clips = fake(posed(), posed(bad, name="=cmd()"), ValueError(f"{hostile} & 'quotes'"), posed())
    items = [audit_item(clips, n, tmp_path) for n in range(4)]
    for n, item in enumerate(items):
        item["place"] = f"{'<b>' * (n == 2)}clip{n}"
    return findings.summarise(items, name=hostile, format="test", title="none")


def test_hostile_names_stay_text(report, tmp_path):
    out = tmp_path / "out"
    page = outside.write(report, out).read_text()
    assert (
        "<script>alert" not in page
        and "&lt;script&gt;" in page
        and "<b>" not in page.split("</nav>")[0]
    )
    table = (out / "data" / "table.js").read_text()
    assert not set("<>&") & set(table) and "\\u003cb\\u003e" in table
    rows = list(csv.DictReader((out / "worst.csv").open()))
    assert [row["item"] for row in rows] == ["1", "2", "0", "3"]
    assert rows[0]["name"] == "'=cmd()"
    assert (out / "rejects.txt").read_text() == "clip1\n<b>clip2\n"
    assert "http" not in page.replace("http-equiv", "")


def test_the_numbers_of_a_report(report):
    assert report["problems"] == {"unreadable": 1, "poses": 1} and set(report["problems"]) <= set(
        RULES
    )
    assert report["counts"]["rejected"] == 2 and report["convention"] is None
    assert any("neither pictures nor depth" in said for said in report["not_done"])


@pytest.mark.parametrize(
    ("rule", "fails"),
    [
        ("unreadable", True), ("unreadable>0.25", False), ("poses>0.2", True), ("lag", False),
        ("reject-rate>0.49", True), ("reject-rate>0.5", False),
        ("cannot-tell>0.9", True),
    ],
)  # fmt: skip
def test_rules_that_fail(report, rule, fails):
    assert bool(findings.failures(report, [rule])) is fails


@pytest.mark.parametrize("rule", ["nonsense", "lag>2", "lag>", "reject-rate<0.1", ""])
def test_rules_that_are_none(report, rule):
    with pytest.raises(ValueError, match=r"is no rule; known are unreadable, .*reject-rate"):
        findings.failures(report, [rule])


def test_two_versions_are_compared(report):
    items = [dict(item) for item in report["items"]]
    items[1] = {**items[1], "problems": []}
    items[0] = {**items[0], "problems": [{"rule": "lag", "text": "late"}]}
    new = findings.summarise(items[:3], name="new", format="test", title="none")
    changes = findings.compare(new, report)
    assert changes["worse"] == {"clip0": ["lag"]} and changes["better"] == {"clip1": ["poses"]}
    assert changes["removed"] == ["clip3"] and changes["counts"]["items"] == [4, 3]


def told(**changes) -> dict:
    clean = {
        "pose": "c2w", "axes": "opencv", "depth": None, "unit": None, "fov_deg": 80.0,
        "lag_frames": 0, "mirrored": False,
    }  # fmt: skip
    said = {**clean, **changes}
    agrees = all(said[name] in (None, value) for name, value in clean.items())
    return {
        "convention": {
            **said, "confidence": 0.99, "runner_up": None, "declared": clean, "agrees": agrees
        }
    }  # fmt: skip


def test_one_clip_that_differs_does_not_turn_the_verdict():
    said = findings.pooled([told(), told(fov_deg=81.0), told(), told(lag_frames=1), told()])
    assert said is not None and said["agrees"] and said["lag_frames"] == 0
    assert 0.7 < said["confidence"] < 0.85 and said["fov_deg"] == 80.0
    said = findings.pooled([told(pose="w2c"), told(pose="w2c"), told(pose=None)])
    assert said is not None and said["pose"] == "w2c" and not said["agrees"]
