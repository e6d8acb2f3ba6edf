"""Which windows a run reads at which step: order, weights and the curriculum of lengths together.

A window is a function of (seed, step) and of what the manifest says of the samples. Neither the
number of processes nor that of loader workers has a say, so a run may go on with any other:

    order = WindowOrder(dataset.lengths, seed=0, global_batch=64, phases=[(81, 2000), (161, 1000)],
                        weights=dataset.weights, manifest_sha=dataset.manifest_sha)
    sampler = order.batches(order.resume(state), rank=rank, world=world)  # or from step 0
    for batch in DataLoader(dataset, batch_sampler=sampler, collate_fn=..., num_workers=4):
        ...                                    # `dataset[window]` is a `Clip`
        step += 1
        state = order.state(step)              # of the steps that were consumed, not prefetched
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shards.order import GlobalOrder, window_start


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Frames [start, start + length) of a sample.

    Attributes:
        k: Its place in the endless sequence of the run, from which augmentation and noise may be
            drawn.
        index: The sample.
        start: First frame.
        length: Number of frames.
    """

    k: int
    index: int
    start: int
    length: int


class WindowOrder:
    """The windows of a run, step by step.

    In each phase the samples that are shorter than its windows are left out; the others keep their
    relative weights. Step s takes the places s G to (s + 1) G - 1 of the phase's `GlobalOrder`.

    Args:
        num_frames: Of every sample, [n].
        seed: In [0, 2**64).
        global_batch: G, windows per step over all processes.
        phases: (frames of a window, steps) one after the other, such as 5, 10 and 20 s; the last
            one goes on for ever.
        weights: How often to draw each sample, [n]; None for evenly.
        manifest_sha: Identifies the samples; `resume` refuses others.

    Raises:
        ValueError: If a phase has no step, or no sample that is long enough and has a weight.
    """

    def __init__(
        self,
        num_frames: np.ndarray,
        *,
        seed: int,
        global_batch: int,
        phases: Sequence[tuple[int, int]],
        weights: np.ndarray | None = None,
        manifest_sha: str = "",
    ):
        if not phases or any(length < 1 or steps < 1 for length, steps in phases):
            raise ValueError(f"phases are (frames, steps), each at least 1, got {list(phases)}")
        self.seed, self.global_batch = seed, global_batch
        self.phases = tuple((int(length), int(steps)) for length, steps in phases)
        self.manifest_sha = manifest_sha
        self._num_frames = np.asarray(num_frames)
        self._weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self._eligible = {length: self._long_enough(length) for length, _ in self.phases}
        self._orders = {length: self._order(rows) for length, rows in self._eligible.items()}

    def _long_enough(self, length: int) -> np.ndarray:
        rows = np.flatnonzero(self._num_frames >= length)
        if not len(rows):
            raise ValueError(
                f"no clip has the {length} frames of a window; there are {len(self._num_frames)} "
                f"of at most {self._num_frames.max(initial=0)} frames"
            )
        return rows

    def _order(self, rows: np.ndarray) -> GlobalOrder:
        weights = None if self._weights is None else self._weights[rows]
        return GlobalOrder(len(rows), self.seed, weights)

    def length(self, step: int) -> int:
        """Frames of the windows of a step (from 0)."""
        for length, steps in self.phases[:-1]:
            if step < steps:
                return length
            step -= steps
        return self.phases[-1][0]

    def eligible(self, length: int) -> np.ndarray:
        """The samples that the windows of a phase are taken from, int64, ascending."""
        return self._eligible[length]

    def sample(self, k: int, length: int) -> int:
        """Index of the sample at place k of the phases whose windows have this length."""
        return int(self._eligible[length][self._orders[length].row(k)])

    def window(self, k: int, length: int) -> Window:
        """The window at place k of the phases whose windows have this length."""
        index = self.sample(k, length)
        start = window_start(self.seed, k, int(self._num_frames[index]), length)
        return Window(k=k, index=index, start=start, length=length)

    def batch(
        self, step: int, *, rank: int = 0, world: int = 1, micro: int = 0, accumulation: int = 1
    ) -> list[Window]:
        """One process' windows of one micro-batch of a step (from 0).

        The windows of all micro-batches, and in each of all processes, one after the other, are
        those of the step.

        Raises:
            ValueError: If the batch cannot be shared evenly.
        """
        length = self.length(step)
        numbers = self.places(step, rank=rank, world=world, micro=micro, accumulation=accumulation)
        return [self.window(k, length) for k in numbers]

    def places(
        self, step: int, *, rank: int = 0, world: int = 1, micro: int = 0, accumulation: int = 1
    ) -> list[int]:
        """The places of the windows of `batch` in the sequence of those of the step's length."""
        if accumulation < 1 or self.global_batch % accumulation or not 0 <= micro < accumulation:
            raise ValueError(
                "a global batch is a multiple of the number of micro-batches, "
                f"got {self.global_batch}, {micro = }, {accumulation = }"
            )
        taken = self._orders[self.length(step)].batch(
            step * accumulation + micro,
            global_batch=self.global_batch // accumulation,
            rank=rank,
            world=world,
        )
        return [k for k, _ in taken]

    def batches(self, start_step: int, *, rank: int = 0, world: int = 1) -> Iterator[list[Window]]:
        """`batch` for `start_step` and all that follow: a batch sampler that resumes anywhere."""
        step = start_step
        while True:
            yield self.batch(step, rank=rank, world=world)
            step += 1

    def state(self, step: int) -> dict:
        """What a checkpoint keeps, as JSON.

        Args:
            step: Steps done: loader workers read ahead, so count what was consumed.
        """
        return {**self._identity(), "step": step}

    def resume(self, state: dict) -> int:
        """The step to go on from, with any number of processes and workers.

        Args:
            state: What `state` gave.

        Raises:
            ValueError: If it is of other samples, another seed, batch, curriculum or weights: it
                would not be the same sequence.
        """
        for name, mine in self._identity().items():
            if state.get(name) != mine:
                raise ValueError(
                    f"this state is of another order: {name} was {state.get(name)}, is {mine}; "
                    "resume with what the run was started with, or start a new run"
                )
        return int(state["step"])

    def _identity(self) -> dict:
        return {
            "seed": self.seed,
            "global_batch": self.global_batch,
            "phases": [list(phase) for phase in self.phases],
            "weighted": self._weights is not None,
            "manifest_sha": self.manifest_sha,
        }
