"""Do the student's two stages improve it? A world whose unseen part has a known distribution.

    python tests/benchmarks/bench_student.py FOLDER

The camera turns in a wheel of twelve sectors, each of one of two colours by a fair coin. The first
frame shows three or four of them; the others come into view one by one. What has been seen is
certain. What has not can only be guessed, and a guess is right if it is either colour: a mixture of
both is the mean over what could be, which no model of the distribution would show.
FOLDER keeps the runs: the same command again goes on, and prints the table from what is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from turning import Turning, small_data, small_model

from capture.camera import Intrinsics, pose_from_angles
from training.data import collate
from training.model.memory import Policy
from training.recipes import CodecConfig, Recipe
from training.sample import Sampler
from training.stages import distill, ode, teacher
from training.stages.config import (
    DistillConfig,
    DmdConfig,
    FlowConfig,
    OdeConfig,
    OptimConfig,
    Phase,
    RolloutConfig,
)

HEIGHT, WIDTH = 32, 48
CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 90.0)
SECTORS, SECTOR_DEG, EDGE_DEG = 12, 30.0, 6.0
COLOURS = np.array([[60.0, 80.0, 160.0], [210.0, 150.0, 70.0]])
TRAINED, TESTED = 25, 49  # frames: the teacher's window, and rollouts of twice that
QUARTERS = 4


def bearings_deg(fine: int) -> np.ndarray:
    """Degrees to the right of the optical axis, of `fine` places in every column."""
    x = (np.arange(fine * WIDTH) + 0.5) / fine
    return np.degrees(np.arctan2(x - CAMERA.cx_px, CAMERA.fx_px))


@dataclass(frozen=True, kw_only=True)
class Wheels(Turning):
    """Turns in wheels: headings in degrees [N, T], and the sectors' colours, 0 or 1, [N, 12]."""

    yaw_deg: np.ndarray
    worlds: np.ndarray
    camera: Intrinsics = CAMERA

    @classmethod
    def make(cls, count: int, num_frames: int, seed: int) -> Wheels:
        """Turns of 4 to 8 degrees a frame, to either side."""
        rng = np.random.default_rng(seed)
        rate = rng.uniform(4, 8, count) * rng.choice([-1, 1], count)
        start = rng.uniform(0, 360, count)
        yaw_deg = start[:, None] + rate[:, None] * np.arange(num_frames)
        return cls(yaw_deg=yaw_deg, worlds=rng.integers(0, 2, (count, SECTORS)))

    @functools.cached_property
    def paths(self) -> np.ndarray:
        return pose_from_angles(np.zeros((*self.yaw_deg.shape, 3)), self.yaw_deg, self.yaw_deg * 0)

    def shown(self, i: int, start: int, stop: int) -> np.ndarray:
        colours = self.worlds[i, sectors(self.yaw_deg[i, start:stop], fine=4)[0]]
        line = COLOURS[colours].reshape(-1, WIDTH, 4, 3).mean(2).round().astype(np.uint8)
        return np.repeat(line[:, None], HEIGHT, axis=1)


