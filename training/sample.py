"""Videos from a first frame and actions."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from capture import actions as capture_actions
from capture.actions import Actions
from capture.scripted import DOLLY_M_S, PAN_DEG_S
from shards.latents import GROUP
from training import data, flow, noise, warp
from training.autoencoder import Codec, open_codec
from training.clips import resize
from training.data import Signals
from training.dmd import ModelScore
from training.model.wan import WorldModel
from training.noise import Draw
from training.recipes import Recipe
from training.rollout import Student, stream
from training.run import CAUSAL, RunConfig, averaged_weights, restored

FPS = 16.0
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A trained model, ready to sample: a teacher whole windows, a student block by block.

    Attributes:
        config: Of the run.
        codec: Of the run.
        model: With the averaged weights of the last checkpoint.
    """

    config: RunConfig
    codec: Codec
    model: WorldModel

    @classmethod
    def load(cls, run: Path) -> Sampler:
        """Open a run, on a GPU if there is one.

        Raises:
            ValueError: If the folder is no run or has no checkpoint yet.
        """
        config = RunConfig.load(run)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        weights = averaged_weights(run)
        codec = open_codec(config.recipe.codec, run / "codec.safetensors", None).to(device)
        model = restored(config.recipe, codec, weights).to(device)
        return cls(config=config, codec=codec, model=model)

    @property
    def causal(self) -> bool:
        """Whether the model is a student, which goes on for as long as it is told to."""
        return self.config.stage in CAUSAL

    @torch.no_grad()
    def window(
        self, first_frame: np.ndarray, signals: Signals, *, steps: int | None = None, seed: int = 0
    ) -> np.ndarray:
        """Continue first frames.

        Args:
            first_frame: uint8 [B, H, W, 3] at the model's size.
            signals: Of a window; for a student, of a video of any length.
            steps: Of the sampler, or the first ones of a student's; the recipe's by default.
            seed: Of the noise.

        Returns:
            uint8 [B, T, H, W, 3]; frame 0 is `first_frame`.
        """
        device = next(self.model.parameters()).device
        shown = torch.from_numpy(first_frame.copy()).to(device)
        begun = begin(self.model, self.codec, self.config.recipe, shown, signals.to(device))
        draw = noise.generator(seed, 0, 0, device)
        made = (self._stream if self.causal else self._whole)(begun, draw, steps)
        frames = self.codec.decode(made).cpu().numpy()
        return np.concatenate([first_frame[:, None], frames[:, 1:]], axis=1)

    def describe(self, cam_to_world: np.ndarray, caption: str) -> Signals:
        """The signals of a path."""
        camera = self.config.intrinsics
        return data.describe(cam_to_world, camera, caption, recipe=self.config.recipe)

    def _whole(self, begun: Student, draw: torch.Generator, steps: int | None) -> torch.Tensor:
        config = self.config.recipe.flow
        sigmas = flow.levels(steps or config.sampler_steps, config.shift)
        return deque(path(begun, sigmas, draw), maxlen=1).pop()

    def _stream(self, begun: Student, draw: torch.Generator, steps: int | None) -> torch.Tensor:
        levels = len(begun.config.levels)
        exit_step = min(steps or levels, levels) - 1
        return torch.cat([r.x0 for r in stream(begun, draw, exit_step=exit_step)], dim=2)


def begin(
    model: Any, codec: Codec, recipe: Recipe, shown: torch.Tensor, signals: Signals
) -> Student:
    """A model, teacher or student, that has seen first frames and knows the paths.

    Args:
        model: A `WorldModel`, or what wraps one.
        codec: On the model's device, as all that follows.
        recipe: Gives rollout and prediction.
        shown: The first frames, uint8 [B, H, W, 3].
        signals: Of the whole videos.
    """
    return Student(
        model=model,
        signals=signals,
        first=codec.encode(shown[:, None]),
        config=recipe.rollout,
        prediction=recipe.flow.prediction,
        views=warp.latents(codec, shown, signals, recipe.flow.warp_depths_m),
    )


