"""What a caption of a static scene must not say: nothing of camera, motion or viewer, no loops.

RELIC's prompt "suppresses camera and fine object motion" (sec. 3), so that motion is left to the
actions. Models say it all the same, and small ones repeat themselves; this finds it, in English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MIN_WORDS, MAX_WORDS = 3, 120
# Of all runs of three words, so many may have been said before.
MAX_REPEATED = 0.2
_RUN = 3

# Nouns of a scene stay: frying pans, picture frames, a parked truck.
_CAMERA_WORDS = re.compile(
    r"\b(camera\w*|lens|footage|video|clip|shots?|handheld|pov|first[- ]person|viewers?|viewpoint"
    r"|viewed|perspective|(?:in|out of|the) frame|as we|we (?:see|are|enter|pass)|you (?:see|are)"
    r"|pan(?:ned|ning)|pans? (?:left|right|up|down|across|over|around|to)|tilts|tilting"
    r"|tilt (?:up|down)|zoom\w*|doll(?:y|ies)|truck(?:s|ing)? (?:left|right)|pedestal (?:up|down)"
    r"|orbit\w*|rotat\w+|mov(?:e|es|ed|ing|ement)|motion|glid(?:e|es|ing)"
    r"|(?:fly|flies|flying|flight) (?:through|over|past)|walk(?:s|ed|ing)|approach(?:es|ing)"
    r"|turn(?:s|ing)? (?:left|right|around|to)|forwards?|backwards?|steady (?:shot|pace)"
    r"|looking (?:up|down|left|right|around))\b",
    re.IGNORECASE,
)
# After the end of a sentence, with its quotation mark; not after initials or in numbers.
_ENDS = (".", "!", "?")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """A caption without the sentences that it must not hold.

    Attributes:
        text: What is left; may be empty.
        dropped: The sentences that went, in order.
    """

    text: str
    dropped: tuple[str, ...]


def camera_words(text: str) -> list[str]:
    """Words about camera, viewer or motion in a caption, in order; empty is as it should be."""
    return [match.group(0).lower() for match in _CAMERA_WORDS.finditer(text)]


def repeated_share(text: str) -> float:
    """Share of the runs of three words that were said before, 0 to 1; loops are near 1."""
    words = re.findall(r"[\w'-]+", text.lower())
    runs = list(zip(*(words[n:] for n in range(_RUN)), strict=False))
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0


def num_words(text: str) -> int:
    """Words of a text."""
    return len(text.split())


def sentences(text: str) -> list[str]:
    """The sentences of a text, without line breaks."""
    return [part for part in _SENTENCE_END.split(" ".join(text.split())) if part]


def faults(text: str) -> list[str]:
    """What is wrong with a caption, a clause each; empty is as it should be."""
    found = []
    if words := camera_words(text):
        said = ", ".join(repr(word) for word in dict.fromkeys(words))
        found.append(f"it speaks of camera, motion or viewer ({said})")
    if (share := repeated_share(text)) > MAX_REPEATED:
        found.append(f"it repeats itself ({100 * share:.0f} % of it)")
    if not MIN_WORDS <= num_words(text) <= MAX_WORDS:
        found.append(f"it has {num_words(text)} words instead of {MIN_WORDS} to {MAX_WORDS}")
    return found


def repair(text: str) -> Repaired:
    """Drop the sentences that speak of the camera, those said before, and what is too long.

    A last sentence that does not end is dropped too, if there is another: the model ran out of
    tokens.
    """
    kept: list[str] = []
    dropped: list[str] = []
    said = sentences(text)
    for n, sentence in enumerate(said):
        unfinished = 0 < n == len(said) - 1 and not sentence.rstrip("\"')]").endswith(_ENDS)
        so_far = " ".join([*kept, sentence])
        bad = (
            camera_words(sentence)
            or unfinished
            or repeated_share(so_far) > MAX_REPEATED
            or num_words(so_far) > MAX_WORDS
        )
        (dropped if bad else kept).append(sentence)
    return Repaired(text=" ".join(kept), dropped=tuple(dropped))
