"""The embedded engine with a world of a few boxes, served from a thread."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture import camera, planner
from capture.camera import Intrinsics
from capture.engine.faults import Faults, parse
from capture.engine.materials import Material, plain
from capture.engine.meshes import box
from capture.engine.raster import Renderer
from capture.engine.server import Server
from capture.engine.state import Engine, Options
from capture.engine.world import World, WorldBuilder
from capture.scene import Plan
from capture.trajectory import Trajectory

BOUNDS = (0.0, 0.0, 0.0, 6.0, 5.0, 2.6)
INTRINSICS = Intrinsics.from_fov(64, 48, 80.0)


def tiny_world() -> World:
    """A closed room of 6 x 5 m with a pillar and a table."""
    b = WorldBuilder()
    grey = b.material(Material(texture=plain(0.6, 0.6, 0.55)))
    red = b.material(Material(texture=plain(0.8, 0.2, 0.1)))
    shell = {
        "floor": box(6.4, 5.4, 0.2).at(3.0, 2.5, -0.2),
        "ceiling": box(6.4, 5.4, 0.2).at(3.0, 2.5, 2.6),
        "west": box(0.2, 5.4, 2.6).at(-0.1, 2.5, 0.0),
        "east": box(0.2, 5.4, 2.6).at(6.1, 2.5, 0.0),
        "south": box(6.4, 0.2, 2.6).at(3.0, -0.1, 0.0),
        "north": box(6.4, 0.2, 2.6).at(3.0, 5.1, 0.0),
    }
    for name, mesh in shell.items():
        b.add(b.object(name, f"grey {name}"), mesh, grey)
    b.add(b.object("pillar", "red pillar"), box(0.4, 0.4, 2.6).at(4.0, 3.2, 0.0), red)
    b.add(b.object("table", "red table"), box(1.0, 0.6, 0.7).at(1.6, 3.6, 0.0), red)
    return b.finish(
        name="tiny", seed=3, bounds_m=BOUNDS, spawn_m=(3.0, 1.2, 1.4), setting="a small room"
    )


@functools.cache
def _tiny_renderer() -> tuple[World, Renderer]:
    world = tiny_world()
    return world, Renderer(world, threads=1)


@contextlib.contextmanager
def tiny_engine(
    fault: str = "",
    seed: int = 0,
    unix_socket: Path | None = None,
    options: Options | None = None,
) -> Iterator[str]:
    """The TCP address of a running engine, with faults as `capture.engine.faults` writes them."""
    world, renderer = _tiny_renderer()
    engine = Engine(world, renderer, options or Options(width_px=64, height_px=48))
    faults = Faults(parse(fault), seed) if fault else None
    server = Server(engine, port=0, unix_socket=unix_socket, faults=faults)
    thread = threading.Thread(target=_run, args=[server])
    thread.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.close()
        thread.join(10)


def _run(server: Server) -> None:
    try:
        server.run()
    except SystemExit:  # a crash on demand
        server.close()


def tiny_plan(num_frames: int = 6, seed: int = 0) -> Plan:
    """A walk past the pillar."""
    t = np.linspace(0.0, 1.0, num_frames)
    positions = np.stack([1.5 + 2.0 * t, 1.2 + 0.3 * t, np.full(num_frames, 1.4)], -1)
    poses = camera.pose_from_angles(positions, 30.0 + 25.0 * t + seed, -5.0)
    return Plan(
        scene_id="tiny-3",
        generator="walk",
        seed=seed,
        fps=planner.Motion().fps,
        trajectory=Trajectory.uniform(poses, 16.0),
        intrinsics=INTRINSICS,
        clearance_m=1.0,
    )
