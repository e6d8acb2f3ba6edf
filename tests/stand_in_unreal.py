"""A stand-in for a packaged Unreal project: its flags, and the faults of the real plugin on Linux.

`write_binary` writes the start script of one; this module, run, is the project itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tiny_engine import tiny_world

from capture.engine.faults import Faults, parse
from capture.engine.raster import Renderer
from capture.engine.server import Server
from capture.engine.state import Engine, Options
from capture.launcher import plugin_socket

PLUGIN = (
    "one-shot-tcp,second-client-hangs,bmp58,trailing-space,lagging-camera0,garbage-first-frames=2"
)
_EXPECTED = ("-RenderOffScreen", "-Unattended", "-NoSound")


def write_binary(path: Path, faults: str = PLUGIN) -> Path:
    """A start script as Unreal's packaging makes it."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{faults}" "$@"\n')
    path.chmod(0o755)
    return path


def main(faults: str, flags: list[str]) -> None:
    """Serve the tiny room until killed."""
    sys.stderr.write(f"LogInit: Command Line: {' '.join(flags)}\n")
    if missing := [flag for flag in _EXPECTED if flag not in flags]:
        sys.exit(f"LogInit: Error: would open a window, missing {' '.join(missing)}")
    port = int(next(f for f in flags if f.startswith("-UnrealCVPort=")).partition("=")[2])
    world = tiny_world()
    engine = Engine(world, Renderer(world, threads=1), Options(ue_depth=True))
    server = Server(
        engine, port=port, unix_socket=plugin_socket(port), faults=Faults(parse(faults), seed=1)
    )
    try:
        server.run()
    except SystemExit:
        sys.stderr.write("LogCore: Error: appError called: Fatal error!\n")
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
