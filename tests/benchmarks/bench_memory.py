"""Does memory work? Rendered turns that come back to what they have shown, with and without memory.

    python tests/benchmarks/bench_memory.py FOLDER [--only NAME ...] [--seeds N ...] [--no-training]

A causal model of half a million weights learns, by teacher forcing, turns of 25 frames (7 latents)
in six apartments. Two apartments that it never saw test it: it is given the way out and makes the
way back, latent by latent. Every pixel of the way back was shown before, so what it gets right is
what it remembers. FOLDER keeps the rendered frames, the weights, and the numbers of every run: the
same command again goes on, `--only` and `--seeds` add runs, and the table at the end is made of all
that are there. Scoring is a step of its own: without `*.scores.json` it is done again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import memory_scores
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from turning import Turning, small_data, small_model

from capture.camera import Intrinsics, pose_from_angles
from capture.engine import raster, scenes
from capture.navigation import free_space, sample_triangles
from capture.planner.walks import random_cell
from training import loop, noise, revisit
from training.autoencoder import LinearCodec
from training.data import Windows
from training.model.memory import Policy
from training.model.wan import WorldModel
from training.noise import Purpose
from training.perceptual.lpips import Lpips
from training.recipes import CodecConfig, Recipe
from training.run import RunConfig
from training.sample import Sampler
from training.stages import ode
from training.stages.config import FlowConfig, OdeConfig, OptimConfig, RolloutConfig

FRAMES, HEIGHT, WIDTH = 25, 48, 80
GIVEN = {"back": 4, "loop": 6}  # latents of the way out, and all but the last of a round
TRAIN_SEEDS, TEST_SEEDS = range(2, 8), range(2)
TRAIN_PLACES, TEST_PLACES = 40, 12
CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 90.0)
THROUGH = " through the codec"
COLUMNS = {
    "dB": lambda said: said["psnr_db"],
    "SSIM": lambda said: said["ssim"],
    "LPIPS": lambda said: said.get("lpips"),
    "last frame, dB": lambda said: said["drift_db"][-1],
    "in place": lambda said: said["in_place"],
    "poses found": lambda said: said["following"]["recovered"],
}
NO_MEMORY = Policy(window=1, budget=0)
RELIC = Policy(window=1)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What one model is given.

    Attributes:
        about: For the table.
        policy: Its memory.
        camera: How the pose enters Q and K.
        revisits: Train on ways back and rounds too, not on one-way turns alone.
        palindrome: Share of training clips that are turned into ways back.
    """

    about: str
    policy: Policy = RELIC
    camera: str = "token"
    revisits: bool = True
    palindrome: float = 0.0


