"""Work that goes on beside the caller: calls in their order, on a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Background:
    """Runs calls one after the other; the caller waits when too many are pending.

    Args:
        max_pending: Calls that may wait or run before `do` blocks, so that memory stays bounded.
    """

    def __init__(self, max_pending: int):
        self._max_pending = max_pending
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future] = deque()

    def do(self, call: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Queue a call.

        Raises:
            Exception: What an earlier call raised; it is raised once.
        """
        while self._pending and (
            self._pending[0].done() or len(self._pending) >= self._max_pending
        ):
            self._pending.popleft().result()
        future = self._thread.submit(call, *arguments)
        self._pending.append(future)
        return future

    def wait(self) -> None:
        """Until everything is done.

        Raises:
            Exception: What a call raised.
        """
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._thread.shutdown(cancel_futures=True)
