"""Pages of trajectories: what broke which rule where, what is drawn, and how pages are kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_room import FPS, INTRINSICS
from page_dataset import WHIP, WHIP_DEG_S, page_dataset

from capture.camera import pose_from_angles
from capture.episode import Episode
from capture.formats import episodes
from capture.plan_map import ClearanceMap
from capture.trajectory import Trajectory
from curation import decide, motion
from curation.audit import folder, trajectory
from curation.audit.trajectory import curves, looks, pairs, spans
from curation.audit.trajectory.looks import Pair
from curation.filters import RULES
from pipelines import auditing, runner

T = 97


def rule(name: str):
    return next(one for one in RULES if one.name == name)


def pan(rate_deg_s: np.ndarray, speed_m_s: float = 0.5) -> Trajectory:
    """Straight on, turning at a rate for each frame, [T]."""
    along = np.arange(len(rate_deg_s))[:, None] / FPS * speed_m_s * np.array([1.0, 0.0, 0.0])
    heading = np.cumsum(rate_deg_s) / FPS
    return Trajectory.uniform(pose_from_angles(along, heading, 0.0), FPS)


def found(path: Trajectory, name: str, *, start: int = 0, stop: int = 81, **metrics) -> list:
    """Spans of one rule, with one clip."""
    window = path.window(start, stop)
    clip = {"start": start, "stop": stop, **motion.summary(window), **metrics}
    return spans.find(path, {}, curves.of_path(path), [clip], [rule(name)])


# -- which frames broke a rule -------------------------------------------------------------------


def test_a_burst_is_the_frames_beyond_the_bound():
    rate = np.full(T, 10.0)
    rate[30:36] = [60.0, 100.0, 140.0, 120.0, 95.0, 60.0]
    (span,) = found(pan(rate), "whip pan")
    assert (span.start, span.stop, span.worst, span.clip) == (31, 35, 32, 0)
    assert span.text == "turns at 140 deg/s, more than 90 deg/s"


def test_what_no_clip_holds_is_marked_too():
    rate = np.full(T, 10.0)
    rate[90:92] = 120.0
    (span,) = found(pan(rate), "whip pan")
    assert (span.start, span.stop, span.clip) == (90, 92, -1)


def test_a_jump_is_the_frame_that_it_leads_to():
    path = pan(np.full(T, 10.0))
    poses = np.array(path.cam_to_world)
    poses[50:, 1, 3] += 3.0
    (span,) = found(Trajectory.uniform(poses, FPS), "jump")
    assert (span.start, span.stop) == (50, 51)
    assert "the path jumps: 1 frame far" in span.text


def test_a_rule_on_the_clip_as_a_whole_marks_all_of_it():
    (span,) = found(pan(np.full(T, 10.0)), "out of step", lag_frames=1.0)
    assert (span.start, span.stop, span.whole) == (0, 81, True)
    assert "the clip as a whole" in span.text
    (span,) = found(pan(np.full(T, 10.0)), "near collision", clearance_m=0.05)
    assert span.whole and "the trajectory as a whole" in span.text


def test_shake_is_marked_where_it_shakes():
    path, shake = pan(np.full(T, 10.0)), np.random.default_rng(0).normal(0.0, 0.03, (12, 3))
    poses = np.array(path.cam_to_world)
    poses[40:52, :3, 3] += shake
    marked = found(Trajectory.uniform(poses, FPS), "shaky position")
    assert 30 <= marked[0].start <= 40 and 52 <= marked[-1].stop <= 60


def test_a_pair_speaks_of_the_frames_between():
    frames = {name: np.full(T, 50.0) for name, *_ in curves._COLUMNS}
    frames["geometry_inlier"] = np.full(T, np.nan)
    frames["geometry_inlier"][::8] = 0.98
    frames["geometry_inlier"][16] = 0.4
    path = pan(np.full(T, 10.0))
    clip = {"start": 0, "stop": 81, "geometry_inlier": 0.5}
    drawn = curves.of_path(path) + curves.of_frames(frames)
    wanted = rule("pose and depth disagree")
    (span,) = spans.find(path, frames, drawn, [clip], [wanted])
    assert (span.start, span.stop) == (16, 24)
    assert "40 % of the pixels" in span.text


def test_short_gaps_between_bad_frames_are_closed():
    bad = np.zeros(20, bool)
    bad[[2, 3, 6, 12]] = True
    assert spans.runs(bad) == [(2, 7), (12, 13)]


# -- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["at most", "at least"])
def test_long_trajectories_keep_their_worst_values(kind):
    values, shown = np.full(2000, 5.0), curves.thin(2000)
    values[1234] = 9.0 if kind == "at most" else 1.0
    curve = curves.Curve(
        name="x", group="", label="", unit="", values=values, bounds=((3.0, kind, "r"),)
    )
    said = curves.to_json(curve, shown)["values"]
    assert len(said) == len(shown) <= curves.MOST_POINTS
    assert said[np.searchsorted(shown, 1234, "right") - 1] == values[1234]


def test_curves_say_little_where_there_is_little():
    def said(values) -> dict:
        curve = curves.Curve(name="x", group="", label="", unit="", values=np.array(values))
        return curves.to_json(curve, np.arange(len(values)))

    assert said([2.0, 2.0, 2.0, 2.0])["values"] == [2]
    sparse = said([1.0, np.nan, np.nan, np.nan, 3.0])
    assert (sparse["at"], sparse["values"]) == ([0, 4], [1, 3])
    assert said([1.0, np.nan, 1.23456])["values"] == [1, None, 1.235]


def test_jerk_and_bounds_stand_where_they_belong():
    path = pan(np.full(T, 10.0))
    drawn = {curve.name: curve for curve in curves.bounded(curves.of_path(path), RULES)}
    assert all(len(curve.values) == T for curve in drawn.values())
    assert drawn["turn_deg_s"].bounds == ((90.0, "at most", "whip pan"),)
    assert np.isnan(drawn["speed_m_s"].values[0])
    np.testing.assert_allclose(drawn["speed_m_s"].values[1:], 0.5)
    assert curves.unit_of("near_share_max") == ("%", 100.0)


def test_a_place_seen_again_is_paired_with_when_it_was_seen():
    gap_s = np.zeros(T)
    gap_s[80], gap_s[82] = 4.0, 3.9
    frames = {"covisible_gap_s": gap_s, "revisit_gap_s": gap_s, "geometry_inlier": gap_s * np.nan}
    t_s = np.arange(T) / FPS
    assert pairs.of_frames(t_s, frames) == [Pair(now=80, then=16, kind="again")]
    out = np.sin(np.linspace(0.0, np.pi, T))[:, None] * [2.0, 0.0, 0.0]
    there_and_back = Trajectory.uniform(pose_from_angles(out, np.zeros(T), 0.0), FPS)
    first = pairs.of_path(there_and_back)[0]
    assert first.now > 85 and first.then < 12


def test_the_map_shows_cells_where_they_are():
    clearance = np.ones((8, 6), np.float32)
    clearance[2, 1] = 0.0
    grid = ClearanceMap(
        origin_m=np.array([10.0, 20.0]), cell_m=0.5, clearance_m=clearance,
        reachable=clearance > 0,
    )  # fmt: skip
    data, (x0, x1, y0, y1) = looks.ground(grid)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert (x0, x1, y0, y1) == (9.75, 13.75, 19.75, 22.75)
    at = np.array([10.0 + 2 * 0.5, 20.0 + 1 * 0.5])
    column, row = int((at[0] - x0) / 0.5), int((y1 - at[1]) / 0.5)
    dark = picture.astype(int).sum(axis=-1)
    assert np.unravel_index(dark.argmin(), dark.shape) == (row, column)


# -- pages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curated(tmp_path_factory) -> tuple[Path, str, str]:
    return page_dataset(tmp_path_factory.mktemp("pages") / "box")


def page(out: Path, key: str) -> dict:
    text = (out / "data" / f"{folder.page_name(key)}.js").read_text("ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def content(out: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file()
    }


def test_the_page_of_a_whip_pan(curated, tmp_path):
    dataset, sound, bad = curated
    for plan in (sound, bad):
        assert trajectory.write_episode(plan, dataset=dataset, out=tmp_path)
    data = page(tmp_path, folder.page_key(bad))
    (whip,) = (span for span in data["spans"] if span["rule"] == "whip pan")
    assert (whip["start"], whip["stop"] - 1, whip["clip"]) == (*WHIP, 0)
    assert whip["worst"] in data["pictures"]["sheet"]["frames"]
    (clip,) = data["clips"]
    assert not clip["keep"] and clip["caption"]
    number = [one["name"] for one in data["rules"]].index("whip pan")
    assert clip["values"][number] == pytest.approx(WHIP_DEG_S, rel=0.02)
    assert data["rules"][number]["at_most"] == 90
    assert data["pictures"]["ground"]["edges"] == [0, 6, 0, 5]
    assert data["actions"]["names"][8] == "pan_left"
    assert max(data["actions"]["values"][8]) == pytest.approx(WHIP_DEG_S / FPS, rel=0.02)
    assert {pair["kind"] for pair in data["pictures"]["pairs"]} >= {"next"}
    kept = page(tmp_path, folder.page_key(sound))
    assert kept["clips"][0]["keep"]
    again = [pair for pair in kept["pictures"]["pairs"] if pair["kind"] == "again"]
    assert again[0]["error"] < 3.0 and again[0]["seen"] > 50.0


def test_a_page_is_written_once_and_the_same_in_any_order(curated, tmp_path):
    dataset, *plans = curated
    for out, order in ((tmp_path / "a", plans), (tmp_path / "b", plans[::-1])):
        for plan in order:
            trajectory.write_episode(plan, dataset=dataset, out=out)
    before = content(tmp_path / "a")
    assert before == content(tmp_path / "b")
    assert not trajectory.write_episode(plans[0], dataset=dataset, out=tmp_path / "a")
    assert content(tmp_path / "a") == before
    next((tmp_path / "a" / "pictures").iterdir()).unlink()
    assert any(trajectory.write_episode(p, dataset=dataset, out=tmp_path / "a") for p in plans)
    assert content(tmp_path / "a") == before


def test_pages_are_gone_through_again_only_after_a_change(curated, tmp_path, monkeypatch):
    dataset = Path(shutil.copytree(curated[0], tmp_path / "box"))
    assert auditing.report(dataset) == dataset / "audit" / "index.html"
    before = content(dataset / "audit")
    with monkeypatch.context() as patch:
        patch.setattr(runner, "over", lambda *_, **__: pytest.fail("pages were gone through"))
        auditing.report(dataset)
        (dataset / "decisions.jsonl").write_text('{"clip_id": "another", "keep": true}\n')
        auditing.report(dataset)
    for lost in ("pictures/*.jpg", "data/pages/*/*.js"):
        next((dataset / "audit").glob(lost)).unlink()
    (dataset / "decisions.jsonl").unlink()
    auditing.report(dataset)
    assert content(dataset / "audit") == before


def test_other_decisions_need_no_picture(curated, tmp_path, monkeypatch):
    dataset = Path(shutil.copytree(curated[0], tmp_path / "box"))
    plan, out = curated[1], tmp_path / "report"
    trajectory.write_episode(plan, dataset=dataset, out=out)
    key = folder.page_key(plan)
    clip = page(out, key)["clips"][0]["id"]
    said = {"clip_id": clip, "keep": False, "note": "</script><img src=x onerror=boo>"}
    (dataset / "decisions.jsonl").write_text(json.dumps(said) + "\n")
    decide.decide(dataset, val_scenes=[])
    monkeypatch.setattr(looks, "sheet", lambda *_: pytest.fail("a picture was drawn again"))
    assert trajectory.write_episode(plan, dataset=dataset, out=out)
    assert said["note"] in page(out, key)["clips"][0]["reasons"][0]
    assert "<" not in (out / "data" / f"{folder.page_name(key)}.js").read_text()


def test_the_video_is_named_only_beside_the_report(curated, tmp_path):
    dataset, plan, _ = curated
    trajectory.write_episode(plan, dataset=dataset, out=tmp_path)
    assert page(tmp_path, folder.page_key(plan))["video"] is None
    trajectory.write_episode(plan, dataset=dataset, out=dataset / "audit")
    named = page(dataset / "audit", folder.page_key(plan))["video"]
    assert (dataset / "audit" / named).resolve() == dataset / "episodes" / plan / "rgb.mp4"


def test_a_warp_by_the_wrong_pose_shows(curated):
    dataset, plan, _ = curated
    clip = episodes.posed(Episode.load(dataset / "episodes" / plan))
    pair = Pair(now=96, then=0, kind="again")
    right = looks.compare(clip, INTRINSICS, pair)[1]
    poses = np.array(clip.cam_to_world)
    poses[96, :3, 3] += [0.0, 0.0, 0.06]
    wrong = looks.compare(replace(clip, cam_to_world=poses), INTRINSICS, pair)[1]
    assert 3.0 * right["error"] < wrong["error"]
    poses[96, :3, :3] = -poses[96, :3, :3] @ np.diag([1.0, -1.0, 1.0])
    behind = looks.compare(replace(clip, cam_to_world=poses), INTRINSICS, pair)[1]
    assert (behind["error"], behind["seen"]) == (None, 0.0)
    alone = looks.compare(replace(clip, depth=None), INTRINSICS, pair)[1]
    assert (alone["parts"], alone["error"]) == (2, None)