def score(model: Any, begun: Student, guidance: float = 0.0) -> ModelScore:
    """A bidirectional model as the judge of whole videos of which `begin` was told."""
    return ModelScore(
        model=model,
        signals=begun.signals,
        prediction=begun.prediction,
        views=begun.views,
        guidance=guidance,
    )


def path(
    begun: Student, sigmas: torch.Tensor, draw: Draw, guidance: float = 0.0
) -> Iterator[torch.Tensor]:
    """A bidirectional model's way from noise to whole videos; see `flow.path`."""
    expect, first = score(begun.model, begun, guidance), begun.first
    shape = (*first.shape[:2], begun.signals.actions.shape[1], *first.shape[3:])
    start = noise.normal(first, shape, draw)
    return flow.path(lambda x, s: expect(x, s.expand(len(x))), start, sigmas.to(first), first)


def sample(
    run: Path, first_frame: np.ndarray, actions: Actions, *, caption: str = "", seed: int = 0
) -> np.ndarray:
    """A video that follows actions.

    A student streams it with its memory. A teacher follows actions longer than its window window by
    window, each from the last frame of the one before; it has no memory beyond that, so quality
    falls each time.

    Args:
        run: The run folder.
        first_frame: uint8 [H, W, 3], any size; best from the camera of the training data.
        actions: T actions; row 0 is the first frame and is ignored.
        caption: What the first frame shows.
        seed: Of the noise.

    Returns:
        uint8 [T, height_px, width_px, 3] at the recipe's size.
    """
    sampler = Sampler.load(run)
    config = sampler.config.recipe.data
    size = (config.height_px, config.width_px)
    poses = capture_actions.integrate(actions, np.eye(4))
    unit = GROUP if sampler.causal else config.num_frames - 1
    missing = -(len(poses) - 1) % unit
    poses = np.concatenate([poses, np.repeat(poses[-1:], missing, axis=0)])
    moves = len(poses) - 1
    span = moves if sampler.causal else unit
    video = resize(first_frame[None], *size)
    for start in range(0, moves, max(1, span)):
        signals = sampler.describe(poses[start : start + span + 1], caption)
        window = sampler.window(video[-1:], signals, seed=seed + start)
        video = np.concatenate([video, window[0, 1:]])
    return video[: len(actions)]


def script(commands: Sequence[str]) -> Actions:
    """Actions of written commands, each held for four frames (one latent).

    Args:
        commands: Names of `capture.actions.NAMES`, joined by + and each with an optional factor:
            `pan_left`, `dolly_in*2+pan_right`. A factor of 1 is 30 deg/s or 1.2 m/s at 16 frames/s.

    Returns:
        4 n + 1 actions for n commands.

    Raises:
        ValueError: If a command is not understood.
    """
    if not commands:
        raise ValueError("a video needs at least one action, such as pan_left")
    names = capture_actions.NAMES
    rows = [np.eye(len(names))[capture_actions.STATIC]]
    for command in commands:
        row = np.zeros(len(names))
        for term in command.split("+"):
            name, _, factor = term.strip().partition("*")
            if name not in names or (factor and not _NUMBER.fullmatch(factor)):
                raise ValueError(
                    f"action {term!r} is not understood; write for example pan_left or "
                    f"dolly_in*2, with one of {', '.join(names)}"
                )
            turns = names.index("tilt_up") <= names.index(name) < capture_actions.STATIC
            row[names.index(name)] += float(factor or 1) * (PAN_DEG_S / FPS if turns else 1.0)
        rows += [row] * GROUP
    return Actions(values=np.stack(rows), step_m=DOLLY_M_S / FPS)


def without_motion(signals: Signals) -> Signals:
    """The same first frames, but told that the camera stands still."""
    poses = signals.poses[:, :1].expand_as(signals.poses)
    actions = signals.actions[:, :1].expand_as(signals.actions)
    return dataclasses.replace(signals, poses=poses, actions=actions)
