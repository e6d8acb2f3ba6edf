"""Becomes a command, and leaves a guard that ends it once the starter is gone.

`python keeper.py COMMAND ...`, leading a process group of its own. Standard input is a pipe that
the starter holds open: the system closes it however the starter ends, kill -9 included, and the
guard then kills the whole group. An Unreal project needs this, since its start script is only the
parent of the engine, which would live on.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Leave the guard and become the command."""
    group = os.getpgrp()
    if os.fork() == 0:
        os.setpgid(0, 0)
        guard(group)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.execvp(sys.argv[1], sys.argv[1:])


def guard(group: int) -> None:
    """Wait for the end of standard input, kill a process group, and end."""
    # Not even the log stays open, so that who waits for its end need not wait for the guard.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.dup2(nothing, sys.stderr.fileno())
    while os.read(sys.stdin.fileno(), 1024):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
