"""Latents and text embeddings made ahead of training: the encoders, and finding what they made.

Which set fits a recipe follows from the recipe and its codec alone: the set's name is the hash of
everything that decides its values. Training with the same recipe finds it:

    latents = find_latents(dataset, recipe, codec)  # shards.latents.Latents, or None
    words = find_words(dataset, recipe)  # shards.latents.Words, or None
    use_words(dataset, recipe)  # from now on captions have these
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from shards import encoded
from shards.cache import Cache
from shards.encoded import Encoder
from shards.latents import GROUP, Latents, OtherClipsError, Words, part_of, starts
from shards.published import open_shards
from training import text
from training.autoencoder import Codec, LinearCodec
from training.clips import resize
from training.recipes import CodecConfig, Recipe

_LOG = logging.getLogger(__name__)

# Of what this file and `training.clips.resize` do; a change of values is a new version.
VERSION = 1
_WEIGHTS = ("*.safetensors", "*.json", "*.model", "*.txt")


def latents_encoder(recipe: Recipe, codec: Codec, *, window: int = 0, every: int = 0) -> Encoder:
    """What makes a recipe's latents.

    Args:
        recipe: Gives the codec's kind and the size in pixels.
        codec: The recipe's; a linear one is known by its numbers.
        window: Frames of an encoding after a clip's first, 4 n + 1; see `shards.latents`.
        every: Frames between two starts of encodings; 0 for one start, the clip's first frame.

    Raises:
        ValueError: If only one of `window` and `every` is given, or one is impossible.
    """
    if (window, every) != (0, 0) and (window < 5 or window % GROUP != 1 or every < 1):
        raise ValueError(
            "further windows need a length of 5, 9, 13, ... (4 n + 1) frames, and the frames from "
            f"one's beginning to the next one's, got {window = }, {every = }"
        )
    config = {
        **_codec_config(recipe, codec),
        "window": window,
        "every": every,
        "dtype": "float16",
        "version": VERSION,
    }
    return Encoder(kind="latents", config=config)


def text_encoder(recipe: Recipe) -> Encoder:
    """What makes a recipe's text embeddings."""
    config = {**_text_config(recipe), "dtype": "float16", "version": VERSION}
    return Encoder(kind="text", config=config)


@torch.no_grad()
def encode_frames(
    codec: Codec, frames: np.ndarray, encoder: Encoder, device: torch.device
) -> dict[str, np.ndarray]:
    """The latents of a clip, from every frame at which the encoder starts.

    Args:
        codec: On the device.
        frames: uint8 [T, H, W, 3] at any size; up to three last ones that fill no latent are left
            out.
        encoder: From `latents_encoder`.
        device: Where to compute.

    Returns:
        float16 [F, C, h, w] by `shards.latents.part_of` the start.
    """
    config = encoder.config
    shown = resize(frames, int(config["height_px"]), int(config["width_px"]))
    whole = len(shown) - (len(shown) - 1) % GROUP
    made = {}
    for start in starts(len(shown), int(config["window"]), int(config["every"])):
        length = int(config["window"]) if start else whole
        window = torch.from_numpy(np.ascontiguousarray(shown[start : start + length]))
        latents = codec.encode(window[None].to(device))[0].transpose(0, 1)
        made[part_of(start)] = latents.to(torch.float16).cpu().numpy()
    return made


def encode_caption(recipe: Recipe, caption: str) -> dict[str, np.ndarray]:
    """A caption's vectors, and those of no caption, as float16 [n, dim] without what is padding."""
    make = text.encoder(recipe.text, recipe.model)
    return {"words": _trimmed(make(caption)), "empty": _trimmed(make(""))}


def find_latents(
    location: Path | str, recipe: Recipe, codec: Codec, *, cache: Cache | None = None
) -> Latents | None:
    """The latents that fit a recipe; the set with most windows, if there are several.

    Args:
        location: The dataset's folder or its shards folder alone, or an address of one.
        recipe: Its codec and size must be the set's.
        codec: The recipe's.
        cache: Keeps what is read from an address.

    Returns:
        None if there is no such set, or it was made from other clips, which is said.

    Raises:
        ShardError: If a set is damaged, or nobody answers.
    """
    sets = _matching(location, "latents", lambda: _codec_config(recipe, codec))
    for name, _ in sorted(sets, key=lambda item: (item[1]["every"] or np.inf, item[0])):
        try:
            return Latents(location, name, cache=cache)
        except OtherClipsError as error:
            _LOG.warning("Passed over: %s", error)
    return None


