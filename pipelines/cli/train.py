"""The verbs of `relickit train`; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from capture import config
from pipelines.console import say

_Recipe = Annotated[
    str,
    tyro.conf.arg(
        help="name of a training recipe (tiny, small, 1.3b, 14b), or the path of a .json file"
    ),
]
_Trackers = Annotated[
    tuple[str, ...],
    tyro.conf.arg(help="trackers beside metrics.jsonl, by Accelerate's names; none for none"),
]


def teacher(
    recipe: Positional[_Recipe],
    /,
    *,
    data: Path | None = None,
    run: Path | None = None,
    steps: int | None = None,
    log_with: _Trackers = ("tensorboard",),
    dry_run: bool = False,
) -> None:
    """Train the bidirectional teacher; the same command again continues.

    Args:
        recipe: What to train.
        data: A dataset with shards.
        run: Folder of the run.
        steps: Stop after this many steps; the recipe's length by default.
        log_with: Trackers.
        dry_run: Print the resolved recipe and stop: the beginning of a recipe of your own.
    """
    if dry_run:
        from training.recipes import find

        say(json.dumps(config.to_json(find(recipe)), indent=1))
        return
    if data is None or run is None:
        raise ValueError("training needs --data DATASET and --run FOLDER")
    _train("teacher", recipe, data, run, steps, None, None, log_with)


def ode(
    recipe: Positional[_Recipe],
    /,
    *,
    data: Path,
    run: Path,
    teacher: Path,
    student: Path | None = None,
    steps: int | None = None,
    log_with: _Trackers = ("tensorboard",),
) -> None:
    """Initialise the causal student from a teacher; the same command again continues.

    Args:
        recipe: The teacher's.
        data: A dataset with shards.
        run: Folder of the run.
        teacher: Run of the teacher.
        student: Run of the student to start from; the teacher by default.
        steps: Stop after this many steps; the recipe's length by default.
        log_with: Trackers.
    """
    _train("ode", recipe, data, run, steps, teacher, student, log_with)


def distill(
    recipe: Positional[_Recipe],
    /,
    *,
    data: Path,
    run: Path,
    teacher: Path,
    student: Path | None = None,
    steps: int | None = None,
    log_with: _Trackers = ("tensorboard",),
) -> None:
    """Distil the teacher into the student by self-forcing; the same command again continues.

    Args:
        recipe: The teacher's.
        data: A dataset with shards.
        run: Folder of the run.
        teacher: Run of the teacher.
        student: Run of the student to start from, such as one of ode; the teacher by default.
        steps: Stop after this many steps; the recipe's length by default.
        log_with: Trackers.
    """
    _train("distill", recipe, data, run, steps, teacher, student, log_with)


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


def _train(
    stage: str,
    recipe: str,
    data: Path,
    run: Path,
    steps: int | None,
    teacher: Path | None,
    student: Path | None,
    log_with: tuple[str, ...],
) -> None:
    from pipelines.launch import train

    trackers = () if log_with == ("none",) else log_with
    train(stage, recipe, data, run, steps, teacher=teacher, student=student, log_with=trackers)
