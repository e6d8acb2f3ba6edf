"""Word to whoever waits while kernels are compiled, which happens once on a machine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from numba.core import event

_log = logging.getLogger(__name__)


class _Announcer(event.Listener):
    """Says once that the compiler is at work; kernels that were kept on disk raise no event."""

    def __init__(self):
        self._said = False

    def on_start(self, event):
        """A kernel is about to be compiled."""
        if not self._said:
            _log.info("compiling the renderer, once: about half a minute")
        self._said = True

    def on_end(self, event):
        """A kernel was compiled."""


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """Log one line when anything has to be compiled inside the block."""
    with event.install_listener("numba:compile", _Announcer()):
        yield
