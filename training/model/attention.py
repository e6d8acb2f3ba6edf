"""Wan's self-attention as a diffusers attention processor, with the camera on queries and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import functional

from training.model import memory, rope
from training.model.context import Context
from training.model.memory import Pair


@dataclass(kw_only=True, slots=True)
class Conditions:
    """What the blocks of one forward pass are told; `WorldModel` fills it for the pass.

    Attributes:
        tokens_per_latent: Tokens of one latent.
        actions: Per block, added after self-attention, [B, N, dim]; empty for none.
        queries: Per block, added to Q, [B, N, dim]; empty for none.
        keys: Per block, added to K, [B, N, dim]; empty for none.
        context: What a pass over a part of a video reads and writes; None for whole windows.
    """

    tokens_per_latent: int = 1
    actions: list[torch.Tensor] = field(default_factory=list)
    queries: list[torch.Tensor] = field(default_factory=list)
    keys: list[torch.Tensor] = field(default_factory=list)
    context: Context | None = None

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


class CameraAttention:
    """Self-attention with the pose added to Q and K (RELIC sec. 4).

    The embedding is added after QK-norm and before the rotary embedding; V does not see it. Without
    it this is diffusers' `WanAttnProcessor`.

    Args:
        conditions: Shared with the model that fills it.
        block: Which block's embedding to take.
    """

    def __init__(self, conditions: Conditions, block: int):
        self._conditions, self._block = conditions, block

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Attend; arguments as diffusers passes them.

        Args:
            attn: The `WanAttention` that holds the weights.
            hidden_states: [B, N, dim].
            encoder_hidden_states: None: this is self-attention.
            attention_mask: Of `scaled_dot_product_attention`.
            rotary_emb: Cosines and sines.
        """
        query = attn.norm_q(attn.to_q(hidden_states))
        key = attn.norm_k(attn.to_k(hidden_states))
        value = attn.to_v(hidden_states)
        if self._conditions.queries:
            query = query + self._conditions.queries[self._block]
            key = key + self._conditions.keys[self._block]
        query_tables = key_tables = rotary_emb
        if (context := self._conditions.context) is not None:
            small = self._pooled(attn, hidden_states, key, value, context)
            key, value = context.extend(self._block, key, value, small)
            query_tables, key_tables = context.tables
            attention_mask = context.mask
        query, key, value = (t.unflatten(2, (attn.heads, -1)) for t in (query, key, value))
        if query_tables is not None and key_tables is not None:
            query, key = rope.rotate(query, query_tables), rope.rotate(key, key_tables)
        query, key, value = (t.transpose(1, 2) for t in (query, key, value))
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        out = out.transpose(1, 2).flatten(2).type_as(hidden_states)
        return attn.to_out[1](attn.to_out[0](out))

    def _pooled(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        context: Context,
    ) -> Callable[[int, int], Pair]:
        """`place, factor -> keys, values` of a latent's cells; see `Policy.pool`."""

        def pooled(x: torch.Tensor, place: int, factor: int) -> torch.Tensor:
            return memory.pool(context.own(x, place), factor, context.grid, context.policy)

        def small(place: int, factor: int) -> Pair:
            if context.policy.pool == "kv" or factor == 1:
                return pooled(key, place, factor), pooled(value, place, factor)
            inputs = pooled(hidden_states, place, factor)
            small_key = attn.norm_k(attn.to_k(inputs))
            if self._conditions.keys:
                small_key = small_key + pooled(self._conditions.keys[self._block], place, factor)
            return small_key, attn.to_v(inputs)

        return small
