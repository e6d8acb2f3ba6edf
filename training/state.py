"""What a run keeps: averaged weights, checkpoints, and the log that agrees with them.

config.json                  the resolved recipe and the fingerprint of its data
codec.safetensors            the fitted codec
metrics.jsonl                one object a step; the same bytes whether or not the run was cut
throughput.json              how fast it went: the only file that differs between two runs
checkpoints/<step>/          model.safetensors, ema.safetensors, optimizer.pt; see `Parts`
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from capture import files


class Ema:
    """Exponential moving average of a model's parameters.

    Args:
        model: Gives the first average.
        decay: Weight of the old average; in the first steps at most (n + 1) / (n + 10).
    """

    def __init__(self, model: nn.Module, decay: float):
        self._decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model after step `step` (from 0)."""
        decay = min(self._decay, (step + 1) / (step + 10))
        for average, parameter in zip(self.shadow.values(), model.parameters(), strict=True):
            average.lerp_(parameter, 1 - decay)


class Log:
    """metrics.jsonl, cut back to a checkpoint.

    Args:
        path: The file.
        step: Lines of later steps, and a torn last line, are dropped.

    Raises:
        ValueError: If lines of earlier steps are missing.
    """

    def __init__(self, path: Path, step: int):
        lines = path.read_bytes().splitlines(keepends=True)[:step] if path.is_file() else []
        if len(lines) < step or any(not line.endswith(b"\n") for line in lines):
            raise ValueError(
                f"{path} has {len(lines)} whole lines but the checkpoint is at step {step}; "
                "delete the run folder and train again"
            )
        if step == 0 or path.stat().st_size > sum(map(len, lines)):
            with files.replacing(path) as temporary:
                temporary.write_bytes(b"".join(lines))
        self._file = path.open("ab")

    def add(self, line: dict[str, Any]) -> None:
        """Append one object."""
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """Flush to the disk: a checkpoint must never be ahead of its log."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a checkpoint holds; the names are those of its files.

    Attributes:
        models: Their parameters, in `<name>.safetensors`.
        averages: Likewise.
        optimizers: In `<name>.pt`.
    """

    models: Mapping[str, nn.Module]
    averages: Mapping[str, Ema] = field(default_factory=dict)
    optimizers: Mapping[str, Sequence[torch.optim.Optimizer]] = field(default_factory=dict)


class Checkpoints:
    """The folder of checkpoints; only the last one is kept.

    Args:
        folder: It need not exist.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def latest(self) -> int:
        """Steps done at the last checkpoint; 0 without one."""
        names = [p.name for p in self._folder.glob("*") if p.name.isdigit()]
        return max(map(int, names), default=0)

    def save(self, step: int, parts: Parts) -> None:
        """Write a checkpoint atomically, then delete the older ones."""
        with files.replacing_folder(self._path(step)) as folder:
            for name, model in parts.models.items():
                weights = {key: p.detach().contiguous() for key, p in model.named_parameters()}
                save_file(weights, folder / f"{name}.safetensors")
            for name, average in parts.averages.items():
                save_file(average.shadow, folder / f"{name}.safetensors")
            for name, optimizers in parts.optimizers.items():
                torch.save([o.state_dict() for o in optimizers], folder / f"{name}.pt")
        for old in self._folder.glob("*"):
            if old.name.isdigit() and int(old.name) < step:
                shutil.rmtree(old)

    def restore(self, step: int, parts: Parts) -> None:
        """Load a checkpoint into what `save` was given."""
        folder = self._path(step)
        for name, model in parts.models.items():
            load_weights(model, folder / f"{name}.safetensors")
        for name, average in parts.averages.items():
            for key, value in load_file(folder / f"{name}.safetensors").items():
                average.shadow[key].copy_(value)
        for name, optimizers in parts.optimizers.items():
            states = torch.load(folder / f"{name}.pt", weights_only=True)
            for optimizer, state in zip(optimizers, states, strict=True):
                optimizer.load_state_dict(state)

    def ema_file(self) -> Path:
        """The averaged weights of the last checkpoint.

        Raises:
            ValueError: If there is none.
        """
        step = self.latest()
        if not step:
            raise ValueError(f"{self._folder} has no checkpoint; run `relickit train` first")
        return self._path(step) / "ema.safetensors"

    def _path(self, step: int) -> Path:
        return self._folder / f"{step:07d}"


@torch.no_grad()
def load_weights(model: nn.Module, file: Path) -> None:
    """Copy the tensors of a safetensors file into the model's parameters, all of them.

    Raises:
        ValueError: If names or shapes differ.
    """
    stored, parameters = load_file(file), dict(model.named_parameters())
    if different := sorted(stored.keys() ^ parameters.keys()):
        raise ValueError(f"{file} is of another model: it differs in {different[0]}")
    for name, parameter in parameters.items():
        if stored[name].shape != parameter.shape:
            raise ValueError(
                f"{file}: {name} has the shape {list(stored[name].shape)}, the model's is "
                f"{list(parameter.shape)}"
            )
        parameter.copy_(stored[name])


def save_weights(weights: Mapping[str, torch.Tensor], file: Path) -> None:
    """Write tensors to a safetensors file atomically."""
    with files.replacing(file) as temporary:
        save_file(dict(weights), temporary)
