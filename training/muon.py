"""Muon in single precision.

`torch.optim.Muon` orthogonalises in bfloat16, which CPUs without bfloat16 units emulate: 1.4 s
instead of 0.05 s a step for the tiny model (measured).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

# Quintic Newton-Schulz iteration of Jordan et al. (2024): drives singular values towards 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is orthogonalised; for matrices only.

    Updates have the size of AdamW's (0.2 root-mean-square), so the same learning rate serves both.

    Args:
        params: Matrices.
        lr: Learning rate.
        weight_decay: Decoupled.
        momentum: Of Nesterov's kind.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update, from the gradients; a closure is not supported."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        directions = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            gradient = parameter.grad
            assert gradient is not None
            average = state["momentum"].lerp_(gradient, 1 - momentum)
            directions.append(gradient.lerp(average, momentum))
        orthogonal = orthogonalised(torch.stack(directions))
        step_size = group["lr"] * 0.2 * max(parameters[0].shape) ** 0.5
        for parameter, direction in zip(parameters, orthogonal, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction * step_size)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices, roughly: singular values between 0.7 and 1.2.

    Args:
        matrices: [n, rows, columns].
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp_min(1e-7)[:, None, None]
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x
