"""How a pass uses a memory: read-only, appending, quantised."""

from __future__ import annotations

import pytest
import torch
from toy_world import CHANNELS, GRID, SHORT, SIZE, make_model, make_signals, normal, part, run_block

from training.model.context import Context
from training.model.memory import Memory, Policy

BLOCK = 2


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def levels() -> torch.Tensor:
    return torch.full((2, BLOCK), 0.3, dtype=torch.float64)


def stream(policy: Policy, blocks: int = 4) -> tuple[torch.Tensor, Memory]:
    """Outputs of the blocks of a video, and the memory after them."""
    model, signals = make_model(), make_signals(blocks * BLOCK)
    x, memory, outs = (
        normal(2, CHANNELS, blocks * BLOCK, *SIZE),
        Memory(policy=policy, grid=GRID),
        [],
    )
    for start in range(0, blocks * BLOCK, BLOCK):
        out, new = run_block(model, x[:, :, start : start + BLOCK], levels(), signals, memory)
        memory = memory.append(new)
        outs.append(out.detach())
    return torch.cat(outs, 2), memory


def test_a_read_only_pass_sees_the_same_and_leaves_nothing():
    policy = Policy(window=3, schedule=SHORT)
    _, memory = stream(policy)
    model, signals, x = make_model(), make_signals(12), normal(2, CHANNELS, BLOCK, *SIZE)
    before = [(p.latent, p.factor, p.pairs[0][0].clone()) for p in memory.read(BLOCK)]
    writing, pieces = run_block(model, x, levels(), signals, memory)
    now = range(memory.length, memory.length + BLOCK)
    context = Context(latents=tuple(now), grid=GRID, policy=policy, read=memory.read(BLOCK))
    out = model(x, levels(), part(signals, now.start, now.stop), context=context)
    assert torch.equal(out, writing)
    assert pieces and not any(p.pairs for p in context.pieces())
    for (latent, factor, keys), piece in zip(before, memory.read(BLOCK), strict=True):
        assert (latent, factor) == (piece.latent, piece.factor)
        assert torch.equal(keys, piece.pairs[0][0])


def test_keys_are_kept_before_the_rotary_embedding():
    """What the first block of the transformer keeps does not depend on the place in the video."""
    model, x = make_model(camera="none", action="none"), normal(2, CHANNELS, BLOCK, *SIZE)
    policy = Policy(window=BLOCK, schedule=(2,), budget=0)
    memory = Memory(policy=policy, grid=GRID)
    _, first = run_block(model, x, levels(), make_signals(8), memory)
    _, later = run_block(model, x, levels(), make_signals(8), memory.append(first))
    for a, b in zip(first, later, strict=True):
        assert (a.factor, a.latent + BLOCK) == (b.factor, b.latent)
        assert torch.equal(a.pairs[0][0], b.pairs[0][0])


@pytest.mark.parametrize("pool", ["kv", "latent"])
@pytest.mark.parametrize("storage, bound", [("bf16", 2e-4), ("fp8", 3e-3), ("int8", 6e-4)])
def test_a_quantised_memory_changes_little(storage, bound, pool):
    sizes = {"window": 3, "schedule": SHORT, "pool": pool}
    exact, whole = stream(Policy(**sizes))
    out, small = stream(Policy(**sizes, storage=storage))
    error = (out - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 0 < error < bound
    # The first block reads nothing.
    assert torch.equal(out[:, :, :BLOCK], exact[:, :, :BLOCK])
    # From 8 bytes a number to 2, or to 1 and a scale for each 24 of them.
    assert small.num_bytes() < whole.num_bytes() / (3.9 if storage == "bf16" else 5.9)
