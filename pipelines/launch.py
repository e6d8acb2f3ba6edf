"""Training jobs: the plain functions of `training`, with progress."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from capture import files, pictures
from capture.video import RgbWriter
from pipelines.console import Bar, say

if TYPE_CHECKING:
    from shards.cache import Cache
    from training.autoencoder import Codec
    from training.recipes import Recipe
    from training.run import FindLatents

# Damaged clips that are named.
_NAMED = 5


def sample(
    run: Path, image: Path, commands: tuple[str, ...], out: Path, seed: int, caption: str = ""
) -> None:
    """A video from a first frame and a script of actions.

    Args:
        run: A trained run.
        image: The first frame.
        commands: See `training.sample.script`.
        out: The video, MP4.
        seed: Of the noise.
        caption: What the first frame shows.
    """
    from training.sample import FPS, script
    from training.sample import sample as make

    moves = script(list(commands))
    frames = make(run, pictures.read(image), moves, caption=caption, seed=seed)
    with files.replacing(out) as temporary:
        writer = RgbWriter(temporary, frames.shape[2], frames.shape[1], FPS)
        for frame in frames:
            writer.add(frame)
        writer.close()


def plan(
    recipe: str, stage: str | None, gpus: int, frames: int | None, utilisation: float
) -> Iterator[str]:
    """Lines that say what stages of a recipe will cost.

    Args:
        recipe: Name of a training recipe.
        stage: One stage; all that the recipe has by default.
        gpus: How many.
        frames: Length of the windows; the recipe's by default.
        utilisation: Share of the peak at which GPUs are taken to compute.
    """
    from training import plan as plans
    from training import recipes

    wanted = recipes.find(recipe)
    there = {"teacher": True, "ode": wanted.ode, "distill": wanted.distill}
    for name in [stage] if stage else [name for name, config in there.items() if config]:
        made = plans.make(wanted, name, gpus=gpus, num_frames=frames, utilisation=utilisation)
        yield from made.lines()


def train(
    stage: str,
    recipe: str,
    data: Path | str,
    run: Path,
    steps: int | None = None,
    *,
    cache: Path | None = None,
    cache_gb: int = 200,
    teacher: Path | None = None,
    student: Path | None = None,
    log_with: tuple[str, ...] = (),
    on_damage: Literal["fail", "replace"] = "fail",
) -> None:
    """Train a stage of a recipe, or continue it.

    Args:
        stage: "teacher", "ode" or "distill".
        recipe: Name of a training recipe.
        data: A dataset with shards: its folder, or an address as in `shards.folder`.
        run: Folder of the run.
        steps: Stop after this many; the stage's length by default.
        cache: Folder that keeps what is read from an address.
        cache_gb: How large it may become.
        teacher: Run of the teacher, for the other two.
        student: Run whose weights the student starts from.
        log_with: Trackers by Accelerate's names.
        on_damage: What a damaged training clip does, as in `shards.reader.ShardDataset`.
    """
    from shards.cache import Cache
    from shards.reader import ShardDataset
    from training import recipes
    from training.encode import use_words
    from training.stages import distill, ode
    from training.stages import teacher as teachers

    wanted = recipes.find(recipe)
    total = min(steps or _length(wanted, stage), _length(wanted, stage))
    kept = Cache(cache, cache_gb * 10**9) if cache else None
    explain()
    use_words(data, wanted, cache=kept)
    clips = ShardDataset(data, "train", on_damage=on_damage, cache=kept)
    held_out = ShardDataset(data, "val", cache=kept)
    more: dict[str, Any] = {"steps": steps, "log_with": log_with, "held_out": held_out}
    if stage != "distill":
        more["latents"] = _finder(data, wanted, kept)
    if stage != "teacher":
        more |= {"teacher": teacher, "student": student}
    _say_replaced(run, " until now")
    with contextlib.closing(_Bars()) as bars:

        def show(row: dict[str, Any]) -> None:
            bars.update("Train", total, row["step"], f"loss {row['loss']:.4f}")

        if stage == "ode":
            more["preparing"] = lambda done, count: bars.update("Paths", count, done)
        start = {"teacher": teachers.train, "ode": ode.train, "distill": distill.train}[stage]
        start(clips, wanted, run, progress=show, **more)
    _say_replaced(run)
    say(f"Train: {total} steps of {stage} in {run}")


def _length(recipe: Recipe, stage: str) -> int:
    """Steps of a stage.

    Raises:
        ValueError: If the recipe has no such stage.
    """
    found = {"teacher": recipe, "ode": recipe.ode, "distill": recipe.distill}[stage]
    if found is None:
        raise ValueError(f"the recipe {recipe.name!r} has no stage {stage!r}; add its key to it")
    return found.steps


def explain() -> None:
    """Let `training` say what takes long before a first step; of several processes one does."""
    if _is_first():
        logging.getLogger("training").setLevel(logging.INFO)


def _is_first() -> bool:
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def _say_replaced(run: Path, when: str = "") -> None:
    """What stood in for damaged clips, and how often, in all steps of a run."""
    from training.run import replaced

    found = replaced(run)
    if not found or not _is_first():
        return
    often = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{key} ({count})" for key, count in often[:_NAMED])
    more = f" and {len(often) - _NAMED} more" if len(often) > _NAMED else ""
    say(
        f"Damage: in {sum(found.values())} windows{when} another clip stood in for a damaged one: "
        f"{named}{more}; `relickit check` says what is wrong"
    )


def _finder(data: Path | str, recipe: Recipe, cache: Cache | None) -> FindLatents:
    """What finds the dataset's latents for a run."""
    from shards.latents import Latents
    from training.encode import find_latents

    def find(codec: Codec, name: str) -> Latents | None:
        if name:
            return Latents(data, name, cache=cache)
        return find_latents(data, recipe, codec, cache=cache)

    return find


class _Bars:
    """One bar after the other."""

    def __init__(self):
        self._title, self._bar = "", None

    def update(self, title: str, total: int, done: int, note: str = "") -> None:
        """Show that `done` of the total are done; a new title is a new bar."""
        if title != self._title or self._bar is None:
            self.close()
            unit = "steps" if title == "Train" else "paths"
            self._title, self._bar = title, Bar(title, total, unit)
        self._bar.update(done, note)

    def close(self) -> None:
        """Finish the last one."""
        if self._bar is not None:
            self._bar.close()
