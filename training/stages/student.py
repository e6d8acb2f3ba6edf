"""What both stages of the student begin with: the teacher's run, its codec, weights."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from capture import files
from training.autoencoder import Codec, open_codec
from training.clips import Clips
from training.data import Windows
from training.model.wan import WorldModel
from training.parallel.world import World
from training.recipes import Recipe
from training.run import (
    CAUSAL,
    RunConfig,
    StageName,
    averaged_weights,
    build,
    claim,
    flat,
    restored,
)
from training.stages.config import Phase
from training.stages.teacher import weights_name
from training.state import load_weights

_SHARED = ("data", "codec", "text", "model", "flow")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a student comes from.

    Attributes:
        config: Of the new run.
        codec: The teacher's, on the training device.
        windows: The training data.
        teacher: The teacher's run folder.
        student: The run whose weights the student starts from; the teacher's by default.
        device: To train on.
    """

    config: RunConfig
    codec: Codec
    windows: Windows
    teacher: Path
    student: Path
    device: torch.device

    def new_student(self) -> WorldModel:
        """The student with its first weights."""
        return self._learner(averaged_weights(self.student))

    def new_critic(self, num_frames: int) -> WorldModel:
        """A fake score that starts from the teacher; see `frozen_teacher`."""
        return self._learner(self._teacher_weights(num_frames))

    def frozen_teacher(self, num_frames: int, world: World) -> nn.Module:
        """The teacher, put on all processes as the recipe says.

        Args:
            num_frames: The teacher of the phase with windows of this length, or else its last.
            world: All processes; each of them calls this.
        """
        weights = self._teacher_weights(num_frames)
        teacher = restored(self.config.recipe, self.codec, weights, later=True)
        return world.prepare(teacher, trained=False)

    def _teacher_weights(self, num_frames: int) -> Path:
        path = self.teacher / weights_name(num_frames)
        return path if path.is_file() else averaged_weights(self.teacher)

    def _learner(self, weights: Path) -> WorldModel:
        model = build(self.config.recipe, self.codec, later=True)
        load_weights(model, weights)
        return model


def require_origins(
    stage: StageName, recipe: Recipe, teacher: Path, student: Path | None, *, causal: bool
) -> None:
    """Teacher and student are runs that fit; asked before anything is written.

    Args:
        stage: Of the new run, for the sentence.
        recipe: Of the new run.
        teacher: The teacher's run.
        student: The run whose weights the student starts from, if it is another.
        causal: Whether the teacher must be causal; else it must be bidirectional.

    Raises:
        ValueError: If one is no run, of another recipe or of the wrong stage.
    """
    for origin in filter(None, (teacher, student)):
        _require_same(origin, RunConfig.load(origin).recipe, recipe)
    theirs = RunConfig.load(teacher).stage
    if (theirs in CAUSAL) != causal:
        kind = "causal" if causal else "bidirectional"
        raise ValueError(
            f"this {stage} needs a {kind} teacher, got the run of the stage {theirs!r} in {teacher}"
        )
    if student is not None and RunConfig.load(student).stage not in CAUSAL:
        raise ValueError(f"{student} is no student but a teacher; leave --student away to use it")


def begin(
    stage: StageName,
    recipe: Recipe,
    clips: Clips,
    run: Path,
    *,
    teacher: Path,
    student: Path | None,
    phases: tuple[Phase, ...],
    batch: int,
    device: torch.device,
    first_only: bool,
) -> Origin:
    """Claim the run folder of a student after `require_origins`; for `first_only` see `Windows`.

    Raises:
        ValueError: If the folder is of another run.
    """
    windows = Windows(clips, recipe, phases, batch, first_only=first_only)
    config = RunConfig(
        recipe=recipe,
        manifest_sha=clips.manifest_sha,
        intrinsics=windows.intrinsics,
        stage=stage,
        teacher_sha=files.sha256(averaged_weights(teacher)),
        student_sha=files.sha256(averaged_weights(student)) if student else "",
    )
    claim(run, config)
    codec_file = run / "codec.safetensors"
    if (teacher / codec_file.name).is_file() and not codec_file.is_file():
        with files.replacing(codec_file) as temporary:
            shutil.copyfile(teacher / codec_file.name, temporary)
    return Origin(
        config=config,
        codec=open_codec(recipe.codec, codec_file, None).to(device),
        windows=windows,
        teacher=teacher,
        student=student or teacher,
        device=device,
    )


def _require_same(origin: Path, theirs: Recipe, ours: Recipe) -> None:
    old, new = (flat(dataclasses.asdict(recipe)) for recipe in (theirs, ours))
    for key in sorted(old.keys() | new.keys()):
        if key.partition(".")[0] in _SHARED and old.get(key) != new.get(key):
            raise ValueError(
                f"{origin} was trained with {key} = {old.get(key)!r}, the recipe {ours.name!r} has "
                f"{new.get(key)!r}; use the recipe of that run"
            )
