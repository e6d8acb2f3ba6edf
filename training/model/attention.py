"""Wan's self-attention as a diffusers attention processor, with the camera on queries and keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor

from training.model import backends, memory, rope
from training.model.backends import Mask
from training.model.cameras.told import Told
from training.model.config import AttentionBackend
from training.model.context import Context
from training.model.memory import Pair
from training.model.rope import Tables
from training.model.spread import Spread


@dataclass(kw_only=True, slots=True)
class Conditions:
    """What the blocks of one forward pass are told; `WorldModel` fills it for the pass.

    Between the first block and the output the tokens of a process are cut into *runs*, each of one
    latent: [B * runs, run, dim]. So what a latent is told is told once a run, not once a token.

    Attributes:
        videos: B.
        tokens_per_latent: Tokens of one latent.
        actions: Per block, added after self-attention, [B, F, dim]; empty for none.
        levels: Added to the embedding of the noise levels, [B, F, dim].
        camera: What self-attention is told about the camera.
        context: What a pass over a part of a video reads and writes; None for whole windows.
        spread: How the pass is shared with other processes; None for a process of its own.
    """

    videos: int = 1
    tokens_per_latent: int = 1
    actions: list[torch.Tensor] = field(default_factory=list)
    levels: torch.Tensor | None = None
    camera: Told = field(default_factory=Told)
    context: Context | None = None
    spread: Spread | None = None

    def own(self, x: torch.Tensor) -> torch.Tensor:
        """What belongs to this process' tokens, of [B, F or N, ...]; a `Pick`."""
        return x if self.spread is None else self.spread.own(x)

    @property
    def run(self) -> int:
        """Tokens of a run: the most that divide a latent's and this process' range of tokens."""
        if self.spread is None:
            return self.tokens_per_latent
        return math.gcd(self.tokens_per_latent, *self.spread.range)

    def runs(self, x: torch.Tensor) -> torch.Tensor:
        """What is known of latents, [B, F, ...], for the runs: [B * runs, 1, ...]."""
        if self.spread is not None:
            places = torch.arange(*self.spread.range, self.run, device=x.device)
            x = x.index_select(1, places // self.tokens_per_latent)
        return x.flatten(0, 1)[:, None]

    def whole(self, x: torch.Tensor) -> torch.Tensor:
        """Runs of tokens, [B * runs, run, d], as [B, n, d]."""
        return x.reshape(self.videos, -1, x.shape[-1])

    @contextmanager
    def told(self, other: Conditions) -> Iterator[None]:
        """Be what `other` is for a while."""
        before = replace(self)
        self._become(other)
        try:
            yield
        finally:
            self._become(before)

    def _become(self, other: Conditions) -> None:
        for name in Conditions.__slots__:
            setattr(self, name, getattr(other, name))


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """The attention of one block of one pass.

    Attributes:
        heads: Number of heads.
        mask: Where a query sees a key; see `Context.mask`.
        backend: See `ModelConfig.attention`.
        query_tables: Rotary tables of the queries; None rotates nothing.
        key_tables: Of the keys.
        spread: Queries come and outputs leave by tokens, keys and values are there by heads.
    """

    heads: int
    mask: Mask | None
    backend: AttentionBackend
    query_tables: Tables | None
    key_tables: Tables | None
    spread: Spread | None = None

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, first: int = 0
    ) -> torch.Tensor:
        """Attend.

        Args:
            query: [B, n, D].
            key: [B, M, D], own heads of it.
            value: [B, M, D], likewise.
            first: First channel of a head that is rotated.

        Returns:
            [B, n, D].
        """
        heads = self.heads
        if self.spread is not None:
            query, heads = self.spread.to_heads(query), heads // self.spread.size
        query, key, value = (t.unflatten(2, (heads, -1)) for t in (query, key, value))
        query = _rotate(query, self.query_tables, first)
        key = _rotate(key, self.key_tables, first)
        out = backends.attend(query, key, value, self.mask, self.backend).flatten(2)
        return out if self.spread is None else self.spread.to_tokens(out)


