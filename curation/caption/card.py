"""Captions from what is known of the scene: no model, no guess, nothing about the camera.

RELIC captions each five-second segment with a prompt that suppresses camera motion (sec. 3), so
that motion is left to the actions. Here the scene card, the place where the clip begins and the
things in its masks are put into words; an object is named only if it was seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capture.scene import Place, Scene
from curation.caption.lint import camera_words, sentences

MIN_VIEW_SHARE = 0.01
MAX_OBJECTS = 5
# Every room has these; they are not worth saying.
_SHELL = re.compile(r"(walls?|ceiling) of |.*\breveal$", re.IGNORECASE)
# Where the noun of a label ends: "pile | of stones", "arcade | with benches".
_NOUN_END = re.compile(r" (?:of|with|on|in|under|over|for|to|at|by) ")


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What a clip shows.

    Attributes:
        place: The part of the scene where it begins, or None.
        objects: Object id -> share of the picture, averaged over the frames that were looked at.
    """

    place: Place | None
    objects: Mapping[str, float]


def view(scene: Scene, position_m: np.ndarray, masks: np.ndarray, names: list[str]) -> View:
    """What is in view.

    Args:
        scene: The scene card.
        position_m: Camera centre of the first frame, [3].
        masks: Object index, uint16 [N, H, W]; 0 is the background.
        names: Object ids by index.
    """
    return View(place=scene.place_at(position_m), objects=in_view(masks, names))


def in_view(masks: np.ndarray, names: list[str]) -> dict[str, float]:
    """Object id -> share of the pixels, largest first; without the background.

    Args:
        masks: Object index, uint16, any shape; 0 is the background.
        names: Object ids by index.
    """
    counts = np.bincount(masks.ravel(), minlength=len(names))[: len(names)]
    order = np.argsort(-counts, kind="stable")
    return {names[k]: float(counts[k] / masks.size) for k in order.tolist() if k and counts[k]}


def describe(scene: Scene, seen: View, seed: str) -> str:
    """A few sentences about a static scene.

    What the scene card says in words of camera or motion is left out, so that `camera_words` of
    the result is empty.

    Args:
        scene: The scene card: setting, light, labels.
        seen: What is in view.
        seed: Anything that names the clip; the same seed gives the same words.
    """
    rng = _seeded(seed)
    about = _clean(seen.place.description) if seen.place else ""
    where, what = _where(scene, seen.place, rng), _what(scene, seen, rng)
    parts = (where, about, _clean(scene.light), what)
    return " ".join(_sentence(part) for part in parts if part)


def describe_short(scene: Scene, seen: View, seed: str) -> str:
    """One sentence: the place and the largest thing in it, seeded as `describe`.

    Of a setting that is a whole caption, as of an imported clip, the first sentence.
    """
    where, labels = _where(scene, seen.place, _seeded(seed)), things(scene, seen.objects)
    first, *more = sentences(where)
    if more:
        return first
    return _sentence(f"{where}, with {_article(labels[0])}" if labels else where)


def things(scene: Scene, objects: Mapping[str, float]) -> list[str]:
    """Labels of the objects that fill at least 1 % of the picture, largest first, at most five.

    Objects of the same label count together; objects without one, and the walls and ceilings of
    places, are left out.
    """
    shares: dict[str, float] = {}
    for name, share in objects.items():
        label = _clean(scene.labels.get(name, ""))
        if label and not _SHELL.match(label):
            shares[label] = shares.get(label, 0.0) + share
    seen = sorted((label for label in shares if shares[label] >= MIN_VIEW_SHARE), key=str)
    return sorted(seen, key=lambda label: -shares[label])[:MAX_OBJECTS]


def _seeded(seed: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def _where(scene: Scene, place: Place | None, rng: np.random.Generator) -> str:
    setting = _clean(scene.setting) or "a scene"
    name = _clean(place.name) if place else ""
    if not place or not name:
        return setting
    proper = name[0].isupper()
    pattern = str(
        rng.choice(("{place}, in {setting}", "{setting}: {place}", "{place} in {setting}"))
    )
    return pattern.format(place=name if proper else f"the {name}", setting=setting)


def _what(scene: Scene, seen: View, rng: np.random.Generator) -> str:
    labels = [_article(label) for label in things(scene, seen.objects)]
    if not labels:
        return ""
    listed = labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
    verb = "are" if _is_plural(labels[0]) else "is"
    return str(rng.choice((f"there {verb} {{}}", "it holds {}", "one can see {}"))).format(listed)


def _clean(text: str) -> str:
    """The text, or nothing if it speaks of the camera."""
    return "" if camera_words(text) else text.strip().rstrip(".")


def _article(label: str) -> str:
    """The label with its article, if its noun takes one."""
    words = _NOUN_END.split(label)[0].lower().split()
    if _is_plural(label) or words[0] in ("a", "an", "the", "some", "several"):
        return label
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {label}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _is_plural(label: str) -> bool:
    noun = _NOUN_END.split(label)[0].lower().split()[-1]
    return noun.endswith("s") and not noun.endswith("ss")
