"""Captioners by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from curation.caption import card
from curation.caption.base import Captioner, Draft, Shot
from curation.caption.endpoint import Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a captioner may be told.

    Attributes:
        endpoint: URL of a server; empty for captioners that need none.
        model: Its name on the server, or a folder.
        images: Pictures of each clip that are shown.
        concurrency: Requests at once.
    """

    endpoint: str = ""
    model: str = ""
    images: int = 4
    concurrency: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """Captions from the scene card and the masks; see `curation.caption.card`."""

    name: str = "metadata"
    settings: str = "1"
    concurrency: int = 1

    def draft(self, shot: Shot, complaint: str = "") -> Draft:
        """What the card says of what is in view."""
        return Draft(
            text=card.describe(shot.scene, shot.view, shot.clip_id),
            short=card.describe_short(shot.scene, shot.view, shot.clip_id),
        )


def _metadata(options: Options) -> Captioner:
    return Metadata()


def _endpoint(options: Options) -> Captioner:
    if not options.endpoint:
        raise ValueError(
            "the captioner openai needs the URL of a server: --endpoint http://localhost:8000/v1"
        )
    return Endpoint(
        url=options.endpoint,
        model=options.model,
        num_images=options.images,
        concurrency=options.concurrency,
    )


CAPTIONERS: dict[str, Callable[[Options], Captioner]] = {
    "metadata": _metadata,
    "openai": _endpoint,
}


def find(
    name: str, options: Options, more: Mapping[str, Callable[[Options], Captioner]] | None = None
) -> Captioner:
    """A captioner by its name, or `module:Class` of your own, which is called with the options.

    Args:
        name: One of `CAPTIONERS`, of `more`, or `module:Class`.
        options: For it.
        more: Captioners that this layer cannot know, by name.

    Raises:
        ValueError: If there is none, or it cannot be made of these options.
    """
    known = {**CAPTIONERS, **(more or {})}
    if name in known:
        return known[name](options)
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(
            f"unknown captioner {name!r}; there are {', '.join(known)} and module:Class"
        )
    try:
        maker = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the captioner {name} cannot be imported: {error}") from error
    return maker(options)
