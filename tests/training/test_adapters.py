"""A run that trains adapters: what its checkpoints hold, and what they stand on."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file

from training import run
from training.autoencoder import LinearCodec
from training.model import pretrained
from training.model.config import LoraConfig
from training.model.wan import WorldModel
from training.stages import teacher

pytest.importorskip("peft")


def test_checkpoints_hold_what_is_trained_and_the_base_by_its_hash(clips, recipe, tmp_path):
    """A run of adapters goes on bitwise, and refuses a base that has changed."""
    base = tmp_path / "base"
    source = WorldModel(recipe.model, recipe.codec.channels, recipe.flow)
    pretrained.export(source, base)
    model = dataclasses.replace(recipe.model, pretrained=str(base))
    lora = LoraConfig(rank=4, alpha=8)
    recipe = dataclasses.replace(recipe, model=model, lora=lora, steps=2, checkpoint_every=1)
    for name, stops in (("whole", [2]), ("cut", [1, 2])):
        for steps in stops:
            teacher.train(clips, recipe, tmp_path / name, steps=steps)
    files = [tmp_path / name / "checkpoints" / "0000002" for name in ("whole", "cut")]
    for kind in ("model", "ema"):
        whole, cut = (load_file(f / f"{kind}.safetensors") for f in files)
        assert all(".lora_" in key or key.startswith("conditioning.") for key in whole)
        assert all(torch.equal(whole[key], cut[key]) for key in whole)
    codec = LinearCodec(torch.zeros(768), torch.eye(768)[:, :8], torch.ones(()))
    model = run.restored(recipe, codec, files[0] / "ema.safetensors")
    theirs = dict(source.transformer.named_parameters())
    for name, parameter in model.transformer.named_parameters():
        if ".lora_" not in name:
            assert torch.equal(parameter, theirs[name.replace(".base_layer.", ".")])
    source.transformer.scale_shift_table.data += 1
    shutil.rmtree(base)
    pretrained.export(source, base)
    with pytest.raises(ValueError, match="was started with base_sha"):
        teacher.train(clips, recipe, tmp_path / "whole")
