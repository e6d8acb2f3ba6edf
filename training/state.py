"""What a run keeps: averaged weights, checkpoints, and the log that agrees with them.

config.json                  the resolved recipe and the fingerprint of its data
codec.safetensors            the fitted codec
metrics.jsonl                one object a step; the same bytes whether or not the run was cut
throughput.json              how fast it went; this and the trackers' logs/ differ between two runs
checkpoints/<step>/          model.safetensors, ema.safetensors, optimizer.pt: `CheckpointParts`;
                             and files.json, their sizes and SHA-256.
                             Where weights are split over processes, folders of the same names, to
                             which every process adds a safetensors file
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import distributed, nn
from torch.distributed.tensor import DTensor

from capture import files
from training import tensors as tensor_files
from training.model import deferred
from training.model.wan import WorldModel
from training.parallel import shard, storage

# Of a checkpoint's files: `bytes` and `sha256` by name; not where weights are split.
SUMS = "files.json"


def trained(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that are trained, by name: with adapters not the transformer's own."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


class Ema:
    """Exponential moving average of a model's trained parameters.

    Args:
        model: Gives the first average.
        decay: Weight of the old average; in the first steps at most (n + 1) / (n + 10).
    """

    def __init__(self, model: nn.Module, decay: float):
        self._decay = decay
        self.shadow = {name: p.detach().clone() for name, p in trained(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model after step `step` (from 0)."""
        decay = min(self._decay, (step + 1) / (step + 10))
        parameters = trained(model).values()
        for average, parameter in zip(self.shadow.values(), parameters, strict=True):
            average.lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange average and model, tensor by tensor."""
        parameters = trained(model).values()
        for average, parameter in zip(self.shadow.values(), parameters, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)


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
class CheckpointParts:
    """What a checkpoint holds; the names are those of its files.

    Attributes:
        models: Their trained parameters, in `<name>.safetensors`.
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

    def save(self, step: int, parts: CheckpointParts) -> None:
        """Write a checkpoint atomically, then delete the older ones; every process calls it.

        Models whose weights are split are written by all processes, with all that belongs to them,
        into folders instead of files.
        """
        if any(shard.is_split(model) for model in parts.models.values()):
            with storage.replacing_folder(self._path(step)) as folder:
                for name, tensors in _tensors(parts).items():
                    storage.save(tensors, folder / name)
        elif is_main():
            with files.replacing_folder(self._path(step)) as folder:
                _save_files(parts, folder)
        if is_main():
            for old in self._folder.glob("*"):
                if old.name.isdigit() and int(old.name) < step:
                    shutil.rmtree(old)

    def restore(self, step: int, parts: CheckpointParts) -> None:
        """Load a checkpoint into what `save` was given, however it is split now or was then.

        Raises:
            ValueError: If it is damaged, or of other models or optimizers.
        """
        folder = self._path(step)
        for name, tensors in _weights(parts).items():
            if (folder / name).is_dir():
                storage.load(tensors, folder / name)
            else:
                copy_weights(folder / f"{name}.safetensors", tensors)
        for name, optimizers in parts.optimizers.items():
            if (folder / name).is_dir():
                _load_optimizers(optimizers, _names(parts), folder / name)
            else:
                states = tensor_files.load_states(folder / f"{name}.pt")
                for optimizer, state in zip(optimizers, states, strict=True):
                    _load_state(optimizer, state)

    def ema_file(self) -> Path:
        """The averaged weights of the last checkpoint.

        Raises:
            ValueError: If there is none.
        """
        step = self.latest()
        if not step:
            raise ValueError(f"{self._folder} has no checkpoint; run `relickit train` first")
        return self.weights_file(step, "ema")

    def weights_file(self, step: int, name: str) -> Path:
        """The whole weights of a model or average; made from its pieces when first asked for.

        Args:
            step: Of the checkpoint.
            name: As in `CheckpointParts`.
        """
        file = self._path(step) / f"{name}.safetensors"
        if not file.is_file():
            save_weights(storage.whole(file.with_suffix("")), file)
        return file

    def _path(self, step: int) -> Path:
        return self._folder / f"{step:07d}"


def load_weights(model: nn.Module, file: Path) -> None:
    """Copy the tensors of a safetensors file into the model's trained parameters, all of them.

    A model without memory is filled later; see `training.model.deferred`.

    Raises:
        ValueError: If names or shapes differ, or the file is damaged.
    """
    if isinstance(model, WorldModel) and deferred.is_empty(model):
        deferred.fill(model, functools.partial(copy_weights, file))
    else:
        copy_weights(file, trained(model))


