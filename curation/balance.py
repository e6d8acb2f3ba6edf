"""Which of RELIC's 13 actions a path holds, and how evenly."""

from __future__ import annotations

import numpy as np

from capture.actions import NAMES, STATIC, Actions

# An action counts from a tenth of the clip's mean step, and from a tenth of a degree per frame.
# The paper gives no number.
ACTIVE_STEPS = 0.1
ACTIVE_DEG = 0.1
_BOUNDING = 20  # rounds until the mean is 1 and the bounds hold
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


def coupling(actions: Actions) -> float:
    """Share of the moving frames that take two or more actions at once; 0 where nothing moves.

    RELIC sec. 3 calls real video "coupled": actions that always come together cannot be told
    apart by a model.
    """
    count = active(actions)[1:, :STATIC].sum(axis=1)
    return float(np.mean(count[count > 0] > 1)) if (count > 0).any() else 0.0


def label_agreement(labels: Actions, moves: Actions) -> np.ndarray:
    """Whether the labels of each frame name the actions that its poses take, bool [T].

    Args:
        labels: As stored.
        moves: Encoded from the poses, with the same `step_m`. Quantities within a tenth of the
            bounds above count as either.
    """
    clearly = np.abs(moves.values - _THRESHOLDS) > 0.1 * _THRESHOLDS
    same = (active(labels) == active(moves)) | ~clearly
    return same[:, :STATIC].all(axis=1)


def weights(shares: np.ndarray, limit: float = 4.0, rounds: int = 20) -> np.ndarray:
    """How often to draw each clip, so that rare actions are seen more often.

    Iterative proportional fitting towards shares of the actions that are as the square roots of
    what they are: an action that is a hundred times rarer becomes ten times rarer (the tempered
    sampling of multilingual corpora; to make all equal would draw a few clips for ever). RELIC
    sec. 3 balances its actions without a formula.

    Args:
        shares: `histogram` of each clip, float64 [N, 13]. Actions that no clip holds are left out.
        limit: No clip is drawn more than this many times as often as the average clip, or less
            than its inverse.
        rounds: Of fitting. It stops early on purpose: the last bit of evenness comes from a few
            clips that are drawn over and over.

    Returns:
        float64 [N], mean 1.
    """
    if not len(shares):
        return np.zeros(0)
    shares = shares[:, shares.sum(axis=0) > 0]
    per_clip = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    weight = np.ones(len(shares))
    wanted = np.sqrt(shares.mean(axis=0))
    for _ in range(rounds):
        now = weight @ shares
        weight = weight * (per_clip @ np.sqrt(wanted / now))
        for _ in range(_BOUNDING):
            weight = np.clip(weight / weight.mean(), 1.0 / limit, limit)
    return weight
