"""Recording through the real wire, from a world of a few boxes."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_engine import BOUNDS, INTRINSICS, tiny_engine, tiny_plan, tiny_world

from capture import camera, survey
from capture.client import Client
from capture.engine.raster import Renderer
from capture.navigation import free_space, sample_triangles
from capture.recorder import prepare, record
from capture.stream import WrongPose


@pytest.fixture(scope="module")
def address():
    with tiny_engine() as address:
        yield address


@pytest.fixture
def stage(address):
    with Client(address, timeout_s=60) as client:
        yield prepare(client)


def test_the_episode_holds_what_the_renderer_renders(stage, tmp_path):
    plan = tiny_plan()
    seen = []

    def observer():
        return lambda rgb, depth_m: {"brightness": float(rgb.mean()), "first": float(not seen)}

    episode = record(stage, plan, tmp_path, observers=[observer], on_frame=seen.append)
    world = tiny_world()
    renderer = Renderer(world, threads=1)
    for index in (0, 3, 5):
        frame = renderer.render(plan.trajectory.cam_to_world[index], INTRINSICS)
        np.testing.assert_allclose(episode.depth_m(index, index + 1)[0], frame.depth_m, rtol=2e-4)
        names = np.array(episode.mask_names)[episode.mask(index, index + 1)[0]]
        truth = np.array(["background", *(o.id for o in world.objects[1:])])[frame.object]
        assert (names == truth).mean() > 0.998
        assert np.isclose(episode.column("brightness")[index], frame.rgb.mean(), atol=0.5)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert episode.info["engine"]["drift_levels"] == 0.0
    assert episode.scene.labels["pillar_1"] == "red pillar"


def test_poses_are_read_back(stage, tmp_path):
    episode = record(stage, tiny_plan(), tmp_path)
    reported = episode.column("reported_cm_deg")
    poses = camera.from_unreal(reported[:, :3], reported[:, 3:])
    np.testing.assert_allclose(poses, episode.trajectory.cam_to_world, atol=2e-5)


def test_a_finished_episode_is_not_rendered_again(stage, tmp_path):
    first = record(stage, tiny_plan(), tmp_path)
    before = (first.path / "episode.json").stat().st_mtime_ns
    record(stage, tiny_plan(), tmp_path, on_frame=lambda n: pytest.fail("rendered again"))
    assert (first.path / "episode.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["rgb.mp4", "episode.json"])
def test_a_half_written_episode_is_recorded_again(name, stage, tmp_path):
    whole = record(stage, tiny_plan(), tmp_path)
    content = (whole.path / name).read_bytes()
    (whole.path / name).write_bytes(content[: len(content) // 2])
    record(stage, tiny_plan(), tmp_path)
    assert (whole.path / name).read_bytes() == content


def test_what_was_rendered_before_does_not_matter(stage, address, tmp_path):
    record(stage, tiny_plan(seed=1), tmp_path / "warm")
    here = record(stage, tiny_plan(), tmp_path / "warm")
    stage.client.close()
    with Client(address, timeout_s=60) as client:
        there = record(prepare(client), tiny_plan(), tmp_path / "fresh")
    for name in ("rgb.mp4", "depth.mkv", "mask.mkv", "frames.parquet", "episode.json"):
        assert (here.path / name).read_bytes() == (there.path / name).read_bytes(), name


def test_a_frame_under_the_wrong_pose_is_never_kept(stage, tmp_path, monkeypatch):
    receive = stage.client.receive

    def stuck(group):
        replies = receive(group)
        if len(replies) == 7 and stage.num_frames_seen > 3:
            replies[5] = memoryview(b"1.000 2.000 3.000")
        return replies

    stage.num_frames_seen = 0

    def count(number):
        stage.num_frames_seen = number

    monkeypatch.setattr(stage.client, "receive", stuck)
    with pytest.raises(WrongPose, match=r"commanded .* but the engine reports \[1.0, 2.0, 3.0"):
        record(stage, tiny_plan(num_frames=9), tmp_path, on_frame=count)
    assert list(tmp_path.iterdir()) == []


def test_the_survey_finds_the_free_space(stage):
    found = survey.survey(stage, survey.start_of(stage), radius_m=8.0, min_clearance_m=0.3)
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
