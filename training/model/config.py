"""What a model is made of: the sizes of the transformer, its conditioning, its adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Camera = Literal["none", "relic", "token", "raype", "prope", "plucker_adaln"]
Action = Literal["none", "post_attn", "adaln"]
AttentionBackend = Literal["auto", "sdpa", "flash", "flash3", "flex"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Sizes of the Wan transformer, and its conditioning.

    Attributes:
        heads: Attention heads.
        head_dim: Width of a head.
        layers: Transformer blocks.
        ffn_dim: Hidden width of the feed-forward layers.
        freq_dim: Width of the sinusoidal timestep code.
        text_dim: Width of a word's vector.
        max_words: Words of a caption that are used.
        pretrained: Folder or Hugging Face name of a Wan 2.1 model in diffusers' format from which
            training starts; empty starts from random weights.
        action: How the model is told the actions; see `training.model.conditioning`. RELIC's is
            "post_attn" (sec. 4).
        camera: How it is told the camera; see `training.model.cameras`. RELIC's is "relic".
        cond_dim: Hidden width of the condition encoders.
        zero_init: Zero the output layers of conditioning, so that step 0 equals the base model.
        rope_theta: Base of the rotary embedding; 10,000 in Wan.
        yarn_factor: Stretch of the rotary embedding's time axis by YaRN, the length of the videos
            over `yarn_latents`; 1 changes nothing.
        yarn_latents: Latents of the videos that the base model was trained on; 21 in Wan.
        qk_bias: Value at which the camera's part of Q and K starts; 0 in RELIC. For "relic" and
            "token".
        coordinates: Append two constant channels, the place in the image, to the latents.
        attention: The kernel of self-attention; see `training.model.backends`. "auto" takes the
            fastest that runs.
    """

    heads: int
    head_dim: int
    layers: int
    ffn_dim: int
    freq_dim: int = 64
    text_dim: int = 32
    max_words: int = 12
    pretrained: str = ""
    action: Action = "post_attn"
    camera: Camera = "relic"
    cond_dim: int = 128
    zero_init: bool = True
    rope_theta: float = 10_000.0
    yarn_factor: float = 1.0
    yarn_latents: int = 21
    qk_bias: float = 0.0
    coordinates: bool = False
    attention: AttentionBackend = "auto"

    def __post_init__(self):
        if self.head_dim % 2 or (self.camera == "prope" and self.head_dim % 8):
            raise ValueError(
                "head_dim must be even, and a multiple of 8 for the camera 'prope', got "
                f"{self.head_dim} with {self.camera!r}"
            )
        if self.yarn_factor < 1 or self.yarn_latents < 1:
            raise ValueError(
                "yarn_factor and yarn_latents must be at least 1, got "
                f"{self.yarn_factor} and {self.yarn_latents}"
            )


def wan_1_3b() -> ModelConfig:
    """Wan 2.1 T2V 1.3B (its published config), with RELIC's conditioning; 1.419 B parameters."""
    return _wan(heads=12, layers=30, ffn_dim=8960)


def wan_14b() -> ModelConfig:
    """Wan 2.1 T2V 14B, the base of RELIC's teacher and student (sec. 4); 14.288 B parameters."""
    return _wan(heads=40, layers=40, ffn_dim=13824)


def _wan(*, heads: int, layers: int, ffn_dim: int) -> ModelConfig:
    return ModelConfig(
        heads=heads,
        head_dim=128,
        layers=layers,
        ffn_dim=ffn_dim,
        freq_dim=256,
        text_dim=4096,
        max_words=512,
        # RELIC does not say how wide its encoders are.
        cond_dim=256,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters in place of training the whole transformer; see `training.model.lora`.

    Attributes:
        rank: Of an adapter; 128 in LongLive.
        alpha: Adapters count `alpha / rank`.
        targets: Ends of the names of the linear layers that get one.
    """

    rank: int = 128
    alpha: int = 128
    targets: tuple[str, ...] = (
        "to_q",
        "to_k",
        "to_v",
        "to_out.0",
        "ffn.net.0.proj",
        "ffn.net.2",
    )

    def __post_init__(self):
        if self.rank < 1 or self.alpha < 1 or not self.targets:
            raise ValueError(
                "lora needs a rank and an alpha of at least 1 and a target, got "
                f"{self.rank}, {self.alpha} and {self.targets}"
            )
