"""What is measured while training: means over micro-batches and processes, and divergence."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path

import torch
from accelerate import Accelerator

# Noise levels are told apart in four equal parts of [0, 1], rollouts in four parts of their time.
PARTS = 4
# A loss has diverged when the mean of its last ten is ten times the median of its first fifty.
_RECENT, _EARLY, _FACTOR = 10, 50, 10.0


class Tally:
    """Sums and counts by name, in float64."""

    def __init__(self):
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, values: torch.Tensor) -> None:
        """Values of which the mean is wanted, of any shape."""
        values = values.detach().double()
        self._add(name, torch.stack([values.sum(), _count(values)])[:, None])

    def add_parts(self, name: str, values: torch.Tensor, places: torch.Tensor) -> None:
        """Values [n] of which `PARTS` means are wanted, by places [n] in [0, 1]."""
        part = (places * PARTS).long().clamp(0, PARTS - 1).to(values.device)
        sums = torch.zeros(2, PARTS, dtype=torch.float64, device=values.device)
        values = values.detach().double()
        self._add(name, sums.index_add(1, part, torch.stack([values, torch.ones_like(values)])))

    def __iadd__(self, other: Tally) -> Tally:
        for name, sums in other._sums.items():
            self._add(name, sums)
        return self

    def means(self, accelerator: Accelerator) -> dict[str, float | list[float | None]]:
        """Means over all processes; a list has null where nothing fell."""
        out: dict[str, float | list[float | None]] = {}
        for name, sums in self._sums.items():
            whole: torch.Tensor = accelerator.reduce(sums, "sum")  # pyright: ignore[reportAssignmentType]
            means = [total / count if count else None for total, count in whole.T.tolist()]
            single = whole.shape[1] == 1 and means[0] is not None
            out[name] = means[0] if single else means  # pyright: ignore[reportArgumentType]
        return out

    def _add(self, name: str, sums: torch.Tensor) -> None:
        self._sums[name] = self._sums[name] + sums if name in self._sums else sums


def _count(values: torch.Tensor) -> torch.Tensor:
    return torch.full_like(values.sum(), values.numel())


class Watch:
    """Sees a loss diverge. What it knows is in the log, so a resumed run stops at the same step."""

    def __init__(self):
        self._losses: dict[str, list[float]] = defaultdict(list)

    def read(self, log: Path, step: int) -> None:
        """Catch up with the first `step` lines of a run's metrics.jsonl."""
        for text in log.read_text().splitlines()[:step] if step else ():
            line = json.loads(text)
            self._losses[line.get("turn", "model")].append(line["loss"])

    def verdict(self, name: str, loss: float) -> str:
        """Take in a loss; says in half a sentence if it has diverged, else nothing."""
        losses = self._losses[name]
        losses.append(loss)
        if len(losses) <= _EARLY:
            return ""
        usual = statistics.median(losses[:_EARLY])
        recent = statistics.fmean(losses[-_RECENT:])
        if recent <= _FACTOR * usual:
            return ""
        return f"the loss has diverged: {recent:.3g}, and {usual:.3g} in the beginning"
