"""What every generator does at worst, over many seeds in every built-in world, as a Markdown table.

python tests/benchmarks/bench_planner.py [--scenes town-0] [--generators roam] [--seeds 20]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from bench_schedule import space_of

from capture import planner
from capture.camera import Intrinsics
from capture.navigation import FreeSpace
from capture.planner import GENERATORS, Motion
from capture.trajectory import Trajectory
from curation import filters, motion

SCENES = ("apartment-0", "town-0", "courtyard-0", "warehouse-0", "museum-0", "valley-0")
INTRINSICS = Intrinsics.from_fov(832, 480, 80.0)
CLIP = 81


@dataclass(kw_only=True)
class Worst:
    """Of one generator, over all its plans.

    Attributes:
        plans: How many there are.
        missing: Scenes and seeds for which there was no path.
        turn_deg_s: Fastest turn.
        turn_change_deg_s2: Most abrupt turn.
        speed_m_s: Highest speed.
        clearance_m: Nearest surface.
        outside: Poses out of bounds.
        clips: Clips of 81 frames.
        rejected: Those that curation's rules on motion reject.
        cpu_s: Time that planning took.
    """

    plans: int = 0
    missing: int = 0
    turn_deg_s: float = 0.0
    turn_change_deg_s2: float = 0.0
    speed_m_s: float = 0.0
    clearance_m: float = np.inf
    outside: int = 0
    clips: int = 0
    rejected: int = 0
    cpu_s: float = 0.0

    def add(self, path: Trajectory, space: FreeSpace) -> None:
        """Measure one path."""
        self.plans += 1
        self.turn_deg_s = max(self.turn_deg_s, path.turn_deg_s().max())
        change = motion.turn_acceleration_deg_s2(path).max()
        self.turn_change_deg_s2 = max(self.turn_change_deg_s2, change)
        self.speed_m_s = max(self.speed_m_s, path.speed_m_s().max())
        self.clearance_m = min(self.clearance_m, space.clearance(path.position_m).min())
        self.outside += int((~space.inside(path.position_m)).sum())
        for start in range(0, len(path) - CLIP + 1, CLIP - 1):
            row = motion.summary(path.window(start, start + CLIP))
            reasons = filters.judge(row).reasons
            self.clips += 1
            self.rejected += any("could not be" not in reason for reason in reasons)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", nargs="+", default=SCENES)
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    moving = Motion()
    worst = {name: Worst() for name in arguments.generators}
    for scene_id in arguments.scenes:
        space = space_of(scene_id)
        for name in arguments.generators:
            for seed in range(arguments.seeds):
                started = time.process_time()
                try:
                    plan = planner.plan(
                        name,
                        space,
                        scene_id=scene_id,
                        seed=seed,
                        num_frames=max(241, int(1.3 * GENERATORS[name].min_s * moving.fps)),
                        intrinsics=INTRINSICS,
                        motion=moving,
                    )
                except ValueError:
                    worst[name].missing += 1
                    continue
                worst[name].cpu_s += time.process_time() - started
                worst[name].add(plan.trajectory, space)
    print(
        "| generator | plans | none found | turn deg/s | its change deg/s^2 | speed m/s | "
        "clearance m | poses outside | clips rejected | CPU s a plan |\n" + 10 * "|---" + "|"
    )
    for name, row in worst.items():
        print(
            f"| `{name}` | {row.plans} | {row.missing} | {row.turn_deg_s:.1f} | "
            f"{row.turn_change_deg_s2:.0f} | {row.speed_m_s:.2f} | {row.clearance_m:.3f} | "
            f"{row.outside} | {row.rejected} of {row.clips} | {row.cpu_s / max(row.plans, 1):.2f} |"
        )


if __name__ == "__main__":
    main()
