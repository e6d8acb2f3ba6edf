"""Training jobs: the plain functions of `training`, with progress."""

from __future__ import annotations

from pathlib import Path

from capture import files, pictures
from capture.video import RgbWriter
from pipelines.console import bar, say


def sample(run: Path, image: Path, commands: tuple[str, ...], out: Path) -> None:
    """A video from a first frame and a script of actions.

    Args:
        run: A trained run.
        image: The first frame.
        commands: See `training.sample.script`.
        out: The video, MP4.
    """
    from training.sample import FPS, script
    from training.sample import sample as make

    frames = make(run, pictures.read(image), script(list(commands)))
    with files.replacing(out) as temporary:
        writer = RgbWriter(temporary, frames.shape[2], frames.shape[1], FPS)
        for frame in frames:
            writer.add(frame)
        writer.close()


def train(stage: str, recipe: str, data: Path, run: Path, steps: int | None = None) -> None:
    """Train a stage of a recipe, or continue it.

    Args:
        stage: "teacher".
        recipe: Name of a training recipe.
        data: A dataset with shards.
        run: Folder of the run.
        steps: Stop after this many; the recipe's length by default.
    """
    from training import recipes
    from training.stages import teacher

    assert stage == "teacher"
    wanted = recipes.find(recipe)
    total = steps or wanted.steps
    with bar("Train", total, "steps") as progress:
        teacher.train(
            wanted,
            data,
            run,
            steps=steps,
            progress=lambda row: progress.update(row["step"], f"loss {row['loss']:.4f}"),
        )
    say(f"Train: {total} steps in {run}")
