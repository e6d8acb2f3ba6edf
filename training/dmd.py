"""Distribution matching distillation (RELIC sec. 4.4; DMD2, Self-Forcing).

Two models judge a noised rollout: the real score is the frozen teacher, the fake score is trained
on what the student makes. Their difference is the gradient of the reverse KL divergence.

Shapes: x [B, C, F, h, w], of which the first latent is given and stays clean; sigma [B].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from training import flow, noise
from training.data import Signals
from training.noise import Draw
from training.stages.config import DmdConfig, Prediction

# `x, sigma -> x0`: the expected data behind noisy latents.
Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelScore:
    """A bidirectional `WorldModel` as a score.

    Attributes:
        model: The model.
        signals: Of the videos.
        prediction: What its output means.
        views: For "warp".
        guidance: See `DmdConfig`; 0 for none. Without a condition is without a caption.
    """

    model: Any
    signals: Signals
    prediction: Prediction = "v"
    views: torch.Tensor | None = None
    guidance: float = 0.0

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """The expected data, guided."""
        told = self._expect(x, sigma, self.signals)
        if not self.guidance:
            return told
        silent = dataclasses.replace(self.signals, words=torch.zeros_like(self.signals.words))
        return told + self.guidance * (told - self._expect(x, sigma, silent))

    def _expect(self, x: torch.Tensor, sigma: torch.Tensor, signals: Signals) -> torch.Tensor:
        output = self.model(x, sigma, signals)
        return flow.to_x0(output, x, wide(sigma), self.prediction, self.views)


def levels(config: DmdConfig, count: int, draw: Draw) -> torch.Tensor:
    """Noise levels of `count` videos: float32 [count], one for all latents of a video."""
    u = noise.uniform((count,), draw)
    return flow.shifted(u, config.shift).clamp(config.lowest, config.highest)


def wide(sigma: torch.Tensor) -> torch.Tensor:
    """[B] as [B, 1, 1, 1, 1]."""
    return sigma.view(-1, 1, 1, 1, 1)


def noised(x: torch.Tensor, sigma: torch.Tensor, draw: Draw) -> torch.Tensor:
    """The video at a noise level, its first latent clean."""
    mixed = flow.mix(x, noise.normal(x, x.shape, draw), wide(sigma))
    return torch.cat([x[:, :, :1], mixed[:, :, 1:]], dim=2)


@torch.no_grad()
def direction(
    x: torch.Tensor, real: Score, fake: Score, config: DmdConfig, draw: Draw
) -> torch.Tensor:
    """Where the student should not go: the scores' difference at a random noise level.

    Args:
        x: A rollout, whole: the scores see all of it at once.
        real: The teacher's score, guided.
        fake: The score of what the student makes.
        config: See `DmdConfig`.
        draw: Of levels and noise.

    Returns:
        `normalised(x, real, fake)`; 0 in the first latent.
    """
    sigma = levels(config, len(x), draw).to(x)
    seen = noised(x, sigma, draw)
    made = normalised(x[:, :, 1:], real(seen, sigma)[:, :, 1:], fake(seen, sigma)[:, :, 1:])
    return torch.cat([torch.zeros_like(made[:, :, :1]), made], dim=2)


def normalised(x: torch.Tensor, x0_real: torch.Tensor, x0_fake: torch.Tensor) -> torch.Tensor:
    """`(x0_fake - x0_real) / mean|x - x0_real|` per sample (DMD2), 0 where that is no number."""
    scale = (x - x0_real).abs().flatten(1).mean(1).view(-1, *[1] * (x.ndim - 1))
    return torch.nan_to_num((x0_fake - x0_real) / scale, nan=0.0, posinf=0.0, neginf=0.0)


def loss(x: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """`0.5 mse(x, sg(x - d))` in float64: its gradient with respect to x is `gradient(d)`."""
    target = (x.double() - direction.double()).detach()
    return 0.5 * functional.mse_loss(x.double(), target)


def gradient(direction: torch.Tensor) -> torch.Tensor:
    """dL/dx of `loss`, for replayed back-propagation."""
    return direction / direction.numel()


def critic_errors(
    x: torch.Tensor,
    fake: Score,
    config: DmdConfig,
    draw: Draw,
    *,
    prediction: Prediction = "v",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow matching of the fake score on what the student made.

    Args:
        x: Rollouts; no gradient goes back to them.
        fake: The score that learns.
        config: Gives the noise levels.
        draw: Of levels and noise.
        prediction: Errors are of velocities for "v", else of data, as in `flow.errors`.

    Returns:
        Losses and noise levels of the videos, [B] each.
    """
    x = x.detach()
    sigma = levels(config, len(x), draw).to(x)
    error = (fake(noised(x, sigma, draw), sigma) - x)[:, :, 1:]
    if prediction == "v":
        error = error / wide(sigma)
    return error.square().flatten(1).mean(1), sigma
