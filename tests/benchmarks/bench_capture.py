"""How much of the renderer's rate reaches finished episodes.

Run: python tests/benchmarks/bench_capture.py [--scene apartment] [--size 832x480] [--frames 49]

Both halves run in one go: the bare renderer in this process with all threads (colour, depth, mask,
nothing kept), then the recorder with one engine process that has the same threads (frames measured,
encoded, verified and written).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from capture import launcher, planner
from capture.camera import Intrinsics
from capture.engine import scenes
from capture.engine.raster import Renderer
from capture.navigation import free_space, sample_triangles
from capture.recorder import prepare, record
from curation.exposure import FrameObserver


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", default="apartment")
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    width, height = (int(x) for x in options.size.split("x"))

    world = scenes.build(options.scene)
    surface = sample_triangles(world.triangles_m(), world.scene.bounds_m)
    space = free_space(surface, world.scene.bounds_m, world.spawn_m, min_clearance_m=0.3)
    plans = [
        planner.plan(
            "roam",
            space,
            scene_id=world.scene.id,
            seed=seed,
            num_frames=options.frames,
            intrinsics=Intrinsics.from_fov(width, height, 80.0),
            motion=planner.Motion(),
        )
        for seed in range(options.repeat)
    ]
    renderer = Renderer(world)
    first = plans[0]
    renderer.render(first.trajectory.cam_to_world[0], first.intrinsics)

    with (
        tempfile.TemporaryDirectory() as folder,
        launcher.start_embedded(options.scene, 0) as engine,
        engine.connect() as client,
    ):
        stage = prepare(client)
        ratios = []
        for plan in plans:
            started = time.perf_counter()
            for pose in plan.trajectory.cam_to_world:
                renderer.render(pose, plan.intrinsics, outputs=("lit", "depth", "object"))
            bare = options.frames / (time.perf_counter() - started)
            started = time.perf_counter()
            record(stage, plan, Path(folder), observers=[FrameObserver])
            whole = options.frames / (time.perf_counter() - started)
            ratios.append(whole / bare)
            print(f"bare {bare:6.1f} fps   episodes {whole:6.1f} fps   share {whole / bare:.2f}")
    print(f"median share {sorted(ratios)[len(ratios) // 2]:.2f} at {options.size}")


if __name__ == "__main__":
    main()
