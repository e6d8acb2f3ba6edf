"""Recipes: everything that decides a training run, as strict, frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from capture import config
from training.model.config import LoraConfig, ModelConfig, wan_1_3b, wan_14b
from training.model.memory import Policy
from training.parallel.config import ParallelConfig
from training.stages.config import (
    DistillConfig,
    DmdConfig,
    FlowConfig,
    OdeConfig,
    OptimConfig,
    Phase,
    RolloutConfig,
    check_length,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """How clips become batches.

    Attributes:
        height_px: Height to which frames are resized.
        width_px: Width to which frames are resized.
        num_frames: Length of a window, 4 n + 1; of the teacher's last phase.
        step_m: Metres of one unit of translation in actions and poses. None takes each window's own
            mean step, as RELIC does; a fixed step lets windows of different speed look different.
        rotation_gain: Factor on the rotations of the actions (degrees per frame); 1 in RELIC.
        mirror: Swap left and right in every second sample, labels recomputed.
        reverse: Play every second sample backwards, labels recomputed.
        palindrome: Share of samples that turn round at a frame after their middle and come back the
            way they came, labels recomputed (RELIC sec. 3).
        caption_dropout: Share of samples without their caption, so that none is needed later.
    """

    height_px: int
    width_px: int
    num_frames: int
    step_m: float | None = None
    rotation_gain: float = 1.0
    mirror: bool = False
    reverse: bool = False
    palindrome: float = 0.0
    caption_dropout: float = 0.1

    def __post_init__(self):
        check_length(self.num_frames)
        if not 0 <= self.palindrome <= 1:
            raise ValueError(f"palindrome is a probability, got {self.palindrome}")
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
        pretrained: Folder or Hugging Face name of a model in diffusers' format from whose `vae` the
            Wan autoencoder is loaded.
        decoder: Safetensors file of a tiny decoder that takes the Wan autoencoder's place in
            decoding; see `training.tiny_decoder`. Empty for none.
        fit_windows: Number of windows to which the linear codec is fitted.
    """

    kind: Literal["linear", "wan"] = "linear"
    channels: int = 32
    pretrained: str = ""
    decoder: str = ""
    fit_windows: int = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """How captions become vectors.

    Attributes:
        kind: "hash" is built in; "umt5" is Wan's encoder.
        pretrained: Folder or Hugging Face name of a model in diffusers' format from whose
            `text_encoder` and `tokenizer` umT5 is loaded.
    """

    kind: Literal["hash", "umt5"] = "hash"
    pretrained: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A training run: one name for all stages.

    Attributes:
        name: Name of the recipe.
        seed: Decides the initial weights and every batch.
        steps: Optimizer steps of the teacher.
        batch: Windows per step of the teacher over all processes.
        accumulation: Micro-batches that make up a step of any stage.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between validation videos; 0 for none.
        curriculum: Phases of the teacher before its last one, which is of `data.num_frames` and has
            the steps that are left.
        data: See `DataConfig`.
        codec: See `CodecConfig`.
        text: See `TextConfig`.
        model: See `ModelConfig`.
        lora: Train adapters of the transformer, not its weights; None trains all.
        flow: See `FlowConfig`.
        optim: Of the teacher; see `OptimConfig`.
        rollout: Of the student; see `RolloutConfig`.
        ode: See `OdeConfig`; None if the recipe has no such stage.
        distill: See `DistillConfig`; likewise.
        parallel: How many processes share the work; see `ParallelConfig`. It may change within a
            run.
    """

    name: str
    seed: int = 0
    steps: int
    batch: int
    accumulation: int = 1
    checkpoint_every: int = 100
    sample_every: int = 0
    curriculum: tuple[Phase, ...] = ()
    data: DataConfig
    codec: CodecConfig
    text: TextConfig = TextConfig()
    model: ModelConfig
    lora: LoraConfig | None = None
    flow: FlowConfig
    optim: OptimConfig
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    ode: OdeConfig | None = None
    distill: DistillConfig | None = None
    parallel: ParallelConfig = field(default_factory=ParallelConfig)

    def __post_init__(self):
        batches = [self.batch, *(s.batch for s in (self.ode, self.distill) if s is not None)]
        if self.accumulation < 1 or any(batch % self.accumulation for batch in batches):
            raise ValueError(
                f"every batch must be a multiple of accumulation, got {batches} and "
                f"{self.accumulation}"
            )
        if sum(phase.steps for phase in self.curriculum) >= self.steps:
            raise ValueError(
                f"the curriculum leaves no step of {self.steps} for windows of "
                f"{self.data.num_frames} frames; shorten it or raise steps"
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All of the teacher's."""
        left = self.steps - sum(phase.steps for phase in self.curriculum)
        return (*self.curriculum, Phase(num_frames=self.data.num_frames, steps=left))


