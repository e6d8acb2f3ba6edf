"""Plain functions over many items, on Ray where it pays: bounded work in flight, retries, progress.

Items and results are ids, paths and small records; frames never travel.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeVar

import ray
from ray.exceptions import AuthenticationError, RayError, RayTaskError

from pipelines.console import Bar, bar, say, sentence

Item = TypeVar("Item")
_WAIT_S = 1.0
_CONNECT_S = 10.0
_ALONE_S = 10.0
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
_NO_TOKEN = (
    "the Ray cluster at {} refuses our token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what "
    "`ray get-auth-token` prints on its head node (see docs/scale.md)"
)


class StageFailed(RuntimeError):
    """Some items of a stage failed; the others are done and kept."""


@contextlib.contextmanager
def cluster(address: str | None = None) -> Iterator[None]:
    """A Ray cluster for the block: a local one, or the one at `address`.

    A block inside another uses the cluster of the outer one. Inside `ray job submit` the cluster is
    the one that runs the job: Ray names it in RAY_ADDRESS.

    Raises:
        ValueError: If no cluster answers at the address, it refuses our token, or none starts here.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        _start()
    else:
        _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _start() -> None:
    """A cluster of this machine alone; when that fails, Ray raises all kinds of exceptions."""
    say("Starting Ray on this machine ...")
    try:
        ray.init(address="local", include_dashboard=False, **_QUIET)  # another's may run here
    except Exception as error:
        ray.shutdown()
        why = str(error).splitlines()[0]
        raise ValueError(
            f"Ray did not start on this machine ({why}); if it is very busy, run the same command "
            "again later"
        ) from error


def _connect(address: str) -> None:
    """Join a cluster; Ray says on standard error, again and again, why it is not let in."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        try:  # Ray itself would wait for two minutes
            socket.create_connection((host, int(port)), _CONNECT_S).close()
        except OSError as error:
            raise ValueError(f"no Ray cluster answers at {address} ({error})") from error
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        try:
            with _standard_error_into(said):
                ray.init(address=address, **_QUIET)
        except AuthenticationError as error:
            raise ValueError(_NO_TOKEN.format(address)) from error
        except (ConnectionError, RuntimeError) as error:
            said.seek(0)
            if "Unauthenticated" in said.read():
                raise ValueError(_NO_TOKEN.format(address)) from error
            raise ValueError(f"no Ray cluster answers at {address} ({error})") from error


@contextlib.contextmanager
def _standard_error_into(file: IO[str]) -> Iterator[None]:
    """Whatever this process prints there, C++ included, goes to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def over(
    function: Callable[[Item], Any],
    items: Sequence[Item],
    *,
    title: str,
    unit: str,
    address: str | None = None,
) -> list[Any]:
    """Results of `function(item)` for every item, in order.

    Work of ten seconds is done in this process, because Ray takes as long to start. What is left
    by then runs as one Ray task an item; all of it where a cluster is asked for or runs already.

    Args:
        function: Importable; it must be safe to run twice on the same item.
        items: Small and picklable.
        title: Of the progress bar.
        unit: What the items are, in the plural.
        address: Of a Ray cluster.

    Raises:
        StageFailed: If items failed; the others have been done all the same.
        ValueError: If there is no cluster to be had, see `cluster`.
    """
    if not items:
        return []
    with bar(title, len(items), unit) as progress:
        stage = _Stage(function, items, progress)
        if address is None and "RAY_ADDRESS" not in os.environ and not ray.is_initialized():
            stage.run_here(_ALONE_S)
        if stage.waiting:
            with cluster(address):
                stage.run_on_ray()
    if stage.failures:
        count = f"{len(stage.failures)} of {len(items)} {unit} failed"
        raise StageFailed(f"{title}: {count}: {stage.failures[0]}")
    return stage.results


class _Stage:
    """Items on their way.

    Attributes:
        waiting: Indices of the items that nobody has begun, the last one first.
        results: By item, in order.
        failures: A sentence for each item that failed.
    """

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any], progress: Bar):
        self._function, self._items, self._progress = function, items, progress
        self.waiting = list(range(len(items)))[::-1]
        self.results: list[Any] = [None] * len(items)
        self.failures: list[str] = []

    def run_here(self, seconds: float) -> None:
        """One item after the other, and no new one when the time is over."""
        until = time.monotonic() + seconds
        while self.waiting and time.monotonic() < until:
            index = self.waiting.pop()
            try:
                self.results[index] = self._function(self._items[index])
            except Exception as error:
                self.failures.append(sentence(error))
            self._progress.update(len(self._items) - len(self.waiting))

    def run_on_ray(self) -> None:
        """A task for each item, a bounded number of them at once."""
        task = ray.remote(num_cpus=1, max_retries=3)(_apply)
        at_once = 2 * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        running = {}
        while self.waiting or running:
            while self.waiting and len(running) < at_once:
                index = self.waiting.pop()
                running[task.remote(self._function, self._items[index])] = index
            done, _ = ray.wait(list(running), timeout=_WAIT_S)
            for reference in done:
                index = running.pop(reference)
                try:
                    self.results[index] = ray.get(reference)
                except RayError as error:
                    self.failures.append(reason(error))
            self._progress.update(len(self._items) - len(self.waiting) - len(running))


def _apply(function: Callable[[Item], Any], item: Item) -> Any:
    return function(item)


def reason(error: RayError) -> str:
    """The sentence behind Ray's wrapping of an error."""
    if isinstance(error, RayTaskError):
        return sentence(error.cause) if error.cause else str(error).splitlines()[-1]
    return str(error).splitlines()[0]
