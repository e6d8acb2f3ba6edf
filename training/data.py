"""Batches from clips: windows, augmentation, and what the model is told about the camera.

Shapes: B samples, T = 4 n + 1 frames, F = n + 1 latents. Latent 0 stands for frame 0, latent j for
frames 4 j - 3 to 4 j; per latent the model sees four frames' values, frame 0's four times for
latent 0.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
import torch

from capture import actions as capture_actions
from capture.camera import Intrinsics, invert
from shards.order import GlobalOrder, window_start
from shards.schema import Clip
from training import text
from training.recipes import Recipe
from training.stages.config import Phase, phase_at

GROUP = 4
ACTION_DIM = GROUP * len(capture_actions.NAMES)
_FIRST_ROTATION = capture_actions.NAMES.index("tilt_up")
# The block of Philox counters for augmentation; `shards.order` uses the blocks 0 and 1.
_AUGMENT = 2
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
        """Sample i, whole."""
        ...

    def window(self, i: int, start: int, length: int) -> Clip:
        """Frames [start, start + length) of sample i."""
        ...


class Stored(Protocol):
    """Latents that were made ahead; `shards.latents.Latents` is one."""

    def starts(self, key: str, num_frames: int) -> list[int]:
        """Frames of a clip at which a window of this many frames may begin; maybe none."""
        ...

    def window(self, key: str, start: int, num_frames: int) -> np.ndarray:
        """Latents [C, F, h, w] of such a window."""
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
    """Windows.

    Attributes:
        frames: uint8 [B, T, H, W, 3].
        signals: What belongs to them.
        numbers: Their places in the endless sequence of windows, from which noise is drawn.
        stored: Latents that were made ahead, float32 [C, F, h, w] by the window's place in the
            batch.
    """

    frames: torch.Tensor
    signals: Signals
    numbers: tuple[int, ...]
    stored: Mapping[int, torch.Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return dataclasses.replace(
            self,
            frames=self.frames.to(device),
            signals=self.signals.to(device),
            stored={place: latents.to(device) for place, latents in self.stored.items()},
        )

    def latents(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """All windows' latents, [B, C, F, h, w]; `encode` makes those that are not stored."""
        if not self.stored:
            return encode(self.frames)
        places = range(len(self.frames))
        lacking = [place for place in places if place not in self.stored]
        made = dict(zip(lacking, encode(self.frames[lacking]), strict=True)) if lacking else {}
        known = {**self.stored, **made}
        return torch.stack([known[place] for place in places])


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
    recipe: Recipe,
) -> Signals:
    """The signals of one path, with B = 1.

    Actions are recomputed from the poses (RELIC Algorithm 1), so they are right for any window,
    mirrored or reversed.

    Args:
        cam_to_world: float64 [T, 4, 4].
        intrinsics: Of the frames, at any size.
        caption: What the first frame shows.
        recipe: Gives the units, and how captions are encoded.
    """
    actions = capture_actions.encode(cam_to_world, recipe.data.step_m)
    values = actions.values.copy()
    values[:, _FIRST_ROTATION : capture_actions.STATIC] *= recipe.data.rotation_gain
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
        words=text.encoder(recipe.text, recipe.model)(caption)[None],
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


def palindrome(length: int, turn: int) -> np.ndarray:
    """Frames of a path that is walked to `turn` and back: int64 [length], RELIC sec. 3.

    The turning frame is shown once. No frame before 0 is asked for if `turn >= (length - 1) / 2`.

    Args:
        length: Of the result.
        turn: The last frame that is new.
    """
    return turn - np.abs(np.arange(length) - turn)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """Frames at the training size, and what belongs to them."""

    frames: np.ndarray
    cam_to_world: np.ndarray
    intrinsics: Intrinsics
    caption: str


