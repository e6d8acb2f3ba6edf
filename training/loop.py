"""The training loop: Accelerate, schedule, averaged weights, checkpoints, exact resume.

Everything random is a function of (seed, step), so there is no generator state to save.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from capture import files
from training.muon import Muon
from training.recipes import OptimConfig, Recipe
from training.state import Checkpoints, Ema, Log, Parts

_FLOOR = 0.02

Progress = Callable[[dict[str, Any]], None]


def optimizers(model: nn.Module, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """The optimizers of a model: AdamW, or Muon for the blocks' matrices and AdamW for the rest."""
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        muon = config.kind == "muon" and parameter.ndim == 2 and ".blocks." in f".{name}"
        (matrices if muon else rest).append(parameter)
    lr, weight_decay = config.lr, config.weight_decay
    adamw = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
    if not matrices:
        return [adamw]
    return [Muon(matrices, lr=lr, weight_decay=weight_decay), adamw]


def rate(config: OptimConfig, step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: warm-up, constant, linear decay to 2 %."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (steps - step) / max(1.0, config.decay_share * steps)
    return warm * max(_FLOOR, min(1.0, left))


def generator(seed: int, step: int, rank: int, device: torch.device) -> torch.Generator:
    """Random numbers that belong to a step of a process, and to nothing else."""
    mixed = (seed * 1_000_003 + step) * 1_009 + rank
    return torch.Generator(device=device).manual_seed(mixed % 2**63)


def fit(
    recipe: Recipe,
    model: nn.Module,
    loss_of: Callable[[nn.Module, int, Accelerator], torch.Tensor],
    run: Path,
    *,
    steps: int,
    progress: Progress | None = None,
) -> nn.Module:
    """Train from the run's last checkpoint to `steps`.

    Args:
        recipe: Gives the optimizer; its own `steps` shape the learning rate.
        model: With its initial weights.
        loss_of: `model, step, accelerator -> loss` of this process' share of a step's batch.
        run: The run folder.
        steps: Where to stop; at most the recipe's. A run that has got there returns at once.
        progress: Called after every step with the line that was logged, and `steps_per_s`.

    Returns:
        The model on its device.

    Raises:
        ValueError: If the loss is no longer finite, or log and checkpoint disagree.
    """
    accelerator = Accelerator()
    unwrapped = model
    model = accelerator.prepare(model)
    optims = [accelerator.prepare(o) for o in optimizers(unwrapped, recipe.optim)]
    ema = Ema(unwrapped, recipe.optim.ema_decay)
    checkpoints = Checkpoints(run / "checkpoints")
    parts = Parts(
        models={"model": unwrapped}, averages={"ema": ema}, optimizers={"optimizer": optims}
    )
    first = checkpoints.latest()
    if first:
        checkpoints.restore(first, parts)
    if first >= steps:
        return unwrapped
    log = Log(run / "metrics.jsonl", first) if accelerator.is_main_process else None
    started = time.perf_counter()
    for step in range(first, steps):
        share = rate(recipe.optim, step, recipe.steps)
        loss = _update(model, optims, loss_of(model, step, accelerator), share, recipe, accelerator)
        ema.update(unwrapped, step)
        mean: Any = accelerator.reduce(loss.detach(), "mean")
        value = float(mean)
        if not math.isfinite(value):
            raise ValueError(f"the loss is {value} at step {step + 1}; lower the learning rate")
        line = {"step": step + 1, "loss": value, "lr": recipe.optim.lr * share}
        if log is None:
            continue
        log.add(line)
        speed = (step + 1 - first) / (time.perf_counter() - started)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == steps:
            log.sync()
            checkpoints.save(step + 1, parts)
            files.write_json(run / "throughput.json", {"steps_per_s": round(speed, 3)})
        if progress:
            progress({**line, "steps": steps, "steps_per_s": speed})
    if log is not None:
        log.close()
    return unwrapped


def _update(
    model: nn.Module,
    optims: list[Any],
    loss: torch.Tensor,
    share: float,
    recipe: Recipe,
    accelerator: Accelerator,
) -> torch.Tensor:
    for optimizer in optims:
        optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), recipe.optim.clip_norm)
    for optimizer in optims:
        for group in optimizer.param_groups:
            group["lr"] = recipe.optim.lr * share
        optimizer.step()
    return loss
