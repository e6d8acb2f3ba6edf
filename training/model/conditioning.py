"""Encoders of actions and camera poses (RELIC sec. 4)."""

from __future__ import annotations

import torch
from torch import nn

from training.data import ACTION_DIM, GROUP, Signals
from training.model import rope
from training.recipes import ModelConfig

_POSE_DIM = GROUP * 12
# Rough sizes of a window's motion, so that the encoders see numbers near 1.
_STEPS = 6.0
_TURN = 1 / 3
_NEAREST = 0.1


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
            if not config.zero_init and config.camera != "reproject":
                nn.init.constant_(self.camera.get_parameter("4.bias"), config.qk_bias)
        if config.camera == "reproject":
            self.gain = nn.Parameter(torch.full((layers, 2, config.heads, 1), config.qk_bias))

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
        if self._config.camera == "reproject":
            out = out + self._code(signals, grid)
        layers = out.unbind(2)
        return [o[:, :, 0] for o in layers], [o[:, :, 1] for o in layers]

    def _code(self, signals: Signals, grid: tuple[int, int]) -> torch.Tensor:
        """Where each token lies in the first frame, as the heads see it: [B, N, layers, 2, dim]."""
        config = self._config
        depths = config.assumed_depths_m
        assumed = [depths[head % len(depths)] for head in range(config.heads)]
        offset = source_offsets(signals, grid, torch.tensor(assumed).to(signals.poses))
        code = rope.place_code(offset, config.head_dim, config.rope_theta)
        return (code[:, :, None, None] * self.gain).flatten(-2)


def pose_features(poses: torch.Tensor) -> torch.Tensor:
    """Four frames' positions and rotations minus identity, [B, F, 4, 3, 4] -> [B, F, 48]."""
    rotation = poses[..., :3] - torch.eye(3).to(poses)
    features = torch.cat([rotation / _TURN, poses[..., 3:] / _STEPS], dim=-1)
    return features.flatten(2)


def token_places(grid: tuple[int, int]) -> torch.Tensor:
    """Centres of the tokens of a latent as shares of height and width, [rows * columns, 2]."""
    rows, columns = ((torch.arange(n) + 0.5) / n for n in grid)
    return torch.cartesian_prod(rows, columns)


def source_offsets(signals: Signals, grid: tuple[int, int], depths_m: torch.Tensor) -> torch.Tensor:
    """How far from its own place a token's content lies in the first frame, in tokens.

    The ray through the token's centre, in the camera of the latent's last frame, is followed to an
    assumed planar depth and projected into the first frame. At infinite depth this is the
    homography of the rotation.

    Args:
        signals: Give poses, steps and intrinsics.
        grid: Rows and columns of tokens in a latent.
        depths_m: [K].

    Returns:
        Rows and columns, [B, N, K, 2].
    """
    place = token_places(grid).to(signals.poses)
    focal, centre = signals.view[:, None, [1, 0]], signals.view[:, None, [3, 2]]
    slope = (place - centre) / focal
    ray = torch.stack([slope[..., 1], slope[..., 0], torch.ones_like(slope[..., 0])], dim=-1)
    last = signals.poses[:, :, -1]
    turned = torch.einsum("bfij,bnj->bfni", last[..., :3], ray)
    moved_m = last[..., 3] * signals.step_m[:, None, None]
    point = turned[..., None, :] + moved_m[:, :, None, None] / depths_m[:, None]
    depth = point[..., 2:].clamp_min(_NEAREST)
    seen = point[..., [1, 0]] / depth * focal[:, :, None, None] + centre[:, :, None, None]
    size = torch.tensor(grid).to(seen)
    offset = (seen - place[:, None]) * size
    return torch.minimum(torch.maximum(offset, -size), size).flatten(1, 2)


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
