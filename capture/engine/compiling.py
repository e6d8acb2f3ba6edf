"""Kernels: functions that numba compiles, once on a machine, and keeps on disk."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import config, event

from capture.files import cache_folder

_log = logging.getLogger(__name__)


def kernel(**options: Any) -> Callable[[Callable], Any]:
    """A decorator: compiled without the interpreter's lock, IEEE division, kept on disk.

    Args:
        options: More of `numba.njit`'s.
    """
    return numba.njit(cache=True, error_model="numpy", nogil=True, **options)


def _fingerprint() -> str:
    """Of the sources of all kernels.

    Numba looks at a kernel's own file alone and would go on using it after a kernel that it calls
    in another file has changed.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_settings: Any = config  # numba gives them no types
if not _settings.CACHE_DIR:
    _settings.CACHE_DIR = str(cache_folder() / f"kernels-{_fingerprint()}")


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
