"""The slot for a tiny decoder, with random weights in TAEHV's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.tiny_decoder import TinyDecoder

CHANNELS, WIDTHS = 4, (8, 6, 5, 4)


@pytest.fixture
def file(tmp_path) -> Path:
    """As published: the decoder's tensors by their places, an encoder's beside them."""
    torch.manual_seed(0)
    weights = TinyDecoder(CHANNELS, WIDTHS).state_dict()
    path = tmp_path / "taew2_1.safetensors"
    save_file({**weights, "encoder.0.weight": torch.zeros(3)}, path)
    return path


def latents(count: int = 3) -> torch.Tensor:
    return torch.randn(2, CHANNELS, count, 2, 3, generator=torch.Generator().manual_seed(1))


def test_frames_have_wans_geometry(file):
    frames = TinyDecoder.load(file, CHANNELS)(latents())
    assert frames.shape == (2, 3, 9, 16, 24)
    assert frames.min() >= -1 and frames.max() <= 1 and frames.std() > 0


def test_names_are_those_of_taehv(file):
    names = load_file(file).keys()
    assert {"decoder.1.weight", "decoder.1.bias", "decoder.22.weight"} <= names
    assert {f"decoder.{i}.conv.{j}.weight" for i in (3, 4, 5) for j in (0, 2, 4)} <= names
    assert {f"decoder.{i}.conv.weight" for i in (7, 13, 19)} <= names
    assert "decoder.8.bias" not in names and "decoder.14.bias" not in names


def test_a_frame_depends_on_the_past_alone(file):
    decoder = TinyDecoder.load(file, CHANNELS)
    changed = latents()
    changed[:, :, 2] += 1
    before, after = decoder(latents()), decoder(changed)
    assert torch.equal(before[:, :, :5], after[:, :, :5])
    assert not torch.allclose(before[:, :, 5:], after[:, :, 5:])
    changed = latents()
    changed[:, :, 1] += 1
    assert not torch.allclose(decoder(changed)[:, :, 5:], before[:, :, 5:])


def test_a_block_by_hand(file):
    """conv(relu(conv(relu(conv([x, before]))))) + x, then relu; the first frame sees zeros."""
    block = TinyDecoder.load(file, CHANNELS).decoder[3]
    x, before = torch.randn(2, 1, 8, 4, 4)
    inner = torch.cat([x, before], 1)
    for index in (0, 2, 4):
        inner = torch.nn.functional.conv2d(
            inner, block.conv[index].weight, block.conv[index].bias, padding=1
        )
        inner = inner.relu() if index < 4 else inner
    torch.testing.assert_close(block(x, before), (inner + x).relu())


def test_wrong_files_are_a_sentence(file, tmp_path):
    with pytest.raises(ValueError, match="is missing"):
        TinyDecoder.load(tmp_path / "none.safetensors", CHANNELS)
    with pytest.raises(ValueError, match="decodes 4 channels, the latents have 16"):
        TinyDecoder.load(file, 16)
    weights = load_file(file)
    del weights["decoder.9.conv.0.bias"]
    save_file(weights, tmp_path / "less.safetensors")
    with pytest.raises(ValueError, match="is of another decoder"):
        TinyDecoder.load(tmp_path / "less.safetensors", CHANNELS)
    save_file({"proj.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no tiny decoder"):
        TinyDecoder.load(tmp_path / "other.safetensors", CHANNELS)
    (tmp_path / "bad.safetensors").write_bytes(b"pickle")
    with pytest.raises(ValueError, match="is no safetensors file"):
        TinyDecoder.load(tmp_path / "bad.safetensors", CHANNELS)
