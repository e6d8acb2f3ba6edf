"""The student's initialisation: a causal model regresses the teacher's paths (RELIC sec. 4.4.1).

Also its alternatives, see `OdeConfig.init`. One pass holds the whole window, with a mask that shows
every block what it will see in a rollout. Consistency distillation with teacher forcing (Causal-rCM
tf_dcm) is left out: it needs derivatives of the network along its path, for no gain in its paper's
own table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from shards.order import GlobalOrder
from training import flow, loop, noise, validation, warp
from training.clips import Clips
from training.data import Batch, Signals
from training.loop import MAIN, Learner, Stage, Turn
from training.metrics import Tally
from training.model import masks
from training.model.context import Context
from training.model.memory import Grid
from training.model.wan import PATCH
from training.noise import Draw, Purpose
from training.recipes import Recipe
from training.run import FindLatents, settle_latents, step_flops
from training.sample import Sampler
from training.stages import pairs
from training.stages.config import OdeConfig, Phase
from training.stages.student import Origin, begin, require_origins

_FROM_DATA = ("tf", "df")
_PACKED = ("ode_causal", "tf")

Prepare = Callable[[int, int], None]


def train(
    clips: Clips,
    recipe: Recipe,
    run: Path,
    *,
    teacher: Path,
    student: Path | None = None,
    held_out: Clips | None = None,
    latents: FindLatents | None = None,
    steps: int | None = None,
    log_with: Sequence[str] = (),
    progress: loop.Progress | None = None,
    preparing: Prepare | None = None,
) -> None:
    """Initialise, or go on initialising, a recipe's student.

    Args:
        clips: The training clips.
        recipe: What to train.
        run: The run folder; `pairs/` in it holds the teacher's paths.
        teacher: The teacher's run; for "ode_causal" one of a causal model.
        student: The run whose weights to start from; the teacher's by default.
        held_out: For validation videos; the training clips by default.
        latents: Finds latents that were made ahead; for "tf" and "df", which show the data.
        steps: Stop here instead of at the recipe's end; running again goes on.
        log_with: See `loop.start`.
        progress: Called after every step.
        preparing: Called with the paths that are there and their number, while they are made.

    Raises:
        ValueError: If the run belongs to something else; see also `loop.fit`.
    """
    config = recipe.ode
    if config is None:
        raise ValueError(f"the recipe {recipe.name!r} has no stage 'ode'; add its key to it")
    require_origins("ode", recipe, teacher, student, causal=config.init == "ode_causal")
    accelerator = loop.start(run, log_with)
    # It makes whole weights of a teacher's pieces, where nobody has.
    with accelerator.main_process_first():
        origin = begin(
            "ode",
            recipe,
            clips,
            run,
            teacher=teacher,
            student=student,
            phases=(Phase(num_frames=config.num_frames, steps=config.steps),),
            batch=config.batch,
            device=accelerator.device,
            first_only=config.init not in _FROM_DATA,
        )
    if config.init in _FROM_DATA:
        if stored := settle_latents(run, origin.codec, latents):
            origin.windows.use(stored)
    else:
        shown = preparing and (lambda done: preparing(done, config.num_pairs))
        pairs.generate(origin, config, run / "pairs", accelerator, shown or None)
    stage = Ode(origin, config, run / "pairs", held_out or clips)
    loop.fit(stage, run, accelerator, steps=steps, progress=progress)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What one pass of the student is shown, and what it should say.

    Attributes:
        x: Noisy, or clean where the level is 0, [B, C, F, h, w].
        levels: [B, F].
        x0: What is behind it.
        noise: What was added; None for a path, whose noise is not known.
        counted: Latents whose errors count, bool [F].
    """

    x: torch.Tensor
    levels: torch.Tensor
    x0: torch.Tensor
    noise: torch.Tensor | None
    counted: torch.Tensor


