"""The embedded engine as a process: `python -m capture.engine --scene apartment --port 0`.

Prints one line of JSON, `{"pid": ..., "port": ..., "scene": ..., "unix_socket": ...}`, once clients
can connect. What takes long before (compiling, baking light) gets a line on standard error.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path

from capture.engine import faults, scenes
from capture.engine.faults import Faults
from capture.engine.server import serve
from capture.engine.state import Options

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    """Build a scene and serve it; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.die_with_parent:
        die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        world = scenes.build(options.scene, options.seed)
        serve(
            world,
            host=options.host,
            port=options.port,
            unix_socket=options.unix_socket,
            threads=options.threads,
            options=Options(ue_depth=options.ue_depth),
            faults=Faults(faults.parse(options.fault)) if options.fault else None,
            on_listening=lambda port: _announce(port, options),
        )
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m capture.engine", description=__doc__)
    parser.add_argument("--scene", default="apartment", help="name of a built-in scene")
    parser.add_argument("--seed", type=int, default=0, help="of the scene's procedural parts")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=9000, help="TCP port; 0 takes a free one")
    parser.add_argument("--unix-socket", type=Path, help="listen on this Unix socket as well")
    parser.add_argument("--ue-depth", action="store_true", help="round depth as the plugin does")
    parser.add_argument("--threads", type=int, help="of the renderer; all cores by default")
    parser.add_argument(
        "--fault", default="", metavar="NAME[=NUMBER],...", help="what goes wrong on purpose"
    )
    parser.add_argument(
        "--die-with-parent", action="store_true", help="end when the starting thread ends (Linux)"
    )
    return parser


def _announce(port: int, options: argparse.Namespace) -> None:
    socket_path = options.unix_socket and str(options.unix_socket)
    line = {"pid": os.getpid(), "port": port, "scene": options.scene, "unix_socket": socket_path}
    sys.stdout.write(json.dumps(line, sort_keys=True) + "\n")
    sys.stdout.flush()


def die_with_parent() -> None:
    """Let Linux kill this process when the thread that started it ends.

    Raises:
        ValueError: Where the system has no such thing.
    """
    if sys.platform != "linux":
        raise ValueError(f"--die-with-parent needs Linux, this is {sys.platform}")
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent or parent == 1:
        sys.exit(0)  # the parent died before the call


if __name__ == "__main__":
    sys.exit(main())
