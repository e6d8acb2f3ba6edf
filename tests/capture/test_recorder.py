"""Recording through the real wire, from a world of a few boxes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tiny_engine as tiny_engines
from tiny_engine import BOUNDS, INTRINSICS, tiny_engine, tiny_plan, tiny_world

from capture import camera, survey
from capture.client import Client
from capture.engine.raster import Renderer
from capture.engine.state import Engine
from capture.mark import FILES
from capture.navigation import free_space, sample_triangles
from capture.recorder import Unsettled, record
from capture.session import prepare
from capture.stream import WrongPose, frames


@pytest.fixture(scope="module")
def address():
    with tiny_engine() as address:
        yield address


@pytest.fixture
def session(address):
    with Client(address, timeout_s=60) as client:
        yield prepare(client)


def test_the_episode_holds_what_the_renderer_renders(session, tmp_path):
    plan = tiny_plan()
    seen = []

    def observer():
        return lambda rgb, depth_m: {"brightness": float(rgb.mean()), "first": float(not seen)}

    episode = record(session, plan, tmp_path, observers=[observer], on_frame=seen.append)
    world = tiny_world()
    renderer = Renderer(world, threads=1)
    for index in (0, 3, 5):
        frame = renderer.render(plan.trajectory.cam_to_world[index], INTRINSICS)
        assert frame.rgb is not None
        assert frame.depth_m is not None
        np.testing.assert_allclose(episode.depth_m(index, index + 1)[0], frame.depth_m, rtol=2e-4)
        names = np.array(episode.mask_names)[episode.mask(index, index + 1)[0]]
        truth = np.array(["background", *(o.id for o in world.objects[1:])])[frame.object]
        assert (names == truth).mean() > 0.998
        assert np.isclose(episode.column("brightness")[index], frame.rgb.mean(), atol=0.5)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert episode.info["engine"]["drift_levels"] == 0.0
    assert episode.scene.labels["pillar_1"] == "red pillar"


def test_poses_are_read_back(session, tmp_path):
    episode = record(session, tiny_plan(), tmp_path)
    reported = episode.column("reported_cm_deg")
    poses = camera.from_unreal(reported[:, :3], reported[:, 3:])
    np.testing.assert_allclose(poses, episode.trajectory.cam_to_world, atol=2e-5)


def test_a_finished_episode_is_not_rendered_again(session, tmp_path):
    first = record(session, tiny_plan(), tmp_path)
    before = (first.path / "episode.json").stat().st_mtime_ns
    record(session, tiny_plan(), tmp_path, on_frame=lambda n: pytest.fail("rendered again"))
    assert (first.path / "episode.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["rgb.mp4", "episode.json"])
def test_a_half_written_episode_is_recorded_again(name, session, tmp_path):
    whole = record(session, tiny_plan(), tmp_path)
    content = (whole.path / name).read_bytes()
    (whole.path / name).write_bytes(content[: len(content) // 2])
    record(session, tiny_plan(), tmp_path)
    assert (whole.path / name).read_bytes() == content


def test_what_was_rendered_before_does_not_matter(session, address, tmp_path):
    record(session, tiny_plan(seed=1), tmp_path / "warm")
    here = record(session, tiny_plan(), tmp_path / "warm")
    session.client.close()
    with Client(address, timeout_s=60) as client:
        there = record(prepare(client), tiny_plan(), tmp_path / "fresh")
    for name in ("rgb.mp4", "depth.mkv", "mask.mkv", "frames.parquet", "episode.json"):
        assert (here.path / name).read_bytes() == (there.path / name).read_bytes(), name


def test_a_frame_under_the_wrong_pose_is_never_kept(session, tmp_path, monkeypatch):
    receive = session.client.receive

    def stuck(group):
        replies = receive(group)
        if len(replies) == 7 and session.num_frames_seen > 3:
            replies[5] = memoryview(b"1.000 2.000 3.000")
        return replies

    session.num_frames_seen = 0

    def count(number):
        session.num_frames_seen = number

    monkeypatch.setattr(session.client, "receive", stuck)
    with pytest.raises(WrongPose, match=r"commanded .* but the engine reports \[1.0, 2.0, 3.0"):
        record(session, tiny_plan(num_frames=9), tmp_path, on_frame=count)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def sent(session, monkeypatch) -> list[str]:
    """Every command that is sent."""
    commands: list[str] = []
    send = session.client.send

    def noted(group):
        commands.extend(group)
        return send(group)

    monkeypatch.setattr(session.client, "send", noted)
    return commands


def test_the_proof_costs_three_captures_and_then_two(session, sent, tmp_path):
    pictures = f"vget /camera/{session.camera_id}/lit bmp"
    record(session, tiny_plan(), tmp_path)
    assert sent.count(pictures) == 6 + 3, "turned round, the first pose, and again at the end"
    sent.clear()
    record(session, tiny_plan(seed=1), tmp_path)
    assert sent.count(pictures) == 6 + 2


def test_a_frame_stays_what_it_was_while_others_come(session):
    """Their memory is used again."""
    poses = tiny_plan().trajectory.cam_to_world
    alone = [next(frames(session, pose[None], INTRINSICS)) for pose in poses]
    at_once = list(frames(session, poses, INTRINSICS))
    for one, other in zip(alone, at_once, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_stream_that_is_given_up_leaves_the_connection_sound(session):
    poses = tiny_plan(num_frames=20).trajectory.cam_to_world
    taken = frames(session, poses, INTRINSICS)
    first = next(taken)
    taken.close()
    again = next(frames(session, poses, INTRINSICS))
    np.testing.assert_array_equal(first.rgb, again.rgb)
    assert session.num_retakes == 0


class _LateEngine(Engine):
    """Pictures are those of an earlier capture, under the newest pose (UnrealCV issue 119)."""

    captures_late, kinds = 1, ("lit", "depth", "object")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._asked_for: list = []

    def render(self, camera, output):
        if output == "lit":
            self._asked_for.append((camera.location_cm, camera.rotation_deg))
        if output in self.kinds and self._asked_for:
            place, angles = self._asked_for[-1 - self.captures_late :][0]
            camera = dataclasses.replace(camera, location_cm=place, rotation_deg=angles)
        return super().render(camera, output)


@pytest.mark.parametrize("kinds", [("lit", "depth", "object"), ("lit",)])
@pytest.mark.parametrize("captures", [1, 2])
def test_pictures_that_come_late_are_refused(captures, kinds, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_engines, "Engine", _LateEngine)
    monkeypatch.setattr(_LateEngine, "captures_late", captures)
    monkeypatch.setattr(_LateEngine, "kinds", kinds)
    with tiny_engine() as address, Client(address, timeout_s=60) as client:
        session = prepare(client)
        with pytest.raises(Unsettled, match=r"lag behind the camera|still differ|stays the same"):
            record(session, tiny_plan(), tmp_path)
    assert list(tmp_path.iterdir()) == []


class _FadingEngine(Engine):
    """After a cut the first picture still shows something of the last view, as temporal filters."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._last: tuple | None = None

    def render(self, camera, output):
        picture = super().render(camera, output)
        if output != "lit":
            return picture
        yaw = camera.rotation_deg[1]
        cut = self._last is not None and abs((yaw - self._last[0] + 180) % 360 - 180) > 90
        if cut:
            assert self._last is not None
            shown = (0.7 * picture + 0.3 * self._last[1]).astype(np.uint8)
        else:
            shown = picture
        self._last = yaw, picture
        return shown


