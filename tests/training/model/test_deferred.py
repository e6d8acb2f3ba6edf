"""Models that are built without memory are those that are built in full."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_wan import write_transformer
from toy_world import CHANNELS, CONFIG, SIZE, make_signals, normal

from training import run, state
from training.autoencoder import LinearCodec
from training.model import deferred, pretrained
from training.model.config import wan_14b
from training.model.wan import WorldModel
from training.recipes import FlowConfig

WAN = dataclasses.replace(CONFIG, head_dim=16, zero_init=True, rope_theta=10_000.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A tiny random checkpoint in Wan's format, in several files."""
    folder = tmp_path_factory.mktemp("wan") / "Wan2.1-T2V-tiny-Diffusers"
    write_transformer(folder, channels=CHANNELS, max_shard_size="30KB")
    return folder


def step_zero(model: WorldModel) -> torch.Tensor:
    signals = make_signals(3)
    fields = {name: getattr(signals, name).float() for name in signals.__slots__}
    signals = dataclasses.replace(signals, **fields)
    return model(normal(2, CHANNELS, 3, *SIZE).float(), torch.tensor([0.3, 0.9]), signals)


def test_a_model_of_14_billion_weights_takes_no_memory():
    """Of its transformer; what conditions it, here nothing, is there."""
    small = dataclasses.replace(wan_14b(), camera="none", action="none")
    model = deferred.skeleton(small, 16, FlowConfig())
    assert all(p.is_meta for p in model.transformer.parameters())
    assert sum(p.numel() for p in model.transformer.parameters()) == 14_288_491_584
    with pytest.raises(ValueError, match="a model without memory needs weights"):
        deferred.materialise(model, CPU)


@pytest.mark.parametrize("stretch", [1.0, 4.0])
def test_filled_later_it_is_the_same_model(published, stretch):
    config = dataclasses.replace(WAN, yarn_factor=stretch)
    full = WorldModel(config, CHANNELS, FlowConfig())
    pretrained.load(full, str(published))
    model = deferred.skeleton(config, CHANNELS, FlowConfig())
    pretrained.load(model, str(published))
    assert deferred.is_empty(model)
    deferred.materialise(model, CPU)
    theirs = dict(full.transformer.named_parameters())
    for name, parameter in model.transformer.named_parameters():
        assert torch.equal(parameter, theirs[name]), name
    assert torch.equal(step_zero(model), step_zero(full))


def test_a_runs_weights_are_filled_later_too(tmp_path):
    """Conditioning included: none of what it began with is left."""
    full = WorldModel(dataclasses.replace(WAN, zero_init=False), CHANNELS, FlowConfig())
    state.save_weights(dict(full.named_parameters()), tmp_path / "ema.safetensors")
    model = deferred.skeleton(full.config, CHANNELS, FlowConfig())
    state.load_weights(model, tmp_path / "ema.safetensors")
    deferred.materialise(model, CPU)
    for (name, a), b in zip(model.named_parameters(), full.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(step_zero(model), step_zero(full))


def test_another_architecture_is_refused_before_anything_is_filled(published):
    model = deferred.skeleton(dataclasses.replace(WAN, layers=3), CHANNELS, FlowConfig())
    with pytest.raises(ValueError, match="num_layers is 2 there and 3 in the recipe"):
        pretrained.load(model, str(published))


def test_a_run_begins_without_memory_where_weights_will_come(recipe, published):
    codec = LinearCodec(torch.zeros(768), torch.eye(768)[:, :CHANNELS], torch.ones(()))
    wan = dataclasses.replace(WAN, pretrained=str(published))
    recipe = dataclasses.replace(recipe, model=wan, flow=FlowConfig())
    assert deferred.is_empty(run.build(recipe, codec, begin=True, later=True))
    assert not deferred.is_empty(run.build(recipe, codec, begin=True))
    plain = dataclasses.replace(recipe, model=dataclasses.replace(wan, pretrained=""))
    assert not deferred.is_empty(run.build(plain, codec, begin=True, later=True))
