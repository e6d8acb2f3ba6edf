"""The report: what a dataset holds and what was decided, in a folder that opens offline."""

from __future__ import annotations

import functools
from pathlib import Path

from capture import files
from curation.audit import folder, numbers, page, pictures, table
from curation.audit.data import Report, gather
from curation.audit.sections import Section, build, render, summary_line

__all__ = ["Section", "publish", "sections", "write"]

_ADVICE = (
    "Decisions stay in this browser until you download decisions.jsonl: put it into the dataset's "
    "folder and run relickit curate again."
)


def write(dataset: Path) -> Path:
    """Write audit/: the page, what it loads, and audit.json, the same numbers for machines.

    The pages of trajectories are written by `curation.audit.trajectory`; the table links to those
    that are there.

    Args:
        dataset: A curated dataset folder.

    Returns:
        The page, audit/index.html (see `folder` for what lies beside it).

    Raises:
        ValueError: If the dataset has not been curated.
    """
    return publish(gather(dataset), dataset / "audit")


def publish(report: Report, out: Path) -> Path:
    """The same for a report that was gathered, into any folder."""
    folder.forget_pages(out, (folder.page_key(route.id) for route in report.routes))
    files.write_json(out / "audit.json", numbers.of(report))
    album = functools.partial(folder.write_picture, out)
    clips = table.of_report(report)
    return page.publish(
        out,
        name=report.path.resolve().name,
        kind="episodes",
        subtitle=summary_line(report),
        parts=build(report, album, render("clips.html", advice=_ADVICE) if clips.clips else ""),
        clips=clips,
        decided=[(one.clip_id, one.keep, one.note) for one in report.decisions.values()],
    )


def sections(dataset: Path) -> list[Section]:
    """The parts of the report that need no script, for a page of one file.

    Raises:
        ValueError: If the dataset has not been curated.
    """
    return build(gather(dataset), pictures.inline)
