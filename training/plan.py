"""What a stage of a recipe will cost: FLOPs a step, memory of a GPU, time. Nothing is launched.

The passes are those that the stages make; what a pass costs is `training.estimate`'s. The text
encoder takes nothing of a GPU: captions are encoded on the CPU before the first step. Not counted:
what the codec keeps while it encodes, the allocator's gaps, what libraries keep for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import torch

from shards.latents import GROUP
from training import estimate
from training.costs import PhasePlan, Plan
from training.estimate import Flops, Network, Pass
from training.model import masks
from training.model.memory import Grid
from training.recipes import Recipe
from training.stages.config import DistillConfig, OdeConfig, OptimConfig, Phase

# Dense bfloat16 peak of an H100 SXM, FLOPs a second.
H100 = 989e12
_H100 = "H100 80 GB (989 TFLOP/s, dense bfloat16)"
_PIXELS = 16
_FLOAT32 = 4
_Config = TypeVar("_Config", OdeConfig, DistillConfig)


def make(
    recipe: Recipe,
    stage: str,
    *,
    gpus: int,
    num_frames: int | None = None,
    utilisation: float = 0.4,
) -> Plan:
    """Plan a stage.

    Args:
        recipe: What to train.
        stage: "teacher", "ode" or "distill".
        gpus: How many.
        num_frames: Plan windows of this length alone; all of the stage's phases by default.
        utilisation: Share of an H100's peak, an assumption; it counts what checkpointing computes
            again.

    Raises:
        ValueError: If the recipe has no such stage, or the settings do not fit the number of GPUs.
    """
    if gpus < 1:
        raise ValueError(f"a plan is for one GPU or more, got {gpus}")
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is a share, above 0 and at most 1; got {utilisation}")
    ways = {"teacher": _Teacher, "ode": _Ode, "distill": _Distill}
    if stage not in ways:
        raise ValueError(f"there is no stage {stage!r}; there are {', '.join(ways)}")
    work = ways[stage](recipe, gpus)
    phases = work.phases
    if num_frames is not None:
        steps = sum(phase.steps for phase in phases)
        phases = (Phase(num_frames=num_frames, steps=steps),)
    return Plan(
        title=f"{recipe.name} {stage}",
        gpus=gpus,
        kind=_H100,
        utilisation=utilisation,
        parameters=work.parameters,
        checkpoint=checkpoint_bytes(work.network, work.models.values()),
        phases=tuple(work.phase(p, H100 * utilisation * gpus) for p in phases),
        once=work.once(),
    )


class _Work:
    """What all stages share; `models` says which of them learn."""

    models: Mapping[str, OptimConfig | None]
    phases: tuple[Phase, ...]
    batch: int

    def __init__(self, recipe: Recipe, gpus: int):
        self.recipe, self.gpus = recipe, gpus
        self.parallel = recipe.parallel
        self.shards = self.parallel.shards(gpus)
        dtype = torch.bfloat16 if self.parallel.dtype == "bf16" else torch.float32
        self.network = Network(
            config=recipe.model,
            channels=recipe.codec.channels,
            flow=recipe.flow,
            dtype=dtype,
            lora=recipe.lora,
        )
        self.grid: Grid = (recipe.data.height_px // _PIXELS, recipe.data.width_px // _PIXELS)

    @property
    def parameters(self) -> dict[str, int]:
        """Of every model, and of those that learn adapters what is trained."""
        counts = dict.fromkeys(self.models, self.network.parameters)
        if self.recipe.lora is not None:
            learners = [name for name, optim in self.models.items() if optim is not None]
            counts |= {f"{name}, trained": self.trained for name in learners}
        return counts

    @cached_property
    def trained(self) -> int:
        """Parameters of a model that are trained."""
        return sum(shape.numel() for shape in self.network.trained.values())

    def phase(self, phase: Phase, speed: float) -> PhasePlan:
        latents = 1 + (phase.num_frames - 1) // GROUP
        flops = {what: self.batch * n for what, n in self.flops(latents).items()}
        return PhasePlan(
            num_frames=phase.num_frames,
            steps=phase.steps,
            tokens=latents * self.grid[0] * self.grid[1],
            flops=flops,
            memory=self._memory(latents),
            seconds=self.weight(flops) / speed,
        )

    def flops(self, latents: int) -> dict[str, float]:
        """Of one window, by what they are for."""
        raise NotImplementedError

    def weight(self, flops: Mapping[str, float]) -> float:
        """Of a step, on average."""
        return sum(flops.values())

    def peaks(self, latents: int, batch: int) -> list[dict[str, int]]:
        """Bytes that come and go, at the moments that may need most."""
        raise NotImplementedError

    def once(self) -> dict[str, float]:
        return {}

    @property
    def micro_batch(self) -> int:
        """Windows that one process has at a time.

        Raises:
            ValueError: If the batch cannot be shared like that.
        """
        parts = self.gpus // self.parallel.context * self.recipe.accumulation
        if self.batch % parts:
            raise ValueError(
                f"a batch of {self.batch} cannot be shared by {self.gpus} GPUs, "
                f"{self.parallel.context} a window, in {self.recipe.accumulation} micro-batches; "
                f"choose a multiple of {parts}"
            )
        return self.batch // parts

    def training_flops(self, work: Pass) -> float:
        return _sum(self.network.flops(work), again=self.parallel.checkpointing)

    def saved(self, work: Pass) -> int:
        """Bytes that one process keeps of a pass for its backward pass."""
        layers, checkpointing = self.network.config.layers, self.parallel.checkpointing
        total = self.network.saved(work).total(layers, checkpointing=checkpointing)
        return total // self.parallel.context

    def copies(self, *, models: int = 1, whole: bool = False) -> int:
        """Bytes of weights gathered for work: two blocks and the rest of each, or a whole one more.

        Without sharding: what autocast makes of the weights of one model.
        """
        width, count = self.network.dtype.itemsize, self.network.parameters
        if self.shards == 1:
            return width * count * models if self.parallel.dtype == "bf16" else 0
        return width * (models * self.part + (count - self.part if whole else 0))

    def unsent(self, *, several: bool = False) -> int:
        """Bytes of gradients not yet exchanged, `several` passes making a step; DDP's buckets."""
        if self.gpus == 1:
            return 0
        several = several or self.recipe.accumulation > 1
        whole = self.shards == 1 or (several and self.parallel.exchange == "last")
        return _FLOAT32 * (self.trained if whole else self._gathered(self.network.trained))

    @cached_property
    def part(self) -> int:
        """Weights that FSDP2 has gathered at a time."""
        return self._gathered(self.network.shapes)

    def _gathered(self, shapes: Mapping[str, torch.Size]) -> int:
        """Of these: all but the blocks, one block and the next one."""
        layers = self.network.config.layers
        block = sum(s.numel() for name, s in shapes.items() if ".blocks.0." in name)
        return sum(s.numel() for s in shapes.values()) - (layers - min(layers, 2)) * block

    def _memory(self, latents: int) -> dict[str, int]:
        """See `PhasePlan.memory`."""
        count, shards = self.network.parameters, self.shards
        learners = [optim for optim in self.models.values() if optim is not None]
        optimizer = sum(optimizer_bytes(self.network, optim) for optim in learners)
        peak = max(self.peaks(latents, self.micro_batch), key=lambda peak: sum(peak.values()))
        return {
            "weights": _FLOAT32 * count * len(self.models) // shards,
            "gradients": _FLOAT32 * self.trained // shards,
            "optimizer": optimizer // shards,
            "average": _FLOAT32 * self.trained // shards,
            "codec": codec_bytes(self.recipe),
            **peak,
        }

    def _one_pass(self, work: Pass) -> list[dict[str, int]]:
        copies = {"working copies": self.copies(), "unsent gradients": self.unsent()}
        return [copies | {"activations": self.saved(work)}]


