"""The report: one self-contained page that shows what a dataset holds and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from capture import files
from curation.audit import numbers
from curation.audit.data import gather
from curation.audit.sections import Section, build, render, summary_line

__all__ = ["Section", "page", "sections", "write"]


def write(dataset: Path) -> Path:
    """Write audit/index.html and audit/audit.json, the same numbers for machines.

    Args:
        dataset: A curated dataset folder.

    Returns:
        The page: one HTML file without references to anything else.

    Raises:
        ValueError: If the dataset has not been curated.
    """
    report = gather(dataset)
    target = dataset / "audit" / "index.html"
    text = page(dataset.resolve().name, summary_line(report), build(report))
    files.write_json(dataset / "audit" / "audit.json", numbers.of(report))
    with files.replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def sections(dataset: Path) -> list[Section]:
    """The parts of the report, for a page that holds more than the report.

    Raises:
        ValueError: If the dataset has not been curated.
    """
    return build(gather(dataset))


def page(title: str, subtitle: str, parts: Sequence[Section]) -> str:
    """A complete HTML document of sections, with its style inside.

    Args:
        title: Heading of the page, plain text.
        subtitle: One line below it, plain text.
        parts: Sections in order.
    """
    return render("page.html", title=title, subtitle=subtitle, sections=parts)
