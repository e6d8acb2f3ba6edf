"""What a dataset holds: generators chosen evenly against the scheduler, as a Markdown table.

python tests/benchmarks/bench_schedule.py [--scenes apartment-0 town-0] [--count 32] [--frames 801]
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np

from capture import planner
from capture.camera import Intrinsics
from capture.engine import scenes
from capture.navigation import FreeSpace, free_space, sample_triangles
from capture.schedule import BINS, Scheduler, Targets
from curation import balance

INTRINSICS = Intrinsics.from_fov(832, 480, 80.0)
MOTION = planner.Motion(hand_deg=0.2)


def space_of(scene_id: str) -> FreeSpace:
    name, _, seed = scene_id.rpartition("-")
    world = scenes.build(name, int(seed))
    bounds_m = world.scene.bounds_m
    cloud = sample_triangles(world.triangles_m(), bounds_m)
    return free_space(cloud, bounds_m, world.spawn_m, min_clearance_m=MOTION.min_clearance_m)


def evenly(space: FreeSpace, scene_id: str, count: int, num_frames: int, into: Scheduler) -> None:
    """The generators in turn; one that finds no path is passed over."""
    turn, done = itertools.cycle(planner.GENERATORS), 0
    for seed in itertools.count():
        try:
            plan = planner.plan(
                next(turn),
                space,
                scene_id=scene_id,
                seed=seed,
                num_frames=num_frames,
                intrinsics=INTRINSICS,
                motion=MOTION,
            )
        except ValueError:
            continue
        into.add(plan)
        done += 1
        if done == count:
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", nargs="+", default=["apartment-0", "town-0"])
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--frames", type=int, default=801)
    arguments = parser.parse_args()
    targets = Targets()
    even, scheduled = Scheduler(targets, balance.active), Scheduler(targets, balance.active)
    seconds = np.zeros(2)
    for scene_id in arguments.scenes:
        space = space_of(scene_id)
        started = time.process_time()
        evenly(space, scene_id, arguments.count, arguments.frames, even)
        between = time.process_time()
        scheduled.fill(
            space,
            scene_id=scene_id,
            seed=0,
            count=arguments.count,
            num_frames=arguments.frames,
            intrinsics=INTRINSICS,
            motion=MOTION,
        )
        seconds += [between - started, time.process_time() - between]
    columns = (targets.shares(), even.shares(), scheduled.shares())
    print("| | target % | evenly chosen % | scheduled % |\n|---|---|---|---|")
    for name, bins in BINS.items():
        for k, label in enumerate(bins):
            row = " | ".join(f"{100 * column[name][k]:.1f}" for column in columns)
            print(f"| {label} | {row} |")
        before, after = even.distances()[name], scheduled.distances()[name]
        print(f"| **{name}: distance** | | **{before:.3f}** | **{after:.3f}** |")
    plans = arguments.count * len(arguments.scenes)
    print(f"\n{plans} plans: {seconds[0]:.1f} s of CPU evenly, {seconds[1]:.1f} s scheduled")


if __name__ == "__main__":
    main()
