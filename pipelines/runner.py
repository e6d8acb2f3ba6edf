"""Plain functions over many items on Ray: bounded work in flight, retries, progress.

Items and results are ids, paths and small records; frames never travel.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from pipelines.console import bar, say, sentence

Item = TypeVar("Item")
_WAIT_S = 1.0


class StageFailed(RuntimeError):
    """Some items of a stage failed; the others are done and kept."""


@contextlib.contextmanager
def cluster(address: str | None = None) -> Iterator[None]:
    """A Ray cluster for the block: a local one, or the one at `address`.

    A block inside another uses the cluster of the outer one.

    Raises:
        ValueError: If no cluster answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        say("Starting Ray on this machine ...")
        ray.init(include_dashboard=False, **common)
    else:
        try:
            ray.init(address=address, **common)
        except (ConnectionError, RuntimeError) as error:
            raise ValueError(f"no Ray cluster answers at {address} ({error})") from error
    try:
        yield
    finally:
        ray.shutdown()


def over(
    function: Callable[[Item], Any], items: Sequence[Item], *, title: str, unit: str
) -> list[Any]:
    """Results of `function(item)` for every item, in order; each runs as one Ray task.

    Args:
        function: Importable; it must be safe to run twice on the same item.
        items: Small and picklable.
        title: Of the progress bar.
        unit: What the items are, in the plural.

    Raises:
        StageFailed: If items failed; the others have been done all the same.
    """
    results: list[Any] = [None] * len(items)
    failures: list[str] = []
    with cluster(), bar(title, len(items), unit) as progress:
        task = ray.remote(num_cpus=1, max_retries=3)(_apply)
        at_once = 2 * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        waiting, running = list(range(len(items)))[::-1], {}
        while waiting or running:
            while waiting and len(running) < at_once:
                index = waiting.pop()
                running[task.remote(function, items[index])] = index
            done, _ = ray.wait(list(running), timeout=_WAIT_S)
            for reference in done:
                index = running.pop(reference)
                try:
                    results[index] = ray.get(reference)
                except RayError as error:
                    failures.append(reason(error))
            progress.update(len(items) - len(waiting) - len(running))
    if failures:
        raise StageFailed(f"{title}: {len(failures)} of {len(items)} {unit} failed: {failures[0]}")
    return results


def _apply(function: Callable[[Item], Any], item: Item) -> Any:
    return function(item)


def reason(error: RayError) -> str:
    """The sentence behind Ray's wrapping of an error."""
    if isinstance(error, RayTaskError):
        return sentence(error.cause) if error.cause else str(error).splitlines()[-1]
    return str(error).splitlines()[0]
