"""Milliseconds per frame of the embedded renderer, all four outputs, and where they go.

    python tests/benchmarks/bench_render.py [scene]

Takes the fastest of several frames, since other work on the machine only ever makes them slower.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from capture.camera import Intrinsics, pose_from_angles
from capture.engine import raster, scenes, shading, visibility

_STAGES = (
    (visibility, "set_up"),
    (visibility, "rasterize"),
    (visibility, "ground_truth"),
    (shading, "shade_image"),
)
_FRAMES = 24


def main() -> None:
    """Print one line per size and number of threads."""
    world = scenes.build(sys.argv[1] if len(sys.argv) > 1 else "apartment")
    print(f"{world.scene.id}: {len(world.faces)} triangles, {len(world.objects) - 1} objects")
    spent: dict[str, float] = {}
    for module, name in _STAGES:
        setattr(module, name, _timed(getattr(module, name), name, spent))
    for width, height in ((224, 128), (832, 480), (1280, 720)):
        intrinsics = Intrinsics.from_fov(width, height, 90.0)
        for threads in (1, 2):
            renderer = raster.Renderer(world, threads)
            best, parts = np.inf, {}
            for k in range(_FRAMES):
                pose = pose_from_angles(world.spawn_m, world.spawn_heading_deg + 15.0 * k, -5.0)
                renderer.render(pose, intrinsics)  # warm caches; the next pose differs a little
                pose = pose_from_angles(
                    world.spawn_m, world.spawn_heading_deg + 15.0 * k + 0.1, -5.0
                )
                spent.clear()
                start = time.perf_counter()
                renderer.render(pose, intrinsics)
                elapsed = time.perf_counter() - start
                if elapsed < best:
                    best, parts = elapsed, dict(spent)
            detail = ", ".join(f"{name} {1e3 * t:.1f}" for name, t in parts.items())
            print(f"{width}x{height}, {threads} threads: {1e3 * best:.1f} ms ({detail})")


def _timed(function: Callable, name: str, spent: dict[str, float]) -> Callable:
    def wrapper(*arguments):
        start = time.perf_counter()
        result = function(*arguments)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return result

    return wrapper


if __name__ == "__main__":
    main()
