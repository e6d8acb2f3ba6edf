"""Whose a parallel set is, as its manifest says: encoder.json says the same, and may be lost."""

from __future__ import annotations

from shards.encoded import Encoder


def encoder_in(content: dict) -> Encoder | None:
    """The encoder that a manifest names; nothing if it names none, or one that is damaged.

    Args:
        content: Of the manifest.
    """
    try:
        says = content["encoder"]
        encoder = Encoder(kind=says["kind"], config=says["config"])
        return encoder if encoder.to_json() == says else None
    except (KeyError, TypeError, ValueError):
        return None
