"""What is said about a clip: scores with units, and a verdict with reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One measured number.

    Attributes:
        name: Column of the metrics table.
        value: NaN where it could not be measured.
        unit: As people write it: "deg/s"; "" for pure numbers.
    """

    name: str
    value: float
    unit: str

    @property
    def known(self) -> bool:
        """Whether it was measured at all."""
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Keep or reject, and why.

    Attributes:
        keep: Whether the clip may be trained on.
        reasons: One clause each, with the got and the expected number; empty where kept.
        scores: What was looked at.
    """

    keep: bool
    reasons: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()

    def __post_init__(self):
        if self.keep == bool(self.reasons):
            raise ValueError(
                f"a verdict keeps without reasons or rejects with some, got keep={self.keep} "
                f"and {list(self.reasons)}"
            )
