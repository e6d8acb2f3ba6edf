"""Is the codec beside a set of latents the one that made them?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shards.schema import ShardError

NAME = "codec.safetensors"
# In the order in which `training.encode` hashes them.
_TENSORS = ("mean", "basis", "scale")


def require_codec(folder: Path, config: Mapping[str, object]) -> None:
    """Compare the codec's numbers with their SHA-256 in the encoder's config.

    Args:
        folder: The set's.
        config: Of its encoder; only a codec that was fitted to the data lies beside its latents.

    Raises:
        ShardError: If the codec is absent, damaged, or another one.
    """
    if config.get("codec") != "linear":
        return
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path, again = folder / NAME, "run `relickit encode` again, which writes it"
    if not path.is_file():
        raise ShardError(f"{path} is not there, and nothing else decodes the latents; {again}")
    digest = hashlib.sha256()
    try:
        stored = load(path.read_bytes())
        for name in _TENSORS:
            digest.update(stored[name].tobytes())
    except (SafetensorError, KeyError) as error:
        raise ShardError(f"{path} is damaged ({error}); {again}") from error
    if digest.hexdigest() != config.get("weights"):
        raise ShardError(f"{path} holds other numbers than those that made the latents; {again}")
