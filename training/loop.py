"""The training loop of every stage: turns, schedules, averaged weights, checkpoints, exact resume.

A stage brings named models and says, step by step, whose turn it is and what its gradient is.
Everything random is a function of (seed, step), so there is no generator state to save: a step that
was cut, also between two of its micro-batches, is done again from its beginning, bit for bit.
"""

from __future__ import annotations

import abc
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from capture import files
from training.metrics import Speed, Tally, Watch, flat
from training.muon import Muon
from training.parallel.config import ParallelConfig
from training.parallel.world import World
from training.stages.config import OptimConfig
from training.state import (
    CheckpointParts,
    Checkpoints,
    Ema,
    Log,
    save_weights,
    trained,
    whole_weights,
)

_LOG = logging.getLogger(__name__)
# The model that a run is about: its weights are averaged.
MAIN = "model"
_FLOOR = 0.02

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    """A model that learns.

    Attributes:
        model: With its initial weights; those that need no gradient stay.
        optim: See `OptimConfig`.
    """

    model: nn.Module
    optim: OptimConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One micro-batch of one step.

    Attributes:
        step: From 0.
        micro: Place in the step, from 0.
        accumulation: Micro-batches of a step.
        models: The learners' models, wrapped for several processes.
        world: All processes of the run.
    """

    step: int
    micro: int
    accumulation: int
    models: Mapping[str, nn.Module]
    world: World

    @property
    def device(self) -> torch.device:
        """Where models and batches are."""
        return self.world.accelerator.device

    @property
    def share(self) -> dict[str, int]:
        """Which part of the step's batch this is, as `Windows.batch` takes it."""
        return {
            "rank": self.world.data_rank,
            "world": self.world.data_size,
            "micro": self.micro,
            "accumulation": self.accumulation,
        }

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a mean over the micro-batch, as a part of the step's mean."""
        self.world.backward(loss / self.accumulation)

    def silent(self, name: str) -> AbstractContextManager[None]:
        """Passes of a model inside need not make processes exchange gradients."""
        return self.world.silent(self.models[name])

    def exchanging(self, name: str) -> AbstractContextManager[None]:
        """Passes inside exchange gradients if this is the step's last micro-batch."""
        return nullcontext() if self.micro == self.accumulation - 1 else self.silent(name)


class Stage(abc.ABC):
    """What the loop trains.

    Attributes:
        learners: By name; `MAIN` is the one that the run is about.
        steps: Length of the whole stage; shapes the learning rate.
        accumulation: Micro-batches of a step.
        parallel: How processes share the work.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between calls of `validate`; 0 for none.
    """

    learners: Mapping[str, Learner]
    steps: int
    accumulation: int
    parallel: ParallelConfig
    checkpoint_every: int
    sample_every: int

    def turn(self, step: int) -> str:
        """Name of the learner that step `step` (from 0) updates."""
        return MAIN

    @abc.abstractmethod
    def backward(self, turn: Turn) -> Tally:
        """Add the gradients of a micro-batch; the tally has at least "loss"."""

    def milestone(self, done: int) -> str:
        """File in which the averaged weights after `done` steps are kept for ever; or nothing."""
        return ""

    def flops(self, step: int, processes: int) -> float:
        """Of step `step`, on average over turns, of all processes; 0 if it is not known."""
        return 0.0

    def validate(self, done: int, run: Path, *, writes: bool) -> dict[str, float]:
        """Write videos of the averaged weights, which the model has meanwhile, and measure them.

        Args:
            done: Steps done.
            run: The run folder.
            writes: Whether this process writes files.
        """
        return {}


