"""Whether the convention detector finds planted errors: its confusion table, and what it costs.

    python tests/benchmarks/bench_convention.py [--source NAME ...] [--without-depth] [--singles]
    python tests/benchmarks/bench_convention.py --degraded 100 [--without-depth]

Clips from three renderers get every error of tests/planted.py and every pair of them: the
closed-form box room, a ray tracer that shares nothing with the product (tests/elsewhere.py), and
the embedded engine. A case is `found` if every field is told and right, `partly` if a planted field
is not told and nothing is wrong, `wrong` if something told is not so; without errors it is `clean`
or an `alarm`. With --degraded, clips of the ray tracer are spoilt (tests/degraded.py), each with no
or one error, and the table is of stated confidence against the share that is right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import degraded
import elsewhere
import planted
from box_room import FPS, box_plan, box_scene, write_box_episode

from capture import camera
from capture.camera import Intrinsics
from capture.formats import Declared, Posed, episodes
from capture.trajectory import Trajectory
from curation import convention
from curation.convention.verdict import SURE

SOURCES = ("box", "elsewhere", "apartment", "courtyard")
_NUM_FRAMES = 72
_DEGRADED_FRAMES = 40
_CONFIDENCES = (0.8, 0.95, 0.99, 0.999)
_NO_DEPTH = ("ray", "cm", "mm")


def main() -> None:
    """Print a line per clip and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", nargs="+", default=list(SOURCES), choices=SOURCES)
    parser.add_argument("--without-depth", action="store_true")
    parser.add_argument("--singles", action="store_true", help="no pairs of errors")
    parser.add_argument("--degraded", type=int, default=0, help="so many spoilt clips instead")
    options = parser.parse_args()
    if options.degraded:
        calibration(options.degraded, options.without_depth)
        return
    outcomes: dict[str, Counter] = defaultdict(Counter)
    surest: dict[str, list[float]] = defaultdict(list)
    cost_s = []
    for source in options.source:
        clip = clip_of(source)
        if options.without_depth:
            clip = replace(clip, depth=None)
        for errors in cases(options.without_depth, options.singles):
            start = time.process_time()
            outcome, confidence, fields = judged(clip, errors)
            cost_s.append(time.process_time() - start)
            for error in errors or ("none",):
                outcomes[error][outcome] += 1
            outcomes[f"{len(errors)} errors, {source}"][outcome] += 1
            surest[outcome].append(confidence)
            detail = f" ({', '.join(fields)})" if fields else ""
            print(f"{source}: {' + '.join(errors) or 'none'}: {outcome}{detail}", flush=True)
    columns = ("clean", "found", "partly", "wrong", "alarm")
    print(f"\n{'planted':24}" + "".join(f"{name:>8}" for name in columns))
    for name, counted in outcomes.items():
        print(f"{name:24}" + "".join(f"{counted[column]:8}" for column in columns))
    for outcome, values in sorted(surest.items()):
        low, middle = min(values), median(values)
        print(f"confidence where {outcome}: least {low:.4f}, median {middle:.4f}")
    print(f"{median(cost_s):.2f} s of CPU a clip of {_NUM_FRAMES} frames, median")


def calibration(trials: int, without_depth: bool) -> None:
    """Print what is said of spoilt clips, and how often what is said is right, by confidence."""
    said: dict[str, Counter] = defaultdict(Counter)
    planted_cases = cases(without_depth, singles=True)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        how = list(degraded.HOW)[trial % len(degraded.HOW)]
        errors = planted_cases[rng.integers(len(planted_cases))]
        clip = degraded.HOW[how](elsewhere.clip(_DEGRADED_FRAMES, seed=trial), rng)
        outcome, confidence, fields = judged(
            replace(clip, depth=None) if without_depth else clip, errors
        )
        # `partly` is right in what it tells, and may tell nothing.
        right = "wrong" if outcome in ("wrong", "alarm") else "right"
        bound = max((low for low in _CONFIDENCES if confidence >= low), default=0.0)
        for name in (how, f"confidence from {bound}"):
            said[name]["cannot tell" if confidence < SURE else right] += 1
        print(
            f"{how}: {'+'.join(errors) or 'none'}: {outcome} {confidence:.4f} {fields}", flush=True
        )
    columns = ("right", "wrong", "cannot tell")
    print(f"\n{'':40}" + "".join(f"{name:>12}" for name in columns))
    for name, counted in sorted(said.items()):
        print(f"{name:40}" + "".join(f"{counted[column]:12}" for column in columns))


