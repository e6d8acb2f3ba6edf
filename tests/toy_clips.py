"""A small invented world: a textured wall behind a moving camera, no engine needed."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np

from capture import actions
from capture.camera import Intrinsics, pose_from_angles
from capture.trajectory import Trajectory
from shards.schema import Clip

INTRINSICS = Intrinsics.from_fov(48, 32, 90.0)


def wander(seed: int, num_frames: int) -> np.ndarray:
    """A smooth random path with all six motions, float64 [T, 4, 4]."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(size=(num_frames, 6)) * 0.2, axis=0)
    moves = np.cumsum(steps * [0.02, 0.02, 0.01, 1.0, 0.5, 0.5], axis=0)
    return pose_from_angles(moves[:, :3], moves[:, 3], moves[:, 4], moves[:, 5])


def picture(cam_to_world: np.ndarray) -> np.ndarray:
    """What a camera in a sphere of stripes sees, uint8 [T, 32, 48, 3]."""
    rows, columns = np.mgrid[0:32, 0:48] + 0.5
    k = INTRINSICS
    ray = np.stack(
        [(columns - k.cx_px) / k.fx_px, (rows - k.cy_px) / k.fy_px, np.ones_like(rows)], -1
    )
    seen = np.einsum("tij,hwj->thwi", cam_to_world[:, :3, :3], ray)
    seen /= np.linalg.norm(seen, axis=-1, keepdims=True)
    return (127 + 120 * np.sin(seen * [5.0, 7.0, 9.0])).astype(np.uint8)


class FakeClips:
    """Clips in memory, with the face of `shards.reader.ShardDataset`."""

    def __init__(self, count: int = 4, num_frames: int = 12, manifest_sha: str = "a" * 64):
        self.manifest_sha = manifest_sha
        self._paths = [wander(seed, num_frames) for seed in range(count)]
        self.weights = np.ones(count)

    def __len__(self) -> int:
        return len(self._paths)

    def key(self, i: int) -> str:
        return f"clip-{i}"

    def num_frames(self, i: int) -> int:
        return len(self._paths[i])

    def window(self, i: int, start: int, length: int) -> Clip:
        clip, shown = self.clip(i), slice(start, start + length)
        path = clip.trajectory.cam_to_world[shown]
        return dataclasses.replace(
            clip,
            frames=clip.frames[shown],
            trajectory=Trajectory.uniform(path, 16),
            actions=actions.encode(path),
        )

    def clip(self, i: int) -> Clip:
        path = self._paths[i]
        return Clip(
            key=self.key(i),
            frames=picture(path),
            trajectory=Trajectory.uniform(path, 16),
            actions=actions.encode(path),
            intrinsics=INTRINSICS,
            fps=16.0,
            caption="A striped sphere.",
            scene_id="sphere",
            plan_id=f"plan-{i}",
            generator="wander",
            start=0,
        )

    def part(self, i: int, name: str) -> bytes:
        clip = FakeClips.clip(self, i)
        if name == "meta.json":
            return json.dumps({"caption": clip.caption}).encode()
        assert name == "camera.npz"
        k, out = clip.intrinsics, io.BytesIO()
        numbers = [k.fx_px, k.fy_px, k.cx_px, k.cy_px, k.width_px, k.height_px]
        path = clip.trajectory
        np.savez(out, cam_to_world=path.cam_to_world, t_s=path.t_s, intrinsics=np.array(numbers))
        return out.getvalue()


class CountedClips(FakeClips):
    """Clips that count the frames that were decoded."""

    def __init__(self, count: int = 4, num_frames: int = 12):
        super().__init__(count, num_frames)
        self.decoded = 0

    def clip(self, i: int) -> Clip:
        self.decoded += self.num_frames(i)
        return super().clip(i)

    def window(self, i: int, start: int, length: int) -> Clip:
        before = self.decoded
        clip = super().window(i, start, length)
        self.decoded = before + length
        return clip
