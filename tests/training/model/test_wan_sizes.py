"""The two sizes of Wan 2.1: their published configs, and how many numbers they hold."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from training.model.conditioning import Conditioning
from training.model.config import ModelConfig, wan_1_3b, wan_14b
from training.model.wan import WorldModel
from training.recipes import FlowConfig

# config.json of Wan-AI/Wan2.1-T2V-{1.3B,14B}-Diffusers, folder transformer.
PUBLISHED = {
    "added_kv_proj_dim": None,
    "attention_head_dim": 128,
    "cross_attn_norm": True,
    "eps": 1e-6,
    "freq_dim": 256,
    "image_dim": None,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": (1, 2, 2),
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 1024,
    "text_dim": 4096,
}
SIZES = {
    "1.3b": (wan_1_3b(), {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960}, 1.419e9),
    "14b": (wan_14b(), {"num_attention_heads": 40, "num_layers": 40, "ffn_dim": 13824}, 14.288e9),
}


def without_weights(config: ModelConfig) -> WorldModel:
    with torch.device("meta"):
        return WorldModel(config, 16, FlowConfig())


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_wan(size):
    config, own, parameters = SIZES[size]
    model = without_weights(config)
    assert {**PUBLISHED, **own}.items() <= dict(model.transformer.config).items()
    assert abs(count(model.transformer) - parameters) < 0.0005e9
    block = model.transformer.blocks[0]
    assert block.attn1.norm_q.weight.shape == (config.heads * 128,)
    assert isinstance(block.norm2, torch.nn.LayerNorm) and block.norm2.elementwise_affine
    rotary = model.transformer.rope
    assert (rotary.t_dim, rotary.h_dim, rotary.w_dim) == (44, 42, 42)
    assert rotary.freqs_cos.shape == (1024, 128)


@pytest.mark.parametrize(
    "camera, added",
    [
        ("none", 11_921_920),
        ("relic", 35_685_376),
        ("raype", 12_567_160),
        ("prope", 82_746_880),
        ("plucker_adaln", 35_679_232),
    ],
)
def test_what_conditioning_adds(camera, added):
    with torch.device("meta"):
        conditioning = Conditioning(dataclasses.replace(wan_1_3b(), camera=camera))
    assert count(conditioning) == added


@pytest.mark.parametrize("size", SIZES)
def test_rays_add_less_than_a_thousandth(size):
    """RayPE's claim."""
    config, _, parameters = SIZES[size]
    with torch.device("meta"):
        conditioning = Conditioning(dataclasses.replace(config, camera="raype", action="none"))
    assert 0 < count(conditioning) < 1e-3 * parameters
