"""Does a model remember? Ways back, made by the model, where every pixel was shown before.

A student is given a rendered way out and goes on by itself on a path that comes back. What it
should show there is known, and what it was shown of it too: by the depth of the truth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from capture.camera import Intrinsics, invert
from capture.projection import project
from training import noise, sample
from training.clips import resize
from training.data import collate
from training.model.memory import Policy
from training.perceptual.lpips import Lpips
from training.rollout import stream
from training.run import CAUSAL, RunConfig
from training.sample import Sampler

# Depths that differ less, relatively, are of one surface.
_SAME = 0.05
_FAR_M = 1e4
_BATCH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Rendered clips that come back to what they have shown.

    Attributes:
        frames: uint8 [N, T, H, W, 3].
        depth_m: Planar, float32 [N, T, H, W].
        poses: cam_to_world, float64 [N, T, 4, 4].
        camera: Of all frames.
        given: Frames that a model is given, 4 n + 1.
    """

    frames: np.ndarray
    depth_m: np.ndarray
    poses: np.ndarray
    camera: Intrinsics
    given: int

    def seen(self) -> np.ndarray:
        """Which pixels of the later frames a given one shows, bool [N, T - given, H, W]."""
        pairs = zip(self.depth_m, self.poses, strict=True)
        return np.stack([covisible(d, p, self.camera, self.given) for d, p in pairs])

    def sized(self, height_px: int, width_px: int) -> Truth:
        """The same at another size."""
        count = len(self.frames)
        frames = resize(self.frames.reshape(-1, *self.frames.shape[2:]), height_px, width_px)
        depth_m = [
            cv2.resize(depth, (width_px, height_px), interpolation=cv2.INTER_NEAREST_EXACT)
            for depth in self.depth_m.reshape(-1, *self.depth_m.shape[2:])
        ]
        return dataclasses.replace(
            self,
            frames=frames.reshape(count, -1, *frames.shape[1:]),
            depth_m=np.stack(depth_m).reshape(count, -1, height_px, width_px),
            camera=self.camera.scaled(width_px, height_px),
        )


def require_student(run: Path) -> None:
    """Only what streams has a memory.

    Raises:
        ValueError: If the run is a teacher's.
    """
    stage = RunConfig.load(run).stage
    if stage not in CAUSAL:
        raise ValueError(
            f"{run} is a {stage}'s run, which makes whole windows and remembers nothing beyond "
            "them; revisits are measured of students (stages ode and distill)"
        )


def evaluate(
    run: Path, truth: Truth, captions: Sequence[str], lpips: Lpips | None = None
) -> dict[str, Any]:
    """Let a student make ways back.

    Args:
        run: Of a student.
        truth: At any size.
        captions: Of its clips.
        lpips: Measures that too.

    Returns:
        `scores` of "model"; of "window", the same model whose memory is its window alone, so that
        what it knows of the way out is gone; and of "codec", the truth through the codec.
    """
    require_student(run)
    sampler = Sampler.load(run)
    config = sampler.config.recipe
    truth = truth.sized(config.data.height_px, config.data.width_px)
    policy = config.rollout.policy
    policies = {"model": policy, "window": dataclasses.replace(policy, budget=0, sink=0)}
    made: dict[str, Any] = {"clips": len(truth.frames), "given_frames": truth.given}
    seen = truth.seen()
    for name, has in policies.items():
        made[name] = scores(ways_back(sampler, truth, captions, has), truth, seen, lpips)
    coded = sampler.codec.decode(sampler.codec.encode(torch.from_numpy(truth.frames)))
    return {**made, "codec": scores(coded.cpu().numpy(), truth, seen, lpips)}


