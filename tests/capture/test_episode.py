from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import box_room
import numpy as np
import pytest
from box_room import box_plan, box_scene, render_box, write_box_episode

from capture import actions
from capture.episode import Episode, EpisodeWriter, is_finished
from capture.mark import NewerEpisode


def test_episode_reads_back_what_was_written(box_episodes):
    episode = box_episodes[0]
    rgb, depth_m, mask = render_box(episode.trajectory.cam_to_world[37], episode.intrinsics)
    np.testing.assert_array_equal(episode.mask(37, 38)[0], mask)
    np.testing.assert_allclose(episode.depth_m(37, 38)[0], depth_m, rtol=6e-5)
    assert np.abs(episode.frames(37, 38)[0].astype(int) - rgb).mean() < 8
    assert episode.trajectory.cam_to_world.shape == (len(episode), 4, 4)


def test_actions_integrate_back_to_the_poses(box_episodes):
    for episode in box_episodes:
        poses = episode.trajectory.cam_to_world
        np.testing.assert_allclose(actions.integrate(episode.actions, poses[0]), poses, atol=1e-9)


def test_same_plan_gives_the_same_bytes(tmp_path):
    digests = []
    for run in ("a", "b"):
        episode = write_box_episode(tmp_path / run, box_plan("loop", num_frames=20), box_scene())
        digests.append(
            {
                file.name: hashlib.sha256(file.read_bytes()).hexdigest()
                for file in sorted(episode.path.iterdir())
                if file.name != "timing.json"
            }
        )
    assert digests[0] == digests[1]


def test_writing_an_episode_does_not_import_pandas(tmp_path):
    """It would take half a second of every process that records."""
    code = (
        "import sys; from pathlib import Path; import box_room as b; "
        "b.write_box_episode(Path(sys.argv[1]), b.box_plan('pan', num_frames=3), b.box_scene()); "
        "sys.exit('pandas' in sys.modules)"
    )
    folder = Path(box_room.__file__).parent
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=folder, check=False)
    assert done.returncode == 0


def test_failed_capture_leaves_nothing(tmp_path):
    plan = box_plan("pan", num_frames=5)
    with (
        pytest.raises(RuntimeError, match="engine died"),
        EpisodeWriter(tmp_path, plan=plan, scene=box_scene(), mask_names=[], engine={}),
    ):
        raise RuntimeError("engine died")
    assert list(tmp_path.iterdir()) == []


def test_too_few_frames_are_refused(tmp_path):
    plan = box_plan("pan", num_frames=5)
    with (
        pytest.raises(ValueError, match="has 5 frames, got 0"),
        EpisodeWriter(tmp_path, plan=plan, scene=box_scene(), mask_names=[], engine={}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [0, 3, 4])
def test_a_frame_that_cannot_be_encoded_spoils_the_episode(bad, tmp_path):
    """The last one too, although nothing is added after it."""
    plan = box_plan("pan", num_frames=5)
    size = (plan.intrinsics.height_px, plan.intrinsics.width_px)
    with (
        pytest.raises(ValueError, match="Unexpected numpy array shape"),
        EpisodeWriter(tmp_path, plan=plan, scene=box_scene(), mask_names=[], engine={}) as writer,
    ):
        for index in range(5):
            writer.add(
                rgb=np.zeros((*size, 3), np.uint8),
                depth_m=np.ones(size, np.float32),
                mask=np.zeros(size if index != bad else (*size, 2), np.uint16),
                reported_cm_deg=np.zeros(6),
            )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "episode.json").unlink(), "no finished episode"),
        (lambda p: (p / "episode.json").write_text("{"), "is not JSON"),
        (lambda p: (p / "episode.json").write_text("3"), "holds no JSON object but 3; delete"),
        (lambda p: (p / "episode.json").write_text("[" * 100_000), "is not JSON .*; delete"),
        (lambda p: change_mark(p, files=3), "files is absent, or not what it was; delete"),
        (lambda p: change_mark(p, files={}), "files.rgb.mp4 is absent, or not"),
        (lambda p: change_mark(p, fps=None), "fps is absent, or not"),
        (lambda p: change_mark(p, fps=0), "fps is absent, or not"),
        (lambda p: change_mark(p, num_frames=True), "num_frames is absent, or not"),
        (lambda p: change_mark(p, schema="1"), "has schema 1, this version reads 1; delete"),
        (lambda p: (p / "rgb.mp4").unlink(), "found nothing"),
        (lambda p: (p / "depth.mkv").write_bytes(b"x"), "found 1 bytes"),
    ],
)
def test_damaged_episode_is_refused_in_one_sentence(tmp_path, damage, message):
    episode = write_box_episode(tmp_path, box_plan("pan", num_frames=5), box_scene())
    damage(episode.path)
    with pytest.raises(ValueError, match=message):
        Episode.load(episode.path)
    assert not is_finished(episode.path)


def test_an_episode_of_a_later_version_is_never_taken_for_unfinished(tmp_path):
    """Or `capture` would write over it."""
    episode = write_box_episode(tmp_path, box_plan("pan", num_frames=5), box_scene())
    change_mark(episode.path, schema=99)
    for read in (Episode.load, is_finished):
        with pytest.raises(NewerEpisode, match="schema 99, newer than 1; update relickit"):
            read(episode.path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scene": {"name": "box"}}, "episode.json, scene: missing bounds_m; delete"),
        (
            {"scene": {"name": "box", "bounds_m": 3}},
            "scene.bounds_m: expected a list, got 3; delete",
        ),
        (
            {"intrinsics": {"width_px": "x"}},
            "episode.json, intrinsics: missing height_px.*; delete",
        ),
    ],
)
def test_a_card_or_camera_that_is_damaged_is_a_sentence(tmp_path, changes, message):
    path = write_box_episode(tmp_path, box_plan("pan", num_frames=5), box_scene()).path
    change_mark(path, **changes)
    episode = Episode.load(path)
    with pytest.raises(ValueError, match=message):
        _ = (episode.scene, episode.intrinsics)


def change_mark(folder: Path, **changes: object) -> None:
    mark = folder / "episode.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), **changes}))
