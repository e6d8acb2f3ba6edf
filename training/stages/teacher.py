"""The teacher: a bidirectional model of whole windows, trained by flow matching (RELIC sec. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training import flow, loop, noise, validation, warp
from training.autoencoder import Codec, open_codec
from training.clips import Clips
from training.data import Batch, Windows
from training.loop import MAIN, Learner, Stage, Turn
from training.metrics import Tally
from training.noise import Draw, Purpose
from training.recipes import Recipe
from training.run import FindLatents, RunConfig, build, claim, settle_latents, step_flops
from training.sample import Sampler


def train(
    clips: Clips,
    recipe: Recipe,
    run: Path,
    *,
    held_out: Clips | None = None,
    latents: FindLatents | None = None,
    steps: int | None = None,
    log_with: Sequence[str] = (),
    progress: loop.Progress | None = None,
) -> None:
    """Train, or go on training, the teacher of a recipe.

    Args:
        clips: The training clips.
        recipe: What to train.
        run: The run folder; see `training.state`.
        held_out: For validation videos; the training clips by default.
        latents: Finds latents that were made ahead; without any, windows are encoded.
        steps: Stop here instead of at the recipe's end; running again goes on.
        log_with: See `loop.start`.
        progress: Called after every step.

    Raises:
        ValueError: If the run belongs to another recipe or other data; see also `loop.fit`.
    """
    windows = Windows(clips, recipe)
    config = RunConfig(
        recipe=recipe, manifest_sha=clips.manifest_sha, intrinsics=windows.intrinsics
    )
    claim(run, config)
    codec_file = run / "codec.safetensors"
    fits = recipe.codec.kind == "linear" and not codec_file.is_file()
    fit_to = windows.sample(recipe.codec.fit_windows) if fits else None
    accelerator = loop.start(run, log_with)
    codec = open_codec(recipe.codec, codec_file, fit_to).to(accelerator.device)
    if stored := settle_latents(run, codec, latents):
        windows.use(stored)
    stage = Teacher(config, windows, codec, held_out or clips)
    loop.fit(stage, run, accelerator, steps=steps, progress=progress)


class Teacher(Stage):
    """Flow matching on whole windows, 5 s, then 10 s, then 20 s long (RELIC sec. 4).

    Args:
        config: Of the run.
        windows: The training data.
        codec: On the training device.
        held_out: For validation videos.
    """

    def __init__(self, config: RunConfig, windows: Windows, codec: Codec, held_out: Clips):
        recipe = config.recipe
        self._config, self._windows, self._codec, self._held_out = config, windows, codec, held_out
        self._model = build(recipe, codec, begin=True, later=True)
        self.learners = {MAIN: Learner(model=self._model, optim=recipe.optim)}
        self.steps, self.accumulation = recipe.steps, recipe.accumulation
        self.parallel = recipe.parallel
        self.checkpoint_every, self.sample_every = recipe.checkpoint_every, recipe.sample_every

    def backward(self, turn: Turn) -> Tally:
        """One micro-batch of flow matching."""
        recipe = self._config.recipe
        batch = self._windows.batch(turn.step, **turn.share).to(turn.device)
        draw = noise.generators(recipe.seed, batch.numbers, Purpose.FLOW, turn.device)
        with turn.exchanging(MAIN):
            errors, sigma = batch_errors(turn.models[MAIN], batch, self._codec, recipe, draw)
            turn.backward(errors.mean())
        tally = Tally()
        tally.add_replaced(batch.stand_ins)
        tally.add("loss", errors)
        tally.add_parts("loss_by_level", errors, sigma)
        return tally

    def milestone(self, done: int) -> str:
        """The end of a phase but the last: distillation asks for a teacher of each length."""
        past = 0
        for phase in self._config.recipe.curriculum:
            past += phase.steps
            if past == done:
                return weights_name(phase.num_frames)
        return ""

    def flops(self, step: int, processes: int) -> float:
        """Of a step of this phase."""
        length = self._windows.length(step)
        return step_flops(self._config.recipe, "teacher", length, processes)

    def validate(self, done: int, run: Path, *, writes: bool) -> dict[str, float]:
        """Held-out windows, the truth beside the model."""
        length = self._windows.length(done - 1)
        sampler = Sampler(config=self._config, codec=self._codec, model=self._model)
        return validation.write(
            sampler, self._held_out, run, done, num_frames=length, writes=writes
        )


def weights_name(num_frames: int) -> str:
    """Name in a run's folder of the averaged weights of the phase with windows of this length."""
    return f"phases/{num_frames:04d}.safetensors"


def batch_errors(
    model: nn.Module, batch: Batch, codec: Codec, recipe: Recipe, draw: Draw
) -> tuple[torch.Tensor, torch.Tensor]:
    """The flow-matching loss of windows at random noise levels; the first latent stays clean.

    Args:
        model: See `WorldModel`.
        batch: Windows and their signals, on the model's device.
        codec: Likewise.
        recipe: Gives prediction and noise levels.
        draw: Of the levels, then of the noise.

    Returns:
        Losses and noise levels of the windows, [B] each.
    """
    config = recipe.flow
    x0 = batch.latents(codec.encode)
    added = noise.normal(x0, x0.shape, draw)
    sigma = flow.shifted(noise.uniform((len(x0),), draw), config.shift)
    sigma = sigma.clamp_min(config.min_sigma)
    wide = sigma.view(-1, 1, 1, 1, 1)
    x = torch.cat([x0[:, :, :1], flow.mix(x0, added, wide)[:, :, 1:]], dim=2)
    errors = flow.errors(
        model(x, sigma, batch.signals),
        x0=x0,
        noise=added,
        x=x,
        sigma=wide,
        prediction=config.prediction,
        views=warp.latents(codec, batch.first, batch.signals, config.warp_depths_m),
    )
    return errors.mean(1), sigma
