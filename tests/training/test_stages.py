"""The student's stages: resume at every step, the right masks, paths, directions and memory."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_meter import Meter

from training import data, flow, loop, noise, sample
from training.data import Windows
from training.loop import MAIN, Turn
from training.model.memory import Policy
from training.model.wan import WorldModel
from training.parallel.config import ParallelConfig
from training.parallel.world import World
from training.recipes import Recipe
from training.rollout import Student
from training.run import averaged_weights
from training.stages import distill, ode, pairs, teacher
from training.stages.config import Phase, RolloutConfig
from training.stages.distill import Distill
from training.stages.student import begin

INITS = ("hybrid", "ode_bidir", "tf", "df")


class Killed(Exception):
    pass


def content(run: Path) -> dict[str, bytes]:
    files = [run / "metrics.jsonl", *sorted(run.rglob("*.safetensors"))]
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def recipe(recipe) -> Recipe:
    """Every stage in a few steps."""
    assert recipe.ode is not None and recipe.distill is not None
    return dataclasses.replace(
        recipe,
        steps=3,
        ode=dataclasses.replace(recipe.ode, steps=3, batch=2, num_frames=9, num_pairs=3),
        distill=dataclasses.replace(
            recipe.distill,
            batch=2,
            phases=(Phase(num_frames=5, steps=2), Phase(num_frames=9, steps=2)),
            dmd=dataclasses.replace(recipe.distill.dmd, critic_updates=1),
        ),
        accumulation=2,
    )


@pytest.fixture(scope="module")
def teacher_run(clips, recipe, tmp_path_factory) -> Path:
    """A teacher, read only."""
    run = tmp_path_factory.mktemp("origin") / "teacher"
    teacher.train(clips, recipe, run)
    return run


@pytest.mark.parametrize("stage", [ode, distill])
def test_a_stage_that_died_at_any_step_goes_on_bitwise(clips, recipe, teacher_run, tmp_path, stage):
    def train(run: Path, **options) -> None:
        stage.train(clips, recipe, run, teacher=teacher_run, **options)

    whole = tmp_path / "whole"
    train(whole)
    for step in range(1, len(losses(whole)) + 1):
        run = tmp_path / f"cut-{step}"

        def die(row: dict, step: int = step) -> None:
            if row["step"] == step:
                raise Killed

        with pytest.raises(Killed):
            train(run, progress=die)
        train(run)
        assert content(run) == content(whole)


def test_paths_are_made_item_by_item_and_again_the_same(clips, recipe, teacher_run, tmp_path):
    def train(run: Path, **options) -> None:
        ode.train(clips, recipe, run, teacher=teacher_run, **options)

    seen = []

    def die(done: int, count: int) -> None:
        seen.append((done, count))
        if len(seen) == 2:
            raise Killed

    run = tmp_path / "cut"
    with pytest.raises(Killed):
        train(run, preparing=die)
    first, second = sorted((run / "pairs").iterdir())
    before = (first.stat().st_mtime_ns, second.read_bytes())
    second.unlink()
    train(run, preparing=die)
    assert seen == [(1, 3), (2, 3), (2, 3), (3, 3)]
    assert (first.stat().st_mtime_ns, second.read_bytes()) == before


def test_a_path_starts_in_noise_and_ends_where_the_sampler_does(
    clips, recipe, teacher_run, tmp_path
):
    """States at the student's levels; straight between two of the sampler's."""
    run = tmp_path / "ode"
    ode.train(clips, recipe, run, teacher=teacher_run)
    states = pairs.load(run / "pairs", [1])
    assert states.shape[0] == len(recipe.rollout.levels) + 1
    assert torch.equal(states[:, :, :, :1], states[:1, :, :, :1].expand(3, -1, -1, -1, -1, -1))
    batch = Windows(clips, recipe).take([1], 9)
    draw = noise.generators(recipe.seed, [1], noise.Purpose.PATH, torch.device("cpu"))
    start = noise.normal(states, states.shape[1:], draw)
    assert torch.equal(states[0][:, :, 1:], start[:, :, 1:])
    sampler = sample.Sampler.load(teacher_run)
    first = sampler.codec.encode(batch.frames[:, :1])
    views = teacher.warp.latents(
        sampler.codec, batch.frames[:, 0], batch.signals, recipe.flow.warp_depths_m
    )

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            output = sampler.model(x, sigma.expand(1), batch.signals)
        return flow.to_x0(output, x, sigma, recipe.flow.prediction, views)

    sigmas = flow.levels(recipe.ode.sampler_steps, recipe.flow.shift)
    assert torch.equal(states[-1], flow.euler(denoise, start, sigmas, first))


def test_selfforcings_levels_are_every_twelfth_of_48():
    sampler = flow.levels(48, 5.0)
    assert pairs.kept_levels(sampler, RolloutConfig().levels) == [0, 12, 24, 36, 48]
    with pytest.raises(ValueError, match=r"0.9375 is not among those of a sampler of 47 steps"):
        pairs.kept_levels(flow.levels(47, 5.0), RolloutConfig().levels)


@pytest.mark.parametrize("init", [*INITS, "ode_causal"])
def test_every_initialisation_learns_and_its_student_streams(
    clips, recipe, teacher_run, tmp_path, init
):
    def train(name: str, init: str, origin: Path) -> Path:
        run = tmp_path / name
        config = dataclasses.replace(recipe.ode, init=init, steps=6, guidance=0.5)
        changed = dataclasses.replace(recipe, ode=config)
        ode.train(clips, changed, run, teacher=origin)
        return run

    origin = train("causal", "tf", teacher_run) if init == "ode_causal" else teacher_run
    run = train(init, init, origin)
    assert len(losses(run)) == 6 and np.isfinite(losses(run)).all()
    moved = load_file(averaged_weights(run)), load_file(averaged_weights(origin))
    assert any(not torch.equal(moved[0][name], moved[1][name]) for name in moved[0])
    video = sample.sample(run, clips.clip(0).frames[0], sample.script(["pan_left"] * 4))
    assert video.shape == (17, 32, 48, 3)
    np.testing.assert_array_equal(video[0], clips.clip(0).frames[0])


def lesson_of(recipe: Recipe, init: str, num_latents: int = 5) -> tuple[Recipe, ode.Lesson]:
    config = dataclasses.replace(recipe.ode, init=init, num_frames=4 * num_latents - 3)
    recipe = dataclasses.replace(recipe, ode=config)
    draw = noise.generators(0, [0, 1], noise.Purpose.FLOW, torch.device("cpu"))
    shape = (2, 8, num_latents, 4, 6)
    states = torch.randn(
        len(recipe.rollout.levels) + 1, *shape, generator=torch.Generator().manual_seed(0)
    )
    states[:, :, :, 0] = states[-1, :, :, 0].clone()
    if init in ("tf", "df"):
        return recipe, ode.from_data(states[-1], recipe, draw)
    return recipe, ode.from_paths(states, recipe, config, draw)


@pytest.mark.parametrize("init", [*INITS, "ode_causal"])
def test_a_lesson_shows_states_at_their_levels(recipe, init):
    recipe, lesson = lesson_of(recipe, init)
    assert not lesson.levels[:, 0].any() and not lesson.counted[0]
    assert torch.equal(lesson.x[:, :, 0], lesson.x0[:, :, 0])
    clean = lesson.levels == 0
    for row, latent in clean.nonzero().tolist():
        assert torch.equal(lesson.x[row, :, latent], lesson.x0[row, :, latent])
    if lesson.noise is None:
        levels = {float(v) for v in lesson.levels.unique()}
        assert levels <= {0.0, *(float(torch.tensor(v)) for v in recipe.rollout.levels)}
        assert len(levels) >= 2
    tail = {"hybrid": [3, 4]}.get(init, [1, 2, 3, 4])
    assert lesson.counted.nonzero().flatten().tolist() == tail


@pytest.mark.parametrize("init", ["ode_causal", "tf", "hybrid", "df", "ode_bidir"])
def test_a_lesson_is_what_a_rollout_will_see(recipe, init, monkeypatch):
    """The masked pass predicts what a stream predicts whose memory holds the same latents.

    With teacher forcing for every block; with the noisy modes for the first block of the tail,
    whose past is clean in a stream too.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    policy = Policy(window=2, schedule=(1, 2))
    recipe = dataclasses.replace(
        recipe,
        flow=dataclasses.replace(recipe.flow, prediction="x0", warp_depths_m=()),
        rollout=dataclasses.replace(recipe.rollout, policy=policy),
    )
    recipe, lesson = lesson_of(recipe, init)
    lesson = dataclasses.replace(
        lesson, x=lesson.x.double(), x0=lesson.x0.double(), levels=lesson.levels.double()
    )
    torch.manual_seed(0)
    model = WorldModel(recipe.model, 8, recipe.flow).double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    signals = data.Signals(
        actions=torch.randn(2, 5, data.ACTION_DIM).double(),
        poses=torch.randn(2, 5, 4, 3, 4).double(),
        step_m=torch.ones(2).double(),
        intrinsics=torch.ones(2, 4).double(),
        words=torch.randn(2, 12, 32).double(),
    )
    found = ode.errors(model, lesson, signals, recipe, recipe.ode)
    for row in range(2):
        one = slice(row, row + 1)
        student = Student(
            model=model,
            signals=data.Signals(**{n: getattr(signals, n)[one] for n in signals.__slots__}),
            first=lesson.x0[one, :, :1],
            config=recipe.rollout,
            prediction="x0",
        )
        memory, wanted = student.memory(), []
        for latent in range(5):
            x, x0 = (t[one, :, latent : latent + 1] for t in (lesson.x, lesson.x0))
            sigma = float(lesson.levels[row, latent])
            said, _ = student.denoise(x, sigma, latent, memory.read(1))
            wanted.append((said - x0).square().mean())
            _, pieces = student.denoise(x0, 0.0, latent, memory.read(1), write=True)
            memory = memory.append(pieces)
        expected = torch.stack(wanted)[lesson.counted]
        same = slice(None) if init in ("tf", "ode_causal") else slice(0, 1)
        assert expected.abs().min() > 1e-3
        assert ((found[row] - expected)[same].abs() < 1e-12).all()
        if init not in ("tf", "ode_causal"):
            assert (found[row] - expected)[1:].abs().max() > 1e-9


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