@torch.no_grad()
def ways_back(
    sampler: Sampler, truth: Truth, captions: Sequence[str], policy: Policy
) -> np.ndarray:
    """Clips of which a student made all after the given frames, uint8 [N, T, H, W, 3].

    Args:
        sampler: The student.
        truth: At its size.
        captions: Of the clips.
        policy: Its memory.
    """
    recipe, codec, videos = sampler.config.recipe, sampler.codec, []
    recipe = dataclasses.replace(recipe, rollout=dataclasses.replace(recipe.rollout, policy=policy))
    device = next(sampler.model.parameters()).device
    for first in range(0, len(truth.frames), _BATCH):
        some = slice(first, first + _BATCH)
        paths = zip(truth.poses[some], captions[some], strict=True)
        signals = collate([sampler.describe(path, caption) for path, caption in paths])
        frames = torch.from_numpy(truth.frames[some]).to(device)
        begun = sample.begin(sampler.model, codec, recipe, frames[:, 0], signals.to(device))
        given = codec.encode(frames[:, : truth.given])
        draw = noise.generator(0, first, 0, device)
        made = torch.cat([record.x0 for record in stream(begun, draw, given=given)], dim=2)
        videos.append(codec.decode(made).cpu().numpy())
    return np.concatenate(videos)


def scores(
    made: np.ndarray, truth: Truth, seen: np.ndarray, lpips: Lpips | None = None
) -> dict[str, Any]:
    """Numbers of the frames that were not given.

    Args:
        made: uint8 [N, T, H, W, 3].
        truth: Of the same size.
        seen: `truth.seen()`.
        lpips: Measures that too.

    Returns:
        "covisible", the share of pixels that a given frame shows; on these "psnr_db", "ssim" and,
        if asked for, "lpips", means over the frames; "drift_db", the PSNR of each frame.
    """
    a, b = made[:, truth.given :], truth.frames[:, truth.given :]
    error = _mean(np.square(a.astype(np.float32) - b).mean(-1), seen)
    psnr_db = 10 * np.log10(255**2 / np.maximum(error, 1e-4))
    pairs = zip(a.reshape(-1, *a.shape[2:]), b.reshape(-1, *b.shape[2:]), strict=True)
    likeness = np.stack([ssim_map(x, y) for x, y in pairs]).reshape(seen.shape)
    found: dict[str, Any] = {
        "covisible": round(float(seen.mean()), 4),
        "psnr_db": round(float(psnr_db.mean()), 3),
        "ssim": round(float(_mean(likeness, seen).mean()), 4),
        "drift_db": [round(float(value), 2) for value in psnr_db.mean(0)],
    }
    if lpips is not None:
        apart = lpips.maps(a.reshape(-1, *a.shape[2:]), b.reshape(-1, *b.shape[2:]))
        found["lpips"] = round(float(_mean(apart.reshape(seen.shape), seen).mean()), 4)
    return found


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Of pixels that count, of every frame."""
    return (values * where).sum((-1, -2)) / np.maximum(where.sum((-1, -2)), 1)


def covisible(depth_m: np.ndarray, poses: np.ndarray, camera: Intrinsics, given: int) -> np.ndarray:
    """Which pixels of the later frames a given frame shows, bool [T - given, H, W].

    Args:
        depth_m: Planar, float32 [T, H, W].
        poses: cam_to_world, float64 [T, 4, 4].
        camera: Of all frames.
        given: Frames that count as seen.
    """
    depth_m = np.where(np.isfinite(depth_m), depth_m, np.float32(_FAR_M))
    seen = np.zeros((len(depth_m) - given, *depth_m.shape[1:]), dtype=bool)
    for mask, depth, pose in zip(seen, depth_m[given:], poses[given:], strict=True):
        for earlier, before in zip(depth_m[:given], poses[:given], strict=True):
            u, v, z, inside = project(depth, camera, invert(before) @ pose)
            # Nearest pixels, half a pixel over the border included.
            u, v = (np.where(inside, place, 0).round().astype(int) for place in (u, v))
            mask |= inside & (np.abs(earlier[v, u] - z) < _SAME * z)
    return seen


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity of luma, [H, W]: Gaussian window of sigma 1.5 (Wang et al. 2004)."""
    x, y = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float64) for i in (a, b))
    blur = [cv2.GaussianBlur(i, (11, 11), 1.5) for i in (x, y, x * x, y * y, x * y)]
    mx, my, sx, sy, sxy = blur
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mx * my + c1) * (2 * (sxy - mx * my) + c2)
    return top / ((mx**2 + my**2 + c1) * (sx - mx**2 + sy - my**2 + c2))
