"""Rollouts: what a block sees, what is given stays, and memory that does not grow."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toy_world import CHANNELS, GRID, SHORT, SIZE, make_model, make_signals, normal, part

from training import flow, replay
from training.model.context import Context
from training.model.memory import Policy
from training.rollout import RolloutConfig, Student, rollout, stream

LATENTS = 8
LEVELS = (1.0, 0.8, 0.5)


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def make_student(num_latents: int = LATENTS, **changes) -> Student:
    config = RolloutConfig(levels=LEVELS, policy=Policy(window=4, schedule=SHORT))
    return Student(
        model=make_model(),
        signals=make_signals(num_latents),
        first=normal(2, CHANNELS, 1, *SIZE, seed=7),
        config=dataclasses.replace(config, **changes),
    )


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_the_same_seed_is_the_same_video_and_another_is_not():
    student = make_student()
    first, again = (rollout(student, draw()).latents for _ in range(2))
    assert torch.equal(first, again)
    other = rollout(student, torch.Generator().manual_seed(4)).latents
    assert not torch.equal(first, other)


def test_the_first_latent_is_the_given_one():
    video = rollout(make_student(), draw()).latents
    assert video.shape == (2, CHANNELS, LATENTS, *SIZE)
    assert torch.equal(video[:, :, :1], make_student().first)


def test_a_rollout_written_out():
    """The same with lists and the policy's own words, without `Memory`."""
    student, generator = make_student(), draw()
    written, blocks = {}, []

    def noise(count):
        return torch.randn(2, CHANNELS, count, *SIZE, generator=generator, dtype=torch.float64)

    @torch.no_grad()
    def evaluate(x, sigma, start, read):
        stop = start + x.shape[2]
        levels = torch.full((2, stop - start), sigma, dtype=torch.float64)
        if start == 0:
            x = torch.cat([student.first, x[:, :, 1:]], 2)
            levels[:, 0] = 0
        context = Context(
            latents=tuple(range(start, stop)),
            grid=GRID,
            policy=student.config.policy,
            read=read,
            write=True,
        )
        out = student.model(x, levels, part(student.signals, start, stop), context=context)
        x0 = x - levels[:, None, :, None, None] * out
        return x0, context.pieces()

    for start, stop in [(0, 3), (3, 6), (6, 8)]:
        seen = student.config.policy.seen(start, stop, GRID)
        read = tuple(written[key] for key in seen.items())
        x = noise(stop - start)
        for sigma, following in zip(LEVELS, (*LEVELS[1:], None), strict=True):
            x0, _ = evaluate(x, sigma, start, read)
            if following is not None:
                x = (1 - following) * x0 + following * noise(stop - start)
        blocks.append(x0)
        for piece in evaluate(x0, 0.0, start, read)[1]:
            written[piece.latent, piece.factor] = piece
    expected = torch.cat(blocks, 2)
    assert (rollout(student, draw()).latents - expected).abs().max() < 1e-12


def test_an_early_exit_takes_that_steps_result():
    one = rollout(make_student(), draw(), exit_step=0)
    assert one.sigma == 1.0
    alone = rollout(make_student(levels=(1.0,)), draw()).latents
    assert torch.equal(one.latents, alone)


def test_a_block_does_not_depend_on_later_signals():
    student = make_student()
    actions = student.signals.actions.clone()
    actions[:, 6:] += 1
    changed = dataclasses.replace(
        student, signals=dataclasses.replace(student.signals, actions=actions)
    )
    a, b = (rollout(s, draw()).latents for s in (student, changed))
    assert torch.equal(a[:, :, :6], b[:, :, :6]) and not torch.equal(a[:, :, 6:], b[:, :, 6:])


