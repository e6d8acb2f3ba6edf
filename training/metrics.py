"""What is measured while training: means over micro-batches and processes, and divergence."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

# Noise levels are told apart in four equal parts of [0, 1], rollouts in four parts of their time.
PARTS = 4
# A loss has diverged when the mean of its last ten is ten times the median of its first fifty.
_RECENT, _EARLY, _FACTOR = 10, 50, 10.0
# Dense bfloat16 peaks of NVIDIA's data sheets, FLOPs a second.
_PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12}


class Tally:
    """Sums and counts by name, in float64; and what was replaced."""

    def __init__(self):
        self._sums: dict[str, torch.Tensor] = {}
        self._replaced: dict[int, str] = {}

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

    def add_replaced(self, stand_ins: Mapping[int, str]) -> None:
        """Damaged clips by the numbers of the windows that showed another one; see `Batch`."""
        self._replaced.update(stand_ins)

    def __iadd__(self, other: Tally) -> Tally:
        self.add_replaced(other._replaced)
        for name, sums in other._sums.items():
            self._add(name, sums)
        return self

    def replaced(self, accelerator: Accelerator) -> dict[str, int]:
        """In how many windows of all processes each damaged clip was replaced.

        The same window in several processes, which share its video, is one.
        """
        found = list(self._replaced.items())
        if accelerator.num_processes > 1:
            count = torch.tensor(float(len(found)), device=accelerator.device)
            if float(accelerator.reduce(count, "sum")):  # pyright: ignore[reportArgumentType]
                found = gather_object(found)
        return dict(sorted(Counter(dict(found).values()).items()))

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


class Speed:
    """Throughput since the start, and on known GPUs the share of their peak.

    Args:
        flops: `step, processes -> FLOPs` of a step, what checkpointing computes again included.
        device: Of this process; FLOPs are counted on GPUs alone.
        processes: One a GPU.
    """

    def __init__(self, flops: Callable[[int, int], float], device: torch.device, processes: int):
        self._flops, self._processes = flops, processes
        self._gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        self._started, self._steps, self._done = time.perf_counter(), 0, 0.0

    def after(self, step: int) -> dict[str, float]:
        """What is known after a step: "steps_per_s"; on GPUs "tflops" of one; "mfu" with a peak."""
        self._steps += 1
        seconds = time.perf_counter() - self._started
        measured = {"steps_per_s": self._steps / seconds}
        if self._gpu:
            self._done += self._flops(step, self._processes)
            rate = self._done / seconds / self._processes
            measured["tflops"] = rate / 1e12
            if peak := next((p for name, p in _PEAKS.items() if name in self._gpu), None):
                measured["mfu"] = rate / peak
        return measured


def flat(line: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line, as trackers take them: of a list each place, of counts the sum."""
    found = {}
    for name, value in line.items():
        if isinstance(value, list):
            found |= {f"{name}/{place}": v for place, v in enumerate(value) if v is not None}
        elif isinstance(value, dict):
            found[name] = sum(value.values())
        elif not isinstance(value, str):
            found[name] = value
    return found
