"""Text: every word of a caption has a fixed pseudo-random vector; nothing is downloaded."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import torch

_WORD = re.compile(r"[a-z0-9]+")


def embed(caption: str, *, max_words: int, dim: int) -> torch.Tensor:
    """Vectors of a caption's first words, in order; the rest is zero.

    The same word has the same vector everywhere: the bytes of SHAKE-256 of its letters, scaled to
    zero mean and unit variance.

    Args:
        caption: Any text; case and punctuation do not matter.
        max_words: Length of the sequence.
        dim: Width of a vector.

    Returns:
        float32 [max_words, dim].
    """
    out = torch.zeros(max_words, dim)
    for place, word in enumerate(_WORD.findall(caption.lower())[:max_words]):
        raw = np.frombuffer(hashlib.shake_256(word.encode()).digest(2 * dim), dtype="<u2")
        out[place] = torch.from_numpy((raw / 65535 * 2 - 1).astype(np.float32)) * 3**0.5
    return out
