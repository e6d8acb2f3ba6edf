"""How the model is told actions and camera (RELIC sec. 4).

Actions (`ModelConfig.action`): "post_attn" adds an embedding after self-attention in every block
(RELIC); "adaln" adds one to that of the noise level, which modulates every block (HY-WorldPlay).
For cameras see `training.model.cameras`.
"""

from __future__ import annotations

import torch
from torch import nn

from training.data import ACTION_DIM, Signals
from training.model import cameras
from training.model.config import ModelConfig
from training.model.encoder import encoder


class Conditioning(nn.Module):
    """The encoders of actions and camera.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        dim = config.heads * config.head_dim
        outputs = {"none": 0, "post_attn": config.layers * dim, "adaln": dim}[config.action]
        self.actions = encoder(ACTION_DIM, config, outputs) if outputs else None
        self.camera = cameras.make(config)

    def embed_actions(self, signals: Signals) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """What is added after self-attention, per block, and what to the noise levels' embedding.

        Args:
            signals: See `Signals`.

        Returns:
            [B, F, dim] each; no blocks and None for what is switched off.
        """
        if self.actions is None:
            return [], None
        embedded = self.actions(signals.actions)
        if self.config.action == "adaln":
            return [], embedded
        return list(embedded.chunk(self.config.layers, dim=-1)), None

    def tell_camera(self, signals: Signals, grid: tuple[int, int]) -> cameras.Told:
        """What self-attention is told.

        Args:
            signals: See `Signals`.
            grid: Rows and columns of tokens in a latent.
        """
        return cameras.Told() if self.camera is None else self.camera.tell(signals, grid)
