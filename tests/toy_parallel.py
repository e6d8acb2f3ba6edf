"""What two processes do with the toy model, in a module that spawned processes can import.

Both are started once; they do `everything` below and leave what they found in `<rank>.pt`.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.utils._python_dispatch import TorchDispatchMode
from toy_processes import make_student
from toy_world import (
    CHANNELS,
    GRID,
    SHORT,
    SIZE,
    make_model,
    make_signals,
    normal,
    video_gradient,
)

from training import replay
from training.model import deferred, masks
from training.model.context import Context
from training.model.memory import Policy
from training.parallel import shard
from training.parallel.config import ParallelConfig
from training.parallel.world import World
from training.recipes import FlowConfig
from training.rollout import Rollout, Student, rollout
from training.state import CheckpointParts, Checkpoints, Ema, load_weights, save_weights

PROCESSES, LATENTS = 2, 5
Found = dict[str, Any]


def launch(folder: Path, work: Callable[[Accelerator, Path], Found]) -> list[Found]:
    """Start the processes; what each found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_start, args=(port, str(folder), work), nprocs=PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


def _start(rank: int, port: int, folder: str, work: Callable[[Accelerator, Path], Found]) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": PROCESSES, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()}
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    torch.set_num_threads(1)
    torch.save(work(Accelerator(cpu=True), Path(folder)), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def everything(accelerator: Accelerator, folder: Path) -> Found:
    """All that follows."""
    # Diffusers casts to float32 in norms and modulation; here that means float64.
    torch.Tensor.float = torch.Tensor.double  # pyright: ignore[reportAttributeAccessIssue]
    found: Found = {}
    for work in (sharded_gradients, sharded_replay, shared_gradients, shared_rollout):
        made = work(accelerator)
        found |= {f"{work.__name__}/{key}": value for key, value in made.items()}
    for work in (resharded, filled_later):
        made = work(accelerator, folder)
        found |= {f"{work.__name__}/{key}": value for key, value in made.items()}
    return found


def inputs(rows: slice = slice(None)) -> tuple[Any, ...]:
    """Two videos, or some of them."""
    signals = make_signals(LATENTS)
    fields = {name: getattr(signals, name)[rows] for name in signals.__slots__}
    x = normal(2, CHANNELS, LATENTS, *SIZE)[rows]
    levels = torch.tensor([0.7, 0.3], dtype=torch.float64)[rows]
    return x, levels, dataclasses.replace(signals, **fields)


def loss(model: nn.Module, rows: slice = slice(None)) -> torch.Tensor:
    """A mean over videos of something that every place of the output matters to."""
    out = model(*inputs(rows))
    weight = torch.linspace(0.5, 2, out[0].numel(), dtype=out.dtype).view_as(out[0])
    return (out.sin() * weight).mean()


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    """Whole ones, by name."""
    found = {
        name.removeprefix("module."): shard.full(p.grad).detach().clone()
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    model.zero_grad(set_to_none=True)
    return found


def share(model: nn.Module) -> float:
    """Of a split model's weights, what this process has."""
    weights: list[Any] = list(model.parameters())
    return sum(p.to_local().numel() for p in weights) / sum(p.numel() for p in weights)


def sharded_gradients(accelerator: Accelerator) -> Found:
    """A video each under FSDP2, once with checkpointing; then clipping."""
    found: Found = {}
    for checkpointing in (False, True):
        config = ParallelConfig(shard=0, checkpointing=checkpointing)
        world = World.join(config, accelerator)
        model = world.prepare(make_model())
        mine = slice(world.data_rank, world.data_rank + 1)
        world.backward(loss(model, mine))
        if checkpointing:
            found["norm"] = world.clip(model, 1e-3)
            found["clipped"] = gradients(model)
        else:
            found["share"] = share(model)
            found["gradients"] = gradients(model)
    return found


def filled_later(accelerator: Accelerator, folder: Path) -> Found:
    """A video each with a model that had no memory before it was split."""
    world, whole = World.join(ParallelConfig(shard=0), accelerator), make_model()
    file = folder / f"weights-{world.data_rank}.safetensors"
    save_weights(dict(whole.named_parameters()), file)
    model = deferred.skeleton(whole.config, CHANNELS, FlowConfig()).double()
    load_weights(model, file)
    empty = deferred.is_empty(model)
    world.prepare(model)
    world.backward(loss(model, slice(world.data_rank, world.data_rank + 1)))
    return {"empty": empty, "share": share(model), "gradients": gradients(model)}


def one_video(student: Student, made: Rollout, row: int) -> tuple[Student, Rollout]:
    """The part of a rollout of several videos that belongs to one."""
    one, signals = slice(row, row + 1), student.signals
    fields = {name: getattr(signals, name)[one] for name in signals.__slots__}
    alone = dataclasses.replace(
        student, first=student.first[one], signals=dataclasses.replace(signals, **fields)
    )
    records = tuple(
        dataclasses.replace(r, x=r.x[one], x0=r.x0[one], memory=None) for r in made.records
    )
    return alone, dataclasses.replace(made, records=records)


CAMERAS = ("relic", "token", "raype", "prope", "plucker_adaln")
MASK = masks.hybrid_forcing(masks.blocks(LATENTS, 2), 2, Policy(window=3, schedule=SHORT), GRID)
POLICIES = {
    "kv": Policy(window=3, schedule=SHORT),
    "latent": Policy(window=3, schedule=SHORT, pool="latent"),
}


def masked_loss(model: nn.Module, policy: Policy) -> torch.Tensor:
    """The same through a mask with compressed latents."""
    x, _, signals = inputs()
    levels = torch.linspace(0.1, 0.9, 2 * LATENTS, dtype=torch.float64).view(2, LATENTS)
    context = Context(latents=tuple(range(LATENTS)), grid=GRID, policy=policy, table=MASK)
    return model(x, levels, signals, context=context).sin().mean()


def shared_gradients(accelerator: Accelerator) -> Found:
    """Both videos by both processes: every camera, masks, checkpointing, sharded weights."""
    found: Found = {}
    world = World.join(ParallelConfig(context=2), accelerator)
    for camera in CAMERAS:
        model = world.prepare(make_model(camera=camera, head_dim=16))
        world.backward(loss(model))
        found[camera] = gradients(model)
    for name, policy in POLICIES.items():
        model = world.prepare(make_model())
        world.backward(masked_loss(model, policy))
        found[f"{name} mask"] = gradients(model)
    config = ParallelConfig(context=2, shard=0, checkpointing=True)
    world = World.join(config, accelerator)
    model = world.prepare(make_model())
    world.backward(loss(model))
    found["sharded"] = gradients(model)
    found["data"] = [world.data_rank, world.data_size]
    return found


def shared_rollout(accelerator: Accelerator) -> Found:
    """A rollout of both videos by both processes, and its replay."""
    found: Found = {}
    for name, policy in POLICIES.items():
        world = World.join(ParallelConfig(context=2, shard=0), accelerator)
        model = world.prepare(make_model())
        student = with_policy(make_student(), policy, model=model)
        made = rollout(student, torch.Generator().manual_seed(3))
        last = made.records[-1].memory
        assert last is not None
        found[f"{name} latents"], found[f"{name} bytes"] = made.latents, last.num_bytes()
        replay.truncated(student, made, world.scaled(video_gradient(made.latents)))
        found[f"{name} gradients"] = gradients(model)
        replay.through_cache(student, made, world.scaled(video_gradient(made.latents)))
        found[f"{name} gradients through"] = gradients(model)
    return found


class Training:
    """A model, its average and its optimizer; alone or in a world."""

    def __init__(self, world: World | None = None):
        self.model = make_model()
        self.rows, self.world = slice(None), world
        if world is not None:
            world.prepare(self.model)
            self.rows = slice(world.data_rank, world.data_rank + 1)
        self.ema = Ema(self.model, 0.9)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-2)

    @property
    def parts(self) -> CheckpointParts:
        return CheckpointParts(
            models={"model": self.model},
            averages={"ema": self.ema},
            optimizers={"optimizer": [self.optimizer]},
        )

    def steps(self, first: int, stop: int) -> None:
        """On both videos, each process on its own."""
        for step in range(first, stop):
            self.optimizer.zero_grad(set_to_none=True)
            add = torch.Tensor.backward if self.world is None else self.world.backward
            add(loss(self.model, self.rows))
            self.optimizer.step()
            self.ema.update(self.model, step)

    def state(self) -> dict[str, torch.Tensor]:
        """Whole weights and averages."""
        weights = dict(self.model.named_parameters()) | {
            f"ema.{name}": average for name, average in self.ema.shadow.items()
        }
        return {name: shard.full(p).detach().clone() for name, p in weights.items()}


BEFORE, AFTER = 2, 4


def resharded(accelerator: Accelerator, folder: Path) -> Found:
    """Checkpoints of two processes in two, and one of one process (in `one`) in two."""
    world = World.join(ParallelConfig(shard=0), accelerator)
    whole = Training(world)
    whole.steps(0, BEFORE)
    ours = Checkpoints(folder / "two")
    ours.save(BEFORE, whole.parts)
    whole.steps(BEFORE, AFTER)
    found: Found = {"whole": whole.state()}
    for name, checkpoints in {"again": ours, "from one": Checkpoints(folder / "one")}.items():
        other = Training(world)
        checkpoints.restore(checkpoints.latest(), other.parts)
        other.steps(BEFORE, AFTER)
        found[name] = other.state()
    return found


def with_policy(student: Student, policy: Policy, **changes: Any) -> Student:
    config = dataclasses.replace(student.config, policy=policy)
    return dataclasses.replace(student, config=config, **changes)


class Calls(TorchDispatchMode):
    """Counts the ways in which processes exchange something."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))

    def of(self, name: str) -> int:
        return sum(n for way, n in self.counts.items() if way.startswith("c10d") and name in way)


def sharded_replay(accelerator: Accelerator) -> Found:
    """A video each: rollout and replay of a student under FSDP2, with and without gathering."""
    found: Found = {}
    whole = make_student()
    made = rollout(whole, torch.Generator().manual_seed(3))
    g = video_gradient(made.latents)
    for name, config in {
        "kept": ParallelConfig(shard=0),
        "split": ParallelConfig(shard=0, keep_gathered=False, exchange="every"),
    }.items():
        world = World.join(config, accelerator)
        model = world.prepare(make_model())
        row = world.data_rank
        student, mine = one_video(dataclasses.replace(whole, model=model), made, row)
        with Calls() as made_calls, world.gathered(model):
            again = rollout(student, torch.Generator().manual_seed(3))
            replay.truncated(
                student,
                mine,
                world.scaled(g[row : row + 1]),
                no_sync=lambda world=world, model=model: world.silent(model),
            )
        found[name] = gradients(model)
        found[f"{name} gathers"] = made_calls.of("allgather")
        found[f"{name} scatters"] = made_calls.of("reduce_scatter")
        found[f"{name} passes"] = len(again.records)
    return found