class Ode(Stage):
    """Regression with hybrid forcing, or one of its alternatives.

    Args:
        origin: Weights, codec and data.
        config: See `OdeConfig`.
        folder: Of the teacher's paths.
        held_out: For validation videos.
    """

    def __init__(self, origin: Origin, config: OdeConfig, folder: Path, held_out: Clips):
        recipe = origin.config.recipe
        self._origin, self._config, self._folder = origin, config, folder
        self._held_out = held_out
        self._order = GlobalOrder(config.num_pairs, recipe.seed)
        self._model = origin.new_student()
        self.learners = {MAIN: Learner(model=self._model, optim=config.optim)}
        self.steps, self.accumulation = config.steps, recipe.accumulation
        self.parallel = recipe.parallel
        self.checkpoint_every, self.sample_every = recipe.checkpoint_every, recipe.sample_every

    def backward(self, turn: Turn) -> Tally:
        """One micro-batch."""
        recipe = self._origin.config.recipe
        batch, states = self._batch(turn)
        draw = noise.generators(recipe.seed, batch.numbers, Purpose.FLOW, turn.device)
        if states is None:
            lesson = from_data(batch.latents(self._origin.codec.encode), recipe, draw)
        else:
            lesson = from_paths(states, recipe, self._config, draw)
        depths_m = recipe.flow.warp_depths_m
        views = warp.latents(self._origin.codec, batch.first, batch.signals, depths_m)
        with turn.exchanging(MAIN):
            found = errors(turn.models[MAIN], lesson, batch.signals, recipe, self._config, views)
            turn.backward(found.mean())
        tally = Tally()
        tally.add_replaced(batch.stand_ins)
        tally.add("loss", found)
        levels = lesson.levels[:, lesson.counted]
        tally.add_parts("loss_by_level", found.flatten(), levels.flatten())
        return tally

    def flops(self, step: int, processes: int) -> float:
        """Of any step; the paths are not counted."""
        recipe = self._origin.config.recipe
        return step_flops(recipe, "ode", self._config.num_frames, processes)

    def validate(self, done: int, run: Path, *, writes: bool) -> dict[str, float]:
        """Held-out windows, the truth beside the student's stream."""
        origin = self._origin
        return validation.write(
            Sampler(config=origin.config, codec=origin.codec, model=self._model),
            self._held_out,
            run,
            done,
            num_frames=self._config.num_frames,
            writes=writes,
        )

    def _batch(self, turn: Turn) -> tuple[Batch, torch.Tensor | None]:
        """Windows, and the states of the teacher's paths through them."""
        config, windows = self._config, self._origin.windows
        if config.init in _FROM_DATA:
            return windows.batch(turn.step, **turn.share).to(turn.device), None
        share = turn.share
        places = self._order.batch(
            turn.step * self.accumulation + turn.micro,
            global_batch=config.batch // self.accumulation,
            rank=share["rank"],
            world=share["world"],
        )
        rows = [row for _, row in places]
        batch = windows.take(rows, config.num_frames).to(turn.device)
        batch = dataclasses.replace(batch, numbers=tuple(k for k, _ in places))
        return batch, pairs.load(self._folder, rows).to(turn.device)


def from_paths(states: torch.Tensor, recipe: Recipe, config: OdeConfig, draw: Draw) -> Lesson:
    """Every block at one of the student's levels, from the teacher's paths.

    Args:
        states: [S, B, C, F, h, w]; the last ones are the data.
        recipe: Gives blocks and levels.
        config: With "hybrid" the blocks before the tail are clean.
        draw: Of the blocks' levels.
    """
    num_latents, rollout = states.shape[3], recipe.rollout
    ranges = masks.blocks(num_latents, rollout.block)
    steps = len(rollout.levels)
    chosen = (noise.uniform((states.shape[1], len(ranges)), draw) * steps).long()
    tail = config.noisy_blocks if config.init == "hybrid" else len(ranges)
    chosen[:, : max(0, len(ranges) - tail)] = steps
    chosen = _to_latents(chosen, ranges)
    chosen[:, 0] = steps
    table = torch.tensor([*rollout.levels, 0.0], device=states.device)
    place = chosen[None, :, None, :, None, None].expand(1, *states.shape[1:])
    counted = torch.arange(num_latents) >= ranges[-min(tail, len(ranges))][0]
    counted[0] = False
    return Lesson(
        x=states.gather(0, place)[0],
        levels=table[chosen],
        x0=states[-1],
        noise=None,
        counted=counted,
    )