class Windows:
    """Batches whose content is a function of (seed, step) alone; clips come by their weights.

    The clips' frames are decoded once and kept at the training size (3 H W bytes a frame) if all of
    them take at most 4 GiB; else every window is read from the shards when its turn comes.

    Args:
        clips: The training clips; in each phase those shorter than its windows are left out.
        recipe: Gives size, augmentation and seed.
        phases: Lengths of the windows; the teacher's by default.
        batch: Windows per step over all processes; the teacher's by default.

    Raises:
        ValueError: If no clip is as long as a window.
    """

    def __init__(
        self,
        clips: Clips,
        recipe: Recipe,
        phases: tuple[Phase, ...] | None = None,
        batch: int | None = None,
    ):
        self._recipe, self._clips = recipe, clips
        self._phases, self._batch = phases or recipe.phases, batch or recipe.batch
        lengths = [clips.num_frames(i) for i in range(len(clips))]
        self._eligible: dict[int, list[int]] = {}
        for phase in self._phases:
            long = [i for i, length in enumerate(lengths) if length >= phase.num_frames]
            if not long:
                raise ValueError(
                    f"no clip has the {phase.num_frames} frames of a window; the dataset has "
                    f"{len(clips)} training clips of at most {max(lengths, default=0)} frames"
                )
            self._eligible[phase.num_frames] = long
        self._orders = {
            length: GlobalOrder(len(long), recipe.seed, clips.weights[long])
            for length, long in self._eligible.items()
        }
        used = {i for long in self._eligible.values() for i in long}
        size = 3 * recipe.data.height_px * recipe.data.width_px
        self._kept: dict[int, _Source] = {}
        if sum(lengths[i] for i in used) * size <= _KEEP_BYTES:
            self._kept = {i: self._source(clips.clip(i)) for i in sorted(used)}
        self._lengths = lengths
        self._stored: Stored | None = None
        captions = (self._read(i, 0, 1).caption for i in sorted(used))
        text.encoder(recipe.text, recipe.model).prepare(itertools.chain([""], captions))
        first = min(used)
        self._first = self._kept.get(first) or self._source(clips.window(first, 0, 1))

    @property
    def intrinsics(self) -> Intrinsics:
        """The first clip's camera."""
        return self._first.intrinsics

    def batch(
        self, step: int, *, rank: int = 0, world: int = 1, micro: int = 0, accumulation: int = 1
    ) -> Batch:
        """One process' windows of one micro-batch of a step (from 0)."""
        length = phase_at(self._phases, step).num_frames
        places = self._orders[length].batch(
            step * accumulation + micro,
            global_batch=self._batch // accumulation,
            rank=rank,
            world=world,
        )
        return self.take([k for k, _ in places], length)

    def take(self, numbers: Sequence[int], length: int) -> Batch:
        """Windows by their places in the endless sequence of those of a length."""
        windows = [self._window(k, length) for k in numbers]
        return Batch(
            frames=torch.from_numpy(np.stack([frames for frames, _, _ in windows])),
            signals=collate([signals for _, signals, _ in windows]),
            numbers=tuple(numbers),
            stored={
                place: torch.from_numpy(latents.astype(np.float32))
                for place, (_, _, latents) in enumerate(windows)
                if latents is not None
            },
        )

    def use(self, stored: Stored) -> None:
        """From now on read the latents of windows that are shown as they were rendered.

        Such a window begins where an encoding does. The latents of mirrored, reversed and turned
        ones are others, and are still made of their frames.
        """
        self._stored = stored

    def sample(self, count: int) -> torch.Tensor:
        """`count` windows of the last phase's length: uint8 [count, T, H, W, 3]."""
        return self.take(range(count), self._phases[-1].num_frames).frames

    def _window(self, k: int, length: int) -> tuple[np.ndarray, Signals, np.ndarray | None]:
        """Frames, signals, and latents if they are stored."""
        data, seed = self._recipe.data, self._recipe.seed
        index = self._eligible[length][self._orders[length].row(k)]
        key = np.array([seed, k], dtype=np.uint64)
        bits = np.random.Philox(key=key, counter=np.array([0, 0, 0, _AUGMENT], dtype=np.uint64))
        coin, lot, pivot = (int(raw) for raw in bits.random_raw(3))
        turns = lot / 2**64 < data.palindrome
        mirror, reverse = data.mirror and coin & 1, data.reverse and coin & 2
        half = length // 2
        shown = palindrome(length, half + pivot % half if turns else length - 1)
        count, latents = int(shown.max()) + 1, None
        start = window_start(seed, k, self._lengths[index], count)
        if self._stored is not None and not (turns or mirror or reverse):
            start, latents = self._look_up(self._stored, k, index, length) or (start, None)
        source = self._read(index, start, count)
        frames, poses, camera = source.frames[shown], source.cam_to_world[shown], source.intrinsics
        if mirror:
            frames, poses = frames[:, :, ::-1], mirrored(poses)
            camera = mirrored_camera(camera)
        if reverse:
            frames, poses = frames[::-1], poses[::-1]
        told = coin / 2**64 >= data.caption_dropout
        caption = source.caption if told else ""
        return frames, describe(poses, camera, caption, recipe=self._recipe), latents

    def _look_up(
        self, stored: Stored, k: int, index: int, length: int
    ) -> tuple[int, np.ndarray] | None:
        """Where window k of a clip begins, and its latents; nothing if the clip has none."""
        key = self._clips.key(index)
        starts = stored.starts(key, length)
        if not starts:
            return None
        start = starts[window_start(self._recipe.seed, k, len(starts), 1)]
        return start, stored.window(key, start, length)

    def _read(self, index: int, start: int, length: int) -> _Source:
        """Frames [start, start + length) of a clip."""
        if index not in self._kept:
            return self._source(self._clips.window(index, start, length))
        whole, stop = self._kept[index], start + length
        return dataclasses.replace(
            whole, frames=whole.frames[start:stop], cam_to_world=whole.cam_to_world[start:stop]
        )

    def _source(self, clip: Clip) -> _Source:
        data = self._recipe.data
        return _Source(
            frames=resize(clip.frames, data.height_px, data.width_px),
            cam_to_world=clip.trajectory.cam_to_world,
            intrinsics=clip.intrinsics,
            caption=clip.caption,
        )
