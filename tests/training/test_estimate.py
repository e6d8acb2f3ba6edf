"""What a pass is said to cost is what it costs: counted operations, saved tensors, kept bytes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from toy_world import CHANNELS, CONFIG, GRID, SHORT, SIZE, make_signals, part

from training import estimate
from training.estimate import Network
from training.model import lora, masks
from training.model.config import LoraConfig, ModelConfig
from training.model.context import Context
from training.model.memory import Memory, Piece, Policy
from training.model.wan import WorldModel
from training.recipes import FlowConfig

LAYERS, BATCH, LATENTS = 3, 2, 5
CONFIGS = {
    "relic": dataclasses.replace(CONFIG, layers=LAYERS),
    "token": dataclasses.replace(CONFIG, layers=LAYERS, camera="token", coordinates=True),
}


def network(config: ModelConfig) -> Network:
    config = dataclasses.replace(config, max_words=3)
    return Network(config=config, channels=CHANNELS, flow=FlowConfig(), dtype=torch.float32)


def model_and_inputs(net: Network):
    model = WorldModel(net.config, net.channels, net.flow)
    signals = make_signals(LATENTS, BATCH)
    fields = {name: getattr(signals, name).float() for name in signals.__slots__}
    x = torch.randn(BATCH, CHANNELS, LATENTS, *SIZE)
    return model, (x, torch.rand(BATCH), dataclasses.replace(signals, **fields))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_operations_are_those_that_torch_counts(name, checkpointing):
    net = network(CONFIGS[name])
    model, inputs = model_and_inputs(net)
    if checkpointing:
        model.checkpoint_activations()
    # The plain attention of matrix products, which the counter sees.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        out = model(*inputs)
        forward = counter.get_total_flops()
        out.sum().backward()
    expected = net.flops(estimate.whole(LATENTS, GRID, BATCH))
    assert forward == expected.forward
    again = expected.again if checkpointing else 0
    assert counter.get_total_flops() - forward == expected.backward + again


def saved_by(model: WorldModel, inputs) -> list[torch.Tensor]:
    """What autograd keeps of a forward pass beside the weights, every storage once."""
    kept = {}
    with saved_tensors_hooks(lambda t: kept.setdefault(id(t), t), lambda t: t):
        model(*inputs)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages = {t.untyped_storage().data_ptr(): t for t in kept.values()}
    return [t for place, t in storages.items() if place not in weights]


def num_bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors)


def test_adapters_are_counted():
    """Exactly forward; backward the first block's input is taken to need a gradient."""
    config, adapters = CONFIGS["relic"], LoraConfig(rank=4, alpha=8)
    net = dataclasses.replace(network(config), lora=adapters)
    model, inputs = model_and_inputs(net)
    lora.add(model, adapters)
    assert net.trained == {n: p.shape for n, p in model.named_parameters() if p.requires_grad}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        out = model(*inputs)
        forward = counter.get_total_flops()
        out.sum().backward()
    expected = net.flops(estimate.whole(LATENTS, GRID, BATCH))
    assert forward == expected.forward
    found = counter.get_total_flops() - forward
    assert found <= expected.backward < 1.1 * found
    assert expected.backward < 1.5 * expected.forward


@pytest.mark.parametrize("name", CONFIGS)
def test_saved_bytes_are_those_that_autograd_keeps(name):
    net = network(CONFIGS[name])
    model, inputs = model_and_inputs(net)
    found = num_bytes(saved_by(model, inputs))
    expected = net.saved(estimate.whole(LATENTS, GRID, BATCH))
    assert expected.total(LAYERS, checkpointing=False) == found
    model.checkpoint_activations()
    assert expected.around == num_bytes(saved_by(model, inputs))
    assert expected.total(LAYERS, checkpointing=True) - expected.around == expected.block


def test_what_noise_levels_say_is_kept_once_a_latent():
    """diffusers would keep six vectors of a token's width for every token, in every block."""
    net = network(CONFIGS["relic"])
    kept = saved_by(*model_and_inputs(net))
    latents, tokens = BATCH * LATENTS, BATCH * LATENTS * GRID[0] * GRID[1]
    assert max(t.untyped_storage().nbytes() for t in kept) < 6 * 4 * tokens * net.dim
    told = [t for t in kept if t.shape[1:] == (1, net.dim)]
    assert len(told) >= 2 * LAYERS and {t.shape[0] for t in told} == {latents}


