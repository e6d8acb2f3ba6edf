"""Wan folders in diffusers' format: in, out, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from tiny_wan import write_transformer
from toy_world import CHANNELS, CONFIG, SIZE, make_signals, normal

from training import run
from training.autoencoder import LinearCodec
from training.model import pretrained
from training.model.wan import WorldModel
from training.recipes import FlowConfig

WAN = dataclasses.replace(CONFIG, head_dim=16, zero_init=True, rope_theta=10_000.0)
CAMERAS = ["relic", "token", "raype", "prope", "plucker_adaln"]


def make(seed: int = 1, **changes) -> WorldModel:
    torch.manual_seed(seed)
    return WorldModel(dataclasses.replace(WAN, **changes), CHANNELS, FlowConfig())


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A tiny random checkpoint in Wan's format, in several files."""
    folder = tmp_path_factory.mktemp("wan") / "Wan2.1-T2V-tiny-Diffusers"
    write_transformer(folder, channels=CHANNELS, max_shard_size="30KB")
    assert len(list((folder / "transformer").glob("*.safetensors"))) > 2
    return folder


def step_zero(model: WorldModel) -> torch.Tensor:
    signals = make_signals(3)
    signals = dataclasses.replace(
        signals, **{k: getattr(signals, k).float() for k in type(signals).__slots__}
    )
    return model(normal(2, CHANNELS, 3, *SIZE).float(), torch.tensor([0.3, 0.9]), signals)


@pytest.mark.parametrize("action", ["post_attn", "adaln"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_step_zero_is_the_base_bitwise(published, camera, action):
    size = {"camera": camera, "action": action}
    base, model = make(camera="none", action="none"), make(seed=2, **size)
    for m in (base, model):
        pretrained.load(m, str(published))
    assert torch.equal(step_zero(model), step_zero(base))


def test_step_zero_is_what_diffusers_computes(published):
    model = make()
    pretrained.load(model, str(published))
    untouched = WanTransformer3DModel.from_pretrained(published, subfolder="transformer")
    tokens = SIZE[0] // 2 * (SIZE[1] // 2)
    levels = torch.tensor([[0.0, 0.3, 0.3], [0.0, 0.9, 0.9]]) * 1000
    expected = untouched(
        normal(2, CHANNELS, 3, *SIZE).float(),
        levels.repeat_interleave(tokens, 1),
        make_signals(3).words.float(),
        return_dict=False,
    )[0]
    torch.testing.assert_close(step_zero(model), expected, atol=1e-6, rtol=1e-5)


def test_one_file_serves_as_well_as_several(published, tmp_path):
    whole = WanTransformer3DModel.from_pretrained(published, subfolder="transformer")
    whole.save_pretrained(tmp_path / "one" / "transformer")
    models = [make(seed=seed) for seed in (1, 2)]
    for model, folder in zip(models, (published, tmp_path / "one"), strict=True):
        pretrained.load(model, str(folder))
    assert torch.equal(step_zero(models[0]), step_zero(models[1]))


@pytest.mark.parametrize("camera", [*CAMERAS, "none"])
def test_export_and_load_are_inverse_bitwise(camera, tmp_path):
    size = {"camera": camera, "zero_init": False, "rope_theta": 10.0}
    model = make(**size, action="none" if camera == "none" else "post_attn")
    pretrained.export(model, tmp_path / "out", max_shard_size="30KB")
    again = make(seed=2, **size, action=model.config.action)
    pretrained.load(again, str(tmp_path / "out"))
    for (name, a), b in zip(model.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(step_zero(again), step_zero(model))


def test_diffusers_opens_an_export(published, tmp_path):
    model = make()
    pretrained.load(model, str(published))
    pretrained.export(model, tmp_path / "out")
    theirs = WanTransformer3DModel.from_pretrained(tmp_path / "out", subfolder="transformer")
    for name, value in (
        WanTransformer3DModel.from_pretrained(published, subfolder="transformer")
        .state_dict()
        .items()
    ):
        assert torch.equal(theirs.state_dict()[name], value), name
    assert (tmp_path / "out" / "transformer" / "diffusion_pytorch_model.safetensors").is_file()
    with pytest.raises(ValueError, match="exists already"):
        pretrained.export(model, tmp_path / "out")


def test_half_precision_weights_load(published, tmp_path):
    half = WanTransformer3DModel.from_pretrained(published, subfolder="transformer").bfloat16()
    half.save_pretrained(tmp_path / "half" / "transformer")
    model = make()
    pretrained.load(model, str(tmp_path / "half"))
    expected = half.state_dict()["blocks.0.ffn.net.2.weight"].float()
    assert torch.equal(model.transformer.state_dict()["blocks.0.ffn.net.2.weight"], expected)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layers": 3}, r"num_layers is 2 there and 3 in the recipe"),
        ({"heads": 4, "ffn_dim": 64}, r"num_attention_heads is 2.* 4.*; ffn_dim is 32 .* 64"),
        ({"coordinates": True}, r"in_channels is 3 there and 5"),
        ({"zero_init": False}, r"zero_init must be true"),
        ({"rope_theta": 10.0}, r"rope_theta must be 10000"),
    ],
)
def test_another_architecture_is_refused(published, change, message):
    with pytest.raises(ValueError, match=message):
        pretrained.load(make(**change), str(published))


def test_an_export_with_another_conditioning_is_refused(tmp_path):
    pretrained.export(make(), tmp_path / "out")
    with pytest.raises(ValueError, match="camera is 'relic' there and 'raype' in the recipe"):
        pretrained.load(make(camera="raype"), str(tmp_path / "out"))
    pretrained.load(make(yarn_factor=4.0), str(tmp_path / "out"))


def copied(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


def test_a_damaged_folder_is_a_sentence(published, tmp_path):
    folder = copied(published, tmp_path) / "transformer"
    first = sorted(folder.glob("*.safetensors"))[0]
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{first.name} is damaged"):
        pretrained.load(make(), str(folder.parent))
    first.unlink()
    with pytest.raises(ValueError, match=f"{first.name} is missing"):
        pretrained.load(make(), str(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "FluxTransformer"}))
    with pytest.raises(ValueError, match="is of a FluxTransformer, expected a Wan"):
        pretrained.load(make(), str(folder.parent))


def test_an_index_stays_in_its_folder(published, tmp_path):
    index = next((copied(published, tmp_path) / "transformer").glob("*.index.json"))
    data = json.loads(index.read_text())
    data["weight_map"]["proj_out.bias"] = os.path.join("..", "secret.safetensors")
    index.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"outside of its folder: '\.\./secret"):
        pretrained.load(make(), str(tmp_path / "copy"))


