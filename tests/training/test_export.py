"""From a run to a folder in diffusers' format, and on from there."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from training.export import export
from training.model import pretrained
from training.model.config import LoraConfig
from training.model.wan import WorldModel
from training.run import RunConfig, averaged_weights
from training.stages import teacher
from training.state import load_weights


@pytest.fixture
def run(clips, recipe, tmp_path):
    teacher.train(clips, recipe, tmp_path / "run", steps=2)
    return tmp_path / "run"


def test_an_export_holds_the_averaged_weights(run, recipe, tmp_path):
    export(run, tmp_path / "out")
    expected, model = (
        WorldModel(recipe.model, recipe.codec.channels, recipe.flow) for _ in range(2)
    )
    load_weights(expected, averaged_weights(run))
    pretrained.load(model, str(tmp_path / "out"))
    for (name, a), b in zip(expected.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b), name
    codec = "codec.safetensors"
    assert (tmp_path / "out" / codec).read_bytes() == (run / codec).read_bytes()


def test_training_goes_on_from_an_export_with_adapters(run, clips, recipe, tmp_path):
    pytest.importorskip("peft")
    export(run, tmp_path / "out")
    again = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, pretrained=str(tmp_path / "out")),
        lora=LoraConfig(rank=2, alpha=2),
    )
    teacher.train(clips, again, tmp_path / "lora", steps=2)
    assert RunConfig.load(tmp_path / "lora").recipe.lora == again.lora
    export(tmp_path / "lora", tmp_path / "merged")
    model = WorldModel(recipe.model, recipe.codec.channels, recipe.flow)
    pretrained.load(model, str(tmp_path / "merged"))


def test_a_run_without_a_checkpoint_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="is no training run"):
        export(tmp_path, tmp_path / "out")
