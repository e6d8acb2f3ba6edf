"""What a pass of a model costs: parameters, FLOPs and bytes, before anything is launched.

Nothing here is a table of sizes. The model itself runs on fake tensors, which have shapes and no
data, with one and two transformer blocks on two and three latents: everything but attention grows
in straight lines from there. Attention is counted from the (query, key) pairs that see each other.

Adapters (LoRA) freeze the transformer: its weights have no gradients, and an adapter of P weights
adds 2 P FLOPs a token forward and 4 P backward.

A multiplication and an addition are two FLOPs. A matrix product's backward pass costs twice its
forward pass, once where its input needs no gradient.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from shards.latents import GROUP
from training.data import ACTION_DIM, Signals
from training.model import lora, masks
from training.model.config import LoraConfig, ModelConfig
from training.model.memory import Grid, Policy
from training.model.wan import PATCH, WorldModel
from training.recipes import FlowConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """One evaluation of the network.

    Attributes:
        batch: Videos.
        latents: Of each video in this pass.
        grid: Rows and columns of tokens of a latent.
        pairs: Queries times the keys that each sees, of one head and video.
    """

    batch: int = 1
    latents: int
    grid: Grid
    pairs: int

    @property
    def tokens(self) -> int:
        """Of one video."""
        return self.latents * self.grid[0] * self.grid[1]


def whole(latents: int, grid: Grid, batch: int = 1) -> Pass:
    """A bidirectional pass over a whole video."""
    tokens = latents * grid[0] * grid[1]
    return Pass(batch=batch, latents=latents, grid=grid, pairs=tokens**2)


def masked(table: torch.Tensor, grid: Grid, policy: Policy, batch: int = 1) -> Pass:
    """A pass with a table of `training.model.masks`, at the pairs that it lets see each other."""
    tokens = {f: policy.tokens(f, grid) for f in table[table > 0].unique().tolist()}
    keys = sum(int((table == factor).sum()) * count for factor, count in tokens.items())
    return Pass(batch=batch, latents=len(table), grid=grid, pairs=keys * grid[0] * grid[1])


def rollout(latents: int, block: int, policy: Policy, grid: Grid, batch: int = 1) -> list[Pass]:
    """One pass of every block of a video after what its memory holds."""
    passes = []
    for start, stop in masks.blocks(latents, block):
        seen = policy.seen(start, stop, grid).values()
        queries = (stop - start) * grid[0] * grid[1]
        keys = queries + sum(policy.tokens(factor, grid) for factor in seen)
        passes.append(Pass(batch=batch, latents=stop - start, grid=grid, pairs=queries * keys))
    return passes


@dataclass(frozen=True, kw_only=True, slots=True)
class Flops:
    """Of one pass.

    Attributes:
        forward: Its forward pass.
        backward: Its backward pass.
        again: The forward pass of the blocks once more: what activation checkpointing adds.
    """

    forward: int
    backward: int
    again: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """Bytes that one pass keeps for its backward pass, weights not counted.

    Attributes:
        around: Outside the blocks, and what they are given: all that checkpointing keeps.
        block: Inside one block.
    """

    around: int
    block: int

    def total(self, layers: int, *, checkpointing: bool) -> int:
        """All of it; with checkpointing at the moment when one block has run again."""
        return self.around + (1 if checkpointing else layers) * self.block


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model whose costs are asked for.

    Attributes:
        config: Its sizes.
        channels: Of a latent.
        flow: Says how many channels it returns.
        dtype: In which it computes.
        lora: Its adapters; None if all of it is trained.
    """

    config: ModelConfig
    channels: int
    flow: FlowConfig
    dtype: torch.dtype = torch.bfloat16
    lora: LoraConfig | None = None

    @property
    def dim(self) -> int:
        """Width of a token."""
        return self.config.heads * self.config.head_dim

    @cached_property
    def shapes(self) -> dict[str, torch.Size]:
        """Of all parameters, by name."""
        return {name: p.shape for name, p in self._model.named_parameters()}

    @cached_property
    def trained(self) -> dict[str, torch.Size]:
        """Of those that are trained."""
        return {name: p.shape for name, p in self._model.named_parameters() if p.requires_grad}

    @cached_property
    def _model(self) -> WorldModel:
        """Without memory."""
        with torch.device("meta"):
            model = WorldModel(self._bare(self.config.layers), self.channels, self.flow)
            if self.lora is not None:
                lora.add(model, self.lora)
        return model

    @property
    def parameters(self) -> int:
        """Their number."""
        return sum(shape.numel() for shape in self.shapes.values())

    def flops(self, work: Pass) -> Flops:
        """What a pass computes."""
        plain, lean = self._run(work, checkpointing=False), self._run(work, checkpointing=True)
        attention = 4 * self.config.layers * self.dim * work.batch
        # PRoPE is a second attention over the same pairs.
        passes = 2 if self.config.camera == "prope" else 1
        attention *= passes * work.pairs + work.tokens * self.config.max_words
        adapters = self._adapters(work)
        return Flops(
            forward=plain.forward + attention + adapters,
            backward=plain.backward + 2 * (attention + adapters),
            again=lean.backward - plain.backward + attention + self._adapters(work, blocks=True),
        )

    def _adapters(self, work: Pass, *, blocks: bool = False) -> int:
        """FLOPs of the adapters forward; those of cross-attention's keys and values see words.

        Args:
            work: See `flops`.
            blocks: Of adapters inside the blocks alone.
        """
        total = 0
        for name, shape in self.trained.items():
            if ".lora_" in name and (".blocks." in name or not blocks):
                words = ".attn2.to_k." in name or ".attn2.to_v." in name
                rows = self.config.max_words if words else work.tokens
                total += 2 * shape.numel() * work.batch * rows
        return total

    def saved(self, work: Pass) -> Saved:
        """What a pass keeps for its backward pass, attention being one that keeps no matrix."""
        plain, lean = self._run(work, checkpointing=False), self._run(work, checkpointing=True)
        return Saved(
            around=lean.saved,
            block=(plain.saved - lean.saved) // self.config.layers,
        )

    def _run(self, work: Pass, *, checkpointing: bool) -> _Measured:
        """With all blocks and latents: along straight lines."""

        def of_latents(layers: int) -> _Measured:
            few, more = (
                _dry_run(
                    self._bare(layers),
                    self,
                    dataclasses.replace(work, latents=latents, pairs=0),
                    checkpointing,
                )
                for latents in (2, 3)
            )
            return _line(few, more, work.latents - 2)

        return _line(of_latents(1), of_latents(2), self.config.layers - 1)

    def _bare(self, layers: int) -> ModelConfig:
        return dataclasses.replace(self.config, layers=layers)

    def __hash__(self):
        return hash((self.config, self.channels, self.flow, self.dtype, self.lora))