def test_an_engine_may_take_its_time_after_a_cut(session, tmp_path, monkeypatch):
    sound = record(session, tiny_plan(), tmp_path / "sound")
    monkeypatch.setattr(tiny_engines, "Engine", _FadingEngine)
    with tiny_engine() as address, Client(address, timeout_s=60) as client:
        fading = record(prepare(client), tiny_plan(), tmp_path / "fading")
    for name in FILES:
        assert (sound.path / name).read_bytes() == (fading.path / name).read_bytes(), name
    assert json.loads((fading.path / "timing.json").read_text())["warm_up_captures"] > 5


def test_what_unreal_must_be_told_is_set_and_recorded(session, tmp_path):
    episode = record(session, tiny_plan(), tmp_path)
    assert episode.info["engine"]["settings"] == {
        "exposure_method": "manual",
        "motion_blur": "0.0 0.0 0.0 0",
        "illumination": "lumen",
        "reflection": "lumen",
    }
    assert episode.info["engine"]["camera_id"] == 1


def test_the_scene_sets_the_exposure(session, sent, tmp_path):
    assert not any("exposure_bias" in command for command in sent)
    session.scene = dataclasses.replace(session.scene, exposure_bias=1.5)
    episode = record(session, tiny_plan(), tmp_path)
    assert f"vset /camera/{session.camera_id}/exposure_bias 1.500000" in sent
    assert episode.scene.exposure_bias == 1.5


def test_the_survey_finds_the_free_space(session):
    found = survey.survey(session, survey.start_of(session), radius_m=8.0, min_clearance_m=0.3)
    world = tiny_world()
    truth = free_space(
        sample_triangles(world.triangles_m(), BOUNDS),
        BOUNDS,
        world.spawn_m,
        min_clearance_m=0.3,
    )
    assert truth.clearance(found.space.cells()).min() > 0.25, "no surveyed cell is in a wall"
    area, true_area = found.space.reachable.sum(), truth.reachable.sum()
    assert 0.85 * true_area < area <= 1.05 * true_area
    picture, extent_m = survey.draw_map(found)
    assert picture.shape[2] == 3
    np.testing.assert_allclose(extent_m, [0, 6, 0, 5], atol=0.3)
