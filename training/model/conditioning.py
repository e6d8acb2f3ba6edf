"""Encoders of actions and camera poses (RELIC sec. 4)."""

from __future__ import annotations

import torch
from torch import nn

from training.data import ACTION_DIM, GROUP, Signals
from training.recipes import ModelConfig

_POSE_DIM = GROUP * 12
# Rough sizes of a window's motion, so that the encoders see numbers near 1.
_STEPS = 6.0
_TURN = 1 / 3


class Conditioning(nn.Module):
    """Signals to what is added in every block.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self._config = config
        dim, layers = config.heads * config.head_dim, config.layers
        self.actions = _encoder(ACTION_DIM, config, layers * dim) if config.actions else None
        self.camera = None
        if config.camera != "none":
            inputs = _POSE_DIM + (0 if config.camera == "relic" else 2)
            self.camera = _encoder(inputs, config, layers * 2 * dim)
            if not config.zero_init:
                nn.init.constant_(self.camera.get_parameter("4.bias"), config.qk_bias)

    def embed_actions(self, signals: Signals, grid: tuple[int, int]) -> list[torch.Tensor]:
        """Per block, what is added after self-attention, [B, N, dim]; empty if switched off.

        Args:
            signals: See `Signals`.
            grid: Rows and columns of tokens in a latent.
        """
        if self.actions is None:
            return []
        per_latent = self.actions(signals.actions)
        return list(_to_tokens(per_latent, grid).chunk(self._config.layers, dim=-1))

    def embed_camera(
        self, signals: Signals, grid: tuple[int, int]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Per block, what is added to Q and to K, [B, N, dim] each; empty if switched off."""
        if self.camera is None:
            return [], []
        pose = pose_features(signals.poses)
        if self._config.camera == "relic":
            out = _to_tokens(self.camera(pose), grid)
        else:
            place = token_places(grid).to(pose).repeat(pose.shape[1], 1)
            place = place.expand(len(pose), -1, -1)
            out = self.camera(torch.cat([_to_tokens(pose, grid), (place - 0.5) * 3], dim=-1))
        out = out.unflatten(-1, (self._config.layers, 2, -1))
        layers = out.unbind(2)
        return [o[:, :, 0] for o in layers], [o[:, :, 1] for o in layers]


def pose_features(poses: torch.Tensor) -> torch.Tensor:
    """Four frames' positions and rotations minus identity, [B, F, 4, 3, 4] -> [B, F, 48]."""
    rotation = poses[..., :3] - torch.eye(3).to(poses)
    features = torch.cat([rotation / _TURN, poses[..., 3:] / _STEPS], dim=-1)
    return features.flatten(2)


def token_places(grid: tuple[int, int]) -> torch.Tensor:
    """Centres of the tokens of a latent as shares of height and width, [rows * columns, 2]."""
    rows, columns = ((torch.arange(n) + 0.5) / n for n in grid)
    return torch.cartesian_prod(rows, columns)


def _encoder(inputs: int, config: ModelConfig, outputs: int) -> nn.Sequential:
    hidden = config.cond_dim
    last = nn.Linear(hidden, outputs)
    if config.zero_init:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
    )


def _to_tokens(per_latent: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """[B, F, d] to [B, F * rows * columns, d]."""
    return per_latent.repeat_interleave(grid[0] * grid[1], dim=1)
