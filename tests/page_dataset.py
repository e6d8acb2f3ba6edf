"""A small curated dataset with one sound trajectory and one that pans too fast in the middle."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from box_room import FPS, box_plan, box_scene, write_box_episode

from capture import camera
from capture.plan_map import ClearanceMap
from capture.trajectory import Trajectory
from curation import decide, tables

WHIP = (40, 44)  # first and last frame of the whip pan
WHIP_DEG_S = 160.0


def page_dataset(folder: Path) -> tuple[Path, str, str]:
    """Render, measure and judge both in the box room; the dataset, and the ids: sound, bad."""
    scene = box_scene()
    sound = box_plan("out_and_back")
    rate = np.full(97, 10.0)
    rate[WHIP[0] : WHIP[1] + 1] = WHIP_DEG_S
    heading = np.cumsum(rate) / FPS
    along = np.linspace(0.0, 1.5, 97)[:, None] * [1.0, 0.0, 0.0]
    poses = camera.pose_from_angles(np.array([2.0, 2.5, 1.5]) + along, heading, 0.0)
    bad = dataclasses.replace(sound, generator="whip", trajectory=Trajectory.uniform(poses, FPS))
    for plan in (sound, bad):
        write_box_episode(folder / "episodes", plan, scene)
        tables.measure_episode(folder, plan.id)
    tables.merge(folder)
    decide.decide(folder, val_scenes=[])
    clearance = np.ones((12, 10), np.float32)
    clearance[[0, -1]] = clearance[:, [0, -1]] = 0.0
    grid = ClearanceMap(
        origin_m=np.array([0.25, 0.25]), cell_m=0.5, clearance_m=clearance, reachable=clearance > 0
    )
    grid.save(folder / "scenes" / f"{scene.id}.space.npz")
    return folder, sound.id, bad.id