def test_parameters_are_those_of_the_model():
    net = network(CONFIGS["relic"])
    model, _ = model_and_inputs(net)
    assert net.shapes == {name: p.shape for name, p in model.named_parameters()}
    assert net.parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("edges", ["keep", "drop"])
def test_pairs_are_those_of_the_masks(edges):
    policy = Policy(window=4, schedule=SHORT, sink=1, edges=edges)
    ranges = masks.blocks(8, 3)
    for table in (
        torch.ones(8, 8, dtype=torch.int64),
        masks.diffusion_forcing(ranges, policy, GRID),
        masks.teacher_forcing(ranges, policy, GRID),
        masks.hybrid_forcing(ranges, 2, policy, GRID),
    ):
        found = int(masks.dense(table, GRID, policy).sum())
        assert estimate.masked(table, GRID, policy).pairs == found


def test_a_rollout_sees_what_diffusion_forcing_sees():
    policy = Policy(window=4, schedule=SHORT)
    table = masks.diffusion_forcing(masks.blocks(8, 3), policy, GRID)
    passes = estimate.rollout(8, 3, policy, GRID)
    assert [p.latents for p in passes] == [3, 3, 2]
    assert sum(p.pairs for p in passes) == estimate.masked(table, GRID, policy).pairs


@pytest.mark.parametrize("storage", ["same", "bf16", "fp8", "int8"])
@pytest.mark.parametrize("policy", [Policy(window=4, schedule=SHORT), Policy(window=2, budget=9)])
def test_memory_bytes_are_those_of_a_memory(policy, storage):
    policy = dataclasses.replace(policy, storage=storage)
    net = network(CONFIGS["relic"])
    memory, length = Memory(policy=policy, grid=GRID), 9
    for latent in range(length):
        pieces = tuple(_piece(net, latent, f, policy) for f in {1, policy.factor(latent)})
        memory = memory.append(pieces)
    expected = estimate.memory_bytes(net, length, policy, GRID, batch=BATCH)
    assert memory.num_bytes() == expected


def _piece(net: Network, latent: int, factor: int, policy: Policy) -> Piece:
    def tokens() -> torch.Tensor:
        return torch.randn(BATCH, policy.tokens(factor, GRID), net.dim)

    pairs = tuple((tokens(), tokens()) for _ in range(net.config.layers))
    return Piece(latent=latent, factor=factor, pairs=pairs)


def test_a_pass_with_a_memory_costs_its_pairs():
    net, policy = network(CONFIGS["relic"]), Policy(window=4, schedule=SHORT)
    model, (x, _, signals) = model_and_inputs(net)
    memory = Memory(policy=policy, grid=GRID)
    for latent in range(3):
        memory = memory.append(tuple(_piece(net, latent, f, policy) for f in {1, SHORT[latent]}))
    context = Context(latents=(3, 4), grid=GRID, policy=policy, read=memory.read(2))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(x[:, :, 3:5], torch.rand(BATCH, 2), part(signals, 3, 5), context=context)
    seen = policy.seen(3, 5, GRID).values()
    queries = 2 * GRID[0] * GRID[1]
    keys = queries + sum(policy.tokens(factor, GRID) for factor in seen)
    work = estimate.Pass(batch=BATCH, latents=2, grid=GRID, pairs=queries * keys)
    assert counter.get_total_flops() == net.flops(work).forward


WAN_14B = ModelConfig(
    heads=40,
    head_dim=128,
    layers=40,
    ffn_dim=13824,
    freq_dim=256,
    text_dim=4096,
    max_words=512,
    camera="none",
)


@pytest.mark.slow
def test_a_teacher_sample_of_20_s_takes_63_petaflop():
    """80 latents of 1,560 tokens: 124,800; forward, again, and twice that backward."""
    net = Network(config=WAN_14B, channels=16, flow=FlowConfig())
    work = estimate.whole(80, (30, 52))
    assert work.tokens == 124_800
    flops = net.flops(work)
    assert (flops.forward + flops.backward + flops.again) / 1e15 == pytest.approx(63.2, abs=0.05)
    # RELIC's memory at 20 s, bfloat16: 30,056 tokens with the current block cost 24.6 GB.
    keys = sum(Policy().tokens(f, (30, 52)) for f in Policy().seen(77, 80, (30, 52)).values())
    context = keys + 3 * 1560
    assert context == 30_056
    assert context * net.dim * 2 * 2 * 40 / 1e9 == pytest.approx(24.6, abs=0.05)
