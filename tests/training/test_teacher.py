"""Training: exact resume, refused changes, a falling loss; then sampling and evaluation."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_runs import Killed

from capture import pictures
from pipelines.cli import main
from training import evaluate, loop, sample
from training.muon import orthogonalised
from training.stages import teacher


def weights(run: Path) -> dict[str, torch.Tensor]:
    folder = max((run / "checkpoints").iterdir())
    return {
        f"{file}/{name}": value
        for file in ("model", "ema")
        for name, value in load_file(folder / f"{file}.safetensors").items()
    }


def assert_same_run(a: Path, b: Path) -> None:
    assert (a / "metrics.jsonl").read_bytes() == (b / "metrics.jsonl").read_bytes()
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def whole(clips, recipe, tmp_path) -> Path:
    """An uninterrupted run."""
    teacher.train(clips, recipe, tmp_path / "whole")
    return tmp_path / "whole"


def test_the_log_has_one_object_a_step(whole, recipe):
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, recipe.steps + 1))
    expected = {"step", "loss", "loss_by_level", "grad_norm", "lr"}
    assert all(set(line) == expected for line in lines)


def test_stopping_and_going_on_is_bitwise_the_same(whole, clips, recipe, tmp_path):
    run = tmp_path / "cut"
    teacher.train(clips, recipe, run, steps=3)
    teacher.train(clips, recipe, run)
    assert_same_run(whole, run)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_death_between_checkpoints_leaves_no_trace(whole, clips, recipe, tmp_path, step):
    run = tmp_path / "killed"

    def die(row: dict) -> None:
        if row["step"] == step:
            raise Killed

    with pytest.raises(Killed):
        teacher.train(clips, recipe, run, progress=die)
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 99, "lo')
    teacher.train(clips, recipe, run)
    assert_same_run(whole, run)


def test_a_finished_run_is_left_alone(whole, clips, recipe):
    before = (whole / "metrics.jsonl").stat().st_mtime_ns
    teacher.train(clips, recipe, whole, progress=lambda _: pytest.fail("it trained again"))
    assert (whole / "metrics.jsonl").stat().st_mtime_ns == before


def test_a_changed_recipe_is_refused(whole, clips, recipe):
    changed = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, lr=1.0))
    with pytest.raises(ValueError, match=r"recipe.optim.lr = 0.004, now it is 1.0"):
        teacher.train(clips, changed, whole)


def test_other_data_are_refused(whole, other_clips, recipe):
    with pytest.raises(ValueError, match="manifest_sha"):
        teacher.train(other_clips, recipe, whole)


def test_a_log_behind_its_checkpoint_is_an_error(clips, recipe, tmp_path):
    teacher.train(clips, recipe, tmp_path, steps=4)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match="checkpoint is at step 4"):
        teacher.train(clips, recipe, tmp_path)


def test_training_reduces_the_loss(clips, recipe, tmp_path):
    flow = dataclasses.replace(recipe.flow, prediction="v", warp_depths_m=())
    recipe = dataclasses.replace(recipe, flow=flow, steps=40, checkpoint_every=40)
    losses = []
    teacher.train(clips, recipe, tmp_path, progress=lambda row: losses.append(row["loss"]))
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_the_learning_rate_warms_up_and_decays(recipe):
    shares = [loop.rate(recipe.optim, step, 100) for step in range(100)]
    assert shares[0] == 0.5 and shares[50] == 1 and 0.02 <= shares[99] < 0.04


def test_muon_orthogonalises():
    matrices = torch.randn(3, 6, 20, generator=torch.Generator().manual_seed(0))
    for batch in (matrices, matrices.mT):
        values = torch.linalg.svdvals(orthogonalised(batch))
        assert values.min() > 0.6 and values.max() < 1.3


def test_a_sample_starts_with_its_first_frame_and_can_be_long(whole, clips, recipe):
    first = clips.clip(0).frames[0]
    actions = sample.script(["pan_left", "dolly_in*2+pan_right", "static"])
    video = sample.sample(whole, first, actions)
    assert video.shape == (13, 32, 48, 3)
    np.testing.assert_array_equal(video[0], first)
    np.testing.assert_array_equal(video, sample.sample(whole, first, actions))


def test_relickit_sample_tells_the_model_its_caption(whole, clips, tmp_path):
    pictures.write_png(tmp_path / "first.png", clips.clip(0).frames[0])

    def made(name: str, *caption: str) -> bytes:
        out = tmp_path / name
        options = ["--image", str(tmp_path / "first.png"), "--actions", "pan_left", "dolly_in"]
        assert main(["sample", str(whole), *options, "--out", str(out), *caption]) == 0
        return out.read_bytes()

    silent, told = made("silent.mp4"), made("told.mp4", "--caption", "A striped sphere.")
    assert silent != told == made("again.mp4", "--caption", "A striped sphere.")


def test_an_unknown_command_is_an_error():
    with pytest.raises(ValueError, match="'fly' is not understood"):
        sample.script(["fly"])


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no config.json"):
        sample.Sampler.load(tmp_path)


def test_motion_has_the_sign_of_the_command():
    rows, columns = np.mgrid[0:64, 0:112].astype(np.float32)

    def video(dx: float, zoom: float) -> np.ndarray:
        frames = []
        for t in range(5):
            x = (columns - 55.5) / (1 + zoom * t) - dx * t
            y = (rows - 31.5) / (1 + zoom * t)
            gray = 127 + 60 * np.sin(x / 6) + 60 * np.cos(y / 5)
            frames.append(np.repeat(gray[..., None], 3, -1).astype(np.uint8))
        return np.stack(frames)

    pan, _ = evaluate.motion(video(1.0, 0.0), 1)
    _, dolly = evaluate.motion(video(0.0, 0.02), 1)
    assert pan == pytest.approx(4, rel=0.2) and dolly == pytest.approx(0.08, rel=0.3)


def test_an_evaluation_compares_with_the_truth(whole, clips):
    wanted = evaluate.needs(whole)
    frames = np.stack([clips.clip(i).frames[: wanted.num_frames] for i in range(4)])[None]
    poses = np.stack(
        [clips.clip(i).trajectory.cam_to_world[: wanted.num_frames] for i in range(4)]
    )[None]
    depth_m = np.full(frames.shape[:-1], 3.0, np.float32)
    written = evaluate.evaluate(whole, frames=frames, poses=poses, depth_m=depth_m)
    result = json.loads(written.read_text())
    assert result["truth"]["psnr_db"] == 100 > result["codec"]["psnr_db"]
    assert set(result) >= {"model", "no_actions", "codec", "plane", "repeat"}
    assert set(result["model"]["signs"]) == set(evaluate.COMMANDS)
    for kind in ("model", "codec"):
        assert 0.0 <= result[kind]["following"]["recovered"] <= 1.0
    assert (whole / "samples" / "pan_left.mp4").stat().st_size > 0
    with pytest.raises(ValueError, match="ground truth needs"):
        evaluate.evaluate(whole, frames=frames[:, :, :3], poses=poses)
