"""A run folder: what it was started with, its codec and its models."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from capture import config, files
from capture.camera import Intrinsics
from shards.latents import Latents
from training import plan
from training.autoencoder import Codec
from training.model import deferred, lora, pretrained
from training.model.wan import WorldModel
from training.recipes import Recipe
from training.state import Checkpoints, load_weights

StageName = Literal["teacher", "ode", "distill"]
# The stages whose model is a causal student.
CAUSAL = ("ode", "distill")
# What changes no result, so that a run may go on with another value; and what the run decides.
_FREE = ("recipe.parallel.", "recipe.checkpoint_every", "latents")

# `codec, name -> latents`: the set of this name; without a name one that fits the codec, if any.
FindLatents = Callable[[Codec, str], Latents | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """What config.json holds.

    Attributes:
        recipe: The resolved recipe.
        manifest_sha: Fingerprint of the data.
        intrinsics: Camera of the first training clip.
        stage: What was trained.
        teacher_sha: Fingerprint of the teacher's weights, where there is one.
        student_sha: Fingerprint of the student's first weights, where they are another run's.
        latents: Name of the set of latents that it reads; empty if it encodes what it shows.
        base_sha: Fingerprint of the pretrained weights under its adapters, where there are some.
    """

    recipe: Recipe
    manifest_sha: str
    intrinsics: Intrinsics
    stage: StageName = "teacher"
    teacher_sha: str = ""
    student_sha: str = ""
    latents: str = ""
    base_sha: str = ""

    @classmethod
    def load(cls, run: Path) -> RunConfig:
        """Read a run's config.json.

        Raises:
            ValueError: If the folder is no run, or its config is damaged.
        """
        path = run / "config.json"
        if not path.is_file():
            raise ValueError(f"{run} is no training run: it has no config.json")
        return config.load(cls, path)


def claim(run: Path, wanted: RunConfig) -> None:
    """Write the run's config.json, or check that it is the same.

    Raises:
        ValueError: If the folder holds a run of another recipe or other data.
    """
    files.sweep(run)
    files.sweep(run / "checkpoints")
    base = wanted.recipe.model.pretrained
    if wanted.recipe.lora is not None and base:
        # Checkpoints hold the adapters alone.
        wanted = dataclasses.replace(wanted, base_sha=pretrained.fingerprint(base))
    path = run / "config.json"
    if not path.is_file():
        config.save(path, wanted)
        return
    old, new = (flat(dataclasses.asdict(c)) for c in (RunConfig.load(run), wanted))
    changed = [
        key
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(_FREE)
    ]
    if changed:
        key = changed[0]
        others = f" (changed too: {', '.join(changed[1:])})"
        raise ValueError(
            f"{run} was started with {key} = {old.get(key)!r}, now it is {new.get(key)!r}"
            f"{others if changed[1:] else ''}; choose another run folder, or delete this one"
        )


def settle_latents(run: Path, codec: Codec, find: FindLatents | None) -> Latents | None:
    """The latents that a claimed run reads: those that fit before its first step, then the same.

    Raises:
        ShardError: If the run has begun with latents that are no longer there.
    """
    old, begun = RunConfig.load(run), Checkpoints(run / "checkpoints").latest() > 0
    if find is None or (begun and not old.latents):
        return None
    found = find(codec, old.latents if begun else "")
    name = found.name if found else ""
    if name != old.latents:
        config.save(run / "config.json", dataclasses.replace(old, latents=name))
    return found


def build(recipe: Recipe, codec: Codec, *, begin: bool = False, later: bool = False) -> WorldModel:
    """The recipe's model with random weights, the same every time.

    Args:
        recipe: See `Recipe`.
        codec: Gives the channels of a latent.
        begin: Load `model.pretrained`, where there is one: training begins with it.
        later: Weights will be loaded, so the model need not have memory before `World.prepare`; see
            `training.model.deferred`. With adapters it has.

    Raises:
        ValueError: If the pretrained model is missing or of another architecture.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        empty = later and recipe.lora is None and bool(recipe.model.pretrained)
        make = deferred.skeleton if empty else WorldModel
        model = make(recipe.model, codec.channels, recipe.flow)
        # Without its own weights, which checkpoints do not hold, an adapter means nothing.
        if (begin or recipe.lora is not None) and recipe.model.pretrained:
            pretrained.load(model, recipe.model.pretrained)
        if recipe.lora is not None:
            lora.add(model, recipe.lora)
    return model


@functools.cache
def step_flops(recipe: Recipe, stage: StageName, num_frames: int, processes: int) -> float:
    """FLOPs of a step of a stage with windows of this length, all processes together."""
    made = plan.make(recipe, stage, gpus=processes, num_frames=num_frames)
    return made.phases[0].seconds * plan.H100 * made.utilisation * processes


def replaced(run: Path) -> dict[str, int]:
    """In how many windows another clip stood in for each damaged one, up to the last checkpoint."""
    log, done = run / "metrics.jsonl", Checkpoints(run / "checkpoints").latest()
    counts: Counter[str] = Counter()
    for line in log.read_text().splitlines()[:done] if log.is_file() else ():
        counts.update(json.loads(line).get("replaced", {}))
    return dict(counts)


def averaged_weights(run: Path) -> Path:
    """The file of the averaged weights of a run's last checkpoint."""
    return Checkpoints(run / "checkpoints").ema_file()


def restored(recipe: Recipe, codec: Codec, weights: Path, *, later: bool = False) -> WorldModel:
    """The recipe's model with the weights of a file, frozen; for `later` see `build`."""
    model = build(recipe, codec, later=later)
    load_weights(model, weights)
    return model.eval().requires_grad_(False)


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dots in the names."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found