def optimizers(model: nn.Module, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a model: AdamW, or Muon for the blocks' matrices and AdamW for the rest."""
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        muon = config.kind == "muon" and parameter.ndim == 2 and ".blocks." in f".{name}"
        (matrices if muon else rest).append(parameter)
    lr, weight_decay = config.lr, config.weight_decay
    adamw = torch.optim.AdamW(rest, lr=lr, betas=config.betas, weight_decay=weight_decay)
    if not matrices:
        return [adamw]
    return [Muon(matrices, lr=lr, weight_decay=weight_decay), adamw]


def rate(config: OptimConfig, step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: warm-up, constant, linear decay to 2 %."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (steps - step) / max(1.0, config.decay_share * steps)
    return warm * max(_FLOOR, min(1.0, left))


def start(run: Path, log_with: Sequence[str] = ()) -> Accelerator:
    """The accelerator of a run.

    Args:
        run: The run folder; trackers that write files write into its `logs`.
        log_with: Trackers by Accelerate's names, such as "tensorboard" or "wandb".

    Raises:
        ValueError: If a tracker is unknown, or its package is not installed.
    """
    # Without being told, Accelerate takes processes without GPUs for runs of their own.
    cpu = not torch.accelerator.is_available()
    if not log_with:
        return Accelerator(cpu=cpu)
    accelerator = Accelerator(cpu=cpu, log_with=list(log_with), project_dir=run / "logs")
    found = [getattr(tracker, "value", tracker) for tracker in accelerator.log_with]
    if missing := sorted(set(log_with) - {str(name) for name in found}):
        raise ValueError(f"the tracker {missing[0]!r} is not installed; try `pip install` of it")
    accelerator.init_trackers("relickit")
    return accelerator


class _Player:
    """A learner at work."""

    def __init__(self, learner: Learner, world: World):
        if world.mesh is not None and learner.optim.kind == "muon":
            raise ValueError(
                "the optimizer 'muon' needs whole matrices, but the weights are split; choose "
                "'adamw', or parallel.shard = 1"
            )
        self.bare = learner.model
        self.optim = learner.optim
        self.wrapped = world.prepare(learner.model)
        # After the weights were split: these are other tensors.
        self.optimizers = optimizers(self.bare, self.optim)

    def update(self, share: float) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.optim.lr * share
            optimizer.step()

    def clear(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)


class _Loop:
    """The state of `fit`."""

    def __init__(self, stage: Stage, run: Path, accelerator: Accelerator):
        self.stage, self.run, self.accelerator = stage, run, accelerator
        self.world = World.join(stage.parallel, accelerator)
        self.players = {name: _Player(of, self.world) for name, of in stage.learners.items()}
        self.models = {name: player.wrapped for name, player in self.players.items()}
        self.main = self.players[MAIN]
        self.ema = Ema(self.main.bare, self.main.optim.ema_decay)
        self.checkpoints = Checkpoints(run / "checkpoints")
        self.parts = CheckpointParts(
            models={name: player.bare for name, player in self.players.items()},
            averages={"ema": self.ema},
            optimizers={
                "optimizer" if name == MAIN else f"{name}_optimizer": player.optimizers
                for name, player in self.players.items()
            },
        )
        self.watch = Watch()

    def step(self, step: int) -> dict[str, Any]:
        """One update; returns the line for the log."""
        stage, name = self.stage, self.stage.turn(step)
        player, tally = self.players[name], Tally()
        share = rate(player.optim, step, stage.steps)
        player.clear()
        for micro in range(stage.accumulation):
            turn = Turn(
                step=step,
                micro=micro,
                accumulation=stage.accumulation,
                models=self.models,
                world=self.world,
            )
            tally += stage.backward(turn)
        norm = self.world.clip(player.wrapped, player.optim.clip_norm)
        line = {"step": step + 1, **tally.means(self.accelerator)}
        line |= {"grad_norm": norm, "lr": player.optim.lr * share}
        if len(self.players) > 1:
            line["turn"] = name
        if replaced := tally.replaced(self.accelerator):
            line["replaced"] = replaced
        self.refuse(name, line)
        player.update(share)
        player.clear()
        if name == MAIN:
            self.average(step)
        return line

    def average(self, step: int) -> None:
        """Move the averaged weights; before their start they are the weights."""
        since = step - self.main.optim.ema_start
        if since >= 0:
            self.ema.update(self.main.bare, since)
            return
        with torch.no_grad():
            weights = trained(self.main.bare).values()
            for average, p in zip(self.ema.shadow.values(), weights, strict=True):
                average.copy_(p)

    def refuse(self, name: str, line: dict[str, Any]) -> None:
        """Stop before an update that would spoil the weights."""
        what = f"the gradient is {line['grad_norm']}"
        if not math.isfinite(line["loss"]):
            what = f"the loss is {line['loss']}"
        elif math.isfinite(line["grad_norm"]):
            what = self.watch.verdict(name, line["loss"])
        if what:
            last = self.checkpoints.latest()
            kept = f"the checkpoint of step {last} is kept" if last else "there is no checkpoint"
            raise ValueError(
                f"{what} ({name}, step {line['step']}); {kept}; start a new run with a lower "
                "learning rate"
            )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model has its averaged weights meanwhile."""
        self.ema.swap(self.main.bare)
        try:
            yield
        finally:
            self.ema.swap(self.main.bare)

    def keep(self, done: int, *, last: bool) -> dict[str, float]:
        """Validation and milestones after `done` steps; what was measured."""
        measured = {}
        writes = self.accelerator.is_main_process
        if self.stage.sample_every and (done % self.stage.sample_every == 0 or last):
            with self.averaged():
                measured = self.stage.validate(done, self.run, writes=writes)
        if name := self.stage.milestone(done):
            weights = whole_weights(self.ema.shadow)
            if writes:
                save_weights(weights, self.run / name)
        return measured


def fit(
    stage: Stage,
    run: Path,
    accelerator: Accelerator,
    *,
    steps: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Train from the run's last checkpoint to `steps`.

    Args:
        stage: What to train.
        run: The run folder.
        accelerator: See `start`.
        steps: Where to stop, at most the stage's end, which is the default. A run that has got
            there returns at once.
        progress: Called after every step with the line that was logged, `steps` and `steps_per_s`.

    Raises:
        ValueError: If a loss or gradient is no longer finite, a loss diverges, log and checkpoint
            disagree, or another process trains in this folder.
    """
    steps = min(steps or stage.steps, stage.steps)
    busy = f"another process trains in {run}; wait for it to end, or give --run another folder"
    with files.alone(run, busy) if accelerator.is_main_process else nullcontext():
        work = _Loop(stage, run, accelerator)
        first = work.checkpoints.latest()
        if first < steps:
            _train(work, first, steps, progress)


def _train(work: _Loop, first: int, steps: int, progress: Progress | None) -> None:
    """Steps [first, steps) of a run."""
    stage, run, accelerator = work.stage, work.run, work.accelerator
    compiles = " and compiles kernels" if accelerator.device.type == "cuda" else ""
    _LOG.info(
        "Train: from step %d on %s; the first step reads its clips%s, so it takes longest",
        first + 1,
        accelerator.device,
        compiles,
    )
    if first:
        work.checkpoints.restore(first, work.parts)
    writes = accelerator.is_main_process
    log = Log(run / "metrics.jsonl", first) if writes else None
    work.watch.read(run / "metrics.jsonl", first)
    speed = Speed(stage.flops, accelerator.device, accelerator.num_processes)
    for step in range(first, steps):
        line, done = work.step(step), step + 1
        line |= work.keep(done, last=done == stage.steps)
        measured = speed.after(step)
        accelerator.log(flat(line) | measured, step=done)
        if log is not None:
            log.add(line)
        if done % stage.checkpoint_every == 0 or done == steps:
            if log is not None:
                log.sync()
                files.write_json(
                    run / "throughput.json", {name: round(v, 3) for name, v in measured.items()}
                )
            work.checkpoints.save(done, work.parts)
        if progress:
            progress({**line, "steps": steps, **measured})
    if log is not None:
        log.close()
    accelerator.end_training()
