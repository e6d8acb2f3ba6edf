"""What every metric costs: milliseconds of CPU per 832x480 frame, on one core.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_curation.py [scene]

Renders a short episode with the embedded engine, writes it as the recorder does, and times each
part of measuring on it: the fastest of several rounds, divided by how seldom it is needed (pairs
at every eighth frame, keyframes at every sixteenth).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from capture import actions, camera, revisits
from capture.camera import Intrinsics
from capture.engine import raster, scenes
from capture.episode import Episode, EpisodeWriter
from capture.scene import Plan
from capture.trajectory import Trajectory
from curation import (
    balance,
    caption,
    clips,
    collision,
    coverage,
    duplicates,
    exposure,
    geometry,
    measure,
    motion,
    render,
)

SIZE, FPS, FRAMES = (832, 480), 16.0, 97
ROUNDS = 5
PAIR, KEY = geometry.PAIR_GAP, measure.KEYFRAME_GAP
AIM_MS = 12.0


def main() -> None:
    """Print one line per metric and the sum."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        episode = _episode(Path(folder), sys.argv[1] if len(sys.argv) > 1 else "apartment")
        print(f"{'what':44}{'every':>8}{'ms a call':>12}{'ms a frame':>12}")
        total, decoding = 0.0, 0.0
        for name, every, call in _parts(episode):
            ms = 1e3 * _fastest(call)
            total += ms / every
            decoding += ms / every if name.startswith("decode") else 0.0
            print(f"{name:44}{every:>8g}{ms:>12.3f}{ms / every:>12.4f}")
        whole = 1e3 * _fastest(lambda: clips.rows(episode, measure.measure(episode)), rounds=2)
        print(f"{'sum':44}{'':>20}{total:>12.2f}   (aim {AIM_MS:g}), decoding {decoding:.2f} of it")
        print(f"{'measured and cut in one go, observer apart':44}{'':>20}{whole / FRAMES:>12.2f}")


def _parts(episode: Episode) -> Iterator[tuple[str, float, Callable[[], object]]]:
    """What is timed, and every how many frames it is needed."""
    rgb, depth_m = episode.frames(8, 9)[0], episode.depth_m(8, 9)[0]
    yield from _on_every_frame(rgb, depth_m)
    # Frame 0 is a key frame; frame 8 needs the eight before it. Half of the frames are such.
    yield "decode colour, a key frame", KEY, lambda: episode.frames(0, 1)
    yield "decode colour, eight frames on", KEY, lambda: episode.frames(8, 9)
    yield "decode depth", PAIR, lambda: episode.depth_m(8, 9)
    yield "decode masks, what is in view", KEY, lambda: _view(episode)
    yield "magenta_share", PAIR, lambda: render.magenta_share(rgb)
    yield "checker_share", PAIR, lambda: render.checker_share(rgb)
    yield "edge_blur_px", PAIR, lambda: render.edge_blur_px(rgb)
    yield from _on_pairs(episode)
    yield from _on_the_whole(episode)


def _on_every_frame(rgb, depth_m) -> Iterator[tuple[str, float, Callable[[], object]]]:
    observer = exposure.FrameObserver()
    y = exposure.luma(rgb)
    yield "raw-frame metrics, all (at capture)", 1, lambda: observer(rgb, depth_m)
    yield "  of these: luma", np.inf, lambda: exposure.luma(rgb)
    yield "  of these: sharpness", np.inf, lambda: exposure.sharpness(y)
    yield "  of these: colourfulness", np.inf, lambda: exposure.colourfulness(rgb[::8, ::8])
    yield (
        "  of these: near, nearest, median, nothing",
        np.inf,
        lambda: exposure.depth_scores(depth_m),
    )


