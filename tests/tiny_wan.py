"""A model in the format of Wan-AI/Wan2.1-T2V-*-Diffusers, tiny and with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

VOCABULARY = ["<pad>", "</s>", "<unk>", "a", "red", "room", "with", "blue", "chairs"]
MEAN, STD = [0.5, -1.0, 2.0, 0.0], [2.0, 0.5, 1.0, 3.0]


def write_transformer(folder: Path, *, channels: int, max_shard_size: str = "5GB") -> None:
    """Two blocks of two heads of 16 channels, for vectors of 4 numbers as text."""
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    torch.manual_seed(7)
    WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=channels,
        out_channels=channels,
        text_dim=4,
        freq_dim=8,
        ffn_dim=32,
        num_layers=2,
    ).save_pretrained(folder / "transformer", max_shard_size=max_shard_size)


def write_vae(folder: Path) -> None:
    """Latents of four channels with a mean and a scale of their own."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    torch.manual_seed(0)
    sizes = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    AutoencoderKLWan(**sizes, latents_mean=MEAN, latents_std=STD).save_pretrained(folder / "vae")


def write_umt5(folder: Path, *, dim: int) -> None:
    """An encoder that makes vectors of `dim` numbers, and a tokenizer of seven words."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    words = Tokenizer(WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    sizes = {"d_model": dim, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2}
    config = UMT5Config(vocab_size=len(VOCABULARY), **sizes)
    UMT5EncoderModel(config).save_pretrained(folder / "text_encoder")