def memory_bytes(
    network: Network,
    latents: int,
    policy: Policy,
    grid: Grid,
    *,
    batch: int = 1,
    every: bool = False,
) -> int:
    """Bytes of a `Memory` of a number of latents; see `Memory.num_bytes`.

    Args:
        network: Gives layers, width and type.
        latents: Written so far.
        policy: What is kept, and how.
        grid: Rows and columns of tokens of a latent.
        batch: Videos.
        every: The memories of all times, as the records of a rollout hold them.
    """
    kept = policy.seen(latents, latents + 1, grid)
    tokens = 0
    for latent in range(latents) if every else kept:
        factor = policy.factor(latent)
        tokens += policy.tokens(factor, grid)
        if factor > 1 and (every or kept[latent] == 1):
            tokens += policy.tokens(1, grid)
    width = network.dtype.itemsize
    scale = width if policy.storage in ("fp8", "int8") else 0
    stored = {"same": width, "bf16": 2, "fp8": 1, "int8": 1}[policy.storage]
    return batch * tokens * network.config.layers * 2 * (network.dim * stored + scale)


class _Measured(NamedTuple):
    forward: int
    backward: int
    saved: int


def _line(at_zero: _Measured, at_one: _Measured, place: int) -> _Measured:
    """The straight line through two values, elsewhere."""
    return _Measured(*(a + place * (b - a) for a, b in zip(at_zero, at_one, strict=True)))


@cache
def _dry_run(config: ModelConfig, network: Network, work: Pass, checkpointing: bool) -> _Measured:
    """Matrix products outside attention, and saved bytes, of the model on fake tensors."""
    batch, latents = work.batch, work.latents
    size = (work.grid[0] * PATCH[1], work.grid[1] * PATCH[2])
    before = torch.get_default_dtype()
    # Fake weights cannot be cast afterwards.
    torch.set_default_dtype(network.dtype)
    try:
        with FakeTensorMode():
            model = WorldModel(config, network.channels, network.flow)
            if network.lora is not None:
                model.transformer.requires_grad_(False)
                # So that gradients go through all blocks, as to their adapters.
                model.transformer.patch_embedding.requires_grad_(True)
            if checkpointing:
                model.checkpoint_activations()
            signals = Signals(
                actions=torch.empty(batch, latents, ACTION_DIM),
                poses=torch.empty(batch, latents, GROUP, 3, 4),
                step_m=torch.empty(batch),
                intrinsics=torch.empty(batch, 4),
                words=torch.empty(batch, config.max_words, config.text_dim),
            )
            x = torch.empty(batch, network.channels, latents, *size)
            return _measure(model, x, torch.empty(batch, dtype=torch.float32), signals)
    finally:
        torch.set_default_dtype(before)


def _measure(model: WorldModel, *inputs: torch.Tensor | Signals) -> _Measured:
    kept: dict[int, torch.Tensor] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage()._cdata] = x
        return x

    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(keep, lambda x: x):
            out = model(*inputs)
        forward = counter.get_total_flops()
        for parameter in model.parameters():
            kept.pop(parameter.untyped_storage()._cdata, None)
        saved = sum(x.untyped_storage().nbytes() for x in kept.values())
        out.sum().backward()
        return _Measured(forward=forward, backward=counter.get_total_flops() - forward, saved=saved)
