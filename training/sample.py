"""Videos from a first frame and actions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from capture import actions as capture_actions
from capture.actions import Actions
from training import data, flow, loop, warp
from training.autoencoder import Codec, open_codec
from training.data import Signals
from training.model.wan import WorldModel
from training.stages import teacher
from training.stages.teacher import RunConfig
from training.state import Checkpoints, load_weights

FPS = 16.0
# What a command moves by.
PAN_DEG_S = 30.0
DOLLY_M_S = 1.2
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A trained model, ready to sample.

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
        """Open a run.

        Raises:
            ValueError: If the folder is no run or has no checkpoint yet.
        """
        config = RunConfig.load(run)
        recipe = config.recipe
        weights = Checkpoints(run / "checkpoints").ema_file()
        codec = open_codec(recipe.codec, run / "codec.safetensors", None)
        model = teacher.build(recipe, codec)
        load_weights(model, weights)
        return cls(config=config, codec=codec, model=model.eval())

    @torch.no_grad()
    def window(
        self, first_frame: np.ndarray, signals: Signals, *, steps: int | None = None, seed: int = 0
    ) -> np.ndarray:
        """Continue first frames by one window.

        Args:
            first_frame: uint8 [B, H, W, 3] at the model's size.
            signals: Of the window.
            steps: Of the sampler; the recipe's by default.
            seed: Of the noise.

        Returns:
            uint8 [B, T, H, W, 3]; frame 0 is `first_frame`.
        """
        config = self.config.recipe.flow
        shown = torch.from_numpy(first_frame.copy())
        first = self.codec.encode(shown[:, None])
        views = warp.latents(self.codec, shown, signals, config.warp_depths_m)
        shape = (*first.shape[:2], signals.actions.shape[1], *first.shape[3:])
        noise = torch.randn(shape, generator=loop.generator(seed, 0, 0, first.device))

        def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            output = self.model(x, sigma.expand(len(x)), signals)
            return flow.to_x0(output, x, sigma, config.prediction, views)

        sigmas = flow.levels(steps or config.sampler_steps, config.shift)
        frames = self.codec.decode(flow.euler(denoise, noise, sigmas, first)).numpy()
        return np.concatenate([first_frame[:, None], frames[:, 1:]], axis=1)

    def describe(self, cam_to_world: np.ndarray, caption: str) -> Signals:
        """The signals of a path of one window."""
        recipe = self.config.recipe
        return data.describe(
            cam_to_world, self.config.intrinsics, caption, data=recipe.data, model=recipe.model
        )


def sample(
    run: Path,
    first_frame: np.ndarray,
    actions: Actions,
    *,
    caption: str = "",
    steps: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A video that follows actions.

    Actions longer than the model's window are followed window by window, each from the last frame
    of the one before; the teacher has no memory beyond that, so quality falls each time.

    Args:
        run: The run folder.
        first_frame: uint8 [H, W, 3], any size; best from the camera of the training data.
        actions: T actions; row 0 is the first frame and is ignored.
        caption: What the first frame shows.
        steps: Of the sampler; the recipe's by default.
        seed: Of the noise.

    Returns:
        uint8 [T, height_px, width_px, 3] at the recipe's size.
    """
    sampler = Sampler.load(run)
    config = sampler.config.recipe.data
    size = (config.height_px, config.width_px)
    poses = capture_actions.integrate(actions, np.eye(4))
    moves = config.num_frames - 1
    missing = -(len(poses) - 1) % moves
    poses = np.concatenate([poses, np.repeat(poses[-1:], missing, axis=0)])
    video = data.resize(first_frame[None], *size)
    for start in range(0, max(1, len(poses) - 1), moves):
        signals = sampler.describe(poses[start : start + moves + 1], caption)
        window = sampler.window(video[-1:], signals, steps=steps, seed=seed + start)
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
        rows += [row] * data.GROUP
    return Actions(values=np.stack(rows), step_m=DOLLY_M_S / FPS)


def without_motion(signals: Signals) -> Signals:
    """The same first frames, but told that the camera stands still."""
    poses = signals.poses[:, :1].expand_as(signals.poses)
    actions = signals.actions[:, :1].expand_as(signals.actions)
    return dataclasses.replace(signals, poses=poses, actions=actions)
