"""Training jobs: the plain functions of `training`, with progress."""

from __future__ import annotations

from pathlib import Path

from pipelines.console import bar, say


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
