"""What every captioner gets and gives, and how a caption is checked and repaired."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from capture.scene import Scene
from curation.caption import lint
from curation.caption.card import View

# How a request ended.
SUCCESS, TRUNCATED, BLOCKED, ERROR = "success", "truncated", "blocked", "error"

PROMPT = (
    "These pictures show one place from several sides. Describe the place in two to four plain "
    "sentences: what kind of place it is, the main things in it with their colours and materials, "
    "and the light. The first sentence must stand alone as a summary. Everything stands still. "
    "Say nothing about pictures, cameras, viewers, viewpoints or movement, and name nothing that "
    "you cannot see."
)


class Refused(ValueError):
    """What no caption of any clip can come from: a wrong key, model or address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A clip that wants a caption.

    Attributes:
        clip_id: The clip.
        scene: Its scene's card.
        view: What the masks show.
        frames: Gives `n` of its pictures, those that show most, uint8 [n, H, W, 3].
    """

    clip_id: str
    scene: Scene
    view: View
    frames: Callable[[int], np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a captioner says of a shot.

    Attributes:
        text: The long caption; empty where the request failed.
        short: One sentence; empty: the first sentence of `text`.
        status: `SUCCESS`, `TRUNCATED`, `BLOCKED` or `ERROR`.
        detail: What went wrong, in words.
        tokens_in: Tokens of the prompt and the pictures, where they are counted.
        tokens_out: Tokens of the answer.
        requests: How many requests it took.
    """

    text: str
    short: str = ""
    status: str = SUCCESS
    detail: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    requests: int = 0


class Captioner(Protocol):
    """Something that captions shots. It may be called from several threads."""

    @property
    def name(self) -> str:
        """What the table of captions calls it: `metadata`, `openai:qwen2.5-vl`."""
        ...

    @property
    def settings(self) -> str:
        """Everything else that decides what it says: prompt, temperature, number of pictures."""
        ...

    @property
    def concurrency(self) -> int:
        """How many shots it takes at once."""
        ...

    def draft(self, shot: Shot, complaint: str = "") -> Draft:
        """A caption of a shot.

        Args:
            shot: What to caption.
            complaint: What was wrong with the caption that it gave before; empty at first.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Caption:
    """A finished caption, as the table keeps it.

    Attributes:
        clip_id: The clip.
        text: Long; empty where nothing could be said.
        short: One sentence.
        captioner: `Captioner.name`.
        prompt_hash: `prompt_hash` of the captioner.
        status: As of a `Draft`, of the last request.
        detail: What went wrong, in words.
        dropped: Sentences that were taken out.
        tokens_in: Of all its requests.
        tokens_out: Of all its requests.
        requests: How many it took.
    """

    clip_id: str
    text: str
    short: str
    captioner: str
    prompt_hash: str
    status: str
    detail: str = ""
    dropped: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    requests: int = 0


def prompt_hash(captioner: Captioner) -> str:
    """First twelve hex digits of the SHA-256 of all that decides what a captioner says."""
    return hashlib.sha256(f"{captioner.name}\n{captioner.settings}".encode()).hexdigest()[:12]


def caption(captioner: Captioner, shot: Shot) -> Caption:
    """The caption of a shot: a draft, one more if it is faulty, and then sentences are dropped.

    A captioner that raises ValueError or OSError gives a caption with the status `error`.

    Raises:
        Refused: If there is no use in asking for any other clip either.
    """
    first = _attempt(captioner, shot, "")
    drafts, best = [first], first
    if first.text and (faults := lint.faults(first.text)):
        second = _attempt(captioner, shot, "; ".join(faults))
        drafts.append(second)
        best = second if second.text else first
    repaired = lint.repair(best.text)
    short = best.short if best.short and not lint.camera_words(best.short) else ""
    return Caption(
        clip_id=shot.clip_id,
        text=repaired.text,
        short=short or (lint.sentences(repaired.text) or [""])[0],
        captioner=captioner.name,
        prompt_hash=prompt_hash(captioner),
        status=best.status,
        detail=best.detail,
        dropped=repaired.dropped,
        tokens_in=sum(draft.tokens_in for draft in drafts),
        tokens_out=sum(draft.tokens_out for draft in drafts),
        requests=sum(draft.requests for draft in drafts),
    )


def _attempt(captioner: Captioner, shot: Shot, complaint: str) -> Draft:
    try:
        return captioner.draft(shot, complaint)
    except Refused:
        raise
    except (ValueError, OSError) as error:
        return Draft(text="", status=ERROR, detail=str(error), requests=1)
