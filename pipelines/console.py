"""What the user sees: progress, results, and one sentence when something fails."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_PLAIN_EVERY_S = 5.0
_NOTES_SAID = 3
_PACE_S = 60.0  # the rate is that of about the last minute
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line of result."""
    out.print(text, markup=False)


def say_notes(notes: Sequence[str], rest: str) -> None:
    """The first few notes, a line each, and where the rest of them is."""
    for note in notes[:_NOTES_SAID]:
        say(f"Note: {note}")
    if len(notes) > _NOTES_SAID:
        say(f"... and {len(notes) - _NOTES_SAID} more; {rest}")


def fail(text: str) -> None:
    """The one sentence about what went wrong."""
    err.print(f"relickit: {text}", markup=False, style="red" if err.is_terminal else None)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a write failed for want of space; every other write there would fail as well."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def sentence(error: BaseException) -> str:
    """What a user is told about an error."""
    if is_disk_full(error):
        name = getattr(error, "filename", None)
        where = f" ({name})" if name else ""
        return f"the disk is full{where}; free some space and run the same command again"
    return str(error)


class Bar:
    """Progress of one stage: a bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, title: str, total: int, unit: str):
        self._title, self._total, self._unit = title, total, unit
        self._printed, self._line = time.monotonic(), ""
        self._seen: deque[tuple[int, float]] = deque()  # done and time, where done changed
        self._bar: Progress | None = None
        if out.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(unit),
                TextColumn("{task.fields[note]}"),
                console=out,
            )
            self._task = self._bar.add_task(title, total=total, note="")
            self._bar.start()

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` of the total are done."""
        now = time.monotonic()
        pace = self._pace(done, now)
        if self._bar:
            self._bar.update(self._task, completed=done, note=", ".join(filter(None, (pace, note))))
        elif now - self._printed >= _PLAIN_EVERY_S:
            parts = (f"{done}/{self._total} {self._unit}", pace, note)
            line = f"{self._title}: {', '.join(filter(None, parts))}"
            if line != self._line:
                say(line)
            self._printed, self._line = now, line

    def _pace(self, done: int, now: float) -> str:
        """Rate and time left, once something is done."""
        if not self._seen or done != self._seen[-1][0]:
            self._seen.append((done, now))
        while len(self._seen) > 2 and now - self._seen[1][1] > _PACE_S:
            self._seen.popleft()
        before, since = self._seen[0]
        if done <= before or now == since:
            return ""
        rate = (done - before) / (now - since)
        return f"{rate:.3g} a second, about {_duration((self._total - done) / rate)} left"

    def close(self, note: str = "") -> None:
        """Finish with one line that stays."""
        if self._bar:
            self._bar.stop()
        if note:
            say(f"{self._title}: {note}")


def _duration(seconds: float) -> str:
    """In the unit that a person would take: `90 s`, `12 min`, `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


@contextlib.contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Bar]:
    """A bar that is closed however the block ends."""
    progress = Bar(title, total, unit)
    try:
        yield progress
    finally:
        progress.close()
    sys.stdout.flush()
