"""RELIC's camera: an embedding of the absolute pose on queries and keys (RELIC sec. 4)."""

from __future__ import annotations

import torch
from torch import nn

from shards.latents import GROUP
from training.data import Signals
from training.model.cameras.told import Pick, Told, add, whole
from training.model.config import ModelConfig
from training.model.encoder import encoder, to_tokens, token_places
from training.model.memory import Grid, Pair

# Rough sizes of a window's motion, so that encoders see numbers near 1.
STEPS = 6.0
_TURN = 1 / 3


class PoseCamera(nn.Sequential):
    """Poses to what is added to Q and K in every block; V does not see it.

    "relic" has one embedding a latent, so pooling keys commutes with adding it; "token" one a
    token.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        inputs = GROUP * 12 + (0 if config.camera == "relic" else 2)
        outputs = config.layers * 2 * config.heads * config.head_dim
        super().__init__(*encoder(inputs, config, outputs))
        self._config = config
        if not config.zero_init:
            nn.init.constant_(self.get_parameter("4.bias"), config.qk_bias)

    def tell(self, signals: Signals, grid: Grid) -> Told:
        """See `Camera`."""
        features = pose_features(signals.poses)
        if self._config.camera == "token":
            place = token_places(grid).to(features).repeat(features.shape[1], 1)
            place = place.expand(len(features), -1, -1)
            features = torch.cat([to_tokens(features, grid), (place - 0.5) * 3], dim=-1)
        layers = self(features).unflatten(-1, (self._config.layers, 2, -1)).unbind(2)
        return Added([o[:, :, 0] for o in layers], [o[:, :, 1] for o in layers])


class Added(Told):
    """Something is added to queries and keys.

    Args:
        queries: Per block, [B, F or N, D].
        keys: Per block, [B, F or N, D].
    """

    def __init__(self, queries: list[torch.Tensor], keys: list[torch.Tensor]):
        self._queries, self._keys = queries, keys

    def query(self, block: int, query: torch.Tensor, pick: Pick = whole) -> torch.Tensor:
        """See `Told`."""
        return add(query, pick(self._queries[block]))

    def kept(self, block: int, key: torch.Tensor, value: torch.Tensor, pick: Pick) -> Pair:
        """See `Told`."""
        return add(key, pick(self._keys[block])), value


def pose_features(poses: torch.Tensor) -> torch.Tensor:
    """Four frames' positions and rotations minus identity, [B, F, 4, 3, 4] -> [B, F, 48]."""
    rotation = poses[..., :3] - torch.eye(3).to(poses)
    features = torch.cat([rotation / _TURN, poses[..., 3:] / STEPS], dim=-1)
    return features.flatten(2)
