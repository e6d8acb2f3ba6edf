"""Recipes: everything that decides a training run, as strict, frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capture import config

Prediction = Literal["v", "x0", "residual", "warp"]
Camera = Literal["none", "relic", "token"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """How clips become batches.

    Attributes:
        height_px: Height to which frames are resized.
        width_px: Width to which frames are resized.
        num_frames: Length of a window, 4 n + 1.
        step_m: Metres of one unit of translation in actions and poses. None takes each window's own
            mean step, as RELIC does; a fixed step lets windows of different speed look different.
        rotation_gain: Factor on the rotations of the actions (degrees per frame); 1 in RELIC.
        mirror: Swap left and right in every second sample, labels recomputed.
        reverse: Play every second sample backwards, labels recomputed.
        caption_dropout: Share of samples without their caption, so that none is needed later.
    """

    height_px: int
    width_px: int
    num_frames: int
    step_m: float | None = None
    rotation_gain: float = 1.0
    mirror: bool = False
    reverse: bool = False
    caption_dropout: float = 0.1

    def __post_init__(self):
        if self.num_frames < 5 or self.num_frames % 4 != 1:
            raise ValueError(f"num_frames must be 5, 9, 13, ... (4 n + 1), got {self.num_frames}")
        if self.height_px % 16 or self.width_px % 16 or min(self.height_px, self.width_px) < 16:
            raise ValueError(
                "frames must be multiples of 16 pixels (8 of the codec, 2 of the patch), got "
                f"{self.width_px}x{self.height_px}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecConfig:
    """The map from frames to latents.

    Attributes:
        kind: "linear" is built in and fitted to the data; "wan" is diffusers' `AutoencoderKLWan`.
        channels: Channels of a latent.
        pretrained: Folder or name from which the Wan autoencoder is loaded.
        fit_windows: Number of windows to which the linear codec is fitted.
    """

    kind: Literal["linear", "wan"] = "linear"
    channels: int = 32
    pretrained: str = ""
    fit_windows: int = 300


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
        actions: Add the action embedding after self-attention (RELIC sec. 4).
        camera: What is added to Q and K. "relic": one embedding of the pose per frame. A departure:
            "token" also tells the embedding the token's place in the image.
        cond_dim: Hidden width of the two condition encoders.
        zero_init: Zero the output layers of both, so that step 0 equals the base model.
        rope_theta: Base of the rotary embedding; 10,000 in Wan.
        qk_bias: Value at which the camera's part of Q and K starts; 0 in RELIC.
        coordinates: Append two constant channels, the place in the image, to the latents.
    """

    heads: int
    head_dim: int
    layers: int
    ffn_dim: int
    freq_dim: int = 64
    text_dim: int = 32
    max_words: int = 12
    actions: bool = True
    camera: Camera = "relic"
    cond_dim: int = 128
    zero_init: bool = True
    rope_theta: float = 10_000.0
    qk_bias: float = 0.0
    coordinates: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowConfig:
    """Flow matching.

    Attributes:
        prediction: What the network predicts: "v" = noise - x0 (Wan); "x0"; "residual" = x0 minus
            the first latent, so that an output of zero repeats the first frame. A departure:
            "warp" adds to the residual D weights per place of a latent, for the first frame seen
            again from the frames' poses as if everything lay at each of `warp_depths_m`; see
            `training.warp`. The geometry of the camera is given, depth is learned.
        warp_depths_m: Assumed planar depths, in metres; for "warp" alone.
        shift: Of the noise levels towards 1, in training and sampling: s' = k s / (1 + (k - 1) s).
        min_sigma: Smallest noise level in training.
        sampler_steps: Euler steps of a sample.
    """

    prediction: Prediction = "v"
    warp_depths_m: tuple[float, ...] = ()
    shift: float = 5.0
    min_sigma: float = 0.0
    sampler_steps: int = 40

    def __post_init__(self):
        if (self.prediction == "warp") != bool(self.warp_depths_m):
            raise ValueError(
                f"warp_depths_m go with the prediction 'warp' alone, got {self.prediction!r} with "
                f"{self.warp_depths_m}"
            )
        if not all(depth > 0 for depth in self.warp_depths_m):
            raise ValueError(f"warp_depths_m must be positive, got {self.warp_depths_m}")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """Optimizer and schedule.

    Attributes:
        kind: "adamw", or "muon" for the matrices of the blocks and AdamW for the rest.
        lr: Peak learning rate.
        weight_decay: Decoupled.
        warmup_steps: Linear warm-up.
        decay_share: Share of all steps, at the end, over which the rate falls to 2 % linearly.
        clip_norm: Of the gradient.
        ema_decay: Of the averaged weights; smaller in the first steps.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: float
    weight_decay: float = 0.01
    warmup_steps: int = 50
    decay_share: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A training run.

    Attributes:
        name: Name of the recipe.
        seed: Decides the initial weights and every batch.
        steps: Optimizer steps.
        batch: Windows per step over all processes.
        checkpoint_every: Steps between checkpoints.
        data: See `DataConfig`.
        codec: See `CodecConfig`.
        model: See `ModelConfig`.
        flow: See `FlowConfig`.
        optim: See `OptimConfig`.
    """

    name: str
    seed: int = 0
    steps: int
    batch: int
    checkpoint_every: int = 100
    data: DataConfig
    codec: CodecConfig
    model: ModelConfig
    flow: FlowConfig
    optim: OptimConfig


def tiny() -> Recipe:
    """Follows actions after minutes on two CPU cores; see docs/training.md for the departures."""
    return Recipe(
        name="tiny",
        steps=300,
        batch=8,
        data=DataConfig(
            height_px=64,
            width_px=112,
            num_frames=13,
            step_m=0.07,
            rotation_gain=0.5,
            mirror=True,
            reverse=True,
        ),
        codec=CodecConfig(),
        model=ModelConfig(
            heads=4,
            head_dim=32,
            layers=4,
            ffn_dim=512,
            camera="token",
            zero_init=False,
            rope_theta=10.0,
            qk_bias=1.0,
            coordinates=True,
        ),
        flow=FlowConfig(
            prediction="warp",
            warp_depths_m=(2.5, 8.0),
            shift=12.0,
            min_sigma=0.02,
            sampler_steps=2,
        ),
        optim=OptimConfig(kind="muon", lr=4e-3, decay_share=0.4),
    )


def small() -> Recipe:
    """RELIC's conditioning without departures, Wan's codec, 5 s clips. Not yet run: needs a GPU."""
    return Recipe(
        name="small",
        steps=5000,
        batch=64,
        checkpoint_every=250,
        data=DataConfig(height_px=480, width_px=832, num_frames=81),
        codec=CodecConfig(kind="wan", channels=16, pretrained="Wan-AI/Wan2.1-T2V-1.3B-Diffusers"),
        model=ModelConfig(heads=8, head_dim=64, layers=12, ffn_dim=2048, freq_dim=256),
        flow=FlowConfig(),
        optim=OptimConfig(lr=1e-4, warmup_steps=200, ema_decay=0.999),
    )


RECIPES = {"tiny": tiny, "small": small}


def find(name: str) -> Recipe:
    """The recipe of this name, or the one in a file `*.json` (see `capture.config`).

    Raises:
        ValueError: If there is none, or the file has an unknown key or a wrong value.
    """
    if name.endswith(".json"):
        return config.load(Recipe, Path(name))
    if name not in RECIPES:
        raise ValueError(
            f"no training recipe {name!r}; there are {', '.join(sorted(RECIPES))}, or give the "
            "path of a .json file"
        )
    return RECIPES[name]()
