"""How much of the renderer's rate reaches finished episodes, and where the time goes.

Run: python tests/benchmarks/bench_capture.py [--scene apartment] [--size 832x480] [--frames 49]

Three measurements in turn, as often as `--rounds`: the bare renderer in this process on one thread
(colour, depth, mask; nothing kept); one recorder with one engine of one thread (frames measured,
encoded, verified and written as an episode); two of those pairs at once. The last lines split the
recorder's own CPU time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from capture import launcher, planner, video
from capture.camera import Intrinsics
from capture.engine import scenes
from capture.engine.raster import Renderer
from capture.engine.world import World
from capture.navigation import free_space, sample_triangles
from capture.recorder import prepare, record
from capture.scene import Plan
from curation.exposure import FrameObserver


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", default="apartment")
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = (int(x) for x in options.size.split("x"))
    world = scenes.build(options.scene)
    plans = _plans(world, Intrinsics.from_fov(width, height, 80.0), options.frames, options.rounds)
    renderer = Renderer(world, threads=1)
    first = plans[0]
    frames = [renderer.render(pose, first.intrinsics) for pose in first.trajectory.cam_to_world[:8]]

    one, two, busy, own_ms = [], [], [], []
    for round_, plan in enumerate(plans):
        started = time.perf_counter()
        for pose in plan.trajectory.cam_to_world:
            renderer.render(pose, plan.intrinsics, outputs=("lit", "depth", "object"))
        bare = options.frames / (time.perf_counter() - started)
        rate, _, recorder_ms = _record_all(options.scene, [plan])
        both, cores, _ = _record_all(options.scene, [plan, plans[(round_ + 1) % len(plans)]])
        one.append(rate / bare)
        two.append(both / bare)
        busy.append(cores)
        own_ms.append(recorder_ms)
        print(f"bare {bare:5.1f} fps   one engine {rate:5.1f}   two engines {both:5.1f}")
    print(f"{options.scene} {options.size}, median of {options.rounds}:")
    print(f"  one engine reaches {median(one):.2f} of the bare renderer's rate")
    print(f"  two engines reach {median(two):.2f}, with {median(busy):.2f} cores busy")
    print(f"  the recorder itself takes {median(own_ms):.1f} ms of CPU a frame, of which")
    _split(frames, width, height)


def _plans(world: World, intrinsics: Intrinsics, num_frames: int, count: int) -> list[Plan]:
    surface = sample_triangles(world.triangles_m(), world.scene.bounds_m)
    space = free_space(surface, world.scene.bounds_m, world.spawn_m, min_clearance_m=0.3)
    return [
        planner.plan(
            "roam",
            space,
            scene_id=world.scene.id,
            seed=seed,
            num_frames=num_frames,
            intrinsics=intrinsics,
            motion=planner.Motion(),
        )
        for seed in range(count)
    ]


def _record_all(scene: str, plans: list[Plan]) -> tuple[float, float, float]:
    """Frames per second of all recorders together, cores busy, CPU ms a frame of a recorder."""
    start, results = multiprocessing.Barrier(len(plans)), multiprocessing.SimpleQueue()
    workers = [
        multiprocessing.Process(target=_record, args=(scene, plan, start, results))
        for plan in plans
    ]
    for worker in workers:
        worker.start()
    reports = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    frames = sum(len(plan.trajectory) for plan in plans)
    wall = max(stop for _, stop, _, _ in reports) - min(begin for begin, _, _, _ in reports)
    cpu = sum(own + engine for _, _, own, engine in reports)
    return frames / wall, cpu / wall, 1e3 * sum(own for _, _, own, _ in reports) / frames


def _record(scene: str, plan: Plan, start, results) -> None:
    """Start, stop, own CPU seconds and the engine's."""
    with (
        tempfile.TemporaryDirectory() as folder,
        launcher.start_embedded(scene, 0, threads=1) as engine,
        engine.connect() as client,
    ):
        stage = prepare(client)
        assert engine.pid is not None
        start.wait()
        begin, own, engines = time.perf_counter(), time.process_time(), _cpu_s(engine.pid)
        record(stage, plan, Path(folder), observers=[FrameObserver])
        stop = time.perf_counter()
        results.put((begin, stop, time.process_time() - own, _cpu_s(engine.pid) - engines))


def _cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _split(frames: list[Any], width: int, height: int) -> None:
    observe = FrameObserver()
    codes = {id(frame): video.encode_depth(frame.depth_m) for frame in frames}
    with tempfile.TemporaryDirectory() as folder:
        size = (width, height, 16.0)
        rgb = video.RgbWriter(Path(folder, "rgb.mp4"), *size)
        depth = video.Gray16Writer(Path(folder, "depth.mkv"), *size)
        mask = video.Gray16Writer(Path(folder, "mask.mkv"), *size)
        steps: dict[str, Callable] = {
            "raw-frame metrics": lambda f: observe(f.rgb, f.depth_m),
            "colour to H.264": lambda f: rgb.add(f.rgb),
            "depth to log code": lambda f: video.encode_depth(f.depth_m),
            "log code to FFV1": lambda f: depth.add(codes[id(f)]),
            "mask to FFV1": lambda f: mask.add(f.object.astype(np.uint16)),
        }
        for name, step in steps.items():
            step(frames[0])
            before = resource.getrusage(resource.RUSAGE_SELF)
            for frame in frames:
                step(frame)
            after = resource.getrusage(resource.RUSAGE_SELF)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"    {name:20} {1e3 * spent / len(frames):5.1f} ms")
        for writer in (rgb, depth, mask):
            writer.close()


if __name__ == "__main__":
    main()
