"""The verbs about models; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from capture import config
from capture.launcher import parse_engine
from pipelines.cli.options import Engine
from pipelines.console import say


def train(
    stage: Positional[Literal["teacher", "ode", "distill", "plan", "export"]],
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    run: Path | None = None,
    teacher: Path | None = None,
    student: Path | None = None,
    steps: int | None = None,
    log_with: tuple[str, ...] = ("tensorboard",),
    dry_run: bool = False,
    gpus: int = 1,
    planned: Annotated[
        Literal["teacher", "ode", "distill"] | None, tyro.conf.arg(name="stage")
    ] = None,
    frames: int | None = None,
    utilisation: float = 0.4,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """Train a model; the same command again continues.

    Args:
        stage: The teacher, then the student's initialisation, then its distillation; or plan, which
            says what they will cost and launches nothing; or export, which writes a run's model in
            diffusers' format.
        recipe: Name of a training recipe (tiny, small, 1.3b, 14b), or the path of a .json file with
            one; for export, the run's folder.
        data: A dataset with shards.
        run: Folder of the run.
        teacher: Run of the teacher; for ode and distill.
        student: Run of the student to start from; the teacher by default.
        steps: Stop after this many steps; the recipe's length by default.
        log_with: Trackers beside metrics.jsonl, by Accelerate's names; none to have none.
        dry_run: Print the resolved recipe and stop: the beginning of a recipe of your own.
        gpus: For plan: how many.
        planned: For plan: of this stage alone.
        frames: For plan: windows of this length; those of the recipe's phases by default.
        utilisation: For plan: share of an H100's peak at which GPUs are taken to compute.
        out: For export: the new folder.
    """
    if stage == "export":
        if out is None:
            raise ValueError("export needs a folder: relickit train export RUN -o FOLDER")
        from training.export import export

        export(Path(recipe), out)
        say(f"Model: {out}")
        return
    if stage == "plan":
        from pipelines.launch import plan as plan_stages

        for line in plan_stages(recipe, planned, gpus, frames, utilisation):
            say(line)
        return
    if dry_run:
        from training.recipes import find

        say(json.dumps(config.to_json(find(recipe)), indent=1))
        return
    if data is None or run is None:
        raise ValueError("training needs --data DATASET and --run FOLDER")
    if stage == "teacher" and (teacher or student):
        raise ValueError("--teacher and --student are for the stages ode and distill")
    if stage != "teacher" and teacher is None:
        raise ValueError(
            f"the stage {stage} needs --teacher RUN, a run of `relickit train teacher`"
        )
    from pipelines.launch import train as train_stage

    trackers = () if log_with == ("none",) else log_with
    train_stage(
        stage, recipe, data, run, steps, teacher=teacher, student=student, log_with=trackers
    )


def sample(
    run: Positional[Path],
    /,
    *,
    image: Path,
    actions: tuple[str, ...],
    out: Path = Path("sample.mp4"),
) -> None:
    """Make a video from a first frame and a list of actions.

    Args:
        run: A trained run.
        image: The first frame.
        actions: One per latent (four frames), such as `pan_left` or `dolly_in*2+pan_right`.
        out: The video.
    """
    from pipelines.launch import sample as make_sample

    make_sample(run, image, actions, out)
    say(f"Sample: {out}")


def evaluate(
    run: Positional[Path],
    /,
    *,
    scene: str = "apartment",
    seed: int = 0,
    num_starts: int = 24,
    engine: Engine = "embedded",
) -> None:
    """Does the model follow actions? Measured against rendered ground truth from unseen places.

    Args:
        run: A trained run.
        scene: Where to start from.
        seed: Of the scene.
        num_starts: How many first frames, each with four commands.
        engine: What renders the ground truth.
    """
    from pipelines.evaluation import evaluate as evaluate_run

    spec = parse_engine(engine)
    result = evaluate_run(run, spec, scene=scene, seed=seed, num_starts=num_starts)
    say(f"Evaluation: {result}\n{result.read_text()}")