def clip_of(source: str) -> Posed:
    """A clip of 72 frames, hand-held, from one of `SOURCES`."""
    if source == "elsewhere":
        return elsewhere.clip(_NUM_FRAMES)
    if source == "box":
        return box_clip()
    return engine_clip(source)


def box_clip() -> Posed:
    """A hand-held walk through the box room, 160 x 96 pixels."""
    poses = elsewhere.hand_held(_NUM_FRAMES)
    turn_deg = np.degrees(np.arctan2(-poses[:, 0, 2], poses[:, 2, 2]))
    position = np.stack([3 + poses[:, 0, 3], 1.2 + 0.35 * (4 - poses[:, 2, 3]), poses[:, 1, 3]], -1)
    tilt_deg = 10 * np.sin(np.arange(_NUM_FRAMES) / 7)
    plan = replace(
        box_plan("loop"),
        generator="hand-held",
        trajectory=Trajectory.uniform(
            camera.pose_from_angles(position, 90 + turn_deg, tilt_deg), FPS
        ),
        intrinsics=Intrinsics.from_fov(160, 96, 80.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        record = episodes.posed(write_box_episode(Path(folder), plan, box_scene()))
        assert record.rgb is not None and record.depth is not None
        return replace(
            record,
            rgb=elsewhere.Kept(np.stack(list(record.rgb.frames()))),
            depth=elsewhere.Kept(np.stack(list(record.depth.frames_m()))),
        )


def engine_clip(scene: str) -> Posed:
    """A hand-held look around the start of a built-in world, 320 x 180 pixels."""
    from capture.engine import raster, scenes

    world = scenes.build(scene)
    renderer, k = raster.Renderer(world, threads=1), Intrinsics.from_fov(320, 180, 75.0)
    poses = elsewhere.hand_held(_NUM_FRAMES)
    turn_deg = np.degrees(np.arctan2(-poses[:, 0, 2], poses[:, 2, 2]))
    sway = 0.25 * np.stack([poses[:, 0, 3], poses[:, 2, 3] - 4.0, poses[:, 1, 3] - 1.6], -1)
    path = camera.pose_from_angles(
        world.spawn_m + sway,
        world.spawn_heading_deg + turn_deg,
        4 * np.sin(np.arange(_NUM_FRAMES) / 6) - 4,
    )
    frames = [renderer.render(pose, k) for pose in path]
    return Posed(
        name=scene,
        format="engine",
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z", depth="planar"),
        cam_to_world=path,
        fps=FPS,
        intrinsics=np.tile([k.fx_px, k.fy_px, k.cx_px, k.cy_px], (_NUM_FRAMES, 1)),
        size_px=(k.width_px, k.height_px),
        rgb=elsewhere.Kept(np.stack([np.asarray(frame.rgb) for frame in frames])),
        depth=elsewhere.Kept(np.stack([np.asarray(frame.depth_m) for frame in frames])),
    )


def cases(without_depth: bool, singles: bool) -> list[tuple[str, ...]]:
    """No error, each alone, and all pairs; without depth, only what pictures can tell."""
    found: list[tuple[str, ...]] = [(), *((error,) for error in planted.FIELD_OF)]
    if not singles:
        found += planted.pairs_of_errors()
    return [case for case in found if not (without_depth and set(case) & set(_NO_DEPTH))]


def judged(clip: Posed, errors: tuple[str, ...]) -> tuple[str, float, list[str]]:
    """Outcome, confidence, and the fields that are wrong or not told."""
    said = convention.detect(planted.plant(clip, errors))
    found, wanted = said.found.to_json(), planted.expected(errors)
    if clip.depth is None:
        wanted["depth"] = wanted["unit"] = None
    if not errors:
        return "alarm" if said.agrees is False else "clean", said.confidence, []
    wrong = [field for field, value in wanted.items() if found[field] not in (value, None)]
    fov_deg, true_deg = found["fov_deg"], clip.camera().fov_deg
    if isinstance(fov_deg, float) and abs(fov_deg / true_deg - 1) > 0.04:
        wrong.append("fov_deg")
    untold = [planted.FIELD_OF[e] for e in errors if found[planted.FIELD_OF[e]] is None]
    return "wrong" if wrong else "partly" if untold else "found", said.confidence, wrong or untold


if __name__ == "__main__":
    main()
