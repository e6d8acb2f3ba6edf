"""Cuts episodes into clips."""

from __future__ import annotations

import re

from capture.video import GOP

LENGTH = 81
STRIDE = 80


def segments(num_frames: int, length: int = LENGTH, stride: int = STRIDE) -> list[tuple[int, int]]:
    """Half-open frame ranges [start, stop) of the clips of an episode.

    81 frames are 1 + 4 x 20, one causal-codec clip (RELIC trains on them); a stride of 80 lets
    each clip begin with the last frame of the one before, and every start is a key frame, so that
    clips are cut without encoding again. What is left at the end is dropped.

    Raises:
        ValueError: If the stride is no multiple of the video's key-frame distance.
    """
    if stride < 1 or stride % GOP:
        raise ValueError(
            f"clips must start at key frames: the stride must be a multiple of {GOP}, got {stride}"
        )
    if length < 1:
        raise ValueError(f"a clip needs at least one frame, got a length of {length}")
    return [(start, start + length) for start in range(0, num_frames - length + 1, stride)]


def clip_id(scene_id: str, plan_id: str, start: int) -> str:
    """`<scene>-<plan>-<start>` in letters, digits, - and _; sorts by time within an episode."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{scene_id}-{plan_id}-{start:05d}")