def copy_weights(file: Path, targets: Mapping[str, torch.Tensor]) -> None:
    """Copy the tensors of a safetensors file into tensors, split or not, all of them.

    Raises:
        ValueError: If names or shapes differ.
    """
    with tensor_files.opened(file) as stored:
        if different := sorted(set(stored.keys()) ^ targets.keys()):
            raise ValueError(f"{file} is of another model: it differs in {different[0]}")
        for name, target in targets.items():
            shape = stored.get_slice(name).get_shape()
            if shape != list(target.shape):
                raise ValueError(
                    f"{file}: {name} has the shape {shape}, the model's is {list(target.shape)}"
                )
            shard.assign(target, stored.get_tensor(name))


def whole_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors that may be split, whole and on the CPU in the process that writes; all call it."""
    whole = {}
    for name, tensor in tensors.items():
        gathered = shard.full(tensor)
        if is_main():
            whole[name] = gathered.detach().cpu().contiguous()
    return whole


def is_main() -> bool:
    """Whether this process writes what one process writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def save_weights(weights: Mapping[str, torch.Tensor], file: Path) -> None:
    """Write tensors to a safetensors file atomically."""
    with files.replacing(file) as temporary:
        save_file(dict(weights), temporary)


def _weights(parts: CheckpointParts) -> dict[str, dict[str, torch.Tensor]]:
    """Of every model and average, by their names."""
    models: dict[str, dict[str, torch.Tensor]] = {
        name: trained(model) for name, model in parts.models.items()
    }
    return models | {name: average.shadow for name, average in parts.averages.items()}


def _names(parts: CheckpointParts) -> dict[torch.Tensor, str]:
    """Of all parameters."""
    return {
        parameter: f"{name}.{key}"
        for name, model in parts.models.items()
        for key, parameter in model.named_parameters()
    }


def _save_files(parts: CheckpointParts, folder: Path) -> None:
    for name, tensors in _weights(parts).items():
        whole = {key: t.detach().contiguous() for key, t in tensors.items()}
        save_file(whole, folder / f"{name}.safetensors")
    for name, optimizers in parts.optimizers.items():
        torch.save([o.state_dict() for o in optimizers], folder / f"{name}.pt")
    files.write_json(folder / SUMS, {f.name: files.facts(f) for f in sorted(folder.iterdir())})


def _tensors(parts: CheckpointParts) -> dict[str, dict[str, torch.Tensor]]:
    """All that a checkpoint of split models holds: weights, averages, states of optimizers."""
    names = _names(parts)
    states = {
        name: {
            f"{names[parameter]}.{slot}": value
            for optimizer in optimizers
            for parameter, slots in optimizer.state.items()
            for slot, value in slots.items()
        }
        for name, optimizers in parts.optimizers.items()
    }
    weights = {
        name: {key: t.detach() for key, t in tensors.items()}
        for name, tensors in _weights(parts).items()
    }
    return weights | states


def _load_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], names: Mapping[torch.Tensor, str], folder: Path
) -> None:
    """Read states into optimizers that need not have made a step."""
    there = storage.describe(folder)
    wanted: dict[str, torch.Tensor] = {}
    for optimizer in optimizers:
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            prefix = f"{names[parameter]}."
            slots = {}
            for name in (n for n in there if n.startswith(prefix) and "." not in n[len(prefix) :]):
                if there[name].shape == parameter.shape:
                    slots[name.removeprefix(prefix)] = torch.zeros_like(parameter)
                else:
                    slots[name.removeprefix(prefix)] = torch.zeros_like(there[name], device="cpu")
                wanted[name] = slots[name.removeprefix(prefix)]
            optimizer.state[parameter] = slots
    storage.load(wanted, folder)


def _load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state of whole tensors into an optimizer whose parameters may be split."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if not any(isinstance(p, DTensor) for p in parameters):
        optimizer.load_state_dict(state)
        return
    for place, slots in state["state"].items():
        parameter = parameters[place]
        mine = {}
        for slot, value in slots.items():
            mine[slot] = value
            if value.shape == parameter.shape:
                mine[slot] = torch.zeros_like(parameter)
                shard.assign(mine[slot], value)
        optimizer.state[parameter] = mine