VARIANTS = {
    "none": Variant(about="no memory", policy=NO_MEMORY),
    "sink": Variant(about="first latent kept", policy=Policy(window=1, budget=0, sink=1)),
    "relic": Variant(about="RELIC's S"),
    "full": Variant(about="uncompressed", policy=Policy(window=1, schedule=(1,))),
    "frame-pose": Variant(about="RELIC's S, one pose per frame on Q, K", camera="relic"),
    "no-pose": Variant(about="RELIC's S, no pose on Q, K", camera="none"),
    "one-way": Variant(about="RELIC's S, trained without revisits", revisits=False),
    "palindromes": Variant(
        about="RELIC's S, revisits by palindromes alone", revisits=False, palindrome=0.5
    ),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A variant with a seed."""

    name: str
    seed: int
    steps: int

    def path(self, folder: Path, kind: str) -> Path:
        """One of its files."""
        return folder / f"{self.name}-{self.seed}-{self.steps}.{kind}"


@dataclass(frozen=True, kw_only=True)
class Turns(Turning):
    """Rendered clips in memory: frames uint8 [N, T, H, W, 3] and poses float64 [N, T, 4, 4]."""

    frames: np.ndarray
    poses: np.ndarray
    camera: Intrinsics = CAMERA

    @property
    def paths(self) -> np.ndarray:
        return self.poses

    def shown(self, i: int, start: int, stop: int) -> np.ndarray:
        return self.frames[i, start:stop]


def headings(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Degrees [T]: one way at 6 to 11 a frame; there and back; or once round."""
    way = np.arange(FRAMES) * rng.uniform(6.0, 11.0)
    if kind == "back":
        way = np.minimum(way, way[::-1])
    if kind == "loop":
        way = np.linspace(0.0, 360.0, FRAMES)
    return rng.uniform(0.0, 360.0) + rng.choice([-1, 1]) * way


def render(kind: str, seeds: range, places: int) -> Turns:
    """Turns at random places of apartments."""
    frames, poses = [], []
    twice = Intrinsics.from_fov(2 * WIDTH, 2 * HEIGHT, 90.0)
    for seed in seeds:
        world = scenes.build("apartment", seed)
        renderer = raster.Renderer(world, 1)
        surface = sample_triangles(world.triangles_m(), world.scene.bounds_m)
        space = free_space(surface, world.scene.bounds_m, world.spawn_m, min_clearance_m=0.35)
        rng = np.random.default_rng([seed, sorted(["way", *GIVEN]).index(kind)])
        for _ in range(places):
            place = np.tile(random_cell(space, rng, 0.6), (FRAMES, 1))
            path = pose_from_angles(place, headings(kind, rng), np.full(FRAMES, -4.0))
            shown = [renderer.render(pose, twice, outputs=("lit",)).rgb for pose in path]
            size = (WIDTH, HEIGHT)
            frames.append([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in shown])
            poses.append(path)
    return Turns(frames=np.array(frames), poses=np.array(poses))


def turns(folder: Path, split: str, kind: str) -> Turns:
    """The same, rendered once."""
    path = folder / f"{split}-{kind}.npz"
    if not path.is_file():
        seeds, places = (
            (TRAIN_SEEDS, TRAIN_PLACES) if split == "train" else (TEST_SEEDS, TEST_PLACES)
        )
        made = render(kind, seeds, places)
        np.savez(path, frames=made.frames, poses=made.poses)
    with np.load(path) as stored:
        return Turns(frames=stored["frames"], poses=stored["poses"])


def depths(folder: Path, kind: str) -> np.ndarray:
    """Of the test's turns, rendered once: float32 [N, T, H, W]."""
    path = folder / f"test-{kind}-depth.npz"
    if not path.is_file():
        poses, made = turns(folder, "test", kind).poses, []
        for n, seed in enumerate(TEST_SEEDS):
            renderer = raster.Renderer(scenes.build("apartment", seed), 1)
            for way in poses[n * TEST_PLACES : (n + 1) * TEST_PLACES]:
                frames = [renderer.render(pose, CAMERA, outputs=("depth",)) for pose in way]
                made.append([frame.depth_m for frame in frames])
        np.savez(path, depth_m=np.array(made))
    with np.load(path) as stored:
        return stored["depth_m"]


def recipe(variant: Variant, seed: int, steps: int) -> Recipe:
    """What trains a variant: everything but the variant's own fields is the same for all."""
    return Recipe(
        name="memory",
        seed=seed,
        steps=steps,
        batch=8,
        data=small_data(CAMERA, FRAMES, mirror=True, palindrome=variant.palindrome),
        codec=CodecConfig(),
        model=small_model(layers=3, camera=variant.camera),
        flow=FlowConfig(prediction="x0", shift=6.0, min_sigma=0.05),
        optim=OptimConfig(kind="muon", lr=4e-3, decay_share=0.4),
        rollout=RolloutConfig(block=1, levels=(1.0, 0.8), policy=variant.policy),
        ode=OdeConfig(
            init="tf", steps=steps, batch=8, num_frames=FRAMES, optim=OptimConfig(lr=4e-3)
        ),
    )


def train(wanted: Recipe, data: Turns) -> tuple[WorldModel, LinearCodec, float]:
    """Teacher forcing, as `relickit train ode` with the init "tf"; the model, codec, last loss."""
    windows = Windows(data, wanted)
    codec = LinearCodec.fit(windows.sample(200), wanted.codec.channels)
    torch.manual_seed(wanted.seed)
    model = WorldModel(wanted.model, codec.channels, wanted.flow)
    optimizers = loop.optimizers(model, wanted.optim)
    assert wanted.ode is not None
    losses, device = [], torch.device("cpu")
    for step in range(wanted.steps):
        batch = windows.batch(step)
        draw = noise.generators(wanted.seed, batch.numbers, Purpose.FLOW, device)
        lesson = ode.from_data(codec.encode(batch.frames), wanted, draw)
        loss = ode.errors(model, lesson, batch.signals, wanted, wanted.ode).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), wanted.optim.clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = wanted.optim.lr * loop.rate(wanted.optim, step, wanted.steps)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return model.eval(), codec, float(np.mean(losses[-100:]))


