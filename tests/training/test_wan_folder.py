"""A teacher on a folder like Wan's: transformer, autoencoder, text encoder, nothing built in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_wan import write_transformer, write_umt5, write_vae

from training import text
from training.autoencoder import WanCodec
from training.model import pretrained
from training.model.config import ModelConfig
from training.model.wan import WorldModel
from training.recipes import CodecConfig, FlowConfig, Recipe, TextConfig
from training.sample import Sampler
from training.stages import teacher


@pytest.fixture
def wan(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text.encoder.cache_clear()
    folder = tmp_path / "Wan2.1-T2V-tiny-Diffusers"
    write_transformer(folder, channels=4)
    write_vae(folder)
    write_umt5(folder, dim=4)
    return folder


def on_wan(recipe: Recipe, wan: Path) -> Recipe:
    """The tests' recipe with everything of its own taken from the folder."""
    return dataclasses.replace(
        recipe,
        codec=CodecConfig(kind="wan", channels=4, pretrained=str(wan)),
        text=TextConfig(kind="umt5", pretrained=str(wan)),
        model=ModelConfig(
            heads=2,
            head_dim=16,
            layers=2,
            ffn_dim=32,
            freq_dim=8,
            text_dim=4,
            max_words=6,
            cond_dim=8,
            pretrained=str(wan),
        ),
        flow=FlowConfig(sampler_steps=2),
        optim=dataclasses.replace(recipe.optim, lr=1e-9, weight_decay=0.0),
    )


def test_a_teacher_starts_from_wan_and_samples(clips, recipe, wan, tmp_path):
    recipe = on_wan(recipe, wan)
    teacher.train(clips, recipe, tmp_path / "run", steps=2)
    sampler = Sampler.load(tmp_path / "run")
    assert isinstance(sampler.codec, WanCodec)
    base = WorldModel(recipe.model, 4, recipe.flow)
    pretrained.load(base, str(wan))
    trained = dict(sampler.model.transformer.named_parameters())
    for name, value in base.transformer.named_parameters():
        torch.testing.assert_close(trained[name], value, atol=1e-6, rtol=0)
    signals = sampler.describe(np.tile(np.eye(4), (9, 1, 1)), "a red room")
    assert signals.words.shape == (1, 6, 4) and signals.words[0, 3].any()
    video = sampler.window(np.zeros((1, 32, 48, 3), np.uint8), signals)
    assert video.shape == (1, 9, 32, 48, 3)
