"""The generators by name, and the one function that plans with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.camera import Intrinsics
from capture.navigation import FreeSpace
from capture.planner import landmarks, moves, rounds, stairs, stands, walks
from capture.planner.motion import MAX_TURN_DEG_S, Make, Motion, hand_held
from capture.scene import Plan
from capture.trajectory import Trajectory

_TRIES = 60
_HAND = 1 << 33  # random numbers of the hand are apart from those of the path


@dataclass(frozen=True, kw_only=True, slots=True)
class Generator:
    """A way to make paths.

    Attributes:
        make: See `Make`.
        min_s: Shorter paths make no sense of it.
    """

    make: Make
    min_s: float = 0.0


GENERATORS: dict[str, Generator] = {
    "roam": Generator(make=walks.roam),
    "look_around": Generator(make=stands.look_around),
    "out_and_back": Generator(make=walks.out_and_back),
    # A shorter round would turn faster than people do.
    "loop": Generator(make=rounds.loop, min_s=10.0),
    "moves": Generator(make=moves.moves),
    "visit": Generator(make=walks.visit),
    "orbit": Generator(make=landmarks.orbit),
    "spiral": Generator(make=landmarks.spiral, min_s=3.0),
    "climb": Generator(make=stairs.climb, min_s=3.0),
    "fly": Generator(make=moves.fly),
    "revisit_5s": Generator(make=stands.look_back(5.0), min_s=7.5),
    **{
        f"revisit_{gap_s}s": Generator(make=rounds.revisit(gap_s), min_s=1.25 * gap_s)
        for gap_s in (10, 20, 40)
    },
    **{axis: Generator(make=moves.single(axis)) for axis in moves.AXES},
}


def plan(
    generator: str,
    space: FreeSpace,
    *,
    scene_id: str,
    seed: int,
    num_frames: int,
    intrinsics: Intrinsics,
    motion: Motion,
) -> Plan:
    """One plan by the named generator.

    Args:
        generator: A key of `GENERATORS`.
        space: Free space of the scene.
        scene_id: Whose free space it is.
        seed: The same seed gives the same plan.
        num_frames: Length in frames.
        intrinsics: The camera.
        motion: Speeds and clearance.

    Raises:
        ValueError: If the generator is unknown, found no path, or needs more frames.
    """
    if generator not in GENERATORS:
        raise ValueError(f"unknown generator {generator!r}; there are {', '.join(GENERATORS)}")
    chosen = GENERATORS[generator]
    if num_frames < chosen.min_s * motion.fps:
        raise ValueError(
            f"{generator} needs {chosen.min_s:g} s, at {motion.fps:g} frames a second at least "
            f"{int(np.ceil(chosen.min_s * motion.fps))} frames; got {num_frames}"
        )
    for attempt in range(_TRIES):
        rng = np.random.Generator(np.random.Philox(key=[seed, attempt]))
        poses = chosen.make(space, rng, num_frames, motion)
        if poses is None:
            continue
        if motion.hand_deg > 0:
            hand = np.random.Generator(np.random.Philox(key=[seed, _HAND]))
            poses = hand_held(poses, hand, motion)
        path = Trajectory.uniform(poses, motion.fps)
        clearance_m = float(space.clearance(path.position_m).min())
        if clearance_m >= motion.min_clearance_m and _is_human(path, space, motion):
            return Plan(
                scene_id=scene_id,
                generator=generator,
                seed=seed,
                fps=motion.fps,
                trajectory=path,
                intrinsics=intrinsics,
                clearance_m=clearance_m,
            )
    raise ValueError(
        f"{generator} found no path of {num_frames} frames in {scene_id} after {_TRIES} tries "
        f"with {motion.min_clearance_m} m of clearance; shorten it or ask for less clearance"
    )


def _is_human(path: Trajectory, space: FreeSpace, motion: Motion) -> bool:
    """Whether every pose is inside the scene and no step walks or turns too fast."""
    return bool(
        space.inside(path.position_m).all()
        and path.speed_m_s().max(initial=0.0) <= motion.walk_m_s[1] * (1 + 1e-9)
        and path.turn_deg_s().max(initial=0.0) <= MAX_TURN_DEG_S
    )
