"""Pages of anybody's clips: poses alone, bad poses, hostile names, what cannot be read."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import elsewhere
import numpy as np
import pytest

from capture.camera import pose_from_angles
from capture.formats import Clips, Declared, Labels, Posed
from curation.audit import folder, table
from curation.audit.checks import check
from curation.audit.item import audit_item
from curation.audit.trajectory import recording, write_item

T = 48


def walk() -> np.ndarray:
    """A path of 48 poses, 0.1 m and 2 degrees each, level."""
    along = np.arange(T)[:, None] * [0.1, 0.0, 0.0]
    return pose_from_angles(along, 2.0 * np.arange(T), 0.0)


def posed(**changes) -> Posed:
    record = Posed(
        name="clip",
        format="test",
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z"),
        cam_to_world=walk(),
        fps=10.0,
    )
    return replace(record, **{"frame_index": None, **changes})


def page(clip: Posed | Exception, out: Path, place: str = "place") -> dict:
    def load(wanted: Posed | Exception) -> Posed:
        if isinstance(wanted, Exception):
            raise wanted
        return wanted

    clips = Clips((place,), lambda _: load(clip))
    # Without pixels: what the poses mean is not asked here.
    bare = replace(clip, rgb=None, depth=None) if isinstance(clip, Posed) else clip
    item = audit_item(Clips((place,), lambda _: load(bare)), 0, out)
    assert write_item(item, clips=clips, out=out, source="1")
    assert not write_item(item, clips=clips, out=out, source="1")
    text = (out / "data" / f"{folder.page_name(table.item_key(item))}.js").read_text("ascii")
    assert "<" not in text
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def curve(data: dict, name: str) -> dict:
    return next(one for one in data["curves"] if one["name"] == name)


def test_poses_alone_have_a_path_and_curves(tmp_path):
    data = page(posed(), tmp_path)
    assert (data["kind"], data["time"]["unit"], data["time"]["count"]) == ("audit", "s", T)
    assert data["path"]["position"][:6] == [0, 0, 0, 0.1, 0, 0]
    assert curve(data, "speed_m_s")["values"][1] == 1
    assert set(curve(data, "turn_deg_s")["values"][1:]) == {20}
    assert curve(data, "jerk_m_s3")["unit"] == "m/s³"
    assert (data["spans"], data["pictures"]["sheet"]) == ([], None)
    assert "no pictures" in data["pictures"]["note"]


def test_without_time_and_unit_there_are_frames_and_units(tmp_path):
    declared = Declared(pose="c2w", axes="opencv")
    data = page(posed(fps=None, declared=declared), tmp_path)
    assert data["time"]["unit"] == "frame"
    assert curve(data, "speed_m_s")["unit"] == "units/frame"
    assert curve(data, "speed_m_s")["values"][1] == 0.1


@pytest.mark.parametrize("up", ["-y", None])
def test_another_up_is_turned(tmp_path, up):
    turn = np.eye(4)  # z up becomes -y up
    turn[:3, :3] = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    declared = Declared(pose="c2w", axes="opencv", unit="m", up=up)
    data = page(posed(cam_to_world=turn @ walk(), declared=declared), tmp_path)
    assert np.allclose(data["path"]["up"][:3], [0.0, 0.0, 1.0])
    position = np.array(data["path"]["position"]).reshape(-1, 3)
    assert np.ptp(position[:, 2]) < 1e-6 and np.isclose(np.linalg.norm(position[-1]), 4.7)


def test_bad_poses_are_marked_and_the_rest_is_drawn(tmp_path):
    poses = walk()
    poses[10:13, 0, 3] = np.nan
    poses[30, 1, 3] = 5.0
    data = page(posed(cam_to_world=poses), tmp_path)
    spans = [(span["rule"], span["start"], span["stop"]) for span in data["spans"]]
    assert spans == [("poses", 10, 13), ("jumps", 30, 32)]
    speed = curve(data, "speed_m_s")["values"]
    assert speed[9] == 1 and speed[10:14] == [None] * 4 and speed[30] > 49
    assert data["path"]["position"][30] is None


def test_one_pose_elsewhere_is_a_jump_and_turning_back_is_none():
    poses = walk()
    poses[30, 1, 3] = 5.0
    said = {problem.rule: problem.text for problem in check(posed(cam_to_world=poses))}
    assert said["jumps"].startswith("2 jumps; the largest after frame")
    to_and_fro = np.sin(np.linspace(0.0, 20.0, T))[:, None] * [1.0, 0.0, 0.0]
    poses = pose_from_angles(to_and_fro, np.zeros(T), 0.0)
    assert not check(posed(cam_to_world=poses))


def test_rounded_rotations_still_have_curves(tmp_path):
    data = page(posed(cam_to_world=np.round(walk(), 4)), tmp_path)
    assert curve(data, "turn_deg_s")["values"][5] == pytest.approx(20.0, abs=0.5)


def test_pictures_make_a_sheet(tmp_path):
    data = page(elsewhere.clip(16), tmp_path)
    assert data["pictures"]["sheet"]["frames"] == [0, 4, 8, 12]
    assert (tmp_path / data["pictures"]["sheet"]["picture"]).is_file()
    assert data["path"]["view"][0] > 0


def test_labels_keep_their_names(tmp_path):
    values = np.zeros((T, 2))
    values[5] = [1.0, -0.25]
    labels = Labels(names=("W", "<b>mouse</b>"), values=values, meaning="keys & mouse")
    actions = page(posed(actions=labels), tmp_path)["actions"]
    assert actions["names"] == ["W", "<b>mouse</b>"]
    assert actions["values"][1][5] == -0.25


def test_what_cannot_be_read_says_so(tmp_path):
    hostile = "</script><img src=x onerror=boo>"
    data = page(ValueError(f"{hostile} is cut short"), tmp_path, hostile)
    assert data["path"] is None and data["decide"] == hostile
    assert data["problems"] == [{"rule": "unreadable", "text": f"{hostile} is cut short"}]
    assert page(RuntimeError("odd"), tmp_path)["problems"][0]["rule"] == "unreadable"


def test_pictures_that_cannot_be_read_leave_the_path(tmp_path):
    class Broken:
        def __len__(self) -> int:
            return T

        def size_px(self) -> tuple[int, int]:
            return 64, 48

        def frames(self, start=0, stop=None):
            raise ValueError("frame 3 is no picture")

    data = page(posed(rgb=Broken()), tmp_path)
    assert data["pictures"]["note"] == "The pictures cannot be read: frame 3 is no picture"
    assert data["path"] is not None and data["curves"]


def test_without_rerun_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ValueError, match="needs rerun-sdk"):
        recording.write_rrd(posed(), tmp_path / "clip.rrd")
    assert not any(tmp_path.iterdir())


def test_a_recording_for_rerun(tmp_path):
    pytest.importorskip("rerun")
    poses = walk()
    poses[3, 0, 3] = np.nan
    recording.write_rrd(posed(cam_to_world=poses), tmp_path / "clip.rrd")
    content = (tmp_path / "clip.rrd").read_bytes()
    assert content[:4] == b"RRF2" and len(content) > 10_000


@pytest.mark.parametrize("num_frames", [1, 2, 3, 5])
def test_the_shortest_clips_have_a_page(tmp_path, num_frames):
    data = page(posed(cam_to_world=walk()[:num_frames]), tmp_path)
    assert data["time"]["count"] == num_frames == len(data["path"]["position"]) // 3


def test_a_long_wild_clip_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    poses = pose_from_angles(rng.normal(0.0, 1e3, (4_000, 3)), np.zeros(4_000), 0.0)
    poses[::7, 0, 3] = np.nan
    data = page(posed(cam_to_world=poses), tmp_path)
    assert data["pictures"]["note"] == "There are no pictures."
    assert len(data["spans"]) == 200 and len(json.dumps(data)) < 150_000
