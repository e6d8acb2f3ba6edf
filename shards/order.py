"""The order of samples: a pure function of (seed, step), whatever the number of processes.

Only raw Philox output and a stable sort are used: NumPy promises both for all versions, which it
does not for the methods of `Generator`.
"""

from __future__ import annotations

import numpy as np

# Blocks of Philox counters that never meet: the order of an epoch, the start of a window, how often
# an epoch holds a sample, what stands in for a damaged one. Training's augmentation has block 2.
_ORDER, _WINDOW, _COUNT, _REPLACEMENT = 0, 1, 3, 4


class GlobalOrder:
    """An endless sequence over n samples, in epochs of n places, each in a new order.

    Without weights an epoch holds every sample once. With weights w it holds sample i either
    floor(c) or ceil(c) times, c = n w_i / sum(w), and c times on average over the epochs
    (systematic resampling): no sample is forgotten or piled up by chance.

    Args:
        n: Number of samples, at least 1.
        seed: In [0, 2**64).
        weights: How often to draw each sample, [n], relative to one another; None for evenly,
            which equal weights give too.

    Raises:
        ValueError: If there is no sample to draw, or a weight is negative or not finite.
    """

    def __init__(self, n: int, seed: int, weights: np.ndarray | None = None):
        if n < 1:
            raise ValueError(f"an order needs at least one sample, got {n = }")
        if not 0 <= seed < 2**64:
            raise ValueError(f"a seed lies in [0, 2**64), got {seed}")
        self.n, self.seed = n, seed
        self._shares = None if weights is None else _shares(np.asarray(weights, np.float64), n)
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def permutation(self, epoch: int) -> np.ndarray:
        """The order of one epoch, int64 [n]; with weights, samples may repeat or be absent."""
        if epoch != self._epoch:
            raw = _philox(self.seed, epoch, _ORDER).random_raw(self.n)
            self._permutation = np.argsort(raw, kind="stable")
            if self._shares is not None:
                rows = np.repeat(np.arange(self.n), self._counts(epoch, self._shares))
                self._permutation = rows[self._permutation]
            self._epoch = epoch
        return self._permutation

    def _counts(self, epoch: int, shares: np.ndarray) -> np.ndarray:
        """How often an epoch holds each sample: int64 [n], n in all.

        Whole numbers only, so that no rounding of a machine has a say. The samples stand in line in
        an order of the epoch's own, or neighbours would never be drawn together.
        """
        bits = _philox(self.seed, epoch, _COUNT)
        line = np.argsort(bits.random_raw(self.n), kind="stable")
        ends = np.cumsum(shares[line])
        shift = bits.random_raw() % int(ends[-1])
        counts = np.empty(self.n, dtype=np.int64)
        counts[line] = np.diff((ends * self.n + shift) // ends[-1], prepend=0)
        return counts

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


def stand_in(seed: int, attempt: int, n: int) -> int:
    """Index in [0, n) of the sample that is tried in place of a damaged one.

    Args:
        seed: The damaged sample's index.
        attempt: Counts from 0; another sample is tried while they are damaged too.
        n: Number of samples.
    """
    return int(_philox(seed, attempt, _REPLACEMENT).random_raw() % n)


def _shares(weights: np.ndarray, n: int) -> np.ndarray:
    """Weights as whole numbers, int64 [n], small enough that n times their sum fits 63 bits."""
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"an order of {n} samples needs as many weights, finite and not negative")
    if not weights.any():
        raise ValueError(f"all {n} weights are 0: there is no sample to draw")
    scale = 2 ** min(32, 62 - 2 * n.bit_length())
    return np.ceil(weights / weights.max() * scale).astype(np.int64)


def _philox(seed: int, number: int, block: int) -> np.random.Philox:
    key = np.array([seed, number], dtype=np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, 0, 0, block], dtype=np.uint64))
