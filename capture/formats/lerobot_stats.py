"""Statistics of an episode's colours, as LeRobot keeps them for normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from capture import video
from capture.formats.pixels import Chosen, Pictures

QUANTILES = (1, 10, 50, 90, 99)
_SAMPLED = 8  # frames of an episode behind the statistics
# A frame that is sought costs about half a group of pictures.
_SOUGHT_FROM = _SAMPLED * video.GOP // 2


def of_pictures(pictures: Pictures) -> dict[str, list]:
    """Of colours in [0, 1], per channel, over a few frames.

    The same numbers as of all their float64 values at once, to the last bit; a byte has 256 values,
    so that counting them gives the quantiles.
    """
    frames = [frame.reshape(-1, 3) for frame in _sampled(pictures)]
    counts = sum(
        np.stack([np.bincount(channel, minlength=256) for channel in frame.T]) for frame in frames
    )
    assert isinstance(counts, np.ndarray)
    reached = counts.cumsum(1)
    num = int(reached[0, -1])
    mean = _total(frames, np.zeros(3), 1) / num
    found = {"min": _ranked(reached, 0), "max": _ranked(reached, num - 1), "mean": mean}
    found["std"] = np.sqrt(_total(frames, mean, 2) / num)
    for quantile in QUANTILES:
        found[f"q{quantile:02d}"] = _quantile(reached, quantile / 100 * (num - 1))
    shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in found.items()}
    return {**shaped, "count": [len(frames)]}


def _sampled(pictures: Pictures) -> Iterator[np.ndarray]:
    """Evenly spaced frames; of a long video each is sought."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, _SAMPLED).astype(int)).tolist()
    if len(pictures) < _SOUGHT_FROM:
        return Chosen(pictures, tuple(chosen)).frames()
    return (next(pictures.frames(i, i + 1)) for i in chosen)


def _total(frames: Sequence[np.ndarray], centre: np.ndarray, power: int) -> np.ndarray:
    """Sums of (value - centre) ** power per channel; a frame at a time, in the pixels' order."""
    total = np.zeros(3)
    rows = np.empty((1 + len(frames[0]), 3))
    for frame in frames:
        np.divide(frame, 255.0, out=rows[1:])
        rows[1:] -= centre
        if power == 2:
            rows[1:] *= rows[1:]
        rows[0] = total
        total = np.add.reduce(rows, axis=0)
    return total


def _ranked(reached: np.ndarray, rank: int) -> np.ndarray:
    """The value of this rank from 0, per channel; `reached` counts the values up to each byte."""
    return np.array([np.searchsorted(row, rank, side="right") for row in reached]) / 255.0


def _quantile(reached: np.ndarray, rank: float) -> np.ndarray:
    """Between two ranks as `np.percentile` puts it."""
    low = int(rank)
    share = rank - low
    below = _ranked(reached, low)
    above = _ranked(reached, min(low + 1, int(reached[0, -1]) - 1))
    if share < 0.5:
        return below + (above - below) * share
    return above - (above - below) * (1 - share)


def pooled(stats: Sequence[dict[str, list]]) -> dict[str, list]:
    """Of all clips, from those of each; quantiles are averaged, as LeRobot does."""
    counts = np.array([s["count"][0] for s in stats], dtype=np.float64)
    shares = (counts / counts.sum()).reshape(-1, 1, 1, 1)
    stacked = {name: np.array([s[name] for s in stats]) for name in stats[0] if name != "count"}
    out = {name: (shares * values).sum(0) for name, values in stacked.items()}
    squares = stacked["std"] ** 2 + (stacked["mean"] - out["mean"]) ** 2
    out["std"] = np.sqrt((shares * squares).sum(0))
    out["min"], out["max"] = stacked["min"].min(0), stacked["max"].max(0)
    return {**{name: value.tolist() for name, value in out.items()}, "count": [int(counts.sum())]}
