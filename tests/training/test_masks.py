"""Masks against their definitions in words, and a masked pass against a pass with a memory."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
import torch
from torch.nn.attention.flex_attention import create_mask
from toy_exact import FixedOrder
from toy_world import (
    CHANNELS,
    GRID,
    SHORT,
    SIZE,
    make_model,
    make_signals,
    normal,
    run_block,
    table_pass,
)

from training.model import masks
from training.model.memory import Memory, Policy
from training.model.wan import WorldModel

LATENTS = 8
RANGES = masks.blocks(LATENTS, 3)
POLICIES = {
    "everything": Policy(window=LATENTS, schedule=(1,)),
    "uncompressed": Policy(window=3, schedule=(1,)),
    "window": Policy(window=4, budget=0),
    "sink": Policy(window=4, budget=0, sink=2),
    "compressed": Policy(window=4, schedule=SHORT),
    "latent pool": Policy(window=3, schedule=SHORT, pool="latent"),
    "drop edges": Policy(window=3, schedule=SHORT, edges="drop"),
    "evicting": Policy(window=3, schedule=(4, 2), sink=1, budget=9),
}
TOLERANCE = 1e-12
CAMERAS = ["token", "raype", "prope", "plucker_adaln"]


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def block_of(latent: int) -> int:
    return latent // 3


def test_the_last_block_may_be_shorter():
    assert RANGES == [(0, 3), (3, 6), (6, 8)]
    assert masks.blocks(80, 3)[-1] == (78, 80)


def expected_factor(i: int, j: int, window: int, schedule: tuple[int, ...]) -> int:
    """What latent i sees of j, from the words of the paper, without eviction."""
    if block_of(j) > block_of(i):
        return 0
    stop = min(3 * (block_of(i) + 1), LATENTS)
    if block_of(j) == block_of(i) or j >= stop - window:
        return 1
    return schedule[j % len(schedule)]


def test_diffusion_forcing_by_definition():
    table = masks.diffusion_forcing(RANGES, POLICIES["compressed"], GRID)
    for i in range(LATENTS):
        for j in range(LATENTS):
            assert table[i, j] == expected_factor(i, j, 4, SHORT), (i, j)


def test_teacher_forcing_by_definition():
    table = masks.teacher_forcing(RANGES, POLICIES["compressed"], GRID)
    for i in range(LATENTS):
        for j in range(LATENTS):
            factor = expected_factor(i, j, 4, SHORT)
            same = block_of(i) == block_of(j)
            assert table[i, j] == factor
            assert table[i, LATENTS + j] == 0
            assert table[LATENTS + i, j] == (0 if same else factor)
            assert table[LATENTS + i, LATENTS + j] == same


def test_hybrid_forcing_by_definition():
    """The last blocks are noisy: clean latents compressed, noisy ones up to the own block."""
    table = masks.hybrid_forcing(RANGES, 2, POLICIES["compressed"], GRID)
    for i in range(LATENTS):
        for j in range(LATENTS):
            if i < 3:
                expected = expected_factor(i, j, 4, SHORT)
            elif j < 3:
                expected = SHORT[j]
            else:
                expected = int(block_of(j) <= block_of(i))
            assert table[i, j] == expected, (i, j)


def test_hybrid_forcing_needs_a_noisy_block():
    with pytest.raises(ValueError, match="num_noisy must be 1 to 3"):
        masks.hybrid_forcing(RANGES, 4, Policy(), GRID)


def test_a_dense_mask_shows_every_latent_once_at_its_factor():
    policy = POLICIES["compressed"]
    table = masks.diffusion_forcing(RANGES, policy, GRID)
    dense = masks.dense(table, GRID, policy)
    latent, factor = masks.keys(table, GRID, policy)
    assert dense.shape == (LATENTS * 15, len(latent))
    for query, row in enumerate(dense):
        seen = [(int(a), int(b)) for a, b in zip(latent[row], factor[row], strict=True)]
        want = [
            (j, int(f))
            for j, f in enumerate(table[query // 15])
            for _ in range(policy.tokens(int(f), GRID) if f else 0)
        ]
        assert sorted(seen) == sorted(want)


def test_two_compressions_of_one_latent_are_refused():
    table = torch.tensor([[1, 0], [2, 1]])
    assert masks.compressed(table) == [(0, 2)]
    with pytest.raises(ValueError, match="latent 0 is seen at the factors"):
        masks.compressed(torch.tensor([[4, 0], [2, 1]]))


@pytest.mark.parametrize("name", POLICIES)
def test_flex_attention_gets_the_same_mask(name):
    table = masks.teacher_forcing(RANGES, POLICIES[name], GRID)
    dense = masks.dense(table, GRID, POLICIES[name])
    sees = masks.mask_mod(table, GRID, POLICIES[name])
    assert torch.equal(create_mask(sees, 1, 1, *dense.shape, device="cpu")[0, 0], dense)


def video(seed: int = 2) -> torch.Tensor:
    return normal(2, CHANNELS, LATENTS, *SIZE, seed=seed)


def levels_of_blocks() -> torch.Tensor:
    per_block = torch.tensor([[0.2, 0.7, 1.0], [0.5, 0.1, 0.9]], dtype=torch.float64)
    return per_block.repeat_interleave(3, dim=1)[:, :LATENTS]


@pytest.fixture(params=["fixed order", "libraries"])
def bound(request):
    """Most that two ways may differ by: nothing, if what is summed decides a sum alone."""
    fixed = request.param == "fixed order"
    with torch.no_grad(), FixedOrder() if fixed else contextlib.nullcontext():
        yield 0.0 if fixed else TOLERANCE


def differences(model: WorldModel, policy: Policy, mask: Policy) -> list[float]:
    """Of the blocks in diffusion forcing: a pass with a mask against passes with a memory."""
    x, levels, signals = video(), levels_of_blocks(), make_signals(LATENTS)
    table = masks.diffusion_forcing(RANGES, mask, GRID)
    whole = table_pass(model, x, levels, signals, table, mask)
    stream, found = Memory(policy=policy, grid=GRID), []
    for start, stop in RANGES:
        out, pieces = run_block(model, x[:, :, start:stop], levels[:, start:stop], signals, stream)
        stream = stream.append(pieces)
        found.append(float((out - whole[:, :, start:stop]).abs().max()))
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_mask_equals_memory_in_diffusion_forcing(name, bound):
    assert max(differences(make_model(), POLICIES[name], POLICIES[name])) <= bound


@pytest.mark.parametrize("camera", CAMERAS)
def test_mask_equals_memory_with_every_camera(camera, bound):
    model = make_model(camera=camera, head_dim=16)
    for name in ("compressed", "latent pool"):
        assert max(differences(model, POLICIES[name], POLICIES[name])) <= bound


def test_a_key_too_many_is_a_difference(bound):
    """Of 120 tokens' keys the last block sees one latent's 15 in full instead of in its cells."""
    wider = dataclasses.replace(POLICIES["compressed"], window=5)
    first, second, third = differences(make_model(), POLICIES["compressed"], wider)
    assert first <= bound and second > 1e-4 and third > 1e-4


@pytest.mark.parametrize("name", POLICIES)
def test_mask_equals_memory_in_teacher_forcing(name, bound):
    policy, model = POLICIES[name], make_model()
    clean, noisy, signals = video(), video(seed=3), make_signals(LATENTS)
    levels = levels_of_blocks()
    both = dataclasses.replace(
        signals, actions=signals.actions.repeat(1, 2, 1), poses=signals.poses.repeat(1, 2, 1, 1, 1)
    )
    whole = table_pass(
        model,
        torch.cat([clean, noisy], 2),
        torch.cat([levels * 0, levels], 1),
        both,
        masks.teacher_forcing(RANGES, policy, GRID),
        policy,
        latents=(*range(LATENTS), *range(LATENTS)),
    )[:, :, LATENTS:]
    stream = Memory(policy=policy, grid=GRID)
    for start, stop in RANGES:
        now = slice(start, stop)
        out, _ = run_block(model, noisy[:, :, now], levels[:, now], signals, stream)
        assert (out - whole[:, :, now]).abs().max() <= bound
        _, pieces = run_block(model, clean[:, :, now], levels[:, now] * 0, signals, stream)
        stream = stream.append(pieces)


@pytest.mark.parametrize("pool", ["kv", "latent"])
def test_mask_equals_memory_in_hybrid_forcing(pool, bound):
    policy, model = Policy(window=6, schedule=SHORT, pool=pool), make_model()
    x, signals = video(), make_signals(LATENTS)
    levels = levels_of_blocks()
    levels[:, :3] = 0
    table = masks.hybrid_forcing(RANGES, 2, policy, GRID)
    whole = table_pass(model, x, levels, signals, table, policy)
    stream = Memory(policy=policy, grid=GRID)
    for start, stop in RANGES:
        now = slice(start, stop)
        noisy = {} if start == 0 else {"full_from": 3}
        out, pieces = run_block(model, x[:, :, now], levels[:, now], signals, stream, **noisy)
        stream = stream.append(pieces)
        assert (out - whole[:, :, now]).abs().max() <= bound


def test_without_memory_it_is_the_window_model(bound):
    """One block over everything equals the pass without a context."""
    model, x, signals = make_model(), video(), make_signals(LATENTS)
    levels = levels_of_blocks()
    plain = model(x, levels, signals)
    out, _ = run_block(model, x, levels, signals, Memory(policy=Policy(), grid=GRID))
    assert (out - plain).abs().max() <= bound


@pytest.mark.parametrize("name", ["everything", "compressed", "latent pool"])
def test_the_past_does_not_see_the_future(name):
    policy, model = POLICIES[name], make_model()
    levels, signals = levels_of_blocks(), make_signals(LATENTS)
    table = masks.diffusion_forcing(RANGES, policy, GRID)
    x = video().requires_grad_()
    out = table_pass(model, x, levels, signals, table, policy)
    out[:, :, :6].square().sum().backward()
    assert x.grad is not None
    assert not x.grad[:, :, 6:].any() and x.grad[:, :, :6].any()
    with torch.no_grad():
        changed = x.detach().clone()
        changed[:, :, 6:] += 1
        again = table_pass(model, changed, levels, signals, table, policy)
    assert torch.equal(again[:, :, :6], out[:, :, :6])
