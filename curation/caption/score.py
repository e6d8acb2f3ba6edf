"""How true a caption is: which objects in view it names, and which it invents.

Only synthetic scenes can be scored like this: their masks say what is in view.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from capture.scene import Scene
from curation.caption.card import View, things

# Objects that models like to invent, beside those of the scenes themselves.
_COMMON = """
armchair bag ball basket bath bathtub bed bench bicycle bird blanket boat book bookshelf bottle
bowl box bridge bucket bus bush cabinet candle car carpet cat chair chandelier clock couch cup
curtain cushion desk dog door dresser fan fence fireplace flag flower fountain fridge guitar
keyboard kettle ladder lamp laptop mailbox microwave mirror monitor motorcycle mug oven painting
person phone piano pillow plant plate poster radiator refrigerator river rug shelf shoe sink
sofa stool stove streetlight table television toilet towel train tree truck umbrella vase
wardrobe window
"""
COMMON = frozenset(_COMMON.split())
_SAME = {"couch": "sofa", "fridge": "refrigerator", "carpet": "rug", "bathtub": "bath"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """How a caption compares with what is in view.

    Attributes:
        recall: Share of the objects in view (`card.things`) that are named; NaN if there is none.
        invention: Share of the objects that are named and not in view; NaN if none is named.
        invented: Those, sorted.
    """

    recall: float
    invention: float
    invented: tuple[str, ...]


def truth(text: str, scene: Scene, seen: View, vocabulary: Collection[str] = ()) -> Truth:
    """Score a caption against the masks.

    Objects are compared by their head nouns in the singular ("blue sofas" is "sofa"); what the
    card says of the setting, the light and the place counts as in view.

    Args:
        text: The caption.
        scene: The card of its scene.
        seen: What is in view.
        vocabulary: Head nouns of other scenes' labels; words that are in none of `COMMON`, the
            scene's labels and this are not taken for objects.
    """
    wanted = {head(label) for label in things(scene, seen.objects)}
    visible = {head(scene.labels[name]) for name in seen.objects if scene.labels.get(name)}
    place = seen.place
    words = (scene.setting, scene.light, *((place.name, place.description) if place else ()))
    told = _nouns(" ".join(words))
    known = COMMON | {head(label) for label in scene.labels.values() if label} | set(vocabulary)
    named = _nouns(text) & known
    invented = named - visible - told
    return Truth(
        recall=len(wanted & named) / len(wanted) if wanted else float("nan"),
        invention=len(invented) / len(named) if named else float("nan"),
        invented=tuple(sorted(invented)),
    )


def head(label: str) -> str:
    """The noun of a label in the singular: "row of books" is a row, "blue sofas" are a sofa."""
    words = re.findall(r"[a-z]+", label.lower().split(" of ")[0])
    return _singular(words[-1]) if words else ""


def _nouns(text: str) -> set[str]:
    return {_singular(word) for word in re.findall(r"[a-z]+", text.lower())}


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        word = f"{word[:-3]}y"
    elif word.endswith("shelves"):
        word = f"{word[:-3]}f"
    elif word.endswith(("ches", "shes", "xes", "sses")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    return _SAME.get(word, word)
