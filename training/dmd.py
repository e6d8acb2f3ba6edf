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

from training import flow
from training.data import Signals
from training.recipes import Prediction

# `x, sigma -> x0`: the expected data behind noisy latents.
Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class DmdConfig:
    """Self-Forcing's numbers; RELIC names none.

    Attributes:
        guidance: g of the real score, `x0_c + g (x0_c - x0_u)`: 1 + g in the usual convention.
        shift: Of the noise levels at which the scores judge.
        lowest: Smallest of these levels.
        highest: Largest.
        critic_updates: Updates of the fake score for each of the student.
    """

    guidance: float = 3.0
    shift: float = 5.0
    lowest: float = 0.02
    highest: float = 0.98
    critic_updates: int = 5

    def __post_init__(self):
        if self.critic_updates < 1 or not 0 < self.lowest <= self.highest <= 1:
            raise ValueError(
                "critic_updates must be at least 1 and 0 < lowest <= highest <= 1, got "
                f"{self.critic_updates}, {self.lowest} and {self.highest}"
            )

    def trains_student(self, step: int) -> bool:
        """Whether step `step` (from 0) is the student's turn; all others are the fake score's."""
        return step % (self.critic_updates + 1) == self.critic_updates

    def levels(self, count: int, draw: torch.Generator) -> torch.Tensor:
        """Noise levels of `count` videos: float32 [count], one for all latents of a video."""
        u = torch.rand(count, generator=draw, device=draw.device)
        return flow.shifted(u, self.shift).clamp(self.lowest, self.highest)


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


def wide(sigma: torch.Tensor) -> torch.Tensor:
    """[B] as [B, 1, 1, 1, 1]."""
    return sigma.view(-1, 1, 1, 1, 1)


def noised(x: torch.Tensor, sigma: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """The video at a noise level, its first latent clean."""
    noise = torch.randn(x.shape, generator=draw, dtype=x.dtype, device=x.device)
    return torch.cat([x[:, :, :1], flow.mix(x, noise, wide(sigma))[:, :, 1:]], dim=2)


@torch.no_grad()
def direction(
    x: torch.Tensor, real: Score, fake: Score, config: DmdConfig, draw: torch.Generator
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
    sigma = config.levels(len(x), draw).to(x)
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


def critic_loss(
    x: torch.Tensor, fake: Score, config: DmdConfig, draw: torch.Generator
) -> torch.Tensor:
    """Flow matching of the fake score on what the student made, in the space of velocities."""
    x = x.detach()
    sigma = config.levels(len(x), draw).to(x)
    error = (fake(noised(x, sigma, draw), sigma) - x)[:, :, 1:] / wide(sigma)
    return error.square().mean()