class CameraAttention:
    """Self-attention that is told the camera, and that reads and writes a memory.

    With a camera that tells nothing, and without a context, it is diffusers' `WanAttnProcessor`.

    Args:
        conditions: Shared with the model that fills it.
        block: Which block's embedding to take.
        backend: See `ModelConfig.attention`.
    """

    def __init__(self, conditions: Conditions, block: int, backend: AttentionBackend = "auto"):
        self._conditions, self._block = conditions, block
        self._backend: AttentionBackend = backend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: Mask | None = None,
        rotary_emb: Tables | None = None,
    ) -> torch.Tensor:
        """Attend; arguments as diffusers passes them.

        Args:
            attn: The `WanAttention` that holds the weights.
            hidden_states: [B * runs, run, dim].
            encoder_hidden_states: None: this is self-attention.
            attention_mask: Where a query sees a key.
            rotary_emb: Cosines and sines.
        """
        camera, block = self._conditions.camera, self._block
        spread, pick = self._conditions.spread, self._conditions.own
        x = camera.inputs(block, self._conditions.whole(hidden_states), pick)
        query = camera.query(block, attn.norm_q(attn.to_q(x)), pick)
        key, value = camera.kept(block, attn.norm_k(attn.to_k(x)), attn.to_v(x), pick)
        own = query.shape[-1]
        if spread is not None:
            key, value, own = spread.to_heads(key), spread.to_heads(value), own // spread.size
        query_tables = key_tables = rotary_emb
        if (context := self._conditions.context) is not None:
            small = self._pooled(attn, x, key, value, context)
            key, value = context.extend(block, key, value, small)
            query_tables, key_tables = context.tables
            attention_mask = context.mask
        attend = Attention(
            heads=attn.heads,
            mask=attention_mask,
            backend=self._backend,
            query_tables=query_tables,
            key_tables=key_tables,
            spread=spread,
        )
        out = attend(query, key[..., :own], value[..., :own]).type_as(hidden_states)
        out = attn.to_out[1](attn.to_out[0](out))
        extra = (key[..., own:], value[..., own:])
        return camera.output(block, out, query, extra, attend, pick).view_as(hidden_states)

    def _pooled(
        self,
        attn: Any,
        x: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        context: Context,
    ) -> Callable[[int, int], Pair]:
        """`place, factor -> keys, values` of a latent's cells; see `Policy.pool`."""
        spread = self._conditions.spread
        if spread is not None and context.policy.pool == "latent":
            x = spread.gather(x)

        def small(place: int, factor: int) -> Pair:
            def pooled(t: torch.Tensor) -> torch.Tensor:
                return memory.pool(context.own(t, place), factor, context.grid, context.policy)

            def pick(t: torch.Tensor) -> torch.Tensor:
                of_latents = t.shape[1] == len(context.latents)
                return t[:, place : place + 1] if of_latents else pooled(t)

            if context.policy.pool == "kv" or factor == 1:
                return pooled(key), pooled(value)
            cells = pooled(x)
            keys, values = attn.norm_k(attn.to_k(cells)), attn.to_v(cells)
            keys, values = self._conditions.camera.kept(self._block, keys, values, pick)
            if spread is None:
                return keys, values
            return spread.own_heads(keys), spread.own_heads(values)

        return small


class TextAttention:
    """diffusers' cross-attention, which reads a video's caption once, not once a run.

    Args:
        conditions: Shared with the model that fills it.
    """

    def __init__(self, conditions: Conditions):
        self._conditions, self._plain = conditions, WanAttnProcessor()

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        *others: None,
    ) -> torch.Tensor:
        """Attend; arguments as diffusers passes them.

        Args:
            attn: The `WanAttention` that holds the weights.
            hidden_states: [B * runs, run, dim].
            encoder_hidden_states: [B, words, dim].
            others: No mask, no rotary embedding.
        """
        whole = self._conditions.whole(hidden_states)
        return self._plain(attn, whole, encoder_hidden_states, *others).view_as(hidden_states)


def _rotate(x: torch.Tensor, tables: Tables | None, first: int) -> torch.Tensor:
    """Rotate the channels from `first` on of [B, N, heads, head_dim]."""
    if tables is None:
        return x
    if first == 0:
        return rope.rotate(x, tables)
    cos, sin = (table[..., first:] for table in tables)
    return torch.cat([x[..., :first], rope.rotate(x[..., first:], (cos, sin))], dim=-1)
