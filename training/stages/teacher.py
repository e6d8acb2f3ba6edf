"""The teacher: a bidirectional model of whole windows, trained by flow matching (RELIC sec. 4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from capture import files
from shards.reader import ShardDataset
from training import flow, loop
from training.autoencoder import Codec, open_codec
from training.data import Clips, Windows
from training.model.wan import WorldModel
from training.recipes import Recipe, from_json, to_json


def train(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    steps: int | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Train, or go on training, the teacher of a recipe.

    Args:
        recipe: What to train.
        data: The dataset's folder, with its shards.
        run: The run folder; see `training.state`.
        steps: Stop here instead of at the recipe's end; running again goes on.
        progress: Called after every step.

    Raises:
        ValueError: If the run belongs to another recipe or other data.
    """
    train_on(ShardDataset(data, "train"), recipe, run, steps=steps, progress=progress)


def train_on(
    clips: Clips,
    recipe: Recipe,
    run: Path,
    *,
    steps: int | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """The same on any source of clips."""
    claim(run, recipe, clips.manifest_sha)
    windows = Windows(clips, recipe)
    codec_file = run / "codec.safetensors"
    fit_to = None if codec_file.is_file() else windows.sample(recipe.codec.fit_windows)
    codec = open_codec(recipe.codec, codec_file, fit_to)
    model = build(recipe, codec)

    def loss_of(model: nn.Module, step: int, accelerator: Accelerator) -> torch.Tensor:
        rank, device = accelerator.process_index, accelerator.device
        batch = windows.batch(step, rank=rank, world=accelerator.num_processes)
        x0 = codec.to(device).encode(batch.frames.to(device))
        draw = loop.generator(recipe.seed, step, rank, device)
        noise = torch.randn(x0.shape, generator=draw, device=device)
        sigma = flow.shifted(
            torch.rand(len(x0), generator=draw, device=device), recipe.flow.shift
        ).clamp_min(recipe.flow.min_sigma)
        wide = sigma.view(-1, 1, 1, 1, 1)
        x = torch.cat([x0[:, :, :1], flow.mix(x0, noise, wide)[:, :, 1:]], dim=2)
        output = model(x, sigma, batch.signals.to(device))
        return flow.loss(
            output, x0=x0, noise=noise, x=x, sigma=wide, prediction=recipe.flow.prediction
        )

    loop.fit(
        recipe,
        model,
        loss_of,
        run,
        steps=min(steps or recipe.steps, recipe.steps),
        progress=progress,
    )


def build(recipe: Recipe, codec: Codec) -> WorldModel:
    """The recipe's model with its initial weights, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return WorldModel(recipe.model, codec.channels, recipe.flow.prediction)


def claim(run: Path, recipe: Recipe, manifest_sha: str) -> None:
    """Write the run's config.json, or check that it is the same.

    Raises:
        ValueError: If the folder holds a run of another recipe or other data.
    """
    files.sweep(run)
    files.sweep(run / "checkpoints")
    path = run / "config.json"
    if not path.is_file():
        files.write_json(path, {"recipe": to_json(recipe), "manifest_sha": manifest_sha})
        return
    stored, stored_sha = load_config(run)
    if stored != recipe:
        old, new = _flat(to_json(stored)), _flat(to_json(recipe))
        key = next(k for k in old if old[k] != new.get(k))
        raise ValueError(
            f"{run} was started with {key} = {old[key]!r}, now it is {new.get(key)!r}; "
            "choose another run folder, or delete this one"
        )
    if stored_sha != manifest_sha:
        raise ValueError(
            f"{run} was started on other data (manifest {stored_sha[:12]}, now "
            f"{manifest_sha[:12]}); choose another run folder, or delete this one"
        )


def load_config(run: Path) -> tuple[Recipe, str]:
    """A run's recipe and the fingerprint of its data.

    Raises:
        ValueError: If the folder is no run, or its config has unknown keys.
    """
    path = run / "config.json"
    if not path.is_file():
        raise ValueError(f"{run} is no training run: it has no config.json")
    data = json.loads(path.read_text())
    return from_json(data["recipe"]), data["manifest_sha"]


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
