"""Plans: camera paths that are smooth, collision-free and worth learning from.

Every generator returns poses; `plan` re-checks the clearance of each pose and tries again with the
next random numbers where a path comes too close to a surface.

    motion      speeds, soft starts and stops, noise, the hand
    walks       roam, out_and_back, visit
    rounds      loop, revisit_10s, _20s, _40s: closed ways
    stands      look_around, revisit_5s
    landmarks   orbit, spiral
    stairs      climb
    moves       moves, fly, and one generator for each axis of the camera
    registry    the names, and `plan`
"""

from capture.planner.motion import Motion
from capture.planner.registry import GENERATORS, Generator, plan

__all__ = ["GENERATORS", "Generator", "Motion", "plan"]
