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

MIN_VIEW_SHARE = 0.01
MAX_OBJECTS = 5

_CAMERA_WORDS = re.compile(
    r"\b(camera|cameraman|lens|footage|video|clip|shots?|frames?|pan(?:s|ned|ning)?"
    r"|tilt(?:s|ed|ing)?|zoom(?:s|ed|ing)?|doll(?:y|ies)|truck(?:s|ing)? (?:left|right)"
    r"|pedestal|orbits?|orbiting|rotat(?:e|es|ed|ing|ion)|mov(?:e|es|ed|ing|ement)"
    r"|motion|glid(?:e|es|ing)|fl(?:y|ies|ying) (?:through|over|past)|walk(?:s|ed|ing)?"
    r"|turn(?:s|ed|ing)?|forwards?|backwards?|steady|handheld|pov|first[- ]person|viewer"
    r"|viewpoint|viewed|perspective|approach(?:es|ing)?|we (?:see|are|enter|pass)|as we"
    r"|looking (?:up|down|left|right|around))\b",
    re.IGNORECASE,
)


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
    counts = np.bincount(masks.ravel(), minlength=len(names))[: len(names)]
    order = np.argsort(-counts, kind="stable")
    objects: dict[str, float] = {
        names[k]: float(counts[k] / masks.size) for k in order.tolist() if k and counts[k]
    }
    return View(place=scene.place_at(position_m), objects=objects)


def describe(scene: Scene, seen: View, seed: str) -> str:
    """One or two sentences about a static scene.

    Args:
        scene: The scene card: setting, light, labels.
        seen: What is in view.
        seed: Anything that names the clip; the same seed gives the same words.

    Raises:
        ValueError: If the scene card itself speaks of the camera.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    text = " ".join(
        part for part in (_first(scene, seen.place, rng), _second(scene, seen, rng)) if part
    )
    words = camera_words(text)
    if words:
        raise ValueError(
            f"the card of scene {scene.id} gives a caption with {', '.join(words)} in it, "
            f"but captions must not speak of the camera: {text!r}"
        )
    return text


def camera_words(text: str) -> list[str]:
    """Words about camera, viewer or motion in a caption, in order; empty is as it should be."""
    return [match.group(0).lower() for match in _CAMERA_WORDS.finditer(text)]


def things(scene: Scene, objects: Mapping[str, float]) -> list[str]:
    """Labels of the objects that fill at least 1 % of the picture, largest first, at most five.

    Objects of the same label count together; objects without one are left out.
    """
    shares: dict[str, float] = {}
    for name, share in objects.items():
        label = scene.labels.get(name)
        if label:
            shares[label] = shares.get(label, 0.0) + share
    seen = sorted((label for label in shares if shares[label] >= MIN_VIEW_SHARE), key=str)
    return sorted(seen, key=lambda label: -shares[label])[:MAX_OBJECTS]


def _first(scene: Scene, place: Place | None, rng: np.random.Generator) -> str:
    setting = scene.setting or f"a place called {scene.name}"
    where = setting
    if place is not None:
        pattern = ("the {place} of {setting}", "{setting}: the {place}", "the {place} in {setting}")
        where = str(rng.choice(pattern)).format(place=place.name, setting=setting)
        if place.description:
            where += f", {place.description}"
    if scene.light:
        where += str(rng.choice((", in {light}", ", under {light}", "; {light}"))).format(
            light=scene.light
        )
    return _sentence(where)


def _second(scene: Scene, seen: View, rng: np.random.Generator) -> str:
    labels = [_article(label) for label in things(scene, seen.objects)]
    if not labels:
        return ""
    listed = labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
    pattern = ("There is {things}.", "It holds {things}.", "One can see {things}.")
    return str(rng.choice(pattern)).format(things=listed)


def _article(label: str) -> str:
    first = label.split()[0].lower()
    plural = label.endswith("s") and not label.endswith("ss")
    if plural or first in ("a", "an", "the", "some", "several"):
        return label
    return f"{'an' if first[0] in 'aeiou' else 'a'} {label}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
