"""The memory: token counts of the paper, pooling by definition, and values that never change."""

from __future__ import annotations

import pytest
import torch
from toy_world import CHANNELS, GRID, SHORT, SIZE, make_model, make_signals, normal, run_block

from training.model import memory
from training.model.memory import SCHEDULE, Memory, Piece, Policy
from training.model.rope import Rotary

WAN = (30, 52)


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def cost(policy: Policy, num_latents: int, block: int = 2) -> int:
    """Tokens of the context when the last block of a video is made."""
    seen = policy.seen(num_latents - block, num_latents, WAN)
    return 1560 * block + sum(policy.tokens(factor, WAN) for factor in seen.values())


@pytest.mark.parametrize(
    "window, keep, drop",
    [(3, 25_974, 25_311), (6, 30_056, 29_419), (9, 32_968, 32_357), (12, 37_050, 36_465)],
)
def test_token_counts_of_twenty_seconds(window, keep, drop):
    assert cost(Policy(window=window), 80) == keep
    assert cost(Policy(window=window, edges="drop"), 80) == drop


def test_token_counts_of_the_schedule():
    assert len(SCHEDULE) == 18 and sorted(SCHEDULE) == [1] + [2] * 5 + [4] * 12
    assert cost(Policy(schedule=(1,)), 80) == 124_800
    assert cost(Policy(), 241, block=1) == 72_774
    assert cost(Policy(), 98) - cost(Policy(), 80) == 4_758


def test_a_budget_bounds_the_cost_of_any_length():
    policy = Policy(budget=20_000, sink=1)
    costs = [cost(policy, length) for length in range(60, 400, 20)]
    assert max(costs) <= 20_000 + 7 * 1560
    assert min(policy.seen(397, 400, WAN)) == 0 and policy.seen(397, 400, WAN)[0] == 1


def test_what_is_dropped_never_comes_back():
    policy = Policy(window=4, schedule=SHORT, budget=12, sink=1)
    before: set[int] = set()
    for start in range(3, 60, 3):
        seen = set(policy.seen(start, start + 3, GRID))
        assert not {j for j in seen if j < start - 3} - before
        before = seen


@pytest.mark.parametrize("edges", ["keep", "drop"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7])
def test_pooling_is_the_mean_over_a_cells_tokens(factor, edges):
    rows, columns = 5, 6
    policy = Policy(edges=edges)
    x = normal(2, rows * columns, 4)
    image = x.view(2, rows, columns, 4)
    expected = [
        image[:, a:b, c:d].mean(dim=(1, 2))
        for a, b in policy.cells(rows, factor)
        for c, d in policy.cells(columns, factor)
    ]
    pooled = memory.pool(x, factor, (rows, columns), policy)
    torch.testing.assert_close(pooled, torch.stack(expected, 1), atol=1e-14, rtol=0)
    assert pooled.shape[1] == policy.tokens(factor, (rows, columns))