def from_data(x0: torch.Tensor, recipe: Recipe, draw: Draw) -> Lesson:
    """Every block at a level of its own, from data [B, C, F, h, w]."""
    config = recipe.flow
    ranges = masks.blocks(x0.shape[2], recipe.rollout.block)
    added = noise.normal(x0, x0.shape, draw)
    sigma = flow.shifted(noise.uniform((len(x0), len(ranges)), draw), config.shift)
    levels = _to_latents(sigma.clamp_min(config.min_sigma), ranges)
    levels[:, 0] = 0.0
    counted = torch.ones(x0.shape[2], dtype=torch.bool)
    counted[0] = False
    x = flow.mix(x0, added, levels[:, None, :, None, None])
    return Lesson(x=x, levels=levels, x0=x0, noise=added, counted=counted)


def errors(
    model: torch.nn.Module,
    lesson: Lesson,
    signals: Signals,
    recipe: Recipe,
    config: OdeConfig,
    views: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared errors of the latents that count, [B, n].

    Args:
        model: See `WorldModel`.
        lesson: What it is shown.
        signals: Of the windows.
        recipe: Gives blocks, memory and prediction.
        config: Gives the mask.
        views: For "warp".
    """
    num_latents = lesson.x.shape[2]
    grid = (lesson.x.shape[3] // PATCH[1], lesson.x.shape[4] // PATCH[2])
    x, levels, latents = lesson.x, lesson.levels, tuple(range(num_latents))
    if config.init in _PACKED:
        x, levels, latents = (
            torch.cat([lesson.x0, x], dim=2),
            torch.cat([torch.zeros_like(levels), levels], dim=1),
            (*latents, *latents),
        )
        signals = dataclasses.replace(
            signals,
            actions=signals.actions.repeat(1, 2, 1),
            poses=signals.poses.repeat(1, 2, 1, 1, 1),
        )
    context = Context(
        latents=latents,
        grid=grid,
        policy=recipe.rollout.policy,
        table=_table(num_latents, grid, recipe, config),
    )
    output = model(x, levels, signals, context=context)[:, :, -num_latents:]
    wide = lesson.levels[:, None, :, None, None]
    prediction = recipe.flow.prediction
    if lesson.noise is not None and prediction == "v":
        error = output - flow.velocity(lesson.x0, lesson.noise)
    else:
        error = flow.to_x0(output, lesson.x, wide, prediction, views) - lesson.x0
    return error.square().mean((1, 3, 4))[:, lesson.counted]


def _table(num_latents: int, grid: Grid, recipe: Recipe, config: OdeConfig) -> torch.Tensor:
    """Who sees whom; see `training.model.masks`."""
    ranges, policy = masks.blocks(num_latents, recipe.rollout.block), recipe.rollout.policy
    if config.init in _PACKED:
        return masks.teacher_forcing(ranges, policy, grid)
    if config.init == "hybrid":
        tail = min(config.noisy_blocks, len(ranges))
        return masks.hybrid_forcing(ranges, tail, policy, grid)
    return masks.diffusion_forcing(ranges, policy, grid)


def _to_latents(values: torch.Tensor, ranges: list[tuple[int, int]]) -> torch.Tensor:
    """Values of blocks [B, blocks] as values of latents [B, F]."""
    counts = torch.tensor([stop - start for start, stop in ranges], device=values.device)
    return values.repeat_interleave(counts, dim=1)
