"""The report of an audit of anybody's dataset: audit.json, worst.csv, rejects.txt and a page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from capture import files
from curation.audit import banner, charts, findings, folder, numbers, page, table
from curation.audit.checks import RULES
from curation.audit.sections import Section, render

_COLUMNS = ("item", "place", "name", "problems", "rules", "fit", "frames", "first_problem")
_SHOWN = (
    "frames",
    "duration_s",
    "path_length",
    "fit",
    "confidence",
    "lag_frames",
    "fov_deg",
    "scale",
)
_ADVICE = (
    "Decisions stay in this browser until you download decisions.jsonl: put it into this folder "
    "and audit again, and rejects.txt follows."
)


def write(
    report: Mapping,
    out: Path,
    *,
    changes: Mapping | None = None,
    failed: Sequence[str] = (),
    decided: Sequence[tuple[str, bool, str]] = (),
) -> Path:
    """Write everything about an audit into a folder.

    Args:
        report: Of `findings.summarise`.
        out: The folder.
        changes: Of `findings.compare`, if it was compared.
        failed: What `findings.failures` says.
        decided: Place, whether to keep it, and the note, of what people decided.

    Returns:
        The page, out/index.html (see `folder` for what lies beside it).
    """
    content = {**report, "compared": changes, "failed": list(failed)}
    files.write_json(out / "audit.json", content)
    with files.replacing(out / "worst.csv") as temporary:
        _write_worst(report["items"], temporary)
    with files.replacing(out / "rejects.txt") as temporary:
        write_rejects(report["rejects"], temporary)
    folder.forget_pages(out, map(table.item_key, report["items"]))
    counts = report["counts"]
    return page.publish(
        out,
        name=report["dataset"],
        kind="audit",
        subtitle=f"{counts['items']:,} clips · {counts['frames']:,} frames · read as "
        f"{report['format']}: {report['declares']}",
        parts=sections(report, changes, failed),
        clips=table.of_items(report["items"]),
        decided=decided,
    )


def sections(
    report: Mapping, changes: Mapping | None = None, failed: Sequence[str] = ()
) -> list[Section]:
    """The parts of the page, in reading order."""
    items = report["items"]
    parts = [
        Section("Convention", _convention(report, failed)),
        Section("Changes", render("outside_changes.html", changes=changes)),
        Section("What is wrong", _wrong(items)),
        Section("Clips", render("clips.html", advice=_ADVICE) if items else ""),
        Section("Measurements", _measurements(items)),
        Section("Not examined", render("outside_notes.html", said=report["not_done"])),
    ]
    return [part for part in parts if part.html.strip()]


def _wrong(items: Sequence[Mapping]) -> str:
    broken = [findings.rules_of(item) for item in items]
    return render(
        "outside_rules.html",
        total=len(items),
        kept=sum(not rules for rules in broken),
        funnel=[{**step, "about": RULES[step["name"]]} for step in numbers.funnel(broken)],
    )


def _convention(report: Mapping, failed: Sequence[str]) -> str:
    said = report["convention"]
    return render(
        "outside_convention.html",
        said=said,
        sentence=banner.sentence(said),
        figures=banner.figures(said),
        rows=banner.rows(said),
        counts=report["counts"],
        failed=failed,
    )


def _measurements(items: Sequence[Mapping]) -> str:
    """Histograms of what was measured, of the clips with and without problems."""
    broken = np.array([bool(item["problems"]) for item in items], dtype=bool)
    panels = []
    for column in table.of_items(items).columns:
        if column.name not in _SHOWN:
            continue
        values = np.array([np.nan if v is None else v for v in column.values], dtype=np.float64)
        known = np.isfinite(values)
        if known.any():
            chart = charts.histogram(
                values[known & ~broken], values[known & broken], (), 260, column.name
            )
            panels.append(
                {
                    "about": f"{column.label}, {column.about}" if column.about else column.label,
                    "unit": column.unit,
                    "chart": chart,
                    "bounds": "",
                    "median": f"{np.median(values[known]):.3g}",
                }
            )
    return render("measurements.html", panels=panels) if panels else ""


def write_rejects(places: Sequence[str], path: Path) -> None:
    """One a line; a name that is no UTF-8 is written as it is on the disk."""
    text = "".join(f"{place}\n" for place in places)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def _write_worst(items: Sequence[Mapping], path: Path) -> None:
    """Every clip, those with most problems first."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for item in findings.worst(items):
            problems = item["problems"]
            rules = " ".join(sorted({problem["rule"] for problem in problems}))
            first = problems[0]["text"] if problems else ""
            row = (
                item["item"],
                item["place"],
                item["name"],
                len(problems),
                rules,
                item["fit"],
                item["frames"],
                first,
            )
            table.writerow(_harmless(value) for value in row)


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula is quoted."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")):
        return f"'{value}"
    return value
