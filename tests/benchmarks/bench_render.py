"""The embedded renderer: milliseconds a frame, frames a second of several engines, cold starts.

    python tests/benchmarks/bench_render.py [--scene apartment] [--processes 1 2 4] [--starts]

Frames have all four outputs (colour in 4 samples). Every process renders with one thread. CPU time
is what a frame costs whatever else the machine does; frames a second are what it gave just now.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from statistics import median

from capture.camera import Intrinsics, pose_from_angles
from capture.engine import raster, scenes, shading, visibility

_SIZES = ((224, 128), (832, 480), (1280, 720))
_STAGES = (
    (visibility, "set_up"),
    (visibility, "rasterize"),
    (visibility, "ground_truth"),
    (shading, "shade_image"),
)
_FRAMES = 24


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scene", default="apartment", help="a built-in scene")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, os.cpu_count() or 1])
    parser.add_argument("--starts", action="store_true", help="cold starts of every world instead")
    options = parser.parse_args()
    if options.starts:
        _measure_starts()
        return
    _measure_stages(options.scene)
    for count in sorted(set(options.processes)):
        _measure_processes(options.scene, count)


def _renders(renderer: raster.Renderer, world, size: tuple[int, int]) -> Iterator[Callable]:
    """One call per frame of a turn on the spot, after one frame that warms caches."""
    intrinsics = Intrinsics.from_fov(*size, 90.0)
    for k in range(-1, _FRAMES):
        pose = pose_from_angles(world.spawn_m, world.spawn_heading_deg + 15.0 * k, -5.0)
        if k < 0:
            renderer.render(pose, intrinsics)
        else:
            yield lambda pose=pose: renderer.render(pose, intrinsics)


def _measure_stages(scene: str) -> None:
    """Where the CPU time of one thread goes, medians over the frames."""
    world = scenes.build(scene)
    print(f"{world.scene.id}: {len(world.faces)} triangles, {len(world.objects) - 1} objects")
    renderer = raster.Renderer(world, threads=1)
    with _stages_timed() as spent:
        for size in _SIZES:
            frames: list[dict[str, float]] = []
            for render in _renders(renderer, world, size):
                spent.clear()
                start = time.process_time()
                render()
                frames.append({"all": time.process_time() - start, **spent})
            parts = {name: 1e3 * median(frame[name] for frame in frames) for name in frames[0]}
            detail = ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items() if name != "all")
            print(f"{size[0]}x{size[1]}: {parts['all']:.1f} ms of CPU a frame ({detail})")


@contextlib.contextmanager
def _stages_timed() -> Iterator[dict[str, float]]:
    """CPU seconds by stage, added up until somebody clears them."""
    spent: dict[str, float] = {}
    originals = [(module, name, getattr(module, name)) for module, name in _STAGES]
    for module, name, function in originals:
        setattr(module, name, _timed(function, name, spent))
    try:
        yield spent
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _timed(function: Callable, name: str, spent: dict[str, float]) -> Callable:
    def wrapper(*arguments):
        start = time.process_time()
        result = function(*arguments)
        spent[name] = spent.get(name, 0.0) + time.process_time() - start
        return result

    return wrapper


def _measure_processes(scene: str, count: int) -> None:
    """`count` engines side by side, each with one thread."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(count), context.Queue()
    workers = [
        context.Process(target=_work, args=(scene, barrier, results), daemon=True)
        for _ in range(count)
    ]
    for worker in workers:
        worker.start()
    gathered = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    for k, (width, height) in enumerate(_SIZES):
        wall = max(result[k][0] for result in gathered)
        cpu_ms = 1e3 * median(result[k][1] for result in gathered) / _FRAMES
        rate = count * _FRAMES / wall
        print(
            f"{count} x 1 thread, {width}x{height}: {rate:.1f} frames/s together, "
            f"{1e3 * wall / _FRAMES:.1f} ms a frame and engine, {cpu_ms:.1f} ms of CPU"
        )


def _work(scene: str, barrier: Barrier, results) -> None:
    """Wall and CPU seconds of all frames, for every size; all processes start together."""
    world = scenes.build(scene)
    renderer = raster.Renderer(world, threads=1)
    spent = []
    for size in _SIZES:
        frames = list(_renders(renderer, world, size))
        barrier.wait()
        wall, cpu = time.perf_counter(), time.process_time()
        for render in frames:
            render()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    results.put(spent)


def _measure_starts() -> None:
    """From nothing to the first client let in, once kernels and light are there."""
    for name in scenes.NAMES:
        _start(name)
        wall, cpu = _start(name)
        print(f"{name}: {wall:.1f} s, {cpu:.1f} s of CPU")


def _start(scene: str) -> tuple[float, float]:
    """Wall and CPU seconds of one engine until it says that it listens."""
    command = [sys.executable, "-m", "capture.engine", "--scene", scene, "--port", "0"]
    start = time.perf_counter()
    with subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        wall = time.perf_counter() - start
        with open(f"/proc/{process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        process.terminate()
    return wall, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
