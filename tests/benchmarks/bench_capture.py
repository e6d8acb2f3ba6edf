"""How much of the renderer's rate reaches finished episodes, and where the time goes.

Run: python tests/benchmarks/bench_capture.py [--scene apartment] [--size 832x480] [--frames 65]

Three measurements in turn, as often as `--rounds`: the bare renderer in this process on one thread
(colour, depth, mask; nothing kept); one recorder with one engine of one thread (frames measured,
encoded, verified and written as an episode); two of those pairs at once. Then a table of CPU time.
A ratio of CPU times (the bare renderer's to the engine's) is what a quiet machine would reach if
the engine never had to wait; it holds on a busy one, too.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from capture import files, launcher, planner, stream, video
from capture.camera import Intrinsics
from capture.client import Client
from capture.engine import scenes
from capture.engine.raster import Renderer
from capture.engine.world import World
from capture.navigation import free_space, sample_triangles
from capture.recorder import record
from capture.scene import Plan
from capture.session import prepare
from curation.exposure import FrameObserver

# Part of the recorder -> the functions that do it.
_PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "receive": ((Client, "receive"),),
    "decode, check the pose": ((stream, "_decode"),),
    "measure raw frames": ((FrameObserver, "__call__"),),
    "colour to H.264": ((video.RgbWriter, "add"), (video.RgbWriter, "close")),
    "depth to log code": ((video, "encode_depth"),),
    "depth, mask to FFV1": ((video.Gray16Writer, "add"), (video.Gray16Writer, "close")),
    "sync and hash": ((files, "sync"), (files, "sha256")),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scene", default="apartment")
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=65)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = (int(x) for x in options.size.split("x"))
    world = scenes.build(options.scene)
    plans = _plans(world, Intrinsics.from_fov(width, height, 80.0), options.frames, options.rounds)
    renderer = Renderer(world, threads=1)
    _render(renderer, plans[0])

    one, two, busy, reached, spent = [], [], [], [], []
    for round_, plan in enumerate(plans):
        bare_s, bare_cpu_s = _render(renderer, plan)
        bare = options.frames / bare_s
        rate, _, parts = _record_all(options.scene, [plan])
        both, cores, _ = _record_all(options.scene, [plan, plans[(round_ + 1) % len(plans)]])
        one.append(rate / bare)
        two.append(both / bare)
        busy.append(cores)
        parts["render"] = 1e3 * bare_cpu_s / options.frames
        reached.append(parts["render"] / parts["engine"])
        spent.append(parts)
        print(f"bare {bare:5.1f} fps   one engine {rate:5.1f}   two engines {both:5.1f}")
    print(f"{options.scene} {options.size}, {options.frames} frames, median of {options.rounds}:")
    print(f"  one engine reaches {median(one):.2f} of the bare renderer's rate")
    print(f"  ({median(reached):.2f} by CPU time, if it never waits)")
    print(f"  two engines reach {median(two):.2f}, with {median(busy):.2f} cores busy")
    _table({name: median(parts[name] for parts in spent) for name in spent[0]}, options.frames)


def _render(renderer: Renderer, plan: Plan) -> tuple[float, float]:
    """Wall and CPU seconds."""
    started, cpu = time.perf_counter(), time.process_time()
    for pose in plan.trajectory.cam_to_world:
        renderer.render(pose, plan.intrinsics, outputs=("lit", "depth", "object"))
    return time.perf_counter() - started, time.process_time() - cpu


def _table(ms: dict[str, float], num_frames: int) -> None:
    checks = ms["render"] * (ms["captures"] / num_frames - 1.0)
    rows = {
        "engine": ms["engine"],
        "  render": ms["render"],
        "  render again to verify": checks,
        "  convert, send": ms["engine"] - ms["render"] - checks,
        "recorder": ms["recorder"],
        **{f"  {name}": ms[name] for name in _PARTS},
        "  the rest": ms["recorder"] - sum(ms[name] for name in _PARTS),
    }
    print("  CPU time, ms a frame:")
    for name, value in rows.items():
        print(f"    {name:26} {value:6.1f}")


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


def _record_all(scene: str, plans: list[Plan]) -> tuple[float, float, dict[str, float]]:
    """Frames per second of all recorders together, cores busy, CPU ms a frame by part."""
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
    wall = max(stop for _, stop, _ in reports) - min(begin for begin, _, _ in reports)
    total = {name: sum(parts[name] for _, _, parts in reports) for name in reports[0][2]}
    parts = {name: 1e3 * value / frames for name, value in total.items()}
    parts["captures"] = total["captures"] / len(plans)
    return frames / wall, (total["recorder"] + total["engine"]) / wall, parts


def _record(scene: str, plan: Plan, start, results) -> None:
    """Start, stop, CPU seconds by part."""
    spent: dict[str, float] = defaultdict(float)
    for name, functions in _PARTS.items():
        for owner, function in functions:
            _time(owner, function, name, spent)
    with (
        tempfile.TemporaryDirectory() as folder,
        launcher.start_embedded(scene, 0, threads=1) as engine,
        engine.connect() as client,
    ):
        session = prepare(client)
        assert engine.pid is not None
        start.wait()
        spent.clear()
        begin, own, engines = time.perf_counter(), time.process_time(), _cpu_s(engine.pid)
        record(session, plan, Path(folder), observers=[FrameObserver])
        stop = time.perf_counter()
        spent["recorder"] = time.process_time() - own
        spent["engine"] = _cpu_s(engine.pid) - engines
        spent["captures"] = spent.pop("number of decode, check the pose")
        results.put((begin, stop, dict(spent)))


def _time(owner: Any, function: str, name: str, spent: dict[str, float]) -> None:
    """Count the CPU time of the calling thread, and the calls."""
    original = getattr(owner, function)

    @functools.wraps(original)
    def timed(*arguments, **keywords):
        before = time.thread_time()
        try:
            return original(*arguments, **keywords)
        finally:
            spent[name] += time.thread_time() - before
            spent[f"number of {name}"] += 1

    setattr(owner, function, timed)


def _cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