@pytest.mark.parametrize(
    "what, message",
    [
        ("no teacher", "no config.json"),
        ("another model", "trained with another 'model'"),
        ("causal teacher", "needs a bidirectional teacher"),
        ("bidirectional for causal", "needs a causal teacher"),
        ("teacher as student", "is no student but a teacher"),
        ("no such stage", "has no stage 'ode'"),
        ("other teacher", "was started with teacher_sha"),
    ],
)
def test_wrong_origins_are_refused(clips, recipe, teacher_run, tmp_path, what, message):
    run, options = tmp_path / "run", {"teacher": teacher_run}
    changed = recipe
    causal = dataclasses.replace(recipe, ode=dataclasses.replace(recipe.ode, init="ode_causal"))
    if what == "no teacher":
        options = {"teacher": run}
    elif what == "another model":
        changed = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, layers=1))
    elif what == "causal teacher":
        ode.train(clips, recipe, tmp_path / "student", teacher=teacher_run)
        options = {"teacher": tmp_path / "student"}
    elif what == "bidirectional for causal":
        changed = causal
    elif what == "teacher as student":
        options |= {"student": teacher_run}
    elif what == "no such stage":
        changed = dataclasses.replace(recipe, ode=None)
    else:
        ode.train(clips, recipe, run, teacher=teacher_run, steps=1)
        other = tmp_path / "other"
        teacher.train(clips, dataclasses.replace(recipe, seed=1), other)
        options = {"teacher": other}
    with pytest.raises(ValueError, match=message):
        ode.train(clips, changed, run, **options)


CURVES = {
    "teacher": [5.930e-2, 2.744e-2, 3.498e-2],
    "ode": [1.632e-4, 1.371e-4, 2.381e-4],
    "distill": [1.935e-3, 7.454e-7, 2.696e-3, 1.561e-5],
}


def test_seeded_loss_curves(clips, recipe, teacher_run, tmp_path):
    """What every stage's loss was when it was last looked at (verification list, 18)."""
    ode.train(clips, recipe, tmp_path / "ode", teacher=teacher_run)
    distill.train(
        clips, recipe, tmp_path / "distill", teacher=teacher_run, student=tmp_path / "ode"
    )
    found = {
        "teacher": losses(teacher_run),
        "ode": losses(tmp_path / "ode"),
        "distill": losses(tmp_path / "distill"),
    }
    for stage, curve in CURVES.items():
        assert found[stage] == pytest.approx(curve, rel=0.05), found[stage]


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