class _Teacher(_Work):
    def __init__(self, recipe: Recipe, gpus: int):
        super().__init__(recipe, gpus)
        self.models, self.batch, self.phases = (
            {"teacher": recipe.optim},
            recipe.batch,
            recipe.phases,
        )

    def flops(self, latents: int) -> dict[str, float]:
        return {"teacher": self.training_flops(estimate.whole(latents, self.grid))}

    def peaks(self, latents: int, batch: int) -> list[dict[str, int]]:
        return self._one_pass(estimate.whole(latents, self.grid, batch))


class _Ode(_Work):
    def __init__(self, recipe: Recipe, gpus: int):
        super().__init__(recipe, gpus)
        self.config = _needed(recipe.ode, recipe, "ode")
        self.models, self.batch = {"student": self.config.optim}, self.config.batch
        self.phases = (Phase(num_frames=self.config.num_frames, steps=self.config.steps),)

    def flops(self, latents: int) -> dict[str, float]:
        return {"student": self.training_flops(self._pass(latents, 1))}

    def peaks(self, latents: int, batch: int) -> list[dict[str, int]]:
        return self._one_pass(self._pass(latents, batch))

    def once(self) -> dict[str, float]:
        """The teacher's paths, if the stage makes them."""
        if self.config.init in ("tf", "df"):
            return {}
        latents = 1 + (self.config.num_frames - 1) // GROUP
        forward = self.network.flops(estimate.whole(latents, self.grid)).forward
        passes = 2 if self.config.guidance else 1
        pairs = self.config.num_pairs * self.config.sampler_steps * passes * forward
        return {f"{self.config.num_pairs:,} paths of the teacher": pairs}

    def _pass(self, latents: int, batch: int) -> Pass:
        policy, config = self.recipe.rollout.policy, self.config
        ranges = masks.blocks(latents, self.recipe.rollout.block)
        if config.init == "hybrid":
            noisy = min(config.noisy_blocks, len(ranges))
            table = masks.hybrid_forcing(ranges, noisy, policy, self.grid)
        elif config.init in ("tf", "ode_causal"):
            table = masks.teacher_forcing(ranges, policy, self.grid)
        else:
            table = masks.diffusion_forcing(ranges, policy, self.grid)
        return estimate.masked(table, self.grid, policy, batch)


