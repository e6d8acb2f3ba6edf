"""What self-attention of one pass reads beside its own tokens, and what it leaves to a memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from training.model import backends, masks, memory
from training.model.backends import Mask
from training.model.memory import Grid, Pair, Piece, Policy
from training.model.rope import Rotary, Tables


@dataclass(kw_only=True, slots=True)
class Context:
    """One pass over some latents of a video; good for one pass.

    Attributes:
        latents: Index in the video of each latent of the pass; in teacher forcing each comes twice.
        grid: Rows and columns of tokens of a latent.
        policy: How latents are pooled.
        read: From a memory: all tokens of the pass see them.
        table: See `training.model.masks`; None lets the latents of the pass all see one another.
        write: Keep what a memory needs.
    """

    latents: tuple[int, ...]
    grid: Grid
    policy: Policy
    read: tuple[Piece, ...] = ()
    table: torch.Tensor | None = None
    write: bool = False
    _written: dict[int, list[list[Pair]]] = field(default_factory=dict)
    _cells: list[tuple[int, int]] = field(default_factory=list)
    _mask: Mask | None = None
    _tables: tuple[Tables, Tables] | None = None

    def prepare(self, rotary: Rotary, device: torch.device, *, flex: bool = False) -> None:
        """Compute mask and rotary tables, once for all blocks.

        Args:
            rotary: Of the model.
            device: Of the pass.
            flex: The mask is for FlexAttention.

        Raises:
            ValueError: If there are both a memory and a table.
        """
        if self.table is not None:
            if self.read:
                raise ValueError("a pass has a memory or a table, not both")
            self._cells = masks.compressed(self.table)
            self._mask = self._table_mask(self.table, device, flex=flex)
        own = [(latent, 1) for latent in self.latents]
        small = [(self.latents[place], factor) for place, factor in self._cells]
        before = [(piece.latent, piece.factor) for piece in self.read]
        queries, keys = (
            torch.cat([memory.positions(*p, self.grid, self.policy) for p in pieces]).to(device)
            for pieces in (own, [*before, *own, *small])
        )
        self._tables = rotary.at(queries), rotary.at(keys)

    @property
    def mask(self) -> Mask | None:
        """Where a query sees a key, bool [N, M] or FlexAttention's; None for everywhere."""
        return self._mask

    @property
    def tables(self) -> tuple[Tables, Tables]:
        """Rotary tables of the queries and of the keys."""
        assert self._tables is not None
        return self._tables

    def extend(
        self, block: int, key: torch.Tensor, value: torch.Tensor, small: Callable[[int, int], Pair]
    ) -> Pair:
        """All keys and values that one block's queries are given: [B, M, D] each, not rotated.

        Args:
            block: Of the transformer.
            key: Of the pass' own tokens, [B, N, D].
            value: Likewise.
            small: `place, factor -> keys, values` of a latent of the pass, pooled.
        """
        if self.write:
            self._written[block] = [
                [self._own(key, value, place), small(place, self.policy.factor(latent))]
                for place, latent in enumerate(self.latents)
            ]
        parts = [piece.pairs[block] for piece in self.read] + [(key, value)]
        parts += [small(place, factor) for place, factor in self._cells]
        if len(parts) == 1:
            return parts[0]
        return torch.cat([k for k, _ in parts], 1), torch.cat([v for _, v in parts], 1)

    def pieces(self) -> tuple[Piece, ...]:
        """What the pass wrote: every latent in full, and pooled if its factor is above 1."""
        out = []
        for place, latent in enumerate(self.latents):
            for kind, factor in enumerate((1, self.policy.factor(latent))):
                if kind == 0 or factor > 1:
                    pairs = (self._written[block][place][kind] for block in sorted(self._written))
                    out.append(Piece(latent=latent, factor=factor, pairs=tuple(pairs)))
        return tuple(out)

    def own(self, x: torch.Tensor, place: int) -> torch.Tensor:
        """The tokens of one latent of the pass, [B, n, D]."""
        count = self.grid[0] * self.grid[1]
        return x[:, place * count : (place + 1) * count]

    def _table_mask(self, table: torch.Tensor, device: torch.device, *, flex: bool) -> Mask:
        if not flex:
            return masks.dense(table, self.grid, self.policy).to(device)
        sees = masks.mask_mod(table, self.grid, self.policy, device)
        keys = len(masks.keys(table, self.grid, self.policy)[0])
        return backends.block_mask(sees, len(table) * self.grid[0] * self.grid[1], keys, device)

    def _own(self, key: torch.Tensor, value: torch.Tensor, place: int) -> Pair:
        return self.own(key, place), self.own(value, place)