def find_words(location: Path | str, recipe: Recipe, *, cache: Cache | None = None) -> Words | None:
    """The text embeddings that fit a recipe; None if there are none, or of other captions."""
    for name, _ in _matching(location, "text", lambda: _text_config(recipe)):
        try:
            return Words(location, name, cache=cache)
        except OtherClipsError as error:
            _LOG.warning("Passed over: %s", error)
    return None


def use_words(location: Path | str, recipe: Recipe, *, cache: Cache | None = None) -> Words | None:
    """Let the recipe's text encoder take the vectors that were made ahead; returns their set.

    They are what the encoder would make, bit for bit, so a run may go on with or without them. The
    built-in encoder needs none.

    Args:
        location: As in `find_latents`.
        recipe: Its text encoder must be the set's.
        cache: Keeps what is read from an address.
    """
    words = None if recipe.text.kind == "hash" else find_words(location, recipe, cache=cache)
    if words is None:
        return None
    samples = open_shards(location, cache).table("samples", ("key", "caption"))
    keys = dict(zip(samples["caption"].to_pylist(), samples["key"].to_pylist(), strict=True))
    text.encoder(recipe.text, recipe.model).use(_Captions(words, keys))
    return words


class _Captions:
    """The vectors of a set by caption; see `text.StoredWords`."""

    def __init__(self, words: Words, keys: dict[str, str]):
        self._words, self._keys = words, keys

    def __contains__(self, caption: object) -> bool:
        return caption == "" or caption in self._keys

    def __getitem__(self, caption: str) -> np.ndarray:
        key = self._keys[caption] if caption else next(iter(self._keys.values()))
        words, empty = self._words.read(key)
        return words if caption else empty


def _matching(
    location: Path | str, kind: encoded.Kind, config: Callable[[], dict]
) -> list[tuple[str, dict]]:
    sets = list(encoded.published_sets(location, kind))
    # Gigabytes of weights are hashed only if there is a set that could be theirs.
    wanted = {**config(), "version": VERSION} if sets else {}
    return [(name, has) for name, has in sets if wanted.items() <= has.items()]


def _codec_config(recipe: Recipe, codec: Codec) -> dict[str, str | int]:
    return {
        "codec": recipe.codec.kind,
        "weights": _codec_weights(recipe.codec, codec),
        "channels": codec.channels,
        "height_px": recipe.data.height_px,
        "width_px": recipe.data.width_px,
    }


def _codec_weights(config: CodecConfig, codec: Codec) -> str:
    """SHA-256 of a codec's numbers, wherever they lie."""
    if not isinstance(codec, LinearCodec):
        return _folder_sha256(config.pretrained, ("vae",))
    digest = hashlib.sha256()
    for tensor in (codec.mean, codec.basis, codec.scale):
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _text_config(recipe: Recipe) -> dict[str, str | int]:
    config: dict[str, str | int] = {
        "encoder": recipe.text.kind,
        "max_words": recipe.model.max_words,
        "dim": recipe.model.text_dim,
    }
    if recipe.text.kind == "umt5":
        parts = ("text_encoder", "tokenizer")
        config["weights"] = _folder_sha256(recipe.text.pretrained, parts)
    return config


def _folder_sha256(pretrained: str, parts: tuple[str, ...]) -> str:
    """SHA-256 of the files of a model in diffusers' format.

    Raises:
        ValueError: If there are none.
    """
    folder = Path(pretrained)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        patterns = [f"{part}/{pattern}" for part in parts for pattern in _WEIGHTS]
        try:
            folder = Path(snapshot_download(pretrained, allow_patterns=patterns))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{pretrained!r} is no folder and cannot be loaded from the Hub: {error}"
            ) from error
    digest = hashlib.sha256()
    files = sorted(f for part in parts for p in _WEIGHTS for f in (folder / part).glob(p))
    if not files:
        raise ValueError(f"{folder} has no model in {', '.join(parts)}")
    for file in files:
        digest.update(f"{file.relative_to(folder)}\n".encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _trimmed(words: torch.Tensor) -> np.ndarray:
    last = words.any(1).nonzero().max().item() + 1 if words.any() else 0
    return words[: int(last)].to(torch.float16).numpy()
