"""The demo: the stages, one after the other, with the demo recipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from capture.launcher import EngineSpec
from pipelines import evaluation, launch, recipes, report, runner, stages
from pipelines.console import say
from pipelines.dataset import Dataset

Result = TypeVar("Result")
_NUM_STARTS = 24
_SCENE, _SEED = "apartment", 0


def run(out: Path, spec: EngineSpec) -> Path:
    """Render, curate, shard, train, evaluate, report; returns the page.

    Args:
        out: Gets `data/demo` and `runs/demo`.
        spec: What renders.
    """
    recipe = recipes.find("demo")
    dataset, training = Dataset(out / "data" / "demo"), out / "runs" / "demo"
    clock = _Clock()
    with runner.cluster():
        clock("plan", lambda: stages.plan(recipe, dataset))
        clock("capture", lambda: stages.capture(dataset, spec))
        clock("curate", lambda: stages.curate(dataset))
        clock("shard", lambda: stages.shard(dataset))
        clock("audit", lambda: stages.audit(dataset))
    clock("train", lambda: launch.train("teacher", "tiny", dataset.path, training))
    clock(
        "evaluate",
        lambda: evaluation.evaluate(
            training, spec, scene=_SCENE, seed=_SEED, num_starts=_NUM_STARTS
        ),
    )
    page = clock("report", lambda: report.write(dataset.path, training))
    say(f"\n{clock.summary()}\nOpen this page: {page.resolve()}")
    return page


class _Clock:
    """Runs stages and remembers how long each took."""

    def __init__(self):
        self._seconds: dict[str, float] = {}

    def __call__(self, name: str, stage: Callable[[], Result]) -> Result:
        started = time.monotonic()
        result = stage()
        self._seconds[name] = time.monotonic() - started
        return result

    def summary(self) -> str:
        """All stages with their seconds."""
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self._seconds.items())
        return f"Done in {sum(self._seconds.values()):.0f} s: {parts}"
