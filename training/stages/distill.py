"""Distillation: the student learns from its own videos (self-forcing, RELIC sec. 4.4.2).

Per step either the student or the fake score learns. The student makes a video without a graph; two
scores judge it whole; what they say is back-propagated block by block (`training.replay`), so
memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from training import dmd, loop, noise, replay, sample, validation
from training.clips import Clips
from training.data import Batch
from training.loop import MAIN, Learner, Stage, Turn
from training.metrics import Tally
from training.noise import Purpose
from training.parallel.world import World
from training.recipes import Recipe
from training.rollout import Rollout, Student, rollout
from training.run import step_flops
from training.stages.config import DistillConfig
from training.stages.student import Origin, begin, require_origins

CRITIC = "critic"


def train(
    clips: Clips,
    recipe: Recipe,
    run: Path,
    *,
    teacher: Path,
    student: Path | None = None,
    held_out: Clips | None = None,
    steps: int | None = None,
    log_with: Sequence[str] = (),
    progress: loop.Progress | None = None,
) -> None:
    """Distil, or go on distilling, a recipe's student.

    Args:
        clips: The training clips; they give first frames, paths and captions.
        recipe: What to train.
        run: The run folder.
        teacher: The run of the bidirectional teacher: the real score.
        student: The run of the initialised student; the teacher's weights by default.
        held_out: For validation videos; the training clips by default.
        steps: Stop here instead of at the recipe's end; running again goes on.
        log_with: See `loop.start`.
        progress: Called after every step.

    Raises:
        ValueError: If the run belongs to something else; see also `loop.fit`.
    """
    config = recipe.distill
    if config is None:
        raise ValueError(f"the recipe {recipe.name!r} has no stage 'distill'; add its key to it")
    require_origins("distill", recipe, teacher, student, causal=False)
    accelerator = loop.start(run, log_with)
    # It makes whole weights of a teacher's pieces, where nobody has.
    with accelerator.main_process_first():
        origin = begin(
            "distill",
            recipe,
            clips,
            run,
            teacher=teacher,
            student=student,
            phases=config.phases,
            batch=config.batch,
            device=accelerator.device,
            first_only=True,
        )
    stage = Distill(origin, config, held_out or clips)
    loop.fit(stage, run, accelerator, steps=steps, progress=progress)


class Distill(Stage):
    """Self-forcing with distribution matching and replayed back-propagation.

    Args:
        origin: Weights, codec and data.
        config: See `DistillConfig`.
        held_out: For validation videos.
    """

    def __init__(self, origin: Origin, config: DistillConfig, held_out: Clips):
        recipe = origin.config.recipe
        self._origin, self._config, self._held_out = origin, config, held_out
        self._student = origin.new_student()
        critic = (
            origin.new_student()
            if config.critic_init == "student"
            else origin.new_critic(config.phases[0].num_frames)
        )
        self.learners = {
            MAIN: Learner(model=self._student, optim=config.optim),
            CRITIC: Learner(model=critic, optim=config.critic_optim),
        }
        self._teacher: tuple[int, torch.nn.Module] | None = None
        self.steps, self.accumulation = config.steps, recipe.accumulation
        self.parallel = recipe.parallel
        self.checkpoint_every, self.sample_every = recipe.checkpoint_every, recipe.sample_every

    def turn(self, step: int) -> str:
        """The fake score's, several times, then the student's."""
        return MAIN if self._config.dmd.trains_student(step) else CRITIC

    def backward(self, turn: Turn) -> Tally:
        """One micro-batch of whoever's turn it is."""
        batch = self._origin.windows.batch(turn.step, **turn.share).to(turn.device)
        recipe, codec = self._origin.config.recipe, self._origin.codec
        shown = batch.first
        student = sample.begin(turn.models[MAIN], codec, recipe, shown, batch.signals)
        draw = noise.generators(recipe.seed, batch.numbers, Purpose.ROLLOUT, turn.device)
        with turn.world.gathered(turn.models[MAIN]):
            made = rollout(
                student, draw, exit_step=self._exit(turn.step), keep=self._config.keep_memories
            )
        judge = self._teach_student if self.turn(turn.step) == MAIN else self._teach_critic
        tally = judge(turn, batch, student, made)
        _measure(tally, made.latents)
        tally.add_replaced(batch.stand_ins)
        return tally

    def flops(self, step: int, processes: int) -> float:
        """Of a step of this phase, on average over turns."""
        num_frames = self._origin.windows.length(step)
        return step_flops(self._origin.config.recipe, "distill", num_frames, processes)

    def validate(self, done: int, run: Path, *, writes: bool) -> dict[str, float]:
        """Held-out windows, the truth beside the student's stream."""
        origin = self._origin
        return validation.write(
            sample.Sampler(config=origin.config, codec=origin.codec, model=self._student),
            self._held_out,
            run,
            done,
            num_frames=origin.windows.length(done - 1),
            writes=writes,
        )

    def _teach_student(self, turn: Turn, batch: Batch, student: Student, made: Rollout) -> Tally:
        config, video = self._config, made.latents
        num_frames = self._origin.windows.length(turn.step)
        teacher = self._real(num_frames, turn.world)
        real = sample.score(teacher, student, config.dmd.guidance)
        fake = sample.score(turn.models[CRITIC], student)
        draw = self._score_draw(turn, batch)
        direction = dmd.direction(video, real, fake, config.dmd, draw)
        gradient = turn.world.scaled(dmd.gradient(direction) / turn.accumulation)
        way = replay.truncated if config.replay == "truncated" else replay.through_cache
        model, world = turn.models[MAIN], turn.world
        with turn.exchanging(MAIN), world.gathered(model):
            way(student, made, gradient, no_sync=lambda: world.silent(model))
        tally = Tally()
        tally.add("loss", 0.5 * direction.double().square())
        return tally

    def _teach_critic(self, turn: Turn, batch: Batch, student: Student, made: Rollout) -> Tally:
        with turn.exchanging(CRITIC):
            found, sigma = dmd.critic_errors(
                made.latents,
                sample.score(turn.models[CRITIC], student),
                self._config.dmd,
                self._score_draw(turn, batch),
                prediction=student.prediction,
            )
            turn.backward(found.mean())
        tally = Tally()
        tally.add("loss", found)
        tally.add_parts("loss_by_level", found, sigma)
        return tally

    def _score_draw(self, turn: Turn, batch: Batch) -> list[torch.Generator]:
        seed = self._origin.config.recipe.seed
        return noise.generators(seed, batch.numbers, Purpose.SCORE, turn.device)

    def _real(self, num_frames: int, world: World) -> torch.nn.Module:
        """The teacher of this length (RELIC: 5, 10 and 20 s teachers for 5, 10 and 20 s)."""
        if self._teacher is None or self._teacher[0] != num_frames:
            self._teacher = num_frames, self._origin.frozen_teacher(num_frames, world)
        return self._teacher[1]

    def _exit(self, step: int) -> int:
        """The exit step: the same for all blocks, micro-batches and processes."""
        count = len(self._origin.config.recipe.rollout.levels)
        if self._config.exit == "cycled":
            # By rounds: all turns of a round have the same one.
            return step // (self._config.dmd.critic_updates + 1) % count
        seed, cpu = self._origin.config.recipe.seed, torch.device("cpu")
        draw = noise.generator(seed, step, Purpose.EXIT, cpu)
        return int(torch.randint(count, (), generator=draw))


def _measure(tally: Tally, video: torch.Tensor) -> None:
    """Drift and saturation over rollout time, in quarters, against the given first latent.

    Drift is the distance of the channels' means, saturation the spread over the first one's.
    """
    first, rest = video[:, :, :1], video[:, :, 1:]
    drift = (rest.mean((3, 4)) - first.mean((3, 4))).abs().mean(1)
    saturation = rest.std((1, 3, 4)) / first.std((1, 3, 4)).clamp_min(1e-6)
    places = (torch.arange(rest.shape[2], device=video.device) / rest.shape[2]).expand(
        len(video), -1
    )
    for name, values in (("drift", drift), ("saturation", saturation)):
        tally.add_parts(name, values.flatten(), places.flatten())
