"""Batches from clips: windows, augmentation, and what the model is told about the camera.

Shapes: B samples, T = 4 n + 1 frames, F = n + 1 latents. Latent 0 stands for frame 0, latent j for
frames 4 j - 3 to 4 j; per latent the model sees four frames' values, frame 0's four times for
latent 0.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch

from capture import actions as capture_actions
from capture.camera import Intrinsics, invert
from shards.order import GlobalOrder, window_start
from shards.schema import Clip
from training import text
from training.recipes import DataConfig, ModelConfig, Recipe

GROUP = 4
ACTION_DIM = GROUP * len(capture_actions.NAMES)
_FIRST_ROTATION = capture_actions.NAMES.index("tilt_up")
# The block of Philox counters for augmentation; `shards.order` uses the blocks 0 and 1.
_AUGMENT = 2


class Clips(Protocol):
    """What training asks of a dataset; `shards.reader.ShardDataset` is one."""

    @property
    def manifest_sha(self) -> str:
        """Identifies the content."""
        ...

    def __len__(self) -> int: ...

    def clip(self, i: int) -> Clip:
        """Sample i, whole."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Signals:
    """What the model is told beside the pixels.

    Attributes:
        actions: float32 [B, F, 52]: four frames' 13 actions.
        poses: float32 [B, F, 4, 3, 4]: four frames' cam_to_world in the first frame's OpenCV axes,
            positions in steps.
        step_m: float32 [B]: metres of a step.
        intrinsics: float32 [B, 4]: focal lengths and principal point, fx and cx in image widths, fy
            and cy in image heights, so that they hold at every size.
        words: float32 [B, words, text_dim].
    """

    actions: torch.Tensor
    poses: torch.Tensor
    step_m: torch.Tensor
    intrinsics: torch.Tensor
    words: torch.Tensor

    def to(self, device: torch.device) -> Signals:
        """The same on a device."""
        return Signals(**{name: getattr(self, name).to(device) for name in Signals.__slots__})


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Windows: frames uint8 [B, T, H, W, 3] and their `Signals`."""

    frames: torch.Tensor
    signals: Signals


def group_frames(values: np.ndarray) -> np.ndarray:
    """Per-frame values [T, ...] to per-latent values [F, 4, ...], frame 0 padded on the left."""
    if len(values) % GROUP != 1:
        raise ValueError(f"a window has 1, 5, 9, ... frames, got {len(values)}")
    padded = np.concatenate([np.repeat(values[:1], GROUP - 1, axis=0), values])
    return padded.reshape(-1, GROUP, *values.shape[1:])


def mirrored(cam_to_world: np.ndarray) -> np.ndarray:
    """Poses [T, 4, 4] of the scene seen in a mirror in the first camera's vertical plane.

    The images of these poses are the old ones with left and right swapped (for a centred principal
    point; otherwise it moves to the other side too, see `mirrored_camera`).
    """
    swap = np.diag([-1.0, 1.0, 1.0, 1.0])
    return cam_to_world[0] @ swap @ relative(cam_to_world) @ swap


def relative(cam_to_world: np.ndarray) -> np.ndarray:
    """Poses [T, 4, 4] in the axes of the first camera."""
    return invert(cam_to_world[:1]) @ cam_to_world


def mirrored_camera(intrinsics: Intrinsics) -> Intrinsics:
    """The camera whose images are the old ones with left and right swapped."""
    return dataclasses.replace(intrinsics, cx_px=intrinsics.width_px - intrinsics.cx_px)


def describe(
    cam_to_world: np.ndarray,
    intrinsics: Intrinsics,
    caption: str,
    *,
    data: DataConfig,
    model: ModelConfig,
) -> Signals:
    """The signals of one path, with B = 1.

    Actions are recomputed from the poses (RELIC Algorithm 1), so they are right for any window,
    mirrored or reversed.

    Args:
        cam_to_world: float64 [T, 4, 4].
        intrinsics: Of the frames, at any size.
        caption: What the first frame shows.
        data: Gives the units.
        model: Gives the size of the text.
    """
    actions = capture_actions.encode(cam_to_world, data.step_m)
    values = actions.values.copy()
    values[:, _FIRST_ROTATION : capture_actions.STATIC] *= data.rotation_gain
    poses = relative(cam_to_world)[:, :3].copy()
    poses[:, :, 3] /= actions.step_m
    grouped = group_frames(values)
    k, width, height = intrinsics, intrinsics.width_px, intrinsics.height_px
    shares = [k.fx_px / width, k.fy_px / height, k.cx_px / width, k.cy_px / height]
    return Signals(
        actions=torch.from_numpy(grouped.reshape(len(grouped), -1)).float()[None],
        poses=torch.from_numpy(group_frames(poses)).float()[None],
        step_m=torch.tensor([actions.step_m]),
        intrinsics=torch.tensor([shares]),
        words=text.embed(caption, max_words=model.max_words, dim=model.text_dim)[None],
    )


def resize(frames: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Frames [T, H, W, 3] at another size, every pixel the mean of the area that it covers."""
    if frames.shape[1:3] == (height_px, width_px):
        return frames
    size = (width_px, height_px)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def collate(signals: list[Signals]) -> Signals:
    """Join along B."""
    names = Signals.__slots__
    return Signals(**{name: torch.cat([getattr(s, name) for s in signals]) for name in names})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """A clip at the training size."""

    frames: np.ndarray
    cam_to_world: np.ndarray
    intrinsics: Intrinsics
    caption: str


