"""Arithmetic in which a number depends on what it is made of, and on nothing else.

Libraries choose how they add by the shape of a product: rows, columns, keys that a mask hides. Then
two ways to one sum differ in the last place, and no test can ask for equality. Inside `FixedOrder`
every sum is over its own terms alone, in the order of their sizes. So two passes whose queries see
the same keys, in whatever order and beside whatever else, have the same bits; one key too many, or
another position of one, and they have not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class FixedOrder(TorchFunctionMode):
    """Products of matrices, patch embeddings and attention, row by row; slow, and without graph."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ours = {
            functional.linear: linear,
            functional.conv3d: patches,
            functional.scaled_dot_product_attention: attention,
        }
        with torch._C.DisableTorchFunction():
            return ours.get(func, func)(*args, **(kwargs or {}))


def linear(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor:
    """A row's products with the weights, one output at a time."""
    out = torch.stack([(x * row).sum(-1) for row in weight], dim=-1)
    return out if bias is None else out + bias


def patches(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: Any, *_: Any
) -> torch.Tensor:
    """A convolution of [B, C, F, h, w] whose kernels do not overlap."""
    assert tuple(stride) == weight.shape[2:]
    for axis, size in zip((2, 3, 4), stride, strict=True):
        x = x.unfold(axis, size, size)
    rows = x.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4)
    return linear(rows, weight.flatten(1), bias).permute(0, 4, 1, 2, 3)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    **options: Any,
) -> torch.Tensor:
    """Of [B, heads, N, d] and [B, heads, M, d]: every query with the keys that it sees alone."""
    assert not any(options.get(name) for name in ("dropout_p", "is_causal", "enable_gqa"))
    if attn_mask is None:
        return _attend(query, key, value)
    out = torch.empty_like(query)
    rows, kinds = attn_mask.unique(dim=0, return_inverse=True)
    for kind, sees in enumerate(rows):
        alike = kinds == kind
        out[:, :, alike] = _attend(query[:, :, alike], key[:, :, sees], value[:, :, sees])
    return out


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    logits = (query[:, :, :, None] * key[:, :, None]).sum(-1) * query.shape[-1] ** -0.5
    shares = (logits - logits.amax(-1, keepdim=True)).exp()
    shares = shares / _total(shares)[..., None]
    return _total(shares[:, :, :, None] * value.transpose(-1, -2)[:, :, None])


def _total(terms: torch.Tensor) -> torch.Tensor:
    """Sums over the last axis, whatever the order of the terms."""
    return terms.sort(dim=-1).values.sum(-1)
