"""Flow matching: straight paths from data to noise, and the sampler that walks them back.

A noisy latent is `x = (1 - s) x0 + s e` at noise level s in [0, 1]; its velocity is `v = e - x0`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch

from training.stages.config import Prediction


def mix(x0: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The noisy latent at level `sigma`, which broadcasts against `x0`."""
    return (1 - sigma) * x0 + sigma * noise


def velocity(x0: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """`v` of data and noise."""
    return noise - x0


def x0_from_velocity(x: torch.Tensor, v: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The data that `v` points back to."""
    return x - sigma * v


def velocity_from_x0(x: torch.Tensor, x0: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The inverse of `x0_from_velocity`, for `sigma` > 0."""
    return (x - x0) / sigma


def shifted(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    """Noise levels moved towards 1: `k s / (1 + (k - 1) s)`; 0 and 1 stay where they are."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def to_x0(
    output: torch.Tensor,
    x: torch.Tensor,
    sigma: torch.Tensor,
    prediction: Prediction,
    views: torch.Tensor | None = None,
) -> torch.Tensor:
    """The data that the network's output stands for.

    Args:
        output: What the network returned, [B, C, F, h, w]; for "warp" [B, C + D, F, h, w].
        x: What it saw; its first latent is clean.
        sigma: Noise level, broadcasting against `x`.
        prediction: See `FlowConfig`.
        views: For "warp": `training.warp.latents`, [B, D, C, F, h, w].
    """
    if prediction == "v":
        return x0_from_velocity(x, output, sigma)
    if prediction == "x0":
        return output
    first = x[:, :, :1]
    if prediction == "residual":
        return first + output
    assert views is not None
    residual, weights = output.split([x.shape[1], views.shape[1]], dim=1)
    return first + residual + (weights[:, :, None] * (views - first[:, None])).sum(1)


def errors(
    output: torch.Tensor,
    *,
    x0: torch.Tensor,
    noise: torch.Tensor,
    x: torch.Tensor,
    sigma: torch.Tensor,
    prediction: Prediction,
    views: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared errors of the prediction in its own space, without the clean first latent.

    Returns:
        [B, F - 1], per latent.
    """
    if prediction == "v":
        error = output - velocity(x0, noise)
    else:
        error = to_x0(output, x, sigma, prediction, views) - x0
    return error[:, :, 1:].square().mean((1, 3, 4))


def levels(num_steps: int, shift: float) -> torch.Tensor:
    """Noise levels of a sampler, from 1 to 0: float32 [num_steps + 1]."""
    if num_steps < 1:
        raise ValueError(f"a sampler needs at least one step, got {num_steps}")
    return shifted(torch.linspace(1, 0, num_steps + 1), shift)


def path(
    denoise: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    noise: torch.Tensor,
    sigmas: torch.Tensor,
    first: torch.Tensor | None = None,
) -> Iterator[torch.Tensor]:
    """Integrate the flow from noise to data; the state at every level, the last one is the data.

    Args:
        denoise: `x, sigma -> x0`, the expected data at a noise level (a 0-d tensor).
        noise: Where to start, [B, C, F, h, w].
        sigmas: Noise levels, falling to 0.
        first: Clean first latent [B, C, 1, h, w], held fixed (RELIC sec. 4: noise level always 0).
    """
    x = _hold(noise, first)
    yield x
    for sigma, following in itertools.pairwise(sigmas):
        v = velocity_from_x0(x, denoise(x, sigma), sigma)
        x = _hold(x + (following - sigma) * v, first)
        yield x


def _hold(x: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
    return x if first is None else torch.cat([first, x[:, :, 1:]], dim=2)
