"""The loop: exact resume at every step, accumulation, averages, and stopping in time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from toy_runs import Killed, content

from capture import files
from training import loop, noise
from training.loop import MAIN, Learner, Stage, Turn
from training.metrics import Tally, Watch
from training.parallel.config import ParallelConfig
from training.stages.config import OptimConfig

STEPS, BATCH = 7, 4
OPTIM = OptimConfig(lr=1e-2, warmup_steps=2)


class Toy(Stage):
    """Two learners in turn; data and noise belong to samples."""

    def __init__(self, accumulation: int = 1, steps: int = STEPS, **optim):
        torch.manual_seed(0)
        config = dataclasses.replace(OPTIM, **optim)
        self.learners = {
            MAIN: Learner(model=nn.Linear(3, 2), optim=config),
            "critic": Learner(model=nn.Linear(3, 2), optim=config),
        }
        self.steps, self.accumulation = steps, accumulation
        self.checkpoint_every, self.sample_every = 2, 3
        self.parallel = ParallelConfig()
        self.die_at = (-1, -1)
        self.spoil = {}

    def turn(self, step: int) -> str:
        return "critic" if step % 3 == 1 else MAIN

    def backward(self, turn: Turn) -> Tally:
        if (turn.step, turn.micro) == self.die_at:
            raise Killed
        share = BATCH // self.accumulation
        first = (turn.step * self.accumulation + turn.micro) * share
        draw = noise.generators(0, range(first, first + share), 0, turn.device)
        x = noise.uniform((share, 3), draw)
        model = turn.models[self.turn(turn.step)]
        errors = (model(x) - x[:, :2]).square().mean(1) * self.spoil.get(turn.step, 1.0)
        turn.backward(errors.mean())
        tally = Tally()
        tally.add("loss", errors)
        tally.add_parts("loss_by_level", errors, x[:, 2])
        return tally

    def milestone(self, done: int) -> str:
        return "phases/first.safetensors" if done == 4 else ""

    def validate(self, done: int, run: Path, *, writes: bool) -> dict[str, float]:
        return {"val": self.learners[MAIN].model.weight.sum().item()}


def fit(stage: Stage, run: Path, **options) -> None:
    loop.fit(stage, run, loop.start(run), **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """An uninterrupted run with two micro-batches a step."""
    run = tmp_path_factory.mktemp("whole")
    fit(Toy(accumulation=2), run)
    return content(run)


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("micro", [0, 1])
def test_a_run_that_died_anywhere_goes_on_bitwise(whole, tmp_path, step, micro):
    """Before any step, and between its two micro-batches."""
    stage = Toy(accumulation=2)
    stage.die_at = (step, micro)
    with pytest.raises(Killed):
        fit(stage, tmp_path)
    fit(Toy(accumulation=2), tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.parametrize("step", range(1, STEPS))
def test_stopping_at_a_step_and_going_on_is_bitwise_the_same(whole, tmp_path, step):
    fit(Toy(accumulation=2), tmp_path, steps=step)
    fit(Toy(accumulation=2), tmp_path)
    assert content(tmp_path) == whole


def test_two_cannot_train_in_one_folder(whole, tmp_path):
    fit(Toy(accumulation=2), tmp_path, steps=3)
    with files.alone(tmp_path, "never"):
        before = content(tmp_path)
        with pytest.raises(ValueError, match=f"another process trains in {tmp_path}"):
            fit(Toy(accumulation=2), tmp_path)
        assert content(tmp_path) == before
    fit(Toy(accumulation=2), tmp_path)
    assert content(tmp_path) == whole


def test_accumulation_is_the_whole_batch(whole, tmp_path):
    fit(Toy(accumulation=1), tmp_path)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    for name in ("model", "critic", "ema"):
        stored = load_file(folder / f"{name}.safetensors")
        (path,) = (path for path in whole if path.endswith(f"/{name}.safetensors"))
        assert path.startswith(f"checkpoints/{STEPS:07d}")
        expected = load_bytes(whole[path], tmp_path)
        for key, value in stored.items():
            torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-7)


def load_bytes(content: bytes, folder: Path) -> dict[str, torch.Tensor]:
    (folder / "copy.safetensors").write_bytes(content)
    return load_file(folder / "copy.safetensors")


def test_the_log_says_whose_turn_it_was(whole):
    lines = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert [line["turn"] for line in lines] == [Toy().turn(step) for step in range(STEPS)]
    assert [("val" in line) for line in lines] == [False, False, True, False, False, True, True]
    for line in lines:
        assert line["grad_norm"] > 0
        known = [v for v in line["loss_by_level"] if v is not None]
        assert len(line["loss_by_level"]) == 4 and min(known) <= line["loss"] <= max(known)


def test_validation_sees_the_averaged_weights_and_gives_them_back(tmp_path):
    stage = Toy(steps=3)
    fit(stage, tmp_path)
    folder = tmp_path / "checkpoints" / "0000003"
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["val"] == load_file(folder / "ema.safetensors")["weight"].sum().item()
    model = load_file(folder / "model.safetensors")["weight"]
    assert torch.equal(stage.learners[MAIN].model.weight.detach(), model)
    assert line["val"] != float(model.sum())


def test_before_their_start_the_averaged_weights_are_the_weights(tmp_path):
    fit(Toy(ema_start=6), tmp_path, steps=6)
    folder = tmp_path / "checkpoints" / "0000006"
    model, ema = (load_file(folder / f"{n}.safetensors") for n in ("model", "ema"))
    assert all(torch.equal(model[name], ema[name]) for name in model)
    fit(Toy(ema_start=6), tmp_path)
    model, ema = (
        load_file(tmp_path / "checkpoints" / "0000007" / f"{n}.safetensors")
        for n in ("model", "ema")
    )
    assert not torch.equal(model["weight"], ema["weight"])


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_spoils_nothing(tmp_path, factor):
    stage = Toy()
    stage.spoil = {5: factor}
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) \(model, step 6\); the checkp"):
        fit(stage, tmp_path)
    folder = tmp_path / "checkpoints" / "0000004"
    assert all(t.isfinite().all() for t in load_file(folder / "model.safetensors").values())
    assert all(p.isfinite().all() for p in stage.learners[MAIN].model.parameters())


def test_a_diverging_critic_stops_also_after_a_resume(tmp_path):
    """The mean of ten updates counts, and a resumed run knows those before."""

    def stage() -> Toy:
        toy = Toy(steps=220, lr=1e-9)
        toy.checkpoint_every = 100
        toy.spoil = {step: 40.0 for step in range(190, 220, 3)}
        return toy

    messages = []
    for run, stop in ((tmp_path / "a", 220), (tmp_path / "b", 195)):
        with pytest.raises(ValueError, match=r"has diverged.*\(critic, step") as caught:
            fit(stage(), run, steps=stop)
            fit(stage(), run)
        messages.append(str(caught.value).split(";")[0])
    assert messages[0] == messages[1]
    step = int(messages[0].split("step ")[1].rstrip(")"))
    assert step > 195 and Toy().turn(step - 1) == "critic"


def test_a_watch_ignores_single_jumps():
    watch = Watch()
    losses = [1.0] * 60 + [50.0] + [1.0] * 20
    assert not any(watch.verdict("model", loss) for loss in losses)
    assert any(watch.verdict("model", 12.0) for _ in range(10))


@pytest.mark.filterwarnings("ignore:.*no supported trackers")
def test_an_unknown_tracker_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"nothing|Unsupported|not installed"):
        loop.start(tmp_path, ["nothing"])
    with pytest.raises(ValueError, match="'comet_ml' is not installed"):
        loop.start(tmp_path, ["comet_ml"])


def test_frozen_parameters_have_no_optimizer():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    (optimizer,) = loop.optimizers(model, OPTIM)
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {
        id(p) for p in model[1].parameters()
    }


def test_noise_belongs_to_samples():
    cpu = torch.device("cpu")
    like = torch.zeros(())
    whole = noise.normal(like, (4, 3), noise.generators(5, range(4), 1, cpu))
    parts = [noise.normal(like, (2, 3), noise.generators(5, r, 1, cpu)) for r in ([0, 1], [2, 3])]
    assert torch.equal(whole, torch.cat(parts))
    other = noise.normal(like, (4, 3), noise.generators(5, range(4), 2, cpu))
    assert not (whole == other).any()
    with pytest.raises(ValueError, match="2 generators for 3 samples"):
        noise.normal(like, (3, 1), noise.generators(5, range(2), 0, cpu))
