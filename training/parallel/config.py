"""How a run is spread over processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelConfig:
    """How a run is spread over processes; beyond rounding it changes no result.

    Attributes:
        shard: Processes over which weights, gradients and optimizer are split (FSDP2), 0 for all;
            further ones hold copies. 1 gives every process all of them (DDP).
        context: Processes that share a video's tokens (Ulysses); it divides the model's heads.
            Neighbours in rank, so that they are in one machine.
        dtype: Of matrix products; weights, gradients and optimizer are kept in float32.
        checkpointing: Keep the blocks' inputs alone for the backward pass, and run blocks again.
        keep_gathered: A student's sharded weights stay gathered from its rollout to the end of its
            replay, instead of once more for every pass.
        exchange: When gradients are exchanged in a step of several micro-batches or replayed
            blocks: after the "last", which holds whole gradients till then, or after "every" one.
    """

    shard: int = 1
    context: int = 1
    dtype: Literal["fp32", "bf16"] = "fp32"
    checkpointing: bool = False
    keep_gathered: bool = True
    exchange: Literal["last", "every"] = "last"

    def __post_init__(self):
        if self.shard < 0 or self.context < 1:
            raise ValueError(
                f"shard must be at least 0 and context at least 1, got {self.shard} and "
                f"{self.context}"
            )

    def shards(self, processes: int) -> int:
        """Over how many of `processes` the weights are split.

        Raises:
            ValueError: If shard or context does not divide them.
        """
        shards = self.shard or processes
        for name, size in (("shard", shards), ("context", self.context)):
            if processes % size:
                raise ValueError(
                    f"{name} = {size} needs a multiple of {size} processes (GPUs), got "
                    f"{processes}; take so many, or change the recipe's parallel settings"
                )
        return shards
