"""What the stages are told: flow, optimizers, lengths, rollouts, initialisation, distillation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from training.model.memory import Policy

Prediction = Literal["v", "x0", "residual", "warp"]


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
        betas: AdamW's.
        weight_decay: Decoupled.
        warmup_steps: Linear warm-up.
        decay_share: Share of all steps, at the end, over which the rate falls to 2 % linearly.
        clip_norm: Of the gradient.
        ema_decay: Of the averaged weights; smaller in the first steps.
        ema_start: Step before which the averaged weights are the weights.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: float
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    warmup_steps: int = 50
    decay_share: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    ema_start: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of a stage.

    Attributes:
        num_frames: Length of its windows, 4 n + 1.
        steps: How long it lasts.
    """

    num_frames: int
    steps: int

    def __post_init__(self):
        check_length(self.num_frames)
        if self.steps < 1:
            raise ValueError(f"a phase has at least one step, got {self.steps}")


def check_length(num_frames: int) -> None:
    """Refuse a window that is no whole number of latents.

    Raises:
        ValueError: If it is not 5, 9, 13, ...
    """
    if num_frames < 5 or num_frames % 4 != 1:
        raise ValueError(f"num_frames must be 5, 9, 13, ... (4 n + 1), got {num_frames}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutConfig:
    """How a student makes a video.

    Attributes:
        block: Latents that are made together; 3 in Self-Forcing. The last block may be shorter.
        levels: Noise level of every step; Self-Forcing's [1000, 750, 500, 250] shifted by 5.
        policy: What a block sees of those before it.
        noisy_context: The exit step itself enters the memory, without a clean pass: one evaluation
            fewer a block (Causal-rCM).
    """

    block: int = 3
    levels: tuple[float, ...] = (1.0, 15 / 16, 5 / 6, 5 / 8)
    policy: Policy = field(default_factory=Policy)
    noisy_context: bool = False

    def __post_init__(self):
        if self.block < 1:
            raise ValueError(f"a block has at least one latent, got {self.block}")
        falling = all(a > b for a, b in zip(self.levels, self.levels[1:], strict=False))
        if not self.levels or not falling or self.levels[0] > 1 or self.levels[-1] <= 0:
            raise ValueError(f"levels must fall from at most 1 and stay above 0, got {self.levels}")


@dataclass(frozen=True, kw_only=True, slots=True)
class OdeConfig:
    """The student's initialisation (RELIC sec. 4.4.1).

    Attributes:
        init: How it is taught. From the teacher's sampling paths, at the student's levels: "hybrid"
            is RELIC's (clean, compressed past and a noisy tail); "ode_bidir" is CausVid's (every
            block noisy); "ode_causal" is Causal Forcing's (a causal teacher's paths, clean past).
            From the data, at all levels: "tf" (teacher forcing), "df" (diffusion forcing).
        steps: Optimizer steps.
        batch: Windows per step over all processes.
        num_frames: Length of the windows.
        num_pairs: Paths that are made of the teacher.
        sampler_steps: Euler steps of a path; the student's levels must be among its levels.
        guidance: Of the paths, `x0_c + g (x0_c - x0_u)`: 1 + g in the usual convention.
        noisy_blocks: For "hybrid": blocks of the noisy tail.
        optim: See `OptimConfig`.
    """

    init: Literal["hybrid", "ode_bidir", "ode_causal", "tf", "df"] = "hybrid"
    steps: int
    batch: int
    num_frames: int
    num_pairs: int = 1500
    sampler_steps: int = 48
    guidance: float = 5.0
    noisy_blocks: int = 2
    optim: OptimConfig

    def __post_init__(self):
        check_length(self.num_frames)
        if min(self.steps, self.batch, self.num_pairs, self.noisy_blocks) < 1:
            raise ValueError("steps, batch, num_pairs and noisy_blocks must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class DmdConfig:
    """Distribution matching. Self-Forcing's numbers; RELIC names none.

    Attributes:
        guidance: g of the real score, `x0_c + g (x0_c - x0_u)`: 1 + g in the usual convention.
        shift: Of the noise levels at which the scores judge.
        lowest: Smallest of these levels.
        highest: Largest.
        critic_updates: Updates of the fake score for each of the student.
    """

    guidance: float = 3.0
    shift: float = 5.0
    lowest: float = 0.02
    highest: float = 0.98
    critic_updates: int = 5

    def __post_init__(self):
        if self.critic_updates < 1 or not 0 < self.lowest <= self.highest <= 1:
            raise ValueError(
                "critic_updates must be at least 1 and 0 < lowest <= highest <= 1, got "
                f"{self.critic_updates}, {self.lowest} and {self.highest}"
            )

    def trains_student(self, step: int) -> bool:
        """Whether step `step` (from 0) is the student's turn; all others are the fake score's."""
        return step % (self.critic_updates + 1) == self.critic_updates


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """Self-forcing distillation (RELIC sec. 4.4.2).

    Attributes:
        phases: Rollouts grow from phase to phase. A step is an update of the student or of the fake
            score.
        batch: Videos per step over all processes.
        exit: The step of a rollout whose result counts, one for all blocks and processes: "random",
            or all in turn ("cycled").
        replay: "truncated" is RELIC's; "through_cache" is back-propagation through time.
        keep_memories: Every block's memory stays until it is replayed, instead of one more pass a
            block. Needed through the cache.
        critic_init: Whose weights the fake score starts from.
        dmd: See `DmdConfig`.
        optim: Of the student.
        critic_optim: Of the fake score.
    """

    phases: tuple[Phase, ...]
    batch: int
    exit: Literal["random", "cycled"] = "random"
    replay: Literal["truncated", "through_cache"] = "truncated"
    keep_memories: bool = False
    critic_init: Literal["teacher", "student"] = "teacher"
    dmd: DmdConfig = field(default_factory=DmdConfig)
    optim: OptimConfig
    critic_optim: OptimConfig

    def __post_init__(self):
        if not self.phases or self.batch < 1:
            raise ValueError(
                f"distillation needs at least one phase and one video a step, got {self.phases} "
                f"and {self.batch}"
            )
        if self.replay == "through_cache" and not self.keep_memories:
            raise ValueError("replay through the cache needs keep_memories")

    @property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.steps for phase in self.phases)
