"""Captions of static scenes: from the scene card, from models, and what they must not say."""

from __future__ import annotations

from curation.caption.card import MAX_OBJECTS, MIN_VIEW_SHARE, View, describe, in_view, things, view
from curation.caption.lint import camera_words

__all__ = [
    "MAX_OBJECTS",
    "MIN_VIEW_SHARE",
    "View",
    "camera_words",
    "describe",
    "in_view",
    "things",
    "view",
]