class Windows:
    """Batches whose content is a function of (seed, step) alone.

    The clips' frames are decoded once and kept at the training size (3 H W bytes a frame).

    Args:
        clips: The training clips; those shorter than a window are left out.
        recipe: Gives window, batch and seed.
    """

    def __init__(self, clips: Clips, recipe: Recipe):
        data = recipe.data
        self._recipe = recipe
        self._sources: list[_Source] = []
        for index in range(len(clips)):
            clip = clips.clip(index)
            if len(clip) >= data.num_frames:
                self._sources.append(
                    _Source(
                        frames=resize(clip.frames, data.height_px, data.width_px),
                        cam_to_world=clip.trajectory.cam_to_world,
                        intrinsics=clip.intrinsics,
                        caption=clip.caption,
                    )
                )
        if not self._sources:
            raise ValueError(
                f"no clip has the {data.num_frames} frames of a window; the dataset has "
                f"{len(clips)} training clips"
            )
        self._order = GlobalOrder(len(self._sources), recipe.seed)

    @property
    def intrinsics(self) -> Intrinsics:
        """The first clip's camera."""
        return self._sources[0].intrinsics

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """The windows of one step (from 0) for one process."""
        places = self._order.batch(step, global_batch=self._recipe.batch, rank=rank, world=world)
        return self._join([self._window(k, index) for k, index in places])

    def sample(self, count: int) -> torch.Tensor:
        """`count` windows as the first batches show them: uint8 [count, T, H, W, 3]."""
        windows = [self._window(k, self._order.row(k))[0] for k in range(count)]
        return torch.from_numpy(np.stack(windows))

    def _join(self, windows: list[tuple[np.ndarray, Signals]]) -> Batch:
        frames = torch.from_numpy(np.stack([frames for frames, _ in windows]))
        return Batch(frames=frames, signals=collate([signals for _, signals in windows]))

    def _window(self, k: int, index: int) -> tuple[np.ndarray, Signals]:
        data, source = self._recipe.data, self._sources[index]
        start = window_start(self._recipe.seed, k, len(source.frames), data.num_frames)
        camera = source.intrinsics
        frames = source.frames[start : start + data.num_frames]
        poses = source.cam_to_world[start : start + data.num_frames]
        key = np.array([self._recipe.seed, k], dtype=np.uint64)
        bits = np.random.Philox(key=key, counter=np.array([0, 0, 0, _AUGMENT], dtype=np.uint64))
        coin = int(bits.random_raw())
        if data.mirror and coin & 1:
            frames, poses = frames[:, :, ::-1], mirrored(poses)
            camera = mirrored_camera(camera)
        if data.reverse and coin & 2:
            frames, poses = frames[::-1], poses[::-1]
        told = coin / 2**64 >= data.caption_dropout
        signals = describe(
            poses,
            camera,
            source.caption if told else "",
            data=data,
            model=self._recipe.model,
        )
        return frames, signals
