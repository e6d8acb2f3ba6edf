"""Distillation: whose turn it is, which teacher judges, one block's memory."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_meter import Meter

from training import loop
from training.loop import MAIN, Turn
from training.model.memory import Policy
from training.parallel.config import ParallelConfig
from training.parallel.world import World
from training.recipes import Recipe
from training.run import averaged_weights
from training.stages import distill, teacher
from training.stages.config import Phase
from training.stages.distill import Distill
from training.stages.student import begin


def distillation(clips, recipe: Recipe, teacher_run: Path, run: Path, **changes) -> Distill:
    config = dataclasses.replace(recipe.distill, **changes)
    recipe = dataclasses.replace(recipe, distill=config, accumulation=1)
    origin = begin(
        "distill",
        recipe,
        clips,
        run,
        teacher=teacher_run,
        student=None,
        phases=config.phases,
        batch=config.batch,
        device=torch.device("cpu"),
        first_only=True,
    )
    return Distill(origin, config, clips)


def turn_of(stage: Distill, step: int) -> Turn:
    return Turn(
        step=step,
        micro=0,
        accumulation=1,
        models={name: learner.model for name, learner in stage.learners.items()},
        world=World.join(ParallelConfig(), loop.start(Path())),
    )


def test_turns_exits_and_lengths(clips, recipe, teacher_run, tmp_path):
    run = tmp_path / "distill"
    recipe = dataclasses.replace(recipe, sample_every=2)
    distill.train(clips, recipe, run, teacher=teacher_run)
    assert len(list((run / "samples").glob("step-*.mp4"))) == 2
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["turn"] for line in lines] == ["critic", "model", "critic", "model"]
    known = [[v is not None for v in line["drift"]] for line in lines]
    assert known[:2] == [[True, False, False, False]] * 2
    assert known[2:] == [[True, False, True, False]] * 2
    assert all("loss_by_level" in line for line in lines[::2])
    stage = distillation(clips, recipe, teacher_run, run.parent / "x")
    assert {stage._exit(step) for step in range(20)} == {0, 1}
    cycled = distillation(clips, recipe, teacher_run, run.parent / "y", exit="cycled")
    assert [cycled._exit(step) for step in range(6)] == [0, 0, 1, 1, 0, 0]


def test_only_the_one_whose_turn_it_is_gets_a_gradient(clips, recipe, teacher_run, tmp_path):
    stage = distillation(clips, recipe, teacher_run, tmp_path / "run")
    with torch.no_grad():
        # Equal scores would give no direction.
        stage.learners["critic"].model.transformer.proj_out.bias += 0.1
    for step, name, other in ((0, "critic", MAIN), (1, MAIN, "critic")):
        stage.backward(turn_of(stage, step))
        got, none = (stage.learners[n].model for n in (name, other))
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in got.parameters())
        assert all(p.grad is None for p in none.parameters())
        got.zero_grad(set_to_none=True)
    real = stage._real(5, turn_of(stage, 1).world)
    assert all(p.grad is None for p in real.parameters())


@pytest.mark.parametrize("way", ["truncated", "through_cache"])
def test_a_students_step_needs_one_blocks_memory_however_long_the_video(
    clips, recipe, teacher_run, tmp_path, way
):
    """Rollout, both scores and replay: bytes saved for the backward pass, 3 to 12 blocks."""
    policy = Policy(window=2, schedule=(2,), sink=1, budget=2)
    recipe = dataclasses.replace(recipe, rollout=dataclasses.replace(recipe.rollout, policy=policy))
    long = type(clips)(count=2, num_frames=49)
    peaks = []
    for num_frames in (13, 25, 49):
        stage = distillation(
            long,
            recipe,
            teacher_run,
            tmp_path / f"{num_frames}",
            phases=(Phase(num_frames=num_frames, steps=4),),
            replay=way,
            keep_memories=True,
        )
        with Meter() as meter:
            stage.backward(turn_of(stage, 1))
        peaks.append(meter.peak)
    assert max(peaks) <= 1.02 * min(peaks)


def test_teachers_of_the_phases_are_used(clips, recipe, tmp_path):
    curriculum = (Phase(num_frames=5, steps=1),)
    recipe = dataclasses.replace(recipe, curriculum=curriculum)
    teacher.train(clips, recipe, tmp_path / "teacher")
    kept = load_file(tmp_path / "teacher" / "phases" / "0005.safetensors")
    last = load_file(averaged_weights(tmp_path / "teacher"))
    stage = distillation(clips, recipe, tmp_path / "teacher", tmp_path / "run")
    for num_frames, weights in ((5, kept), (9, last)):
        real = dict(stage._real(num_frames, turn_of(stage, 1).world).named_parameters())
        assert all(torch.equal(real[name], weights[name]) for name in weights)
    assert any(not torch.equal(kept[name], last[name]) for name in kept)
