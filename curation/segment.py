"""Cuts episodes into clips."""

from __future__ import annotations

import re

import numpy as np

from capture.video import GOP

LENGTH = 81


def stride_for(length: int) -> int:
    """Frames from one clip of an episode to the next: 80 for 81, 160 for 161, 304 for 317.

    The largest multiple of 16 below the length: each clip begins with a frame of the one before
    and with a key frame, so that clips are cut without encoding again.

    Raises:
        ValueError: If the length is none of a causal video codec: 17 or more, and 1 + 4 n.
    """
    if length <= GOP or length % 4 != 1:
        raise ValueError(
            f"a clip has 1 + 4 n frames and more than {GOP}, such as 81, 161 or 317; got {length}"
        )
    return (length - 1) // GOP * GOP


def segments(
    num_frames: int,
    length: int = LENGTH,
    *,
    bad: np.ndarray | None = None,
    breaks: np.ndarray | None = None,
) -> list[tuple[int, int]]:
    """Half-open frame ranges [start, stop) of the clips of an episode, sorted.

    81 frames are 1 + 4 x 20, one causal-codec clip of 21 latents (RELIC trains on them); 161 are
    41, 317 are 80. Clips are laid into the stretches of good frames first. Where none fits, they
    lie as if all frames were good, so that what is bad is judged, and rejected with its reasons,
    and never just gone. What is left at the end of the episode is dropped.

    Args:
        num_frames: Of the episode, T.
        length: Of a clip, frames.
        bad: Frames that no clip should hold, bool [T].
        breaks: Frames that follow a jump, bool [T]: a clip may begin there, but not hold it.

    Raises:
        ValueError: If the length is none of a clip.
    """
    stride = stride_for(length)
    grid = [(start, start + length) for start in range(0, num_frames - length + 1, stride)]
    bad = np.zeros(num_frames, dtype=bool) if bad is None else bad
    breaks = np.zeros(num_frames, dtype=bool) if breaks is None else breaks
    chosen = [
        (start, start + length)
        for first, last in _stretches(bad, breaks)
        for start in range(-(-first // GOP) * GOP, last - length + 1, stride)
    ]
    rest = [
        (start, stop)
        for start, stop in grid
        if all(2 * (min(stop, b) - max(start, a)) < length for a, b in chosen)
    ]
    return sorted(chosen + rest)


def clip_id(scene_id: str, plan_id: str, start: int, length: int = LENGTH) -> str:
    """`<scene>-<plan>-<start>` in letters, digits, - and _; sorts by time within an episode.

    Clips of another length than 81 frames carry it too: `<scene>-<plan>-<start>-<length>`.
    """
    tail = "" if length == LENGTH else f"-{length}"
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{scene_id}-{plan_id}-{start:05d}{tail}")


def _stretches(bad: np.ndarray, breaks: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ranges of frames without a bad one, and without a jump inside."""
    found, first = [], 0
    for t in range(len(bad) + 1):
        if t == len(bad) or bad[t] or breaks[t]:
            found.append((first, t))
            first = t + 1 if t < len(bad) and bad[t] else t
    return found