def tiny() -> Recipe:
    """Follows actions after minutes on two CPU cores; see docs/training.md for the departures."""
    return Recipe(
        name="tiny",
        steps=300,
        batch=8,
        sample_every=100,
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
        # Blocks of one latent: four blocks in a window. 12/13 is 1/2 shifted by 12.
        rollout=RolloutConfig(block=1, levels=(1.0, 12 / 13), policy=Policy(window=2)),
        ode=OdeConfig(
            steps=200,
            batch=8,
            num_frames=13,
            num_pairs=128,
            sampler_steps=4,
            guidance=0.0,
            optim=OptimConfig(kind="muon", lr=1e-3, decay_share=0.4),
        ),
        distill=DistillConfig(
            phases=(Phase(num_frames=9, steps=60), Phase(num_frames=13, steps=120)),
            batch=8,
            dmd=DmdConfig(guidance=0.0, shift=12.0),
            optim=OptimConfig(lr=1e-4, betas=(0.0, 0.999), ema_decay=0.9),
            critic_optim=OptimConfig(lr=2e-4, betas=(0.0, 0.999)),
        ),
    )


def small() -> Recipe:
    """RELIC's conditioning without departures, Wan's codec, 5 s clips. Not yet run: needs a GPU."""
    return Recipe(
        name="small",
        steps=5000,
        batch=64,
        checkpoint_every=250,
        sample_every=1000,
        data=DataConfig(height_px=480, width_px=832, num_frames=81, palindrome=0.2),
        codec=CodecConfig(kind="wan", channels=16, pretrained="Wan-AI/Wan2.1-T2V-1.3B-Diffusers"),
        model=ModelConfig(heads=8, head_dim=64, layers=12, ffn_dim=2048, freq_dim=256),
        flow=FlowConfig(),
        optim=OptimConfig(lr=1e-4, warmup_steps=200, ema_decay=0.999),
        ode=_ode(lr=2e-5),
        distill=_distill((81,), lr=2e-5, critic_lr=4e-6),
        parallel=ParallelConfig(dtype="bf16", checkpointing=True),
    )


def relic_1_3b() -> Recipe:
    """RELIC's numbers on Wan 2.1 1.3B. Not yet run: needs GPUs and downloads."""
    return _relic("1.3b", wan_1_3b(), "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", context=4)


def relic_14b() -> Recipe:
    """RELIC: Wan 2.1 14B for teacher, student and scores. Not yet run: needs GPUs and downloads."""
    return _relic("14b", wan_14b(), "Wan-AI/Wan2.1-T2V-14B-Diffusers", context=8)


def _relic(name: str, model: ModelConfig, pretrained: str, *, context: int) -> Recipe:
    return Recipe(
        name=name,
        # RELIC sec. 4.2: 5 s for 5,000 steps, 10 s for 1,000, 20 s for 4,000. Its batch and rates
        # are not published; these are Self-Forcing's, as everywhere below.
        steps=10_000,
        curriculum=(Phase(num_frames=81, steps=5000), Phase(num_frames=161, steps=1000)),
        batch=64,
        # One window at a time on RELIC's 32 GPUs, `context` of which share it.
        accumulation=64 // (32 // context),
        checkpoint_every=250,
        sample_every=500,
        # RELIC sec. 3 has palindromes without their share; 0.2 is ReWorld's.
        data=DataConfig(height_px=480, width_px=832, num_frames=317, palindrome=0.2),
        codec=CodecConfig(kind="wan", channels=16, pretrained=pretrained),
        text=TextConfig(kind="umt5", pretrained=pretrained),
        # RELIC has YaRN without its factor; this is 20 s over Wan's 5 s.
        model=replace(model, pretrained=pretrained, yarn_factor=80 / 21),
        flow=FlowConfig(),
        optim=_self_forcing(2e-6),
        ode=_ode(lr=2e-6),
        distill=_distill((81, 161, 317), lr=2e-6, critic_lr=4e-7),
        # Whole gradients of 14 B weights would not fit beside gathered ones: every block sends.
        parallel=ParallelConfig(
            shard=0, context=context, dtype="bf16", checkpointing=True, exchange="every"
        ),
    )


def _self_forcing(lr: float, *, ema_start: int = 0) -> OptimConfig:
    return OptimConfig(
        lr=lr,
        betas=(0.0, 0.999),
        weight_decay=0.01,
        warmup_steps=0,
        clip_norm=10.0,
        ema_decay=0.99,
        ema_start=ema_start,
    )


def _ode(*, lr: float) -> OdeConfig:
    """Paths: CausVid's 48 Euler steps, Self-Forcing's 1,500; length and steps are our choice."""
    return OdeConfig(steps=3000, batch=64, num_frames=81, optim=_self_forcing(lr))


def _distill(lengths: tuple[int, ...], *, lr: float, critic_lr: float) -> DistillConfig:
    """RELIC sec. 4.4: 5 s for 250 iterations, 10 s for 150, 20 s for 150.

    We take its iterations for Self-Forcing's: each updates the fake score, every fifth the student
    too. Our steps are one update each: 300, 180 and 180. Likewise the average starts at 200
    iterations, our step 240.
    """
    steps = {81: 300, 161: 180, 317: 180}
    return DistillConfig(
        phases=tuple(Phase(num_frames=length, steps=steps[length]) for length in lengths),
        batch=64,
        optim=_self_forcing(lr, ema_start=240),
        critic_optim=_self_forcing(critic_lr),
    )


RECIPES = {"tiny": tiny, "small": small, "1.3b": relic_1_3b, "14b": relic_14b}


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
