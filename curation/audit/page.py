"""The page itself: a folder that a browser opens from disk, or one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from capture import files
from curation.audit import folder, table
from curation.audit.sections import Section, render

_SCRIPTS = ("report.js", "decisions.js", "columns.js", "filters.js", "table.js", "index.js")
_STYLE = Path(__file__).parent / "static" / "style.css"


def publish(
    out: Path,
    *,
    name: str,
    kind: str,
    subtitle: str,
    parts: Sequence[Section],
    clips: table.Table,
    decided: Iterable[tuple[str, bool, str]] = (),
) -> Path:
    """Write the page and what its scripts load into a report's folder, the last of a whole report.

    The pages of trajectories are there by then: pictures that none of them shows are removed.

    Args:
        out: The folder.
        name: Of the dataset.
        kind: "episodes", or "audit" of somebody else's dataset.
        subtitle: One line, plain text.
        parts: Sections in order.
        clips: The table.
        decided: Clip, whether to keep it, and the note, of what people decided before.

    Returns:
        The page, index.html.
    """
    folder.write_static(out)
    told = hashlib.sha256("\n".join([kind, name, *clips.clips]).encode("utf-8", "surrogatepass"))
    about = {
        "report": told.hexdigest()[:16],
        "dataset": name,
        "kind": kind,
        "decisions": [list(one) for one in decided],
    }
    folder.write_data(out, "about", about)
    table.write(clips, out)
    target = out / "index.html"
    text = render(
        "page.html", title=name, subtitle=subtitle, sections=parts, style=None, scripts=_SCRIPTS
    )
    with files.replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    folder.forget_pictures(out)
    return target


def single(title: str, subtitle: str, parts: Sequence[Section]) -> str:
    """A complete HTML document of sections in one file, with its style inside.

    Args:
        title: Heading of the page, plain text.
        subtitle: One line below it, plain text.
        parts: Sections in order.
    """
    style = _STYLE.read_text(encoding="utf-8")
    return render(
        "page.html", title=title, subtitle=subtitle, sections=parts, style=style, scripts=()
    )
