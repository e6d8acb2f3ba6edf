"""Does the model go where it is told? Signs, size of motion and PSNR against ground truth."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from capture import files
from capture.camera import Intrinsics
from capture.scripted import COMMANDS
from curation import following
from training import validation, warp
from training.clips import resize
from training.data import collate
from training.perceptual.lpips import Lpips
from training.run import RunConfig
from training.sample import Sampler, without_motion

# A pan to the left moves the picture to the right; a dolly in spreads it.
_SIGN = {"pan_left": 1.0, "pan_right": -1.0, "dolly_in": 1.0, "dolly_out": -1.0}
_BATCH = 16
# Frames between the pictures that are compared: keyframes are stricter than neighbours.
_GAP = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What ground truth must look like for a run: length in frames, and the camera."""

    num_frames: int
    intrinsics: Intrinsics


def needs(run: Path) -> Needs:
    """What to render for `evaluate`."""
    config = RunConfig.load(run)
    return Needs(num_frames=config.recipe.data.num_frames, intrinsics=config.intrinsics)


def evaluate(
    run: Path,
    *,
    frames: np.ndarray,
    poses: np.ndarray,
    depth_m: np.ndarray | None = None,
    name: str = "",
    captions: Sequence[str] | None = None,
    fps: float = 16.0,
    lpips: Lpips | None = None,
) -> Path:
    """Measure a run; write evaluation.json and videos beside the ground truth into its folder.

    Each number stands for the model, for the same model told to stand still ("no_actions"), for the
    codec alone and for repeating the first frame; where the recipe gives the model the first frame
    warped to assumed depths, also for their geometric mean without any model ("plane").
    With depth, "following" says where the frames of the model and of the codec were taken from, by
    `curation.following`, every fourth frame.

    Args:
        run: The run folder.
        frames: Ground truth uint8 [N, 4, T, H, W, 3], in the order of `COMMANDS`, of the camera and
            at least the length of `needs`.
        poses: cam_to_world, float64 [N, 4, T, 4, 4].
        depth_m: Planar depth of the first M positions, float32 [M, 4, T, H, W].
        name: Of the place; goes into the report.
        captions: N captions of the first frames; none by default.
        fps: Of the videos.
        lpips: Measures that too.

    Returns:
        Path of evaluation.json.

    Raises:
        ValueError: If the ground truth has another shape.
    """
    sampler = Sampler.load(run)
    config, length = sampler.config.recipe, sampler.config.recipe.data.num_frames
    told = captions or [""] * len(frames)
    _require_truth(frames, poses, told, length)
    real = _sized(frames[:, :, :length], config.data.height_px, config.data.width_px)
    paths = poses[:, :, :length].reshape(-1, length, 4, 4)
    videos = _videos(sampler, real, paths, [c for c in told for _ in COMMANDS])
    result: dict[str, Any] = {
        "name": name,
        "positions": len(frames),
        "sampler_steps": config.flow.sampler_steps,
        "truth": _summary(real, real),
    }
    result |= {kind: _summary(video, real, lpips) for kind, video in videos.items()}
    if depth_m is not None:
        depths_m = depth_m.reshape(-1, *depth_m.shape[2:])
        camera = sampler.config.intrinsics
        for kind in ("model", "codec"):
            result[kind]["following"] = _followed(videos[kind], real, depths_m, paths, camera)
    _write_videos(run / "samples", real, videos["model"], fps)
    files.write_json(run / "evaluation.json", result)
    return run / "evaluation.json"


