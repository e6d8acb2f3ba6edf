"""Videos of a model beside the truth, at the actions of held-out clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import files
from capture.video import RgbWriter
from training import data
from training.clips import Clips, resize
from training.sample import FPS, Sampler

_CLIPS = 4


def write(
    sampler: Sampler, held_out: Clips, run: Path, done: int, *, num_frames: int, writes: bool
) -> dict[str, float]:
    """Let a model follow the first held-out clips from their first frames.

    Args:
        sampler: The model.
        held_out: Those shorter than the window are left out; without any nothing is done.
        run: Gets `samples/step-<done>.mp4`, the truth on the left.
        done: Steps done.
        num_frames: Length of the videos.
        writes: Whether this process writes the file.

    Returns:
        "val_psnr_db" over all frames but the first.
    """
    recipe = sampler.config.recipe
    config = recipe.data
    long = (i for i in range(len(held_out)) if held_out.num_frames(i) >= num_frames)
    clips = [held_out.window(i, 0, num_frames) for i, _ in zip(long, range(_CLIPS), strict=False)]
    if not clips:
        return {}
    real = np.stack([resize(c.frames, config.height_px, config.width_px) for c in clips])
    told = [
        data.describe(c.trajectory.cam_to_world, c.intrinsics, c.caption, recipe=recipe)
        for c in clips
    ]
    made = sampler.window(real[:, 0], data.collate(told))
    if writes:
        write_pairs(run / "samples" / f"step-{done:07d}.mp4", real, made, FPS)
    return {"val_psnr_db": float(psnr_db(made[:, 1:], real[:, 1:]).mean())}


def psnr_db(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of frames [..., H, W, 3], in dB (100 where they are equal)."""
    error = np.square(a.astype(np.float32) - b.astype(np.float32)).mean((-1, -2, -3))
    return 10 * np.log10(255**2 / np.maximum(error, 255**2 / 1e10))


def write_pairs(path: Path, real: np.ndarray, made: np.ndarray, fps: float) -> None:
    """Videos [N, T, H, W, 3] one after the other, `real` on the left; twice the size."""
    pairs = np.concatenate([real, made], axis=3)
    pairs = pairs.repeat(2, axis=2).repeat(2, axis=3)
    with files.replacing(path) as temporary:
        writer = RgbWriter(temporary, pairs.shape[3], pairs.shape[2], fps)
        for frame in pairs.reshape(-1, *pairs.shape[2:]):
            writer.add(frame)
        writer.close()
