"""Statistics of colours: those of all values at once, from a few frames and little memory."""

from __future__ import annotations

import numpy as np
import pytest

from capture.formats import lerobot_stats


class Noise:
    """Random frames, and how often somebody asked for some."""

    def __init__(self, num_frames: int, height: int, width: int):
        rng = np.random.default_rng(num_frames)
        few = rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)
        self.asked, self.all = 0, few // np.uint8(1 + num_frames % 7)

    def __len__(self):
        return len(self.all)

    def size_px(self):
        return self.all.shape[2], self.all.shape[1]

    def frames(self, start=0, stop=None):
        self.asked += 1
        return iter(self.all[start:stop])


@pytest.mark.parametrize(
    ("num_frames", "height", "width"),
    [(1, 1, 1), (1, 2, 3), (3, 5, 4), (17, 96, 130), (81, 40, 64)],
)
def test_the_same_numbers_as_of_all_values(num_frames, height, width):
    pictures = Noise(num_frames, height, width)
    found = lerobot_stats.of_pictures(pictures)
    chosen = np.unique(np.linspace(0, num_frames - 1, 8).astype(int))
    values = pictures.all[chosen].reshape(-1, 3) / 255.0
    wanted = {"min": values.min(0), "max": values.max(0)}
    wanted |= {"mean": values.mean(0), "std": values.std(0)}
    wanted |= {f"q{q:02d}": np.percentile(values, q, axis=0) for q in (1, 10, 50, 90, 99)}
    assert found.pop("count") == [len(chosen)] and list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name] == value.reshape(3, 1, 1).tolist(), name
    # A short clip is decoded once; of a long one eight frames are sought.
    assert pictures.asked == (1 if num_frames < 64 else 8)
