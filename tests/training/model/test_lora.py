"""Adapters: what is trained, where they begin, and that an export has them in its weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toy_world import CHANNELS, SIZE, make_model, make_signals, normal

from training import run
from training.autoencoder import LinearCodec
from training.model import lora, pretrained
from training.model.config import LoraConfig
from training.model.wan import WorldModel

pytest.importorskip("peft")
LORA = LoraConfig(rank=4, alpha=8)


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def adapted() -> WorldModel:
    model = make_model()
    lora.add(model, LORA)
    return model.double()


def output(model: WorldModel) -> torch.Tensor:
    levels = torch.tensor([0.3, 0.9], dtype=torch.float64)
    return model(normal(2, CHANNELS, 3, *SIZE), levels, make_signals(3))


def trained(model: WorldModel) -> WorldModel:
    """A few steps of gradient descent."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        output(model).square().mean().backward()
        optimizer.step()
    return model


def test_step_zero_is_the_base_bitwise():
    assert torch.equal(output(adapted()), output(make_model()))


def test_adapters_and_conditioning_alone_are_trained():
    before = dict(make_model().transformer.named_parameters())
    model = trained(adapted())
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (".lora_" in name or name.startswith("conditioning."))
    for name, parameter in model.transformer.named_parameters():
        if ".lora_" not in name:
            assert torch.equal(parameter, before[name.replace(".base_layer.", ".")]), name
    adapters = [p for n, p in model.transformer.named_parameters() if ".lora_B." in n]
    # Six layers in self-attention and feed-forward, four in cross-attention, two blocks.
    assert len(adapters) == 20 and all(p.any() for p in adapters)


def test_merged_weights_compute_the_same():
    model, plain = trained(adapted()), make_model()
    plain.conditioning.load_state_dict(model.conditioning.state_dict())
    weights = lora.merged(model.transformer)
    difference = (
        weights["blocks.0.ffn.net.2.weight"]
        - plain.state_dict()["transformer.blocks.0.ffn.net.2.weight"]
    )
    assert difference.abs().max() > 1e-6
    plain.transformer.load_state_dict(weights)
    assert (output(plain) - output(model)).abs().max() < 1e-12


def test_an_export_has_adapters_in_its_weights(tmp_path):
    model, plain = trained(adapted()), make_model()
    pretrained.export(model, tmp_path / "out")
    pretrained.load(plain, str(tmp_path / "out"))
    assert (output(plain) - output(model)).abs().max() < 1e-12


def test_a_run_builds_its_adapters_the_same_every_time(recipe):
    codec = LinearCodec(torch.zeros(768), torch.eye(768)[:, :CHANNELS], torch.ones(()))
    recipe = dataclasses.replace(recipe, lora=LORA)
    models = [run.build(recipe, codec) for _ in range(2)]
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert torch.equal(a, b), name


def test_unknown_targets_are_a_sentence():
    with pytest.raises(ValueError, match="'to_qq', which is the end of no linear layer's name"):
        lora.add(make_model(), LoraConfig(targets=("to_q", "to_qq")))
    with pytest.raises(ValueError, match="a rank and an alpha of at least 1"):
        LoraConfig(rank=0)
