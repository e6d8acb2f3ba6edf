"""Captions: words with fixed vectors, and umT5 with random weights in Wan's format."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tiny_wan import write_umt5

from training import text
from training.recipes import TextConfig, tiny

DIM, WORDS = 8, 6


@pytest.fixture(scope="module")
def wan(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("umt5")
    write_umt5(folder, dim=DIM)
    return folder


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text.encoder.cache_clear()


def model(**changes):
    return dataclasses.replace(tiny().model, **{"text_dim": DIM, "max_words": WORDS, **changes})


def umt5(folder: Path, **changes) -> text.Text:
    return text.encoder(TextConfig(kind="umt5", pretrained=str(folder)), model(**changes))


def test_umt5_is_what_wans_pipeline_computes(wan):
    """Padded to the full length, masked, and zeroed after the end of the caption."""
    from transformers import AutoTokenizer, UMT5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(wan, subfolder="tokenizer")
    encoder = UMT5EncoderModel.from_pretrained(wan, subfolder="text_encoder", dtype=torch.bfloat16)
    tokens = tokenizer(
        "a red room", padding="max_length", max_length=WORDS, truncation=True, return_tensors="pt"
    )
    states = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state[0].float()
    expected = states * tokens.attention_mask[0][:, None]
    assert tokens.attention_mask.sum() == 4
    words = umt5(wan)("a  red\nroom")
    assert words.dtype == torch.float32 and words.shape == (WORDS, DIM)
    torch.testing.assert_close(words, expected, atol=2e-2, rtol=2e-2)
    assert not words[4:].any() and words[:4].any()


def test_long_captions_are_cut(wan):
    words = umt5(wan)("a red room with blue chairs a red room")
    assert words.shape == (WORDS, DIM) and words[-1].any()


def test_captions_are_encoded_once_on_a_machine(wan, monkeypatch):
    captions = ["a red room", "", "blue chairs"]
    first = umt5(wan)
    first.prepare(captions)
    before = [first(c) for c in captions]
    text.encoder.cache_clear()
    monkeypatch.setattr(text, "_load_umt5", lambda pretrained: pytest.fail("loaded again"))
    again = umt5(wan)
    again.prepare(captions)
    assert all(torch.equal(a, again(c)) for a, c in zip(before, captions, strict=True))


def test_another_length_is_another_sequence(wan):
    cut = umt5(wan, max_words=3)("a red room with chairs")
    assert cut.shape == (3, DIM)
    assert umt5(wan)("a red room with chairs").shape == (WORDS, DIM)


def test_what_cannot_be_loaded_is_a_sentence(wan, tmp_path):
    with pytest.raises(ValueError, match="has no tokenizer and text_encoder"):
        umt5(tmp_path)("a room")
    with pytest.raises(ValueError, match=r"makes vectors of 8 numbers, model\.text_dim is 9"):
        text.encoder(TextConfig(kind="umt5", pretrained=str(wan)), model(text_dim=9))("a room")


def test_words_have_fixed_vectors():
    words = text.encoder(TextConfig(), model())
    out = words("A red, RED room.")
    assert out.shape == (WORDS, DIM)
    assert torch.equal(out[1], out[2]) and not torch.equal(out[0], out[1])
    assert not out[4:].any()
    assert torch.equal(words("room")[0], out[3])
    assert not words("").any()
