"""Which of RELIC's 13 actions a path holds, and how evenly."""

from __future__ import annotations

import numpy as np

from capture.actions import NAMES, STATIC, Actions

# An action counts from a tenth of the clip's mean step, and from a tenth of a degree per frame.
# The paper gives no number.
ACTIVE_STEPS = 0.1
ACTIVE_DEG = 0.1
_THRESHOLDS = np.array([ACTIVE_STEPS] * 6 + [ACTIVE_DEG] * 6 + [0.5])


def active(actions: Actions) -> np.ndarray:
    """Which actions each frame takes, bool [T, 13]; one that takes none of twelve is static.

    Labels are multi-hot, as in the paper's figure 2b, whose bars sum to 225 %.
    """
    on = actions.values > _THRESHOLDS
    on[:, STATIC] |= ~on[:, :STATIC].any(axis=1)
    return on


def histogram(actions: Actions) -> np.ndarray:
    """Share of frames on which each action is active, float64 [13], in the order of `NAMES`.

    The first frame, static by definition, is left out.
    """
    return active(actions)[1:].mean(axis=0) if len(actions) > 1 else np.eye(len(NAMES))[STATIC]


def entropy_bits(shares: np.ndarray) -> float:
    """Entropy of a histogram [n] scaled to sum 1; log2(13) = 3.70 for perfectly even actions."""
    p = shares[shares > 0] / shares.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0
