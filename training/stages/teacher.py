"""The teacher: a bidirectional model of whole windows, trained by flow matching (RELIC sec. 4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from capture import config, files
from capture.camera import Intrinsics
from shards.reader import ShardDataset
from training import flow, loop, warp
from training.autoencoder import Codec, open_codec
from training.data import Batch, Clips, Windows
from training.model.wan import WorldModel
from training.recipes import Recipe


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
    windows = Windows(clips, recipe)
    claim(
        run,
        RunConfig(recipe=recipe, manifest_sha=clips.manifest_sha, intrinsics=windows.intrinsics),
    )
    codec_file = run / "codec.safetensors"
    fit_to = None if codec_file.is_file() else windows.sample(recipe.codec.fit_windows)
    codec = open_codec(recipe.codec, codec_file, fit_to)
    model = build(recipe, codec)

    def loss_of(model: nn.Module, step: int, accelerator: Accelerator) -> torch.Tensor:
        rank, device = accelerator.process_index, accelerator.device
        batch = windows.batch(step, rank=rank, world=accelerator.num_processes)
        draw = loop.generator(recipe.seed, step, rank, device)
        return batch_loss(model, batch, codec.to(device), recipe, draw)

    loop.fit(
        recipe,
        model,
        loss_of,
        run,
        steps=min(steps or recipe.steps, recipe.steps),
        progress=progress,
    )


def batch_loss(
    model: nn.Module, batch: Batch, codec: Codec, recipe: Recipe, draw: torch.Generator
) -> torch.Tensor:
    """The flow-matching loss of a batch at random noise levels; the first latent stays clean.

    Args:
        model: See `WorldModel`.
        batch: Windows and their signals.
        codec: On the generator's device.
        recipe: Gives prediction and noise levels.
        draw: Of the noise and its levels.
    """
    config, device = recipe.flow, draw.device
    frames, signals = batch.frames.to(device), batch.signals.to(device)
    x0 = codec.encode(frames)
    noise = torch.randn(x0.shape, generator=draw, device=device)
    sigma = flow.shifted(torch.rand(len(x0), generator=draw, device=device), config.shift)
    sigma = sigma.clamp_min(config.min_sigma)
    wide = sigma.view(-1, 1, 1, 1, 1)
    x = torch.cat([x0[:, :, :1], flow.mix(x0, noise, wide)[:, :, 1:]], dim=2)
    return flow.loss(
        model(x, sigma, signals),
        x0=x0,
        noise=noise,
        x=x,
        sigma=wide,
        prediction=config.prediction,
        views=warp.latents(codec, frames[:, 0], signals, config.warp_depths_m),
    )


def build(recipe: Recipe, codec: Codec) -> WorldModel:
    """The recipe's model with its initial weights, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return WorldModel(recipe.model, codec.channels, recipe.flow)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """What config.json holds.

    Attributes:
        recipe: The resolved recipe.
        manifest_sha: Fingerprint of the data.
        intrinsics: Camera of the first training clip.
    """

    recipe: Recipe
    manifest_sha: str
    intrinsics: Intrinsics

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
    path = run / "config.json"
    if not path.is_file():
        config.save(path, wanted)
        return
    old, new = (_flat(dataclasses.asdict(c)) for c in (RunConfig.load(run), wanted))
    changed = [key for key in new if old[key] != new[key]]
    if changed:
        key = changed[0]
        raise ValueError(
            f"{run} was started with {key} = {old[key]!r}, now it is {new[key]!r}; "
            "choose another run folder, or delete this one"
        )


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
