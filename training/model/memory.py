"""The memory of a stream: a functional cache of keys and values (RELIC sec. 4.3).

A block of latents reads what earlier latents left: the last ones in full, every older one pooled to
`s x s` cells, s from a fixed schedule. Keys are kept after QK-norm and pose, before the rotary
embedding, so a cell gets its position, the centre of its tokens, when it is read.

Nothing here is changed in place: `Memory.append` returns another memory, made of detached tensors.
A graph can therefore never be reached, nor overwritten, through a memory.

Shapes: B samples, D = heads * head_dim channels, n tokens of a latent at its factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.nn import functional

# RELIC sec. 4.3: the factor per side of latent i is SCHEDULE[i % 18].
SCHEDULE = (1, 4, 2, 4, 4, 4, 2, 4, 4, 2, 4, 4, 4, 2, 4, 4, 2, 4)
_LARGEST = {torch.float8_e4m3fn: 448.0, torch.int8: 127.0}

Grid = tuple[int, int]
Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What a block sees of the latents before it.

    Attributes:
        window: Latents in full, the block's own included; RELIC's w, which it calls small. With 6,
            20 s cost 30,056 tokens, the paper's 30K.
        schedule: Factor per side of older latents, repeated; (1,) compresses nothing.
        sink: First latents that stay in full and are never dropped. RELIC's schedule starts with 1,
            so its first latent is in full anyway.
        budget: Most tokens of compressed latents; the oldest are dropped. None drops nothing, 0
            leaves window and sink.
        pool: "kv" averages keys and values; "latent" projects the averaged input of the attention.
        edges: Cells cut by the border: "keep" averages the tokens they have, "drop" leaves them out
            (the first cell of a grid smaller than the factor stays).
        storage: How tensors are kept; "fp8" (E4M3) and "int8" with one scale per token.
    """

    window: int = 6
    schedule: tuple[int, ...] = SCHEDULE
    sink: int = 0
    budget: int | None = None
    pool: Literal["kv", "latent"] = "kv"
    edges: Literal["keep", "drop"] = "keep"
    storage: Literal["same", "bf16", "fp8", "int8"] = "same"

    def __post_init__(self):
        if self.window < 1 or self.sink < 0 or (self.budget is not None and self.budget < 0):
            raise ValueError(
                "window must be at least 1, sink and budget at least 0, got "
                f"{self.window}, {self.sink} and {self.budget}"
            )
        if not self.schedule or min(self.schedule) < 1:
            raise ValueError(f"schedule needs factors of at least 1, got {self.schedule}")

    def factor(self, latent: int) -> int:
        """Factor per side of a latent once it has left the window."""
        return 1 if latent < self.sink else self.schedule[latent % len(self.schedule)]

    def tokens(self, factor: int, grid: Grid) -> int:
        """Tokens of a latent of `grid` rows and columns at a factor."""
        rows, columns = (len(self.cells(size, factor)) for size in grid)
        return rows * columns

    def cells(self, size: int, factor: int) -> list[tuple[int, int]]:
        """The half-open ranges of rows (or columns) that become one, for `size` of them."""
        stop = size if self.edges == "keep" or size < factor else size - size % factor
        return [(first, min(first + factor, stop)) for first in range(0, stop, factor)]

    def seen(
        self, start: int, stop: int, grid: Grid, *, full_from: int | None = None
    ) -> dict[int, int]:
        """What the block of latents [start, stop) reads: factor of every earlier latent kept.

        Args:
            start: Its first latent.
            stop: One after its last.
            grid: Rows and columns of tokens of a latent.
            full_from: First latent in full; by default the window's.
        """
        first = min(stop - self.window, start) if full_from is None else full_from
        kept = {latent: 1 for latent in range(start) if latent >= first or latent < self.sink}
        left = self.budget
        for latent in range(min(first, start) - 1, self.sink - 1, -1):
            factor = self.factor(latent)
            if left is not None:
                left -= self.tokens(factor, grid)
                if left < 0:
                    break
            kept[latent] = factor
        return dict(sorted(kept.items()))


def pool(x: torch.Tensor, factor: int, grid: Grid, policy: Policy) -> torch.Tensor:
    """Means over cells: tokens of one latent [B, n, D] to [B, `policy.tokens(factor)`, D]."""
    if factor == 1:
        return x
    kernel = (min(factor, grid[0]), min(factor, grid[1]))
    image = x.unflatten(1, grid).permute(0, 3, 1, 2)
    kept = functional.avg_pool2d(
        image, kernel, kernel, ceil_mode=policy.edges == "keep", count_include_pad=False
    )
    return kept.flatten(2).transpose(1, 2)


