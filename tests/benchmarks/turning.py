"""What benchmarks of small worlds share: clips of a camera that turns, and most of a recipe."""

from __future__ import annotations

import abc
import dataclasses
import io
import json

import numpy as np

from capture.actions import encode
from capture.camera import Intrinsics
from capture.trajectory import Trajectory
from shards.schema import Clip
from training import recipes
from training.model.config import ModelConfig
from training.recipes import DataConfig

FPS = 16.0


class Turning(abc.ABC):
    """Clips of one length, with the face of `shards.reader.ShardDataset`.

    Attributes:
        camera: Of all clips.
    """

    camera: Intrinsics
    manifest_sha = "turning"

    @property
    @abc.abstractmethod
    def paths(self) -> np.ndarray:
        """cam_to_world of all clips, float64 [N, T, 4, 4]."""

    @abc.abstractmethod
    def shown(self, i: int, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) of a clip, uint8 [stop - start, H, W, 3]."""

    @property
    def weights(self) -> np.ndarray:
        return np.ones(len(self))

    def __len__(self) -> int:
        return len(self.paths)

    def key(self, i: int) -> str:
        return f"{i:06d}"

    def num_frames(self, i: int) -> int:
        return self.paths.shape[1]

    def clip(self, i: int) -> Clip:
        return self.window(i, 0, self.num_frames(i))

    def part(self, i: int, name: str) -> bytes:
        if name == "meta.json":
            return json.dumps({"caption": ""}).encode()
        assert name == "camera.npz"
        k, out, path = self.camera, io.BytesIO(), self.paths[i]
        numbers = [k.fx_px, k.fy_px, k.cx_px, k.cy_px, k.width_px, k.height_px]
        t_s = np.arange(len(path)) / FPS
        np.savez(out, cam_to_world=path, t_s=t_s, intrinsics=np.array(numbers))
        return out.getvalue()

    def window(self, i: int, start: int, length: int) -> Clip:
        path = self.paths[i, start : start + length]
        return Clip(
            key=self.key(i),
            frames=self.shown(i, start, start + length),
            trajectory=Trajectory(t_s=np.arange(length) / FPS, cam_to_world=path),
            actions=encode(path, 1.0),
            intrinsics=self.camera,
            fps=FPS,
            caption="",
            scene_id="turning",
            plan_id=self.key(i),
            generator="turn",
            start=start,
        )


def small_model(**changes: object) -> ModelConfig:
    """That of the recipe `tiny`, smaller still, for clips without captions."""
    smaller: dict[str, object] = {
        "head_dim": 24,
        "ffn_dim": 256,
        "freq_dim": 32,
        "text_dim": 8,
        "max_words": 2,
    }
    return dataclasses.replace(recipes.tiny().model, **smaller | changes)


def small_data(camera: Intrinsics, num_frames: int, **changes: object) -> DataConfig:
    """The units of `tiny`, nothing mirrored or reversed, at the camera's size."""
    size: dict[str, object] = {"height_px": camera.height_px, "width_px": camera.width_px}
    plain: dict[str, object] = {"num_frames": num_frames, "mirror": False, "reverse": False}
    return dataclasses.replace(recipes.tiny().data, **size | plain | changes)