def test_edge_cells():
    assert Policy().cells(5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert Policy(edges="drop").cells(5, 2) == [(0, 2), (2, 4)]
    assert Policy(edges="drop").cells(3, 4) == [(0, 3)]


def test_a_cell_lies_at_the_mean_of_its_tokens():
    places = memory.positions(7, 4, (5, 6), Policy())
    full = memory.positions(7, 1, (5, 6), Policy())
    pooled = memory.pool(full[None], 4, (5, 6), Policy())
    torch.testing.assert_close(places[None], pooled)
    assert places[:, 0].eq(7).all()


def test_rotary_tables_at_tokens_are_those_of_diffusers(monkeypatch):
    monkeypatch.undo()
    rotary = Rotary(12, (1, 2, 2), 100.0)
    cos, sin = rotary(torch.zeros(1, 1, 3, *SIZE))
    places = torch.cat([memory.positions(t, 1, GRID, Policy()) for t in range(3)])
    ours = rotary.at(places)
    assert torch.equal(ours[0], cos) and torch.equal(ours[1], sin)


def piece(latent: int, factor: int, policy: Policy) -> Piece:
    keys = normal(2, policy.tokens(factor, GRID), 4, seed=latent * 10 + factor)
    return Piece(latent=latent, factor=factor, pairs=((keys, keys + 1),))


def pieces(latent: int, policy: Policy) -> tuple[Piece, ...]:
    return tuple(piece(latent, f, policy) for f in sorted({1, policy.factor(latent)}))


def fill(policy: Policy, count: int) -> Memory:
    stream = Memory(policy=policy, grid=GRID)
    for latent in range(count):
        stream = stream.append(pieces(latent, policy))
    return stream


def test_reading_gives_what_was_written_at_the_factor_of_the_policy():
    policy = Policy(window=3, schedule=SHORT, sink=1)
    stream = fill(policy, 7)
    read = stream.read(2)
    assert {p.latent: p.factor for p in read} == policy.seen(7, 9, GRID)
    assert {p.factor for p in read} == {1, 2, 4}
    for got in read:
        assert torch.equal(got.pairs[0][0], piece(got.latent, got.factor, policy).pairs[0][0])


def test_an_append_leaves_the_old_memory_as_it_was():
    policy = Policy(window=2, schedule=SHORT)
    old = fill(policy, 4)
    before = [(p.latent, p.factor, p.pairs[0][0].clone()) for p in old.read(1)]
    new = old.append(pieces(4, policy))
    assert (old.length, new.length) == (4, 5)
    for (latent, factor, keys), now in zip(before, old.read(1), strict=True):
        assert (latent, factor) == (now.latent, now.factor) and torch.equal(keys, now.pairs[0][0])


def test_a_memory_has_no_history_and_does_not_share_its_tensors():
    policy = Policy(window=2, schedule=(2,))
    keys = normal(2, 15, 4).requires_grad_()
    small = memory.pool(keys, 2, GRID, policy)
    written = (
        Piece(latent=0, factor=1, pairs=((keys, keys * 2),)),
        Piece(latent=0, factor=2, pairs=((small, small * 2),)),
    )
    stream = Memory(policy=policy, grid=GRID).append(written)
    before = keys.detach().clone()
    with torch.no_grad():
        keys.zero_()
    (read,) = stream.read(1)
    assert not any(t.requires_grad for pair in read.pairs for t in pair)
    assert torch.equal(read.pairs[0][0], before)


def test_latents_must_follow():
    with pytest.raises(ValueError, match="goes on at latent 2"):
        fill(Policy(), 2).append(pieces(3, Policy()))


@pytest.mark.parametrize("change", [{"window": 0}, {"sink": -1}, {"budget": -1}, {"schedule": ()}])
def test_senseless_policies_are_refused(change):
    with pytest.raises(ValueError, match=r"must be at least|needs factors"):
        Policy(**change)


def test_bytes_grow_by_a_sixth_and_not_at_all_with_a_budget():
    """One period of the schedule adds 3 of 18 latents' tokens (grid 4 x 4: no cells are cut)."""

    def length(policy: Policy, count: int) -> int:
        stream = Memory(policy=policy, grid=(4, 4))
        for latent in range(count):
            new = []
            for factor in sorted({1, policy.factor(latent)}):
                keys = torch.zeros(1, policy.tokens(factor, (4, 4)), 2)
                new.append(Piece(latent=latent, factor=factor, pairs=((keys, keys + 1),)))
            stream = stream.append(tuple(new))
        return stream.num_bytes()

    full = 16 * 2 * 2 * 4
    assert length(Policy(), 78) - length(Policy(), 60) == 3 * full
    bounded = Policy(budget=40)
    assert length(bounded, 96) <= length(bounded, 60) + full


@pytest.mark.parametrize("storage, bound", [("bf16", 2**-8), ("fp8", 2**-4), ("int8", 1 / 250)])
def test_storage_types(storage, bound):
    policy = Policy(window=2, schedule=SHORT, storage=storage)
    exact = Policy(window=2, schedule=SHORT)
    small, full = fill(policy, 6), fill(exact, 6)
    assert small.num_bytes() < full.num_bytes() / 2.5
    for a, b in zip(small.read(1), full.read(1), strict=True):
        for x, y in zip(a.pairs[0], b.pairs[0], strict=True):
            assert x.dtype == y.dtype
            error = (x - y).abs() / y.abs().amax(-1, keepdim=True)
            assert 0 < error.max() <= bound


@pytest.mark.parametrize("pool", ["kv", "latent"])
def test_a_cell_of_a_constant_latent_is_one_of_its_tokens(pool):
    stream = Memory(policy=Policy(schedule=(2,), pool=pool), grid=GRID)
    x = normal(2, CHANNELS, 1, 1, 1).expand(-1, -1, -1, *SIZE)
    levels = torch.full((2, 1), 0.3, dtype=torch.float64)
    _, (full, small) = run_block(make_model(), x, levels, make_signals(1), stream)
    for whole, cells in zip(full.pairs, small.pairs, strict=True):
        for token, cell in zip(whole, cells, strict=True):
            assert (token[:, :1] - cell).abs().max() < 1e-12


def test_pooling_commutes_with_the_pose():
    """RELIC's pose is one per frame: pooled keys with it are its sum with pooled keys."""
    policy = Policy(window=1, schedule=(2,))
    pose = normal(2, 1, 24)
    keys = normal(2, 15, 24, seed=5)
    together = memory.pool(keys + pose.expand(-1, 15, -1), 2, GRID, policy)
    apart = memory.pool(keys, 2, GRID, policy) + pose
    assert (together - apart).abs().max() < 1e-14


def test_no_compression_equals_a_window_over_everything():
    model, signals = make_model(), make_signals(6)
    x, levels = normal(2, CHANNELS, 6, *SIZE), torch.full((2, 2), 0.3, dtype=torch.float64)
    outs = []
    for policy in (Policy(window=6, schedule=(4,)), Policy(window=2, schedule=(1,))):
        stream, parts = Memory(policy=policy, grid=GRID), []
        for start in range(0, 6, 2):
            out, new = run_block(model, x[:, :, start : start + 2], levels, signals, stream)
            stream = stream.append(new)
            parts.append(out)
        outs.append(torch.cat(parts, 2))
    assert torch.equal(*outs)