def positions(latent: int, factor: int, grid: Grid, policy: Policy) -> torch.Tensor:
    """Time, row and column of a latent's cells, their tokens' mean: float64 [n, 3]."""
    rows, columns = (
        torch.tensor([(first + stop - 1) / 2 for first, stop in policy.cells(size, factor)])
        for size in grid
    )
    place = torch.cartesian_prod(torch.tensor([float(latent)]), rows, columns)
    return place.double()


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One latent's keys and values at one factor.

    Attributes:
        latent: Its index in the video.
        factor: Per side; 1 is in full.
        pairs: Per transformer block keys, not yet rotated, and values, [B, n, D] each.
    """

    latent: int
    factor: int
    pairs: tuple[Pair, ...]

    def detach(self) -> Piece:
        """The same values without their history."""
        return self.map(torch.Tensor.detach)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Piece:
        """The piece with every tensor changed."""
        return replace(self, pairs=tuple((change(k), change(v)) for k, v in self.pairs))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Packed:
    """A tensor as it is stored: `data * scale` in the type it had."""

    data: torch.Tensor
    scale: torch.Tensor | None
    dtype: torch.dtype

    def unpack(self) -> torch.Tensor:
        data = self.data.to(self.dtype)
        return data if self.scale is None else data * self.scale


def _pack(x: torch.Tensor, storage: str) -> _Packed:
    # A copy: a view would keep the tensors of its whole block alive.
    x = x.detach()
    if storage in ("same", "bf16"):
        data = x.to(torch.bfloat16 if storage == "bf16" else x.dtype, copy=True)
        return _Packed(data=data.contiguous(), scale=None, dtype=x.dtype)
    kind = torch.int8 if storage == "int8" else torch.float8_e4m3fn
    scale = x.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / _LARGEST[kind]
    data = x / scale
    return _Packed(
        data=(data.round() if kind == torch.int8 else data).to(kind), scale=scale, dtype=x.dtype
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """A latent in the memory; `full` is None after it has left the window."""

    latent: int
    full: tuple[tuple[_Packed, _Packed], ...] | None
    small: tuple[tuple[_Packed, _Packed], ...]
    factor: int

    def read(self, factor: int) -> Piece:
        pairs = self.small if factor == self.factor else self.full
        assert pairs is not None
        loaded = tuple((k.unpack(), v.unpack()) for k, v in pairs)
        return Piece(latent=self.latent, factor=factor, pairs=loaded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a stream remembers; a value, never changed.

    Attributes:
        policy: See `Policy`.
        grid: Rows and columns of tokens of a latent.
        length: Latents written so far.
    """

    policy: Policy
    grid: Grid
    length: int = 0
    _kept: tuple[_Kept, ...] = ()

    def append(self, pieces: tuple[Piece, ...]) -> Memory:
        """The memory after further latents.

        Args:
            pieces: `Context.pieces()` of a pass over the next latents. Only values are kept.

        Raises:
            ValueError: If the latents do not follow those that are there.
        """
        new = {(piece.latent, piece.factor): piece for piece in pieces}
        latents = sorted({latent for latent, _ in new})
        if latents != list(range(self.length, self.length + len(latents))):
            raise ValueError(f"the memory goes on at latent {self.length}, got {latents}")
        fresh = []
        for latent in latents:
            factor = self.policy.factor(latent)
            full = self._pack(new[latent, 1])
            small = full if factor == 1 else self._pack(new[latent, factor])
            fresh.append(_Kept(latent=latent, full=full, small=small, factor=factor))
        length = self.length + len(latents)
        # The least that the next block can ask for: it has one latent or more.
        wanted = self.policy.seen(length, length + 1, self.grid)
        kept = tuple(
            entry if wanted[entry.latent] == 1 else replace(entry, full=None)
            for entry in (*self._kept, *fresh)
            if entry.latent in wanted
        )
        return replace(self, length=length, _kept=kept)

    def read(self, count: int) -> tuple[Piece, ...]:
        """What the next block of `count` latents sees, oldest first; see `Policy.seen`."""
        wanted = self.policy.seen(self.length, self.length + count, self.grid)
        return tuple(
            entry.read(wanted[entry.latent]) for entry in self._kept if entry.latent in wanted
        )

    def num_bytes(self) -> int:
        """Bytes of everything that is kept; tensors shared by two entries count once."""
        stored = {}
        for entry in self._kept:
            for pairs in (entry.full or (), entry.small):
                for packed in (p for pair in pairs for p in pair):
                    for t in (packed.data, packed.scale):
                        if t is not None:
                            stored[t.data_ptr()] = t.numel() * t.element_size()
        return sum(stored.values())

    def _pack(self, piece: Piece) -> tuple[tuple[_Packed, _Packed], ...]:
        storage = self.policy.storage
        return tuple((_pack(k, storage), _pack(v, storage)) for k, v in piece.detach().pairs)