def test_the_memory_reaches_beyond_the_window():
    """What a latent left moves a block long after it has left the window, unless it is dropped."""
    student = make_student(policy=Policy(window=3, schedule=SHORT))
    last = rollout(student, draw()).records[-1]
    read = last.memory.read(2)
    assert [(p.latent, p.factor) for p in read] == [(0, 1), (1, 4), (2, 2), (3, 1), (4, 4), (5, 1)]
    changed = (read[0].map(lambda t: t + 1), *read[1:])
    a, b = (student.denoise(last.x, 0.5, 6, seen)[0] for seen in (read, changed))
    assert (a - b).abs().max() > 1e-3
    window = make_student(policy=Policy(window=3, schedule=SHORT, budget=0))
    seen = rollout(window, draw()).records[-1].memory.read(2)
    assert [p.latent for p in seen] == [5]


def test_with_noisy_context_the_memory_holds_what_the_exit_step_saw():
    student = make_student(noisy_context=True)
    made = rollout(student, draw())
    first, second = made.records[:2]
    with torch.no_grad():
        _, pieces = student.denoise(first.x, made.sigma, 0, (), write=True)
    expected = student.memory().append(pieces).read(3)
    for a, b in zip(second.memory.read(3), expected, strict=True):
        assert torch.equal(a.pairs[1][0], b.pairs[1][0])


def test_memory_is_flat_in_the_length_of_a_stream():
    policy = Policy(window=4, schedule=(2,), budget=18)
    sizes = []
    student = make_student(36, policy=policy, levels=(1.0,))
    for record in stream(student, draw(), keep=True):
        assert record.memory is not None
        sizes.append(record.memory.num_bytes())
    assert sizes[0] == 0 and max(sizes) == sizes[5] == sizes[-1]


@pytest.mark.parametrize("prediction", ["v", "x0", "residual", "warp"])
def test_a_block_means_what_it_means_in_a_whole_window(prediction):
    """Of any prediction: the first latent of the video is the reference, not that of the block."""
    student = make_student()
    depths = 2 if prediction == "warp" else 0
    output = normal(2, CHANNELS + depths, LATENTS, *SIZE, seed=11)
    views = normal(2, depths, CHANNELS, LATENTS, *SIZE, seed=12) if depths else None
    video = torch.cat([student.first, normal(2, CHANNELS, LATENTS - 1, *SIZE)], 2)
    whole = flow.to_x0(output, video, torch.tensor(0.5), prediction, views)

    def canned(x, levels, signals, *, context):
        assert levels.eq(0.5).all() and signals.poses.shape[1] == 3
        return output[:, :, list(context.latents)]

    changed = dataclasses.replace(student, model=canned, prediction=prediction, views=views)
    x0, _ = changed.denoise(video[:, :, 3:6], 0.5, 3, ())
    assert (x0 - whole[:, :, 3:6]).abs().max() < 1e-14


@pytest.mark.parametrize("pool", ["kv", "latent"])
def test_bfloat16(monkeypatch, pool):
    """Under autocast a rollout is near that in float32, and so is its gradient."""
    monkeypatch.undo()
    policy = Policy(window=4, schedule=SHORT, pool=pool, storage="bf16")
    student = make_student(policy=policy, levels=(1.0, 0.5))
    signals = student.signals
    floats = {name: getattr(signals, name).float() for name in signals.__slots__}
    student = dataclasses.replace(
        student,
        model=student.model.float(),
        signals=type(signals)(**floats),
        first=student.first.float(),
    )
    exact = rollout(student, draw())
    with torch.autocast("cpu", torch.bfloat16):
        rough = rollout(student, draw())
        replay.truncated(student, rough, torch.ones_like(rough.latents))
    assert (rough.latents - exact.latents).abs().mean() < 0.02 * exact.latents.abs().mean()
    assert all(p.grad.isfinite().all() for p in student.model.parameters() if p.grad is not None)


@pytest.mark.parametrize("levels", [(), (0.5, 0.7), (1.2,), (1.0, 0.0)])
def test_levels_must_fall(levels):
    with pytest.raises(ValueError, match="levels must fall"):
        RolloutConfig(levels=levels)
