"""The verbs of `relickit train`; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from capture import config
from pipelines.console import say

_Recipe = Annotated[
    str,
    tyro.conf.arg(
        help="name of a training recipe (tiny, small, 1.3b, 14b), or the path of a .json file"
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What every stage is given.

    Attributes:
        data: A dataset with shards: its folder, or an address such as s3://bucket/demo.
        run: Folder of the run.
        steps: Stop after this many steps; the recipe's length by default.
        cache: Folder that keeps what is read from an address; nothing is kept by default.
        cache_gb: How large it may become.
        log_with: Trackers beside metrics.jsonl, by Accelerate's names; none for none.
        on_damage: What a damaged training clip does: fail ends the run; replace shows another one
            in its place, always the same, and the run says so at its end. Held-out clips fail.
    """

    data: str
    run: Path
    steps: int | None = None
    cache: Path | None = None
    cache_gb: int = 200
    log_with: tuple[str, ...] = ("tensorboard",)
    on_damage: Literal["fail", "replace"] = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentTraining(Training):
    """What the stages of a student are given.

    Attributes:
        teacher: Run of the teacher.
        student: Run of the student to start from, such as one of ode; the teacher by default.
    """

    teacher: Path
    student: Path | None = None


def teacher(recipe: Positional[_Recipe], /, training: OmitArgPrefixes[Training]) -> None:
    """Train the bidirectional teacher; the same command again continues.

    Args:
        recipe: What to train.
        training: On what, where to, how long.
    """
    _train("teacher", recipe, training)


def ode(recipe: Positional[_Recipe], /, training: OmitArgPrefixes[StudentTraining]) -> None:
    """Initialise the causal student from a teacher; the same command again continues.

    Args:
        recipe: The teacher's.
        training: On what, where to, how long, and from which weights.
    """
    _train("ode", recipe, training)


def distill(recipe: Positional[_Recipe], /, training: OmitArgPrefixes[StudentTraining]) -> None:
    """Distil the teacher into the student by self-forcing; the same command again continues.

    Args:
        recipe: The teacher's.
        training: On what, where to, how long, and from which weights.
    """
    _train("distill", recipe, training)


def recipe(name: Positional[_Recipe], /) -> None:
    """Print a recipe whole, as JSON: the beginning of one of your own.

    Args:
        name: Of the recipe.
    """
    from training.recipes import find

    say(json.dumps(config.to_json(find(name)), indent=1))


def plan(
    recipe: Positional[_Recipe],
    /,
    *,
    gpus: int = 1,
    stage: Literal["teacher", "ode", "distill"] | None = None,
    frames: int | None = None,
    utilisation: float = 0.4,
) -> None:
    """Say what a recipe's stages will cost: parameters, memory, FLOPs, time. Launches nothing.

    Args:
        recipe: What would be trained.
        gpus: How many.
        stage: This one alone.
        frames: Windows of this length; those of the recipe's phases by default.
        utilisation: Share of an H100's peak at which GPUs are taken to compute.
    """
    from pipelines.launch import plan as plan_stages

    for line in plan_stages(recipe, stage, gpus, frames, utilisation):
        say(line)


def export(
    run: Positional[Path], /, *, out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
) -> None:
    """Write a run's model in diffusers' format.

    Args:
        run: Of any stage.
        out: A new folder.
    """
    from training.export import export as export_model

    export_model(run, out)
    say(f"Model: {out}")


def _train(stage: str, recipe: str, options: Training) -> None:
    from pipelines.launch import train

    trackers = () if options.log_with == ("none",) else options.log_with
    origin = {}
    if isinstance(options, StudentTraining):
        origin = {"teacher": options.teacher, "student": options.student}
    train(
        stage,
        recipe,
        options.data,
        options.run,
        options.steps,
        cache=options.cache,
        cache_gb=options.cache_gb,
        log_with=trackers,
        on_damage=options.on_damage,
        **origin,
    )
