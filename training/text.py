"""Captions as sequences of vectors, for cross-attention (`TextConfig`).

"hash" is built in: every word has a fixed pseudo-random vector. "umt5" is Wan's text encoder; as it
has 5.68 billion parameters, what it made of a caption is kept on the machine (see `cache_folder`),
and the encoder is loaded for new captions alone.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from capture.files import cache_folder, replacing
from training import tensors
from training.model.config import ModelConfig
from training.recipes import TextConfig

_LOG = logging.getLogger(__name__)
_WORD = re.compile(r"[a-z0-9]+")
# Captions whose vectors are held in memory, up to 4 MB each.
_KNOWN = 256


class StoredWords(Protocol):
    """Vectors of captions that were made ahead."""

    def __contains__(self, caption: object, /) -> bool: ...

    def __getitem__(self, caption: str, /) -> np.ndarray:
        """float16 [n, text_dim], without the zeros that follow."""
        ...


class Text(Protocol):
    """Captions to vectors."""

    def __call__(self, caption: str) -> torch.Tensor:
        """float32 [max_words, text_dim], zero after the last word."""
        ...

    def prepare(self, captions: Iterable[str]) -> None:
        """Make the vectors of many captions at once."""
        ...

    def use(self, stored: StoredWords) -> None:
        """Take vectors that were made ahead, where there are some."""
        ...


class HashText:
    """Words as fixed vectors; see `embed`.

    Args:
        max_words: Length of the sequence.
        dim: Width of a vector.
    """

    def __init__(self, max_words: int, dim: int):
        self._max_words, self._dim = max_words, dim

    def __call__(self, caption: str) -> torch.Tensor:
        """See `Text`."""
        return embed(caption, max_words=self._max_words, dim=self._dim)

    def prepare(self, captions: Iterable[str]) -> None:
        """Nothing to do."""

    def use(self, stored: StoredWords) -> None:
        """Nothing to do: words are made faster than they are read."""


class Umt5Text:
    """umT5's last hidden states as Wan's pipeline takes them: zero after the end of the caption.

    Args:
        pretrained: Folder or Hugging Face name with `text_encoder` and `tokenizer`.
        max_words: Tokens of a sequence; longer captions are cut.
        dim: Expected width of a vector.
        folder: Where vectors are kept.
    """

    def __init__(self, pretrained: str, *, max_words: int, dim: int, folder: Path):
        self._pretrained, self._max_words, self._dim = pretrained, max_words, dim
        self._folder = folder / _fingerprint(pretrained, max_words)
        self._known: dict[str, torch.Tensor] = {}
        self._stored: StoredWords = {}

    def __call__(self, caption: str) -> torch.Tensor:
        """See `Text`.

        Raises:
            ValueError: If the caption is new and the encoder cannot be loaded, or makes vectors of
                another width.
        """
        if caption not in self._known:
            if len(self._known) == _KNOWN:
                self._known.clear()
            self._known[caption] = self._find(caption)
        words = self._known[caption].float()
        return functional.pad(words, (0, 0, 0, self._max_words - len(words)))

    def use(self, stored: StoredWords) -> None:
        """See `Text`."""
        self._stored = stored

    def _find(self, caption: str) -> torch.Tensor:
        """Vectors as sets hold them, so that it makes no difference whether there is one."""
        if caption in self._stored:
            return torch.from_numpy(self._stored[caption].copy())
        self.prepare([caption])
        return tensors.load(self._file(caption))["words"].to(torch.float16)

    @torch.no_grad()
    def prepare(self, captions: Iterable[str]) -> None:
        """See `Text`; loads the encoder if a caption is new, and lets it go again."""
        lacking = {c for c in captions if c not in self._stored}
        new = [c for c in sorted(lacking) if not self._file(c).is_file()]
        if not new:
            return
        _LOG.info("Text: encoding %d captions with umT5 on the CPU, once on this machine", len(new))
        tokenizer, encoder = _load_umt5(self._pretrained)
        if encoder.config.d_model != self._dim:
            raise ValueError(
                f"the text encoder of {self._pretrained} makes vectors of {encoder.config.d_model} "
                f"numbers, model.text_dim is {self._dim}"
            )
        for caption in new:
            text = " ".join(caption.split())
            tokens = tokenizer(
                text, max_length=self._max_words, truncation=True, return_tensors="pt"
            )
            states = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
            with replacing(self._file(caption)) as temporary:
                save_file({"words": states.contiguous()}, temporary)

    def _file(self, caption: str) -> Path:
        return self._folder / f"{hashlib.sha256(caption.encode()).hexdigest()}.safetensors"


@functools.cache
def encoder(config: TextConfig, model: ModelConfig) -> Text:
    """The text encoder of a recipe.

    Args:
        config: See `TextConfig`.
        model: Gives the size.
    """
    if config.kind == "hash":
        return HashText(model.max_words, model.text_dim)
    return Umt5Text(
        config.pretrained,
        max_words=model.max_words,
        dim=model.text_dim,
        folder=cache_folder() / "text",
    )


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


def _fingerprint(pretrained: str, max_words: int) -> str:
    """Of an encoder: its name, or its folder with the sizes and times of its files."""
    files = sorted(f for f in Path(pretrained).rglob("*") if f.is_file())
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(repr((pretrained, max_words, stats)).encode()).hexdigest()[:16]


def _load_umt5(pretrained: str) -> tuple[Any, Any]:
    """Tokenizer and encoder, in bfloat16."""
    from transformers import AutoTokenizer, UMT5EncoderModel

    try:
        tokenizer = AutoTokenizer.from_pretrained(pretrained, subfolder="tokenizer")
        encoder = UMT5EncoderModel.from_pretrained(
            pretrained, subfolder="text_encoder", dtype=torch.bfloat16, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"text.pretrained = {pretrained!r} has no tokenizer and text_encoder that can be "
            f"loaded: {error}"
        ) from error
    return tokenizer, encoder.eval().requires_grad_(False)
