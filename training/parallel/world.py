"""Where a process stands among all, and how a model is put on all of them.

`World` is the only thing that stages and the loop ask: which part of a batch is mine, wrap this
model, add this gradient, do not exchange yet. With one process every answer is the plain one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed import ProcessGroup
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from training.model import deferred
from training.model.wan import WorldModel
from training.parallel import shard
from training.parallel.config import ParallelConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """All processes of a run, seen from one.

    Attributes:
        config: See `ParallelConfig`.
        accelerator: Of the run.
        mesh: Of the processes that share weights: [shards] or [copies, shards]; None for DDP.
        group: The processes that share this one's videos; None if it has them alone.
    """

    config: ParallelConfig
    accelerator: Accelerator
    mesh: DeviceMesh | None = None
    group: ProcessGroup | None = None

    @classmethod
    def join(cls, config: ParallelConfig, accelerator: Accelerator) -> World:
        """This process' world; every process calls it with the same settings.

        Raises:
            ValueError: If the settings do not fit the number of processes.
        """
        size, kind = accelerator.num_processes, accelerator.device.type
        shards = config.shards(size)
        mesh = group = None
        if size > 1 and shards > 1:
            copies = size // shards
            shape, names = ((shards,), ("shard",))
            if copies > 1:
                shape, names = ((copies, shards), ("copy", "shard"))
            mesh = init_device_mesh(kind, shape, mesh_dim_names=names)
        if config.context > 1:
            videos = init_device_mesh(
                kind, (size // config.context, config.context), mesh_dim_names=("data", "context")
            )
            group = videos.get_group("context")
        return cls(config=config, accelerator=accelerator, mesh=mesh, group=group)

    @property
    def data_rank(self) -> int:
        """Which part of a batch this process has; those that share videos have the same."""
        return self.accelerator.process_index // self.config.context

    @property
    def data_size(self) -> int:
        """Parts of a batch."""
        return self.accelerator.num_processes // self.config.context

    def prepare(self, model: nn.Module, *, trained: bool = True) -> nn.Module:
        """Put a model on all processes.

        Args:
            model: With the same weights in every process, or without memory, to be filled here; it
                is changed in place. Other models than a `WorldModel` are copied only.
            trained: Whether it learns; a frozen one needs no wrapper that exchanges gradients.

        Raises:
            ValueError: If the processes that share a video do not divide the model's heads.
        """
        device = self.accelerator.device
        if isinstance(model, WorldModel):
            if self.config.checkpointing and trained:
                model.checkpoint_activations()
            if self.group is not None:
                model.share_tokens(self.group)
            if self.config.dtype == "bf16":
                _compute_in_bf16(model, device.type)
            if self.mesh is not None:
                shard.wrap(model, self.mesh, self.config.dtype)
            deferred.materialise(model, device)
            if self.mesh is not None:
                return model
        return self.accelerator.prepare(model) if trained else model.to(device)

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """A loss of this process' part of the batch, or its gradient, ready for a backward pass.

        Wrappers take the mean over all processes. Those that share a video each have a part of its
        gradient, of which the sum is wanted.
        """
        return x * self.config.context

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss of this process' part of the batch."""
        self.accelerator.backward(self.scaled(loss))

    def silent(self, model: nn.Module) -> AbstractContextManager[None]:
        """Passes of a model inside need not exchange gradients; see `ParallelConfig.exchange`."""
        if self.config.exchange == "every":
            return nullcontext()
        if self.mesh is not None:
            return shard.silent(model)
        return self.accelerator.no_sync(model)

    def gathered(self, model: nn.Module) -> AbstractContextManager[None]:
        """A sharded model's weights are gathered once inside, and split again at the end."""
        if self.mesh is None or not self.config.keep_gathered:
            return nullcontext()
        return shard.gathered(model)

    def clip(self, model: nn.Module, largest: float) -> float:
        """Scale the gradient down to a norm of at most `largest`; returns the norm it had."""
        parameters = [p for p in model.parameters() if p.grad is not None]
        norm: Any = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        norm = shard.full(norm)
        nn.utils.clip_grads_with_norm_(parameters, largest, norm)
        return float(norm)


def _compute_in_bf16(model: WorldModel, device_type: str) -> None:
    """Matrix products in bfloat16 from now on, the output in float32."""
    forward = torch.autocast(device_type, torch.bfloat16)(model.forward)

    def cast(*inputs: Any, **options: Any) -> torch.Tensor:
        return forward(*inputs, **options).float()

    model.forward = cast
