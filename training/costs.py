"""A plan of a training stage, as numbers and as text; `training.plan` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PhasePlan:
    """A phase of a stage.

    Attributes:
        num_frames: Length of its windows.
        steps: How many.
        tokens: Of one window.
        flops: Of one step of all GPUs, by what they are for.
        memory: Bytes of one GPU, by what they are for.
        seconds: Of one step at the plan's utilisation.
    """

    num_frames: int
    steps: int
    tokens: int
    flops: Mapping[str, float]
    memory: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A stage of a recipe on a number of GPUs.

    Attributes:
        title: Recipe and stage.
        gpus: Their number.
        kind: What a GPU is taken to be.
        utilisation: Share of the peak at which they are taken to compute, an assumption.
        parameters: Of every model.
        checkpoint: Bytes of one on the disk.
        phases: See `PhasePlan`.
        once: FLOPs before the first step, by what they are for.
    """

    title: str
    gpus: int
    kind: str
    utilisation: float
    parameters: Mapping[str, int]
    checkpoint: int
    phases: tuple[PhasePlan, ...]
    once: Mapping[str, float]

    def lines(self) -> list[str]:
        """The plan as text."""
        out = [f"{self.title}, as if on {self.gpus} x {self.kind}; a CPU is another matter"]
        out += [f"  {name}: {count:,} parameters" for name, count in self.parameters.items()]
        size = _short(self.checkpoint, "B")
        out.append(f"  a checkpoint: {size} on the disk, twice that while the next is written")
        out += [
            f"  before the first step, {what}: {n / 1e15:,.2f} PFLOP"
            for what, n in self.once.items()
        ]
        for phase in self.phases:
            out.append(
                f"  {phase.num_frames} frames, {phase.tokens:,} tokens a window: {phase.steps:,} "
                f"steps of {_seconds(phase.seconds)} at {self.utilisation:.0%} of the peak, "
                f"{_hours(phase.steps * phase.seconds)}"
            )
            out += _rows("a step", phase.flops, "FLOP")
            total = _short(sum(phase.memory.values()), "B")
            out += _rows(f"memory of a GPU, {total}", phase.memory, "B")
        return out


def _rows(title: str, values: Mapping[str, float], unit: str) -> list[str]:
    shown = ", ".join(f"{what} {_short(n, unit)}" for what, n in values.items() if n)
    return [f"    {title}: {shown}"]


def _short(value: float, unit: str) -> str:
    """With a prefix that leaves a digit or more before the point."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:,.1f} {prefix}{unit}"
    return f"{value:,.0f} {unit}"


def _seconds(value: float) -> str:
    """Below 10 ms a GPU waits for its kernels to be launched, and FLOPs say nothing of the time."""
    if value < 0.01:
        return "less than 10 ms"
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1e3:,.0f} ms"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 360 else "minutes"
