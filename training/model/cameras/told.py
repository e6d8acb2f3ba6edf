"""What every camera has in common: the places in self-attention where it can speak.

Shapes: B samples, F latents of the pass with n tokens each, N = F n, D = heads * head_dim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from training.data import Signals
from training.model.memory import Grid, Pair

# Cuts what is known of all latents, [B, F or N, ...], down to the tokens that are asked for.
Pick = Callable[[torch.Tensor], torch.Tensor]


def whole(x: torch.Tensor) -> torch.Tensor:
    """The `Pick` of all tokens of a pass."""
    return x


class Attend(Protocol):
    """Attention of one block with its mask and its rotary tables."""

    @property
    def heads(self) -> int:
        """Number of heads."""
        ...

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, first: int = 0
    ) -> torch.Tensor:
        """[B, N, D], [B, M, D], [B, M, D] -> [B, N, D], a head's channels from `first` rotated."""
        ...


class Told:
    """What self-attention of one pass is told about the camera; this one is told nothing."""

    def inputs(self, block: int, x: torch.Tensor, pick: Pick = whole) -> torch.Tensor:
        """The input of a block's self-attention, [B, n, D]; for `pick` see `kept`."""
        return x

    def query(self, block: int, query: torch.Tensor, pick: Pick = whole) -> torch.Tensor:
        """A block's queries after QK-norm, before the rotary embedding, [B, n, D]."""
        return query

    def kept(self, block: int, key: torch.Tensor, value: torch.Tensor, pick: Pick) -> Pair:
        """What a block keeps of tokens: keys before the rotary embedding, and values.

        Args:
            block: Of the transformer.
            key: After QK-norm, [B, n, D].
            value: [B, n, D].
            pick: Cuts what belongs to all tokens of the pass down to these.

        Returns:
            [B, n, D] each; a camera may append channels of its own, which `output` is given.
        """
        return key, value

    def output(
        self,
        block: int,
        out: torch.Tensor,
        query: torch.Tensor,
        extra: Pair,
        attend: Attend,
        pick: Pick = whole,
    ) -> torch.Tensor:
        """The output of a block's self-attention, [B, n, D].

        Args:
            block: Of the transformer.
            out: After the output projection.
            query: Before the rotary embedding, [B, n, D].
            extra: The channels of keys and values that `kept` appended, [B, M, ...].
            attend: The block's attention.
            pick: As in `kept`.
        """
        return out


class Camera(Protocol):
    """A way of telling; an `nn.Module` with weights."""

    def tell(self, signals: Signals, grid: Grid) -> Told:
        """What a pass is told.

        Args:
            signals: Of the latents of the pass.
            grid: Rows and columns of tokens of a latent.
        """
        ...


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Tokens [B, N, D] plus one value per latent [B, F, D] or per token [B, N, D]."""
    if x.shape[1] == y.shape[1]:
        return x + y
    return (x.unflatten(1, (y.shape[1], -1)) + y[:, :, None]).flatten(1, 2)