class _Distill(_Work):
    def __init__(self, recipe: Recipe, gpus: int):
        super().__init__(recipe, gpus)
        self.config = _needed(recipe.distill, recipe, "distill")
        self.models = {
            "student": self.config.optim,
            "critic": self.config.critic_optim,
            "teacher, frozen": None,
        }
        self.batch, self.phases = self.config.batch, self.config.phases

    def flops(self, latents: int) -> dict[str, float]:
        """Of one window, by whose turn it is."""
        passes, cost = self._passes(latents, 1), self.network.flops
        once = [cost(work).forward for work in passes]
        clean = 0 if self.recipe.rollout.noisy_context else sum(once[:-1])
        # Exit steps are equally likely, or come in turn.
        evaluations = (len(self.recipe.rollout.levels) + 1) / 2
        made = evaluations * sum(once) + clean
        whole = estimate.whole(latents, self.grid)
        judged = (3 if self.config.dmd.guidance else 2) * cost(whole).forward
        replayed = sum(self.training_flops(work) for work in passes)
        if not self.config.keep_memories:
            replayed += clean
        elif self.config.replay == "through_cache":
            replayed += 3 * clean
        return {
            "student's turn": made + judged + replayed,
            "critic's turn": made + self.training_flops(whole),
        }

    def weight(self, flops: Mapping[str, float]) -> float:
        updates = self.config.dmd.critic_updates
        return (flops["student's turn"] + updates * flops["critic's turn"]) / (updates + 1)

    def peaks(self, latents: int, batch: int) -> list[dict[str, int]]:
        """The student's replay, and the critic's pass over the whole video."""
        memories = self._memories(latents, batch)
        student = {
            "working copies": self.copies(models=3, whole=self.parallel.keep_gathered),
            "unsent gradients": self.unsent(several=True),
            "activations": max(self.saved(work) for work in self._passes(latents, batch)),
            "student's memories": memories,
        }
        critic = {
            "working copies": self.copies(models=3),
            "unsent gradients": self.unsent(),
            "activations": self.saved(estimate.whole(latents, self.grid, batch)),
            "student's memories": memories,
        }
        return [student, critic]

    def _memories(self, latents: int, batch: int) -> int:
        last = masks.blocks(latents, self.recipe.rollout.block)[-1][0]
        stored = estimate.memory_bytes(
            self.network,
            last,
            self.recipe.rollout.policy,
            self.grid,
            batch=batch,
            every=self.config.keep_memories,
        )
        return stored // self.parallel.context

    def _passes(self, latents: int, batch: int) -> list[Pass]:
        rollout = self.recipe.rollout
        return estimate.rollout(latents, rollout.block, rollout.policy, self.grid, batch)


def codec_bytes(recipe: Recipe) -> int:
    """Of the weights of a codec; the built-in one is a matrix of C x 768 numbers."""
    if recipe.codec.kind != "wan":
        return _FLOAT32 * recipe.codec.channels * 3 * 4 * 8 * 8
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    with torch.device("meta"):
        codec: Any = AutoencoderKLWan(z_dim=recipe.codec.channels)
    return _FLOAT32 * sum(p.numel() for p in codec.parameters())


def checkpoint_bytes(network: Network, models: Iterable[OptimConfig | None]) -> int:
    """Of a checkpoint on the disk: what learns, optimizers, and the average of the main model.

    Args:
        network: Gives the parameters.
        models: The optimizers of all models; None for one that does not learn.
    """
    learners = [optim for optim in models if optim is not None]
    trained = sum(shape.numel() for shape in network.trained.values())
    states = sum(optimizer_bytes(network, optim) for optim in learners)
    return _FLOAT32 * trained * (len(learners) + 1) + states


def optimizer_bytes(network: Network, optim: OptimConfig) -> int:
    """Of the states of a model's optimizer: AdamW's two tensors, Muon's one, in float32."""
    total = 0
    for name, shape in network.trained.items():
        muon = optim.kind == "muon" and len(shape) == 2 and ".blocks." in name
        # AdamW also counts its steps, in one number a tensor.
        total += _FLOAT32 * (shape.numel() if muon else 2 * shape.numel() + 1)
    return total


def _needed(config: _Config | None, recipe: Recipe, stage: str) -> _Config:
    if config is None:
        raise ValueError(f"the recipe {recipe.name!r} has no stage {stage!r}; add its key to it")
    return config


def _sum(flops: Flops, *, again: bool) -> float:
    return flops.forward + flops.backward + (flops.again if again else 0)
