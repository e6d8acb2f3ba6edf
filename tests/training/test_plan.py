"""Plans of stages: what they say is what the stages do."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from shards.latents import GROUP
from training import dmd, loop, plan, recipes, replay
from training.data import ACTION_DIM, Signals
from training.estimate import Network
from training.model.config import LoraConfig
from training.model.wan import WorldModel
from training.parallel.config import ParallelConfig
from training.rollout import Student, rollout

FRAMES, LATENTS, BATCH = 13, 4, 2


@pytest.fixture
def small(recipe) -> recipes.Recipe:
    """The tinier recipe, of which everything is measured here."""
    distill = dataclasses.replace(recipe.distill, batch=BATCH)
    flow = recipes.FlowConfig()
    return dataclasses.replace(recipe, batch=BATCH, distill=distill, flow=flow)


def student(recipe: recipes.Recipe) -> Student:
    """As the stage makes it, in a world of random numbers."""
    config = recipe.model
    signals = Signals(
        actions=torch.rand(BATCH, LATENTS, ACTION_DIM),
        poses=torch.rand(BATCH, LATENTS, GROUP, 3, 4),
        step_m=torch.ones(BATCH),
        intrinsics=torch.ones(BATCH, 4),
        words=torch.rand(BATCH, config.max_words, config.text_dim),
    )
    size = (recipe.data.height_px // 8, recipe.data.width_px // 8)
    return Student(
        model=WorldModel(config, recipe.codec.channels, recipe.flow),
        signals=signals,
        first=torch.rand(BATCH, recipe.codec.channels, 1, *size),
        config=recipe.rollout,
    )


def turn(work: Student, recipe: recipes.Recipe, exit_step: int, critic: bool) -> None:
    """One turn of distillation."""
    draw = torch.Generator().manual_seed(0)
    made = rollout(work, draw, exit_step=exit_step, keep=recipe.distill.keep_memories)
    score = dmd.ModelScore(model=work.model, signals=work.signals)
    sigma = torch.full((BATCH,), 0.5)
    if critic:
        score(made.latents, sigma).sum().backward()
        return
    guidance = recipe.distill.dmd.guidance
    real = dataclasses.replace(score, guidance=guidance)
    with torch.no_grad():
        direction = real(made.latents, sigma) - score(made.latents, sigma)
    replay.truncated(work, made, dmd.gradient(direction))


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True])
def test_a_turn_of_distillation_computes_what_the_plan_says(small, keep):
    distill = dataclasses.replace(small.distill, keep_memories=keep)
    recipe = dataclasses.replace(small, distill=distill)
    expected = plan.make(recipe, "distill", gpus=1, num_frames=FRAMES).phases[0].flops
    work, exits = student(recipe), range(len(recipe.rollout.levels))
    for name, critic in (("student's turn", False), ("critic's turn", True)):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            for exit_step in exits:
                turn(work, recipe, exit_step, critic)
        assert counter.get_total_flops() / len(exits) == expected[name]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_the_optimizer_takes_the_bytes_that_the_plan_says(small, kind):
    recipe = dataclasses.replace(small, optim=dataclasses.replace(small.optim, kind=kind))
    model = WorldModel(recipe.model, recipe.codec.channels, recipe.flow)
    optims = loop.optimizers(model, recipe.optim)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in optims:
        optimizer.step()
    states = [t for o in optims for slots in o.state.values() for t in slots.values()]
    network = Network(config=recipe.model, channels=recipe.codec.channels, flow=recipe.flow)
    expected = plan.optimizer_bytes(network, recipe.optim)
    assert expected == sum(t.numel() * t.element_size() for t in states)


def test_adapters_are_all_that_learns(small):
    recipe = dataclasses.replace(small, lora=LoraConfig(rank=4))
    network = Network(
        config=recipe.model, channels=recipe.codec.channels, flow=recipe.flow, lora=recipe.lora
    )
    trained = sum(shape.numel() for shape in network.trained.values())
    assert all(".lora_" in n or n.startswith("conditioning.") for n in network.trained)
    assert 0 < trained < network.parameters
    adamw = dataclasses.replace(recipe.optim, kind="adamw")
    assert plan.optimizer_bytes(network, adamw) == 4 * (2 * trained + len(network.trained))


def test_the_codec_is_counted(small):
    """Wan's autoencoder has 126.9 million parameters."""
    wan = dataclasses.replace(small, codec=recipes.find("14b").codec)
    assert plan.codec_bytes(wan) / 4e6 == pytest.approx(126.9, abs=0.05)
    assert plan.codec_bytes(small) == 4 * 8 * 768


@pytest.mark.slow
def test_more_gpus_hold_and_compute_less(small):
    parallel = ParallelConfig(shard=0, context=2, dtype="bf16")
    recipe = dataclasses.replace(small, parallel=parallel)
    one, four = (plan.make(recipe, "teacher", gpus=gpus).phases[0] for gpus in (2, 4))
    assert one.flops == four.flops
    assert four.seconds == pytest.approx(one.seconds / 2)
    for part in ("weights", "gradients", "optimizer", "average"):
        assert four.memory[part] == pytest.approx(one.memory[part] / 2, abs=2)


@pytest.mark.parametrize(
    "changes, gpus, message",
    [
        ({"shard": 3}, 4, "shard = 3 needs a multiple of 3 processes"),
        ({"context": 3}, 4, "context = 3 needs a multiple of 3 processes"),
        ({}, 4, "a batch of 2 cannot be shared by 4 GPUs"),
    ],
)
def test_what_does_not_fit_the_number_of_gpus_is_refused(small, changes, gpus, message):
    recipe = dataclasses.replace(small, parallel=ParallelConfig(**changes))
    with pytest.raises(ValueError, match=message):
        plan.make(recipe, "teacher", gpus=gpus)


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"gpus": -4}, {"gpus": 1, "utilisation": 40.0}])
def test_numbers_that_cannot_be_are_refused(small, wrong):
    with pytest.raises(ValueError, match=r"one GPU or more|utilisation is a share"):
        plan.make(small, "teacher", **wrong)


def test_every_recipe_can_be_planned_on_one_gpu_or_32():
    for name, make in recipes.RECIPES.items():
        recipe = make()
        gpus = 1 if name == "tiny" else 32
        assert recipe.parallel.shards(gpus) in (1, 32)
        assert recipe.batch % (gpus // recipe.parallel.context * recipe.accumulation) == 0
        assert recipe.model.heads % recipe.parallel.context == 0


@pytest.mark.slow
def test_the_14b_teacher_of_20_s():
    phase = plan.make(recipes.find("14b"), "teacher", gpus=32, num_frames=317).phases[0]
    assert phase.tokens == 124_800
    assert phase.flops["teacher"] / 64 / 1e15 == pytest.approx(63.2, abs=0.05)
    assert phase.seconds == pytest.approx(64 * 160 / 32, rel=0.01)