def training_data(folder: Path, variant: Variant) -> Turns:
    """All turns that a variant learns from."""
    kinds = ("way", *GIVEN) if variant.revisits else ("way",)
    parts = [turns(folder, "train", kind) for kind in kinds]
    return Turns(
        frames=np.concatenate([p.frames for p in parts]),
        poses=np.concatenate([p.poses for p in parts]),
    )


def learn(folder: Path, run: Run) -> None:
    """Train a run and keep its model and codec."""
    start, variant = time.perf_counter(), VARIANTS[run.name]
    wanted = recipe(variant, run.seed, run.steps)
    model, codec, loss = train(wanted, training_data(folder, variant))
    codec.save(run.path(folder, "codec.safetensors"))
    save_file(model.state_dict(), run.path(folder, "safetensors"))
    print(run, f"loss {loss:.4f}, {time.perf_counter() - start:.0f} s", flush=True)


def trained(folder: Path, run: Run) -> Sampler:
    """A run's model and codec."""
    wanted = recipe(VARIANTS[run.name], run.seed, run.steps)
    codec = LinearCodec.load(run.path(folder, "codec.safetensors"))
    model = WorldModel(wanted.model, codec.channels, wanted.flow)
    model.load_state_dict(load_file(run.path(folder, "safetensors")))
    config = RunConfig(recipe=wanted, manifest_sha="", intrinsics=CAMERA, stage="ode")
    return Sampler(config=config, codec=codec, model=model.eval())


def score(folder: Path, run: Run, clips: int | None, lpips: Lpips | None) -> dict:
    """Let a trained run make the ways back and the ends of the rounds."""
    sampler, result = trained(folder, run), {}
    for kind, given in GIVEN.items():
        test = turns(folder, "test", kind)
        truth = revisit.Truth(
            frames=test.frames[:clips],
            depth_m=depths(folder, kind)[:clips],
            poses=test.poses[:clips],
            camera=CAMERA,
            given=4 * given - 3,
        )
        coded = sampler.codec.encode(torch.from_numpy(truth.frames))
        policy = sampler.config.recipe.rollout.policy
        videos = {
            kind: revisit.ways_back(sampler, truth, [""] * len(truth.frames), policy),
            kind + THROUGH: sampler.codec.decode(coded).numpy(),
        }
        for name, made in videos.items():
            result[name] = memory_scores.scores(made, truth, lpips)
    return result


def main() -> None:
    """Train what is missing, score what is trained, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--no-training", action="store_true", help="score what has been trained")
    parser.add_argument("--clips", type=int, help="score the first ones of each kind alone")
    parser.add_argument("--lpips", type=Path, help="torchvision's AlexNet, for LPIPS as well")
    options = parser.parse_args()
    lpips = Lpips.load(options.lpips) if options.lpips else None
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for name in options.only:
            run = Run(name=name, seed=seed, steps=options.steps)
            if not (run.path(folder, "safetensors").is_file() or options.no_training):
                learn(folder, run)
            trained = run.path(folder, "safetensors").is_file()
            if trained and not run.path(folder, "scores.json").is_file():
                found = score(folder, run, options.clips, lpips)
                run.path(folder, "scores.json").write_text(json.dumps(found))
    print(table(folder, options.steps))


def table(folder: Path, steps: int) -> str:
    """Mean and half the spread over the seeds of every variant, in Markdown."""
    columns = [f"{kind}: {name}" for kind in GIVEN for name in COLUMNS]
    lines = [f"| | seeds | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 2)}"]
    through = []
    for name, variant in VARIANTS.items():
        files = sorted(folder.glob(f"{name}-[0-9]*-{steps}.scores.json"))
        runs = [json.loads(path.read_text()) for path in files]
        through += runs
        if runs:
            lines.append(f"| {variant.about} | {len(runs)} | {_cells(runs, '')} |")
    if through:
        lines.append(f"| truth through the codec | | {_cells(through, THROUGH)} |")
    return "\n".join(lines)


def _cells(runs: list[dict], what: str) -> str:
    cells = []
    for kind in GIVEN:
        for read in COLUMNS.values():
            values = [value for run in runs if (value := read(run[kind + what])) is not None]
            spread = f" ± {np.ptp(values) / 2:.2f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.2f}{spread}" if values else "-")
    return " | ".join(cells)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
