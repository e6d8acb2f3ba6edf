"""Clips as training reads them: at its size, and of their frames only those that are looked at."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from capture.camera import Intrinsics
from shards import codec
from shards.damage import DamagedError
from shards.schema import Clip
from training.recipes import DataConfig

_KEEP_BYTES = 4 * 2**30


class Clips(Protocol):
    """What training asks of a dataset; `shards.reader.ShardDataset` is one."""

    @property
    def manifest_sha(self) -> str:
        """Identifies the content."""
        ...

    @property
    def weights(self) -> np.ndarray:
        """How often to draw every sample, relative to one another, [n]."""
        ...

    def __len__(self) -> int: ...

    def key(self, i: int) -> str:
        """Id of sample i."""
        ...

    def num_frames(self, i: int) -> int:
        """Length of sample i."""
        ...

    def clip(self, i: int) -> Clip:
        """Sample i, whole; another one, with its own key, may stand in for a damaged one."""
        ...

    def window(self, i: int, start: int, length: int) -> Clip:
        """Frames [start, start + length) of sample i, or of the one that stands in for it."""
        ...

    def part(self, i: int, name: str) -> bytes:
        """A member of sample i, one of `shards.schema.PARTS`; nothing stands in for it.

        Raises:
            DamagedError: If it is damaged.
        """
        ...


def resize(frames: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Frames [T, H, W, 3] at another size, every pixel the mean of the area that it covers."""
    if frames.shape[1:3] == (height_px, width_px):
        return frames
    size = (width_px, height_px)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowLabels:
    """What belongs to the T frames of a window.

    Attributes:
        key: Id of the clip that they belong to.
        cam_to_world: float64 [T, 4, 4].
        intrinsics: Of the clip's frames, at the clip's size.
        caption: What is seen.
    """

    key: str
    cam_to_world: np.ndarray
    intrinsics: Intrinsics
    caption: str

    def cut(self, start: int, count: int) -> WindowLabels:
        """Frames [start, start + count)."""
        path = self.cam_to_world[start : start + count]
        return dataclasses.replace(self, cam_to_world=path)


class Reader:
    """Windows of clips, frames decoded when they are first shown.

    They are kept at the training size (3 H W bytes a frame) if those of all clips take at most
    4 GiB; else every window is read when its turn comes. Frames and path are always of one clip,
    also where another one stands in for a damaged one.

    Args:
        clips: All of them.
        used: Those that will be shown.
        config: Gives the size.
    """

    def __init__(self, clips: Clips, used: Collection[int], config: DataConfig):
        self._clips, self._config = clips, config
        size = 3 * config.height_px * config.width_px
        self._keeps = sum(clips.num_frames(i) for i in used) * size <= _KEEP_BYTES
        self._whole: dict[int, tuple[np.ndarray, WindowLabels]] = {}
        self._single: dict[tuple[int, int], np.ndarray] = {}
        self._told: dict[int, WindowLabels] = {}

    def window(self, i: int, start: int, count: int) -> tuple[np.ndarray, WindowLabels]:
        """Frames [start, start + count) of a clip, uint8 [count, H, W, 3]."""
        if not self._keeps:
            return self._sized(self._clips.window(i, start, count))
        if i not in self._whole:
            self._whole[i] = self._sized(self._clips.clip(i))
        frames, told = self._whole[i]
        return frames[start : start + count], told.cut(start, count)

    def frame(self, i: int, start: int, count: int, place: int) -> tuple[np.ndarray, WindowLabels]:
        """One of these frames alone, uint8 [H, W, 3], and what belongs to all of them."""
        where = (i, start + place)
        frame = self._single.get(where)
        if frame is None and i not in self._whole:
            clip = self._clips.window(*where, 1)
            if clip.key == self._clips.key(i):
                frame = self._sized(clip)[0][0]
                if self._keeps:
                    self._single[where] = frame
        if frame is not None:
            return frame, self.told(i, start, count)
        frames, told = self.window(i, start, count)
        return frames[place], told

    def told(self, i: int, start: int, count: int) -> WindowLabels:
        """What belongs to these frames, none of which is decoded."""
        found = self._told.get(i) or _told(self._clips, i)
        if self._keeps:
            self._told[i] = found
        return found.cut(start, count)

    def _sized(self, clip: Clip) -> tuple[np.ndarray, WindowLabels]:
        frames = resize(clip.frames, self._config.height_px, self._config.width_px)
        return frames, _of(clip)


def _told(clips: Clips, i: int) -> WindowLabels:
    """Of a whole clip; no frame is decoded unless another one must stand in for it."""
    try:
        path, intrinsics = codec.decode_camera(clips.part(i, "camera.npz"))
        caption = json.loads(clips.part(i, "meta.json"))["caption"]
    except DamagedError:
        return _of(clips.clip(i))
    return WindowLabels(
        key=clips.key(i),
        cam_to_world=path.cam_to_world,
        intrinsics=intrinsics,
        caption=caption,
    )


def _of(clip: Clip) -> WindowLabels:
    return WindowLabels(
        key=clip.key,
        cam_to_world=clip.trajectory.cam_to_world,
        intrinsics=clip.intrinsics,
        caption=clip.caption,
    )
