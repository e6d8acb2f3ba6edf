"""The order of samples: a pure function of (seed, step), whatever the number of processes.

Only raw Philox output and a stable sort are used: NumPy promises both for all versions, which it
does not for the methods of `Generator`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Blocks of Philox counters that never meet: the order of an epoch, the start of a window.
_ORDER, _WINDOW = 0, 1


class GlobalOrder:
    """An endless sequence over n samples: each epoch holds every sample once, in a new order.

    Args:
        n: Number of samples, at least 1.
        seed: In [0, 2**64).
    """

    def __init__(self, n: int, seed: int):
        if n < 1:
            raise ValueError(f"an order needs at least one sample, got {n = }")
        if not 0 <= seed < 2**64:
            raise ValueError(f"a seed lies in [0, 2**64), got {seed}")
        self.n, self.seed = n, seed
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def permutation(self, epoch: int) -> np.ndarray:
        """The order of one epoch, int64 [n]."""
        if epoch != self._epoch:
            raw = _philox(self.seed, epoch, _ORDER).random_raw(self.n)
            self._permutation = np.argsort(raw, kind="stable")
            self._epoch = epoch
        return self._permutation

    def row(self, k: int) -> int:
        """Index of the k-th sample of the sequence, which runs on over epochs."""
        return int(self.permutation(k // self.n)[k % self.n])

    def batch(
        self, step: int, *, global_batch: int, rank: int = 0, world: int = 1
    ) -> list[tuple[int, int]]:
        """The (k, index) that one process takes at one step.

        The processes' batches, one after the other, are the global batch, for any `world`. A batch
        may straddle two epochs.

        Args:
            step: Counts optimizer steps from 0.
            global_batch: Samples per step over all processes; a multiple of `world`.
            rank: This process.
            world: Number of processes.
        """
        if global_batch < 1 or world < 1 or global_batch % world or not 0 <= rank < world:
            raise ValueError(
                "a global batch is a multiple of the number of processes, "
                f"got {global_batch = }, {rank = }, {world = }"
            )
        mine = global_batch // world
        first = step * global_batch + rank * mine
        return [(k, self.row(k)) for k in range(first, first + mine)]

    def batches(
        self, start_step: int, *, global_batch: int, rank: int = 0, world: int = 1
    ) -> Iterator[list[tuple[int, int]]]:
        """`batch` for `start_step` and all that follow: a batch sampler that resumes anywhere."""
        step = start_step
        while True:
            yield self.batch(step, global_batch=global_batch, rank=rank, world=world)
            step += 1


def window_start(seed: int, k: int, num_frames: int, length: int) -> int:
    """First frame of the window of `length` frames that the k-th sample of the sequence shows.

    Uniform over all windows, and a pure function of (seed, k): no worker has a say.

    Args:
        seed: The order's seed.
        k: Place in the sequence.
        num_frames: Of the sample.
        length: Of the window, at most `num_frames`.
    """
    if not 1 <= length <= num_frames:
        raise ValueError(f"a window of {length} frames does not fit into {num_frames}")
    return int(_philox(seed, k, _WINDOW).random_raw() % (num_frames - length + 1))


def _philox(seed: int, number: int, block: int) -> np.random.Philox:
    key = np.array([seed, number], dtype=np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, 0, 0, block], dtype=np.uint64))
