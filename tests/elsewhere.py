"""A clip from elsewhere: a small ray tracer that shares no line of code with the product.

Balls and a wavy-coloured floor in a y-up world, seen by a hand-held OpenGL camera (x right, y up,
looking along -z). What it gives is raw: camera-to-world matrices, a vertical field of view,
distances along the ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.formats import Declared, Posed

SIZE = (192, 108)
VERTICAL_FOV_DEG = 50.0


@dataclass(frozen=True)
class Kept:
    """Pictures or depth in memory."""

    arrays: np.ndarray

    def __len__(self) -> int:
        return len(self.arrays)

    def size_px(self) -> tuple[int, int]:
        return self.arrays.shape[2], self.arrays.shape[1]

    def frames(self, start: int = 0, stop: int | None = None):
        yield from self.arrays[start:stop]

    frames_m = frames


def hand_held(num_frames: int, seed: int = 0) -> np.ndarray:
    """OpenGL camera-to-world [T, 4, 4]: walks, sways, and looks about, never quite steadily."""
    rng = np.random.default_rng(seed)
    t = np.arange(num_frames) / 24.0
    phases = rng.uniform(0, 2 * np.pi, 6)
    yaw = 0.5 * np.sin(1.1 * t + phases[0]) + 0.12 * np.sin(4.3 * t + phases[1])
    pitch = 0.10 * np.sin(1.7 * t + phases[2]) - 0.12
    x = 1.2 * np.sin(0.9 * t + phases[3]) + 0.10 * np.sin(5.0 * t + phases[4])
    y = 1.6 + 0.12 * np.sin(2.9 * t + phases[5])
    z = 4.0 - 0.9 * t
    poses = np.tile(np.eye(4), (num_frames, 1, 1))
    for n in range(num_frames):
        cy, sy, cp, sp = np.cos(yaw[n]), np.sin(yaw[n]), np.cos(pitch[n]), np.sin(pitch[n])
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        poses[n, :3, :3] = turn @ nod
        poses[n, :3, 3] = x[n], y[n], z[n]
    return poses


def trace(pose: np.ndarray, balls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour uint8 [H, W, 3] and distance along the ray [H, W]; infinite in the sky."""
    width, height = SIZE
    tall = np.tan(np.radians(VERTICAL_FOV_DEG) / 2)
    right = (2 * (np.arange(width) + 0.5) / width - 1) * tall * width / height
    up = (1 - 2 * (np.arange(height) + 0.5) / height) * tall
    ray = np.stack([*np.meshgrid(right, up), -np.ones((height, width))], -1)
    ray = ray / np.linalg.norm(ray, axis=-1, keepdims=True) @ pose[:3, :3].T
    eye = pose[:3, 3]
    with np.errstate(divide="ignore"):
        far = np.where(ray[..., 1] < 0, -eye[1] / ray[..., 1], np.inf)
    far[far > 60] = np.inf
    for x, y, z, radius in balls:
        to = np.array([x, y, z]) - eye
        along = ray @ to
        under = along**2 - (to @ to - radius**2)
        near = along - np.sqrt(np.maximum(under, 0))
        far = np.where((under > 0) & (near > 0) & (near < far), near, far)
    hit = eye + np.where(np.isfinite(far), far, 0.0)[..., None] * ray
    waves = [
        np.sin(3.1 * hit + 1.7 * np.sin(2.3 * hit[..., [1, 2, 0]])),
        np.sin(7.7 * hit[..., [2, 0, 1]] + 0.9 * hit),
    ]
    colour = 128 + 60 * waves[0] + 40 * waves[1]
    colour[~np.isfinite(far)] = (140, 170, 220)
    return np.clip(colour, 0, 255).astype(np.uint8), far


def clip(num_frames: int = 72, seed: int = 0) -> Posed:
    """The clip as a truthful file would be read: OpenCV camera, camera to world, planar depth."""
    rng = np.random.default_rng(seed + 100)
    balls = np.column_stack(
        [
            rng.uniform(-5, 5, 24), rng.uniform(0.2, 2.5, 24), rng.uniform(-9, 0, 24),
            rng.uniform(0.3, 0.8, 24),
        ]
    )  # fmt: skip
    poses = hand_held(num_frames, seed)
    frames, distances = zip(*(trace(pose, balls) for pose in poses), strict=True)
    width, height = SIZE
    focal = height / 2 / np.tan(np.radians(VERTICAL_FOV_DEG) / 2)
    right = (np.arange(width) + 0.5 - width / 2) / focal
    down = (np.arange(height) + 0.5 - height / 2) / focal
    cosine = 1.0 / np.sqrt(1.0 + right[None] ** 2 + down[:, None] ** 2)
    return Posed(
        name=f"hand_held_{seed}",
        format="elsewhere",
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z", depth="planar"),
        cam_to_world=poses @ np.diag([1.0, -1.0, -1.0, 1.0]),
        fps=24.0,
        intrinsics=np.tile([focal, focal, width / 2, height / 2], (num_frames, 1)),
        size_px=SIZE,
        rgb=Kept(np.stack(frames)),
        depth=Kept((np.stack(distances) * cosine).astype(np.float32)),
    )