def test_names_and_shapes_are_checked(published, tmp_path):
    folder = copied(published, tmp_path) / "transformer"
    narrow = make(ffn_dim=16).transformer
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    config = (folder / "config.json").read_text()
    narrow.save_pretrained(folder)
    (folder / "config.json").write_text(config)
    with pytest.raises(
        ValueError, match=r"proj.bias has the shape \[16\], the recipe's model has \[32\]"
    ):
        pretrained.load(make(), str(folder.parent))
    make(layers=3).transformer.save_pretrained(folder)
    (folder / "config.json").write_text(config)
    with pytest.raises(ValueError, match=r"holds 'blocks.2\..*does not have"):
        pretrained.load(make(), str(folder.parent))


def test_what_is_no_folder_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"no transformer/config.json; Wan's are"):
        pretrained.load(make(), str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="cannot be downloaded from Hugging Face"):
        pretrained.load(make(), "nobody/has-this-model")


def test_training_begins_with_the_recipes_pretrained_model(published, recipe):
    wan = dataclasses.replace(WAN, pretrained=str(published))
    recipe = dataclasses.replace(recipe, model=wan, flow=FlowConfig())
    codec = LinearCodec(torch.zeros(768), torch.eye(768)[:, :CHANNELS], torch.ones(()))
    model, loaded = run.build(recipe, codec, begin=True), make(seed=2)
    pretrained.load(loaded, str(published))
    assert torch.equal(step_zero(model), step_zero(loaded))