def sectors(yaw_deg: np.ndarray, fine: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Sector that every column [..., WIDTH * fine] shows, and whether it is well inside of it."""
    azimuth_deg = (yaw_deg[..., None] - bearings_deg(fine)) % 360
    inside = np.abs(azimuth_deg % SECTOR_DEG - SECTOR_DEG / 2) < SECTOR_DEG / 2 - EDGE_DEG
    return (azimuth_deg // SECTOR_DEG).astype(int), inside


def recipe(seed: int) -> Recipe:
    """0.6 million weights; all three stages in some ten minutes of one core."""
    return Recipe(
        name="wheel",
        seed=seed,
        steps=1000,
        batch=16,
        checkpoint_every=500,
        data=small_data(CAMERA, TRAINED),
        codec=CodecConfig(channels=12, fit_windows=200),
        model=small_model(),
        flow=FlowConfig(prediction="x0", shift=3.0, min_sigma=0.05, sampler_steps=16),
        optim=OptimConfig(kind="muon", lr=4e-3, decay_share=0.4),
        # 3/4 is 1/2 shifted by 3.
        rollout=RolloutConfig(block=1, levels=(1.0, 0.75), policy=Policy(window=2)),
        ode=OdeConfig(
            steps=200,
            batch=16,
            num_frames=TRAINED,
            num_pairs=256,
            sampler_steps=16,
            guidance=0.0,
            optim=OptimConfig(kind="muon", lr=1e-3, decay_share=0.4),
        ),
        distill=DistillConfig(
            phases=(Phase(num_frames=13, steps=48), Phase(num_frames=TRAINED, steps=96)),
            batch=16,
            dmd=DmdConfig(guidance=0.0, shift=3.0, critic_updates=3),
            optim=OptimConfig(lr=3e-4, betas=(0.0, 0.999), ema_decay=0.9),
            critic_optim=OptimConfig(lr=4e-4, betas=(0.0, 0.999)),
        ),
    )


def videos(sampler: Sampler, data: Wheels, steps: int | None, seed: int) -> np.ndarray:
    """What a model makes of first frames and paths, uint8 [N, T, H, W, 3]."""
    clips = [data.clip(i) for i in range(len(data))]
    told = collate([sampler.describe(c.trajectory.cam_to_world, "") for c in clips])
    return sampler.window(np.stack([c.frames[0] for c in clips]), told, steps=steps, seed=seed)


def tint(frames: np.ndarray) -> np.ndarray:
    """How far columns are from the first colour to the second, [N, T, WIDTH] in [0, 1]."""
    line, axis = frames.mean(2, dtype=np.float64), COLOURS[1] - COLOURS[0]
    return ((line - COLOURS[0]) @ axis / (axis @ axis)).clip(0, 1)


def scores(made: np.ndarray, other: np.ndarray, data: Wheels) -> dict[str, float | list]:
    """How right videos are in what is certain, and in what is a coin's.

    Args:
        made: uint8 [N, T, H, W, 3].
        other: The same with another seed.
        data: The turns, of the same length.

    Returns:
        "seen_db": PSNR of the first frame's sectors, in the trained length; "crps": of the tints a
        of new sectors, E|a - truth| - E|a - a'|/2 with the other seed's a': 0.25 for fair coins,
        0.5 for one guess whatever the seed, and for the mean; "undecided": `4 a (1 - a)` there, 0
        for either colour, 1 for their mean; both in quarters of the time; "coin": share of new
        sectors that the other seed colours differently, 0.5 for fair coins; "torn": how much of a
        new sector has another colour than most of it.
    """
    sector, inside = sectors(data.yaw_deg)
    shown = np.stack([np.isin(s, s[0]) for s in sector])
    real = np.stack([data.clip(i).frames for i in range(len(data))])
    error = np.square(made.astype(np.float64) - real).mean((2, 4))
    near, new = slice(1, TRAINED), inside & ~shown
    a, b, truth = tint(made), tint(other), tint(real)
    crps = (np.abs(a - truth) + np.abs(b - truth) - np.abs(a - b)) / 2
    torn, coin = [], []
    for i in range(len(data)):
        for s in np.unique(sector[i][new[i]]):
            one, two = ((v[i][(sector[i] == s) & new[i]] > 0.5).mean() for v in (a, b))
            torn.append(min(one, 1 - one))
            coin.append((one > 0.5) != (two > 0.5))
    return {
        "seen_db": 10 * np.log10(255**2 / error[:, near][shown[:, near]].mean()),
        "crps": by_quarters(crps, new),
        "undecided": by_quarters(4 * a * (1 - a), new),
        "coin": float(np.mean(coin)),
        "torn": float(np.mean(torn)),
    }


def by_quarters(values: np.ndarray, where: np.ndarray) -> list[float]:
    """Means over quarters of the frames after the first, of values [N, T, WIDTH] that count."""
    parts = zip(*(np.array_split(v[:, 1:], QUARTERS, axis=1) for v in (values, where)), strict=True)
    return [float(part[counts].mean()) for part, counts in parts]


def train(folder: Path, seed: int) -> dict[str, Path]:
    """All runs of a seed, or what is missing of them."""
    wanted, data = recipe(seed), Wheels.make(1000, TRAINED, seed)
    runs = {name: folder / f"{name}-{seed}" for name in ("teacher", "ode", "distill", "no-ode")}
    teacher.train(data, wanted, runs["teacher"])
    ode.train(data, wanted, runs["ode"], teacher=runs["teacher"])
    for name, student in (("distill", runs["ode"]), ("no-ode", None)):
        distill.train(data, wanted, runs[name], teacher=runs["teacher"], student=student)
    return runs


def rows(runs: dict[str, Path]) -> list[tuple[str, Sampler, int | None, int]]:
    """Name, model, its steps, and the length of its videos in frames."""
    judge = Sampler.load(runs["teacher"])
    config = dataclasses.replace(judge.config, stage="distill")
    models = {
        "teacher's weights, not trained further": dataclasses.replace(judge, config=config),
        "after `ode`": Sampler.load(runs["ode"]),
        "after `ode` and `distill`": Sampler.load(runs["distill"]),
        "after `distill` alone": Sampler.load(runs["no-ode"]),
    }
    return [
        *((f"teacher, {steps} steps, all at once", judge, steps, TRAINED) for steps in (16, 2)),
        *((f"student, 2 steps: {name}", model, None, TESTED) for name, model in models.items()),
    ]


def table(runs: dict[str, Path], count: int) -> str:
    """The scores of all models on turns that none has seen, in Markdown."""
    lines = [
        "| | seen, dB | CRPS by quarters | undecided by quarters | coin | torn |",
        "|---|---|---|---|---|---|",
    ]
    data = Wheels.make(count, TESTED, 99)
    codec = Sampler.load(runs["teacher"]).codec
    real = torch.from_numpy(np.stack([data.clip(i).frames for i in range(count)]))
    coded = codec.decode(codec.encode(real)).numpy()
    lines.append(line("truth through the codec", scores(coded, coded, data)))
    for name, sampler, steps, length in rows(runs):
        part = dataclasses.replace(data, yaw_deg=data.yaw_deg[:, :length])
        made = [videos(sampler, part, steps, seed) for seed in (0, 1)]
        lines.append(line(name, scores(*made, part)))
    return "\n".join(lines)


def line(name: str, found: dict) -> str:
    crps, undecided = (" ".join(f"{v:.2f}" for v in found[k]) for k in ("crps", "undecided"))
    return (
        f"| {name} | {found['seen_db']:.1f} | {crps} | {undecided} | {found['coin']:.2f} | "
        f"{found['torn']:.2f} |"
    )


def main() -> None:
    """Run what is missing and print a table a seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--videos", type=int, default=64)
    options = parser.parse_args()
    for seed in options.seeds:
        runs = train(options.folder, seed)
        print(f"seed {seed}\n\n{table(runs, options.videos)}\n", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