def _on_pairs(episode: Episode) -> Iterator[tuple[str, float, Callable[[], object]]]:
    i, j = PAIR, 2 * PAIR
    poses, k = episode.trajectory.cam_to_world, geometry.shrink_camera(episode.intrinsics)
    (rgb_i, rgb_j), (full_i, full_j) = (
        [get(n, n + 1)[0] for n in (i, j)] for get in (episode.frames, episode.depth_m)
    )
    luma_i, luma_j = (geometry.shrink(exposure.luma(rgb)) for rgb in (rgb_i, rgb_j))
    depth_i, depth_j = geometry.shrink(full_i), geometry.shrink(full_j)
    move = camera.invert(poses[j]) @ poses[i]
    lags = (luma_i, luma_j, depth_i, k, poses, i, j)
    yield "shrink luma and depth", PAIR, lambda: _shrink(rgb_i, full_i)
    yield "geometry_inlier", PAIR, lambda: geometry.inlier_share(depth_i, depth_j, k, move)
    yield "lag_errors (five lags)", PAIR, lambda: geometry.lag_errors(*lags)
    yield "popped_share", PAIR, lambda: render.popped_share(depth_i, depth_j, k, move)
    yield "sharpening", PAIR, lambda: render.sharpening(luma_i, luma_j, depth_i, k, move)
    yield "hole_share", PAIR, lambda: render.hole_share(depth_i, k, poses[i])
    yield "through_surface", PAIR, lambda: collision.passes_through(depth_i, k, poses[i : j + 1])


def _on_the_whole(episode: Episode) -> Iterator[tuple[str, float, Callable[[], object]]]:
    path, count = episode.trajectory, len(episode)
    k, keys = geometry.shrink_camera(episode.intrinsics), list(range(0, count, KEY))
    depths = [geometry.shrink(episode.depth_m(n, n + 1)[0]) for n in keys]
    poses, t_s = path.cam_to_world[keys], path.t_s[keys]
    moves = actions.encode(path.cam_to_world)
    # None repeats another, and all are near each other: the most that there can be to do.
    turned = camera.pose_from_angles(np.zeros((64, 3)), 5.625 * np.arange(64), 0.0)
    clips_of = turned[:, None] @ path.cam_to_world
    yield "covisible_gap_s", count, lambda: coverage.covisible_gap_s(depths, k, t_s, poses)
    yield "new_m2", count, lambda: coverage.new_m2(depths, k, poses)
    yield "revisit_gap_s", count, lambda: revisits.gap_s(path)
    yield "motion (speed, jerk, jitter, sway, jumps...)", count, lambda: motion.summary(path)
    yield "actions: encode", count, lambda: actions.encode(path.cam_to_world)
    yield (
        "actions: histogram, coupling",
        count,
        lambda: (
            balance.histogram(moves),
            balance.coupling(moves),
        ),
    )
    yield "label_agreement", count, lambda: balance.label_agreement(moves, moves)
    yield (
        "duplicates, 64 clips of one scene",
        64 * count,
        lambda: duplicates.find(["s"] * 64, clips_of),
    )


def _shrink(rgb, depth_m) -> None:
    geometry.shrink(exposure.luma(rgb))
    geometry.shrink(depth_m)


def _view(episode: Episode) -> dict[str, float]:
    return caption.in_view(episode.mask(16, 17), episode.mask_names)


def _fastest(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    call()
    best = np.inf
    for _ in range(rounds):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def _episode(folder: Path, name: str) -> Episode:
    world, k = scenes.build(name), Intrinsics.from_fov(*SIZE, 80.0)
    t = np.arange(FRAMES) / FPS
    ahead = np.radians(world.spawn_heading_deg)
    along = np.array([np.cos(ahead), np.sin(ahead), 0.0])
    position = np.asarray(world.spawn_m) + 0.3 * np.sin(t)[:, None] * along
    poses = camera.pose_from_angles(position, world.spawn_heading_deg + 15 * t, -5.0)
    plan = Plan(
        scene_id=world.scene.id,
        generator="bench",
        seed=0,
        fps=FPS,
        trajectory=Trajectory.uniform(poses, FPS),
        intrinsics=k,
        clearance_m=0.5,
    )
    renderer, observer = raster.Renderer(world), exposure.FrameObserver()
    names = ["background", *(f"object_{n}" for n in range(1, len(world.objects)))]
    with EpisodeWriter(
        folder, plan=plan, scene=world.scene, mask_names=names, engine={"name": "embedded"}
    ) as writer:
        for pose in poses:
            seen = renderer.render(pose, k)
            rgb, depth_m = seen.rgb.copy(), seen.depth_m.copy()
            writer.add(
                rgb=rgb,
                depth_m=depth_m,
                mask=seen.object.astype(np.uint16),
                reported_cm_deg=np.concatenate(camera.to_unreal(pose)),
                measured=observer(rgb, depth_m),
            )
    return Episode.load(folder / plan.id)


if __name__ == "__main__":
    main()
