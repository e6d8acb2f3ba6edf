"""Which kernel is chosen where, and that FlexAttention sees what the dense mask shows.

Kernels of GPUs do not run here: their choice is tested on descriptions of machines.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toy_world import CHANNELS, GRID, SHORT, SIZE, make_model, make_signals, normal, table_pass

from training.model import backends, masks
from training.model.backends import Machine, choose
from training.model.memory import Policy

BOTH = frozenset({"flash", "flash3"})
HOPPER = Machine(capability=(9, 0), half=True, installed=BOTH)
AMPERE = Machine(capability=(8, 0), half=True, installed=BOTH)
PLAIN = Machine(capability=(9, 0), half=True, installed=frozenset())
CPU = Machine(capability=None, half=True, installed=BOTH)


@pytest.mark.parametrize(
    "machine, kernel",
    [
        (HOPPER, "flash3"),
        (AMPERE, "flash"),
        (dataclasses.replace(HOPPER, installed=frozenset({"flash"})), "flash"),
        (dataclasses.replace(HOPPER, half=False), "sdpa"),
        (PLAIN, "sdpa"),
        (CPU, "sdpa"),
    ],
)
def test_the_fastest_kernel_that_runs(machine, kernel):
    assert choose("auto", machine, masked=False) == kernel


def test_masks():
    assert choose("auto", HOPPER, masked=True) == "flex"
    assert choose("flash", HOPPER, masked=True) == "flex"
    assert choose("sdpa", HOPPER, masked=True) == "sdpa"
    assert choose("auto", CPU, masked=True) == "sdpa"
    assert choose("flex", CPU, masked=True) == "flex"
    assert choose("flex", HOPPER, masked=False) == "sdpa"


@pytest.mark.parametrize("wanted, machine", [("flash3", AMPERE), ("flash", CPU), ("flash", PLAIN)])
def test_a_kernel_that_does_not_run_is_refused(wanted, machine):
    with pytest.raises(ValueError, match=f"attention = '{wanted}' needs the module flash_attn"):
        choose(wanted, machine, masked=False)


def test_this_machine():
    described = Machine.of(torch.zeros(1))
    assert described.capability is None and not described.half
    with torch.autocast("cpu", torch.bfloat16):
        assert Machine.of(torch.zeros(1)).half


def test_sdpa_is_pytorchs_bitwise():
    query, key, value = (normal(2, n, 3, 8, seed=n) for n in (5, 7, 7))
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(t.transpose(1, 2) for t in (query, key, normal(2, 7, 3, 8, seed=7)))
    )
    out = backends.attend(query, key, value, None, "auto")
    assert torch.equal(out, expected.transpose(1, 2))


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_is_the_dense_mask(monkeypatch):
    """The whole model, teacher forcing: every latent twice."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    policy = Policy(window=2, schedule=SHORT)
    x, levels = normal(2, CHANNELS, 8, *SIZE), torch.full((2, 8), 0.4, dtype=torch.float64)
    table = masks.teacher_forcing(masks.blocks(4, 2), policy, GRID)
    latents = (*range(4), *range(4))
    outs = []
    for wanted in ("sdpa", "flex"):
        model = make_model(attention=wanted)
        with torch.no_grad():
            outs.append(table_pass(model, x, levels, make_signals(8), table, policy, latents))
    assert (outs[0] - outs[1]).abs().max() < 1e-12


def test_flex_attention_has_no_backward_pass_on_cpus():
    """The day it has one, "auto" can use it there."""
    x, levels = normal(2, CHANNELS, 2, *SIZE), torch.full((2, 2), 0.4, dtype=torch.float64)
    table = masks.diffusion_forcing(masks.blocks(2, 1), Policy(), GRID)
    model = make_model(attention="flex")
    with pytest.raises((NotImplementedError, RuntimeError)):
        table_pass(model, x, levels, make_signals(2), table, Policy()).sum().backward()
