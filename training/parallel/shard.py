"""Weights, gradients and optimizer split over processes: PyTorch's FSDP2, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from training.model.wan import WorldModel

# How deep a model is in `silent`; FSDP2 itself cannot be asked.
_SILENCES: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def wrap(model: WorldModel, mesh: DeviceMesh, dtype: Literal["fp32", "bf16"]) -> nn.Module:
    """Split a model's weights over a mesh; it stays the same object.

    With "bf16" gathered weights are bfloat16, for a model that computes under autocast: noise
    levels, poses and rotary tables keep their digits. Gradients are summed in float32.

    Args:
        model: With all of its weights, the same in every process, on any device: block by block
            its part goes to the mesh's. Without memory it stays so.
        mesh: [shards], or [copies, shards].
        dtype: Of matrix products.
    """
    policy = MixedPrecisionPolicy()
    if dtype == "bf16":
        policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,
        )
    blocks: Any = model.transformer.blocks
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


@contextmanager
def silent(model: nn.Module) -> Iterator[None]:
    """Gradients are added up in every process and not exchanged; it can be nested."""
    root = _root(model)
    _SILENCES[model] = _SILENCES.get(model, 0) + 1
    root.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        _SILENCES[model] -= 1
        root.set_requires_gradient_sync(not _SILENCES[model])


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Weights are gathered when first used inside, and split again at the end alone."""
    root = _root(model)
    parts = [m for m in model.modules() if isinstance(m, FSDPModule)]
    root.set_reshard_after_forward(False)
    root.set_reshard_after_backward(False)
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not root, recurse=False)
            part.set_reshard_after_backward(True, recurse=False)
            part.reshard()


def full(x: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor that may be split; every process calls it."""
    return x.full_tensor() if isinstance(x, DTensor) else x


@torch.no_grad()
def assign(target: torch.Tensor, whole: torch.Tensor) -> None:
    """Copy a whole tensor, which every process has, into one that may be split."""
    if isinstance(target, DTensor):
        whole = whole.to(target.device, target.dtype)
        whole = distribute_tensor(whole, target.device_mesh, target.placements, src_data_rank=None)
    target.copy_(whole)


def is_split(model: nn.Module) -> bool:
    """Whether a model's weights are split over processes."""
    return any(isinstance(p, DTensor) for p in model.parameters())


def _root(model: nn.Module) -> FSDPModule:
    if not isinstance(model, FSDPModule):
        raise ValueError("the model's weights are not split; prepare it with `World.prepare`")
    return model
