"""Context parallelism: the tokens of one pass shared by a few processes (Ulysses).

Everything but self-attention works on tokens one by one, so every process takes its own. Before
self-attention they exchange: afterwards each has all tokens of some heads, attends, and exchanges
back. A memory is made of what self-attention sees, so each process keeps its own heads of it.

Every process computes the same loss from the whole output, and its gradient reaches that process'
own tokens alone. So the gradient of a weight is the **sum** over the processes.

Shapes: B videos, N tokens of the pass, n of this process, D = heads * head_dim; parts of D other
than the first, such as a camera's, are exchanged likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.distributed import ProcessGroup
from torch.distributed import _functional_collectives as collectives


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How tokens and heads are spread over the processes of a group.

    Attributes:
        group: The processes.
        rank: This process' place among them.
        size: Their number.
        heads: Of the model.
        head_dim: Channels of a head.
        tokens: N, of the pass.
    """

    group: ProcessGroup
    rank: int
    size: int
    heads: int
    head_dim: int
    tokens: int

    @property
    def counts(self) -> list[int]:
        """Tokens of each process; the first ones have one more if they do not divide."""
        share, left = divmod(self.tokens, self.size)
        return [share + (rank < left) for rank in range(self.size)]

    @property
    def range(self) -> tuple[int, int]:
        """Half-open range of this process' tokens."""
        first = sum(self.counts[: self.rank])
        return first, first + self.counts[self.rank]

    def own(self, x: torch.Tensor) -> torch.Tensor:
        """This process' tokens of [B, N, ...], or of [B, F, ...] with one value per latent."""
        first, stop = self.range
        if x.shape[1] == self.tokens:
            return x[:, first:stop]
        per_latent = self.tokens // x.shape[1]
        places = torch.arange(first, stop, device=x.device) // per_latent
        return x.index_select(1, places)

    def to_heads(self, x: torch.Tensor) -> torch.Tensor:
        """Own tokens of all heads, [B, n, k D], to all tokens of own heads, [B, N, k D / size]."""
        sent = self._heads(x).permute(3, 1, 0, 2, 4, 5)
        counts = self.counts
        received = self._exchange(sent.flatten(0, 1), counts, [counts[self.rank]] * self.size)
        return received.transpose(0, 1).flatten(2)

    def to_tokens(self, x: torch.Tensor) -> torch.Tensor:
        """The way back: [B, N, k D / size] to [B, n, k D]."""
        sent = x.unflatten(2, (-1, self.heads // self.size, self.head_dim)).transpose(0, 1)
        counts = self.counts
        received = self._exchange(sent, [counts[self.rank]] * self.size, counts)
        parts = received.unflatten(0, (self.size, -1)).permute(2, 1, 3, 0, 4, 5)
        return parts.flatten(2)

    def own_heads(self, x: torch.Tensor) -> torch.Tensor:
        """Own heads of any tokens, [B, m, k D] to [B, m, k D / size]."""
        return self._heads(x)[:, :, :, self.rank].flatten(2)

    def gather(self, x: torch.Tensor) -> torch.Tensor:
        """All tokens from everybody's own, [B, n, d] to [B, N, d], each used in its own way.

        The gradient of a token is the sum over what the processes did with it.
        """
        counts = self.counts
        sent = x.transpose(0, 1).repeat(self.size, 1, 1)
        received = self._exchange(sent, counts, [counts[self.rank]] * self.size)
        return received.transpose(0, 1)

    def collect(self, x: torch.Tensor) -> torch.Tensor:
        """All tokens from everybody's own, [B, n, d] to [B, N, d], used alike by all.

        The gradient of a token is that of the process it came from.
        """
        first, stop = self.range
        everything = self.gather(x.detach())
        return torch.cat([everything[:, :first], x, everything[:, stop:]], dim=1)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """[B, m, k D] as [B, m, k, size, heads / size, head_dim]."""
        return x.unflatten(2, (-1, self.size, self.heads // self.size, self.head_dim))

    def _exchange(
        self, x: torch.Tensor, received: Sequence[int], sent: Sequence[int]
    ) -> torch.Tensor:
        """Rows sent to and received from every process in order."""
        return collectives.all_to_all_single_autograd(
            x.contiguous(), list(received), list(sent), self.group
        )