def _sized(frames: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Frames [N, 4, T, H, W, 3] as videos [4 N, T, height_px, width_px, 3]."""
    shown = resize(frames.reshape(-1, *frames.shape[3:]), height_px, width_px)
    return shown.reshape(-1, frames.shape[2], *shown.shape[1:])


def _require_truth(
    frames: np.ndarray, poses: np.ndarray, captions: Sequence[str], length: int
) -> None:
    fits = frames.ndim == 6 and frames.shape[1] == len(COMMANDS) and frames.shape[2] >= length
    if not fits or poses.shape != (*frames.shape[:3], 4, 4):
        raise ValueError(
            f"ground truth needs frames [N, {len(COMMANDS)}, {length} or more, H, W, 3] and as "
            f"many poses, got {list(frames.shape)} and {list(poses.shape)}"
        )
    if len(captions) != len(frames):
        raise ValueError(f"expected {len(frames)} captions, got {len(captions)}")


def _videos(
    sampler: Sampler, real: np.ndarray, paths: np.ndarray, captions: list[str]
) -> dict[str, np.ndarray]:
    """What is compared with the ground truth, each [N, T, H, W, 3]."""
    depths_m = sampler.config.recipe.flow.warp_depths_m
    parts: dict[str, list[np.ndarray]] = defaultdict(list)
    for first in range(0, len(real), _BATCH):
        chunk = real[first : first + _BATCH]
        told = collate(
            [
                sampler.describe(paths[place], captions[place])
                for place in range(first, first + len(chunk))
            ]
        )
        for kind, signals in (("model", told), ("no_actions", without_motion(told))):
            parts[kind].append(sampler.window(chunk[:, 0], signals, seed=first))
        codes = {"codec": sampler.codec.encode(torch.from_numpy(chunk))}
        if depths_m:
            middle_m = math.prod(depths_m) ** (1 / len(depths_m))
            views = warp.views(torch.from_numpy(chunk[:, 0].copy()), told, (middle_m,))
            codes["plane"] = sampler.codec.encode(views[:, 0])
        for kind, code in codes.items():
            parts[kind].append(sampler.codec.decode(code).numpy())
    videos = {kind: np.concatenate(some) for kind, some in parts.items()}
    return videos | {"repeat": np.repeat(real[:, :1], real.shape[1], axis=1)}


def motion(frames: np.ndarray, gap: int) -> tuple[float, float]:
    """How a video moves: pan in pixels and dolly as a relative spread, summed over its length.

    Farneback's flow between every `gap`-th frame; the pan is its mean horizontal part, the dolly
    the slope of the flow over the distance from the image's centre.

    Args:
        frames: uint8 [T, H, W, 3].
        gap: Frames between compared pictures.
    """
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[::gap]]
    height, width = gray[0].shape
    y, x = np.mgrid[0:height, 0:width] - np.array([height - 1, width - 1])[:, None, None] / 2
    square = (x**2 + y**2).sum()
    pan = dolly = 0.0
    for before, after in itertools.pairwise(gray):
        flow = np.zeros((height, width, 2), np.float32)
        flow = cv2.calcOpticalFlowFarneback(before, after, flow, 0.5, 3, 15, 3, 5, 1.1, 0)
        pan += float(flow[..., 0].mean())
        dolly += float((flow[..., 0] * x + flow[..., 1] * y).sum() / square)
    return pan, dolly


def _summary(videos: np.ndarray, real: np.ndarray, lpips: Lpips | None = None) -> dict[str, Any]:
    """Sign agreement and median size per command; PSNR, LPIPS of all frames but the first."""
    moved = np.array([motion(video, _GAP) for video in videos]).reshape(-1, len(COMMANDS), 2)
    signs, sizes = {}, {}
    for place, command in enumerate(COMMANDS):
        along = moved[:, place, int(command.startswith("dolly"))] * _SIGN[command]
        signs[command] = round(float((along > 0).mean()), 3)
        sizes[command] = round(float(np.median(along)), 4)
    psnr = float(validation.psnr_db(videos[:, 1:], real[:, 1:]).mean())
    found = {"signs": signs, "motion": sizes, "psnr_db": round(psnr, 2)}
    if lpips is not None:
        apart = [lpips.maps(a[1:], b[1:]).mean() for a, b in zip(videos, real, strict=True)]
        found["lpips"] = round(float(np.mean(apart)), 4)
    return found


def _followed(
    videos: np.ndarray,
    real: np.ndarray,
    depth_m: np.ndarray,
    paths: np.ndarray,
    intrinsics: Intrinsics,
) -> dict[str, object]:
    """`curation.following.summary` of every fourth frame of the videos that have depth."""
    height_px, width_px = real.shape[2:4]
    camera, some = intrinsics.scaled(width_px, height_px), slice(None, None, _GAP)
    found = []
    for video, truth, depth, path in zip(videos, real, depth_m, paths, strict=False):
        small = [
            cv2.resize(d, (width_px, height_px), interpolation=cv2.INTER_NEAREST_EXACT)
            for d in depth[: len(path)][some]
        ]
        found.append(
            following.follow(video[some], truth[some], np.stack(small), path[some], camera)
        )
    told = [path[some] for path in paths[: len(found)]]
    return following.summary(found, told, gap=1)


def _write_videos(folder: Path, real: np.ndarray, made: np.ndarray, fps: float) -> None:
    """One file per command: ground truth on the left, the model on the right."""
    for place, command in enumerate(COMMANDS):
        kind = slice(place, None, len(COMMANDS))
        validation.write_pairs(folder / f"{command}.mp4", real[kind], made[kind], fps)
