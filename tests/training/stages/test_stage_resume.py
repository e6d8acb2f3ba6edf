"""Runs of the student's stages go on as if nothing had happened, and only where they may."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from toy_runs import Killed, content, losses

from pipelines.checking import check_any
from training import plan, tensors
from training.estimate import Network
from training.stages import distill, ode, teacher


@pytest.mark.parametrize("stage", [ode, distill])
def test_a_stage_that_died_at_any_step_goes_on_bitwise(clips, recipe, teacher_run, tmp_path, stage):
    def train(run: Path, **options) -> None:
        stage.train(clips, recipe, run, teacher=teacher_run, **options)

    whole = tmp_path / "whole"
    train(whole)
    assert check_any(whole) == []
    for step in range(1, len(losses(whole)) + 1):
        run = tmp_path / f"cut-{step}"

        def die(row: dict, step: int = step) -> None:
            if row["step"] == step:
                raise Killed

        with pytest.raises(Killed):
            train(run, progress=die)
        train(run)
        assert content(run) == content(whole)


def test_a_run_goes_on_with_what_changes_no_result(clips, recipe, tmp_path):
    teacher.train(clips, recipe, tmp_path, steps=1)
    changed = dataclasses.replace(
        recipe,
        checkpoint_every=3,
        parallel=dataclasses.replace(recipe.parallel, checkpointing=True),
    )
    teacher.train(clips, changed, tmp_path, steps=2)
    assert len(losses(tmp_path)) == 2
    with pytest.raises(ValueError, match=r"started with recipe.batch = 2"):
        teacher.train(clips, dataclasses.replace(recipe, batch=4), tmp_path)


def test_a_checkpoint_takes_the_bytes_that_the_plan_says(recipe, teacher_run):
    checkpoint = next((teacher_run / "checkpoints").iterdir())
    found = [t for f in checkpoint.glob("*.safetensors") for t in tensors.load(f).values()]
    for optimizer in tensors.load_states(checkpoint / "optimizer.pt"):
        found += [t for slots in optimizer["state"].values() for t in slots.values()]
    size = sum(t.numel() * t.element_size() for t in found)
    channels = recipe.codec.channels
    network = Network(config=recipe.model, channels=channels, flow=recipe.flow)
    assert plan.checkpoint_bytes(network, [recipe.optim]) == size
