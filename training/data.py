"""Batches from clips: windows, augmentation, and what the model is told about the camera.

Shapes: B samples, T = 4 n + 1 frames, F = n + 1 latents. Latent 0 stands for frame 0, latent j for
frames 4 j - 3 to 4 j; per latent the model sees four frames' values, frame 0's four times for
latent 0.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from capture import actions as capture_actions
from capture.camera import Intrinsics, invert
from shards.latents import GROUP, Latents
from shards.order import window_start
from shards.windows import WindowOrder
from training import text
from training.clips import Clips, Reader, WindowLabels
from training.recipes import Recipe
from training.stages.config import Phase

_LOG = logging.getLogger(__name__)
ACTION_DIM = GROUP * len(capture_actions.NAMES)
_FIRST_ROTATION = capture_actions.NAMES.index("tilt_up")
# The block of Philox counters for augmentation; `shards.order` uses the blocks 0 and 1.
_AUGMENT = 2


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
        frames: uint8 [n, T, H, W, 3] of those that are to be encoded: of all B of them, but for
            those in `stored`; of none where first frames are enough.
        first: First frames, uint8 [B, H, W, 3]; black where nobody looks at them, see
            `Windows.use`.
        signals: What belongs to them.
        numbers: Their places in the endless sequence of windows, from which noise is drawn.
        stored: Latents that were made ahead, float32 [C, F, h, w] by the window's place in the
            batch.
        replaced: Ids of damaged clips for which another one stands in, by the window's place.
    """

    frames: torch.Tensor
    first: torch.Tensor
    signals: Signals
    numbers: tuple[int, ...]
    stored: Mapping[int, torch.Tensor] = field(default_factory=dict)
    replaced: Mapping[int, str] = field(default_factory=dict)

    @property
    def stand_ins(self) -> dict[int, str]:
        """What `replaced` says, by the windows' places in the endless sequence."""
        return {self.numbers[place]: key for place, key in self.replaced.items()}

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return dataclasses.replace(
            self,
            frames=self.frames.to(device),
            first=self.first.to(device),
            signals=self.signals.to(device),
            stored={place: latents.to(device) for place, latents in self.stored.items()},
        )

    def latents(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """All windows' latents, [B, C, F, h, w]; `encode` makes those that are not stored."""
        if not self.stored:
            return encode(self.frames)
        lacking = [place for place in range(len(self.first)) if place not in self.stored]
        made = dict(zip(lacking, encode(self.frames), strict=True)) if lacking else {}
        known = {**self.stored, **made}
        return torch.stack([known[place] for place in range(len(self.first))])


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
class _Window:
    """Frames where they are needed, the first one alone, and latents if they are stored.

    `replaced` is the id of the damaged clip if another one stands in for it, or else nothing.
    """

    frames: np.ndarray | None
    first: np.ndarray
    signals: Signals
    latents: np.ndarray | None
    replaced: str


class Windows:
    """Batches whose content is a function of (seed, step) alone; clips come by their weights.

    Args:
        clips: The training clips; in each phase those shorter than its windows are left out.
        recipe: Gives size, augmentation and seed.
        phases: Lengths of the windows; the teacher's by default.
        batch: Windows per step over all processes; the teacher's by default.
        first_only: First frames are all that is looked at, so no others are decoded.

    Raises:
        ValueError: If no clip is as long as a window.
    """

    def __init__(
        self,
        clips: Clips,
        recipe: Recipe,
        phases: tuple[Phase, ...] | None = None,
        batch: int | None = None,
        *,
        first_only: bool = False,
    ):
        self._recipe, self._clips, self._first_only = recipe, clips, first_only
        self._phases = phases or recipe.phases
        self._lengths = np.array([clips.num_frames(i) for i in range(len(clips))])
        self._order = WindowOrder(
            self._lengths,
            seed=recipe.seed,
            global_batch=batch or recipe.batch,
            phases=[(phase.num_frames, phase.steps) for phase in self._phases],
            weights=clips.weights,
        )
        shortest = min(phase.num_frames for phase in self._phases)
        used = self._order.eligible(shortest).tolist()
        self._reader = Reader(clips, used, recipe.data)
        self._stored: Latents | None = None
        captions = (self._reader.told(i, 0, 1).caption for i in used)
        text.encoder(recipe.text, recipe.model).prepare(itertools.chain([""], captions))
        self.intrinsics = self._reader.told(used[0], 0, 1).intrinsics

    def batch(
        self, step: int, *, rank: int = 0, world: int = 1, micro: int = 0, accumulation: int = 1
    ) -> Batch:
        """One process' windows of one micro-batch of a step (from 0)."""
        numbers = self._order.places(
            step, rank=rank, world=world, micro=micro, accumulation=accumulation
        )
        return self.take(numbers, self.length(step))

    def length(self, step: int) -> int:
        """Frames of the windows of a step (from 0)."""
        return self._order.length(step)

    def take(self, numbers: Sequence[int], length: int) -> Batch:
        """Windows by their places in the endless sequence of those of a length."""
        windows = [self._window(k, length) for k in numbers]
        first = np.stack([w.first for w in windows])
        shown = [w.frames for w in windows if w.frames is not None]
        frames = np.stack(shown) if shown else np.empty((0, length, *first.shape[1:]), np.uint8)
        return Batch(
            frames=torch.from_numpy(frames),
            first=torch.from_numpy(first),
            signals=collate([w.signals for w in windows]),
            numbers=tuple(numbers),
            stored={
                place: torch.from_numpy(w.latents.astype(np.float32))
                for place, w in enumerate(windows)
                if w.latents is not None
            },
            replaced={place: w.replaced for place, w in enumerate(windows) if w.replaced},
        )

    def use(self, stored: Latents) -> None:
        """From now on read the latents of windows that are shown as they were rendered.

        Such a window begins where an encoding does. None of its frames is decoded but for the
        prediction "warp", which looks at the first one. The latents of mirrored, reversed and
        turned windows are others, and are still made of their frames.
        """
        self._stored = stored

    def sample(self, count: int) -> torch.Tensor:
        """`count` windows of the last phase's length: uint8 [count, T, H, W, 3]."""
        _LOG.info("Data: reading %d windows to fit the codec to", count)
        return self.take(range(count), self._phases[-1].num_frames).frames

    def _window(self, k: int, length: int) -> _Window:
        data, seed = self._recipe.data, self._recipe.seed
        index = self._order.sample(k, length)
        key = np.array([seed, k], dtype=np.uint64)
        bits = np.random.Philox(key=key, counter=np.array([0, 0, 0, _AUGMENT], dtype=np.uint64))
        coin, lot, pivot = (int(raw) for raw in bits.random_raw(3))
        turns = lot / 2**64 < data.palindrome
        mirror, reverse = bool(data.mirror and coin & 1), bool(data.reverse and coin & 2)
        half = length // 2
        shown = palindrome(length, half + pivot % half if turns else length - 1)
        count, latents = int(shown.max()) + 1, None
        start = window_start(seed, k, int(self._lengths[index]), count)
        if self._stored is not None and not (turns or mirror or reverse):
            start, latents = self._look_up(self._stored, k, index, length) or (start, None)
        order = shown[::-1] if reverse else shown
        frames, first, told = self._read(index, start, order, stored=latents is not None)
        replaced = "" if told.key == self._clips.key(index) else self._clips.key(index)
        if replaced and latents is not None:  # they are not those of the clip that stands in
            latents = None
            frames, first, told = self._read(index, start, order, stored=False)
        poses, camera = told.cam_to_world[shown], told.intrinsics
        if mirror:
            frames = None if frames is None else frames[:, :, ::-1]
            first, poses, camera = first[:, ::-1], mirrored(poses), mirrored_camera(camera)
        caption = told.caption if coin / 2**64 >= data.caption_dropout else ""
        path = poses[::-1] if reverse else poses
        signals = describe(path, camera, caption, recipe=self._recipe)
        return _Window(
            frames=frames, first=first, signals=signals, latents=latents, replaced=replaced
        )

    def _look_up(
        self, stored: Latents, k: int, index: int, length: int
    ) -> tuple[int, np.ndarray] | None:
        """Where window k of a clip begins, and its latents; nothing if the clip has none."""
        key = self._clips.key(index)
        starts = stored.starts(key, length)
        if not starts:
            return None
        start = starts[window_start(self._recipe.seed, k, len(starts), 1)]
        return start, stored.window(key, start, length)

    def _read(
        self, index: int, start: int, order: np.ndarray, *, stored: bool
    ) -> tuple[np.ndarray | None, np.ndarray, WindowLabels]:
        """What is looked at of a clip's frames from `start` on, shown in this order."""
        count = int(order.max()) + 1
        if not (stored or self._first_only):
            frames, told = self._reader.window(index, start, count)
            return frames[order], frames[order[0]], told
        if self._first_only or self._recipe.flow.warp_depths_m:
            first, told = self._reader.frame(index, start, count, int(order[0]))
            return None, first, told
        black = np.zeros((self._recipe.data.height_px, self._recipe.data.width_px, 3), np.uint8)
        return None, black, self._reader.told(index, start, count)
