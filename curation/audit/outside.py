"""The report of an audit of anybody's dataset: audit.json, worst.csv, rejects.txt and a page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from capture import files
from curation.audit.checks import RULES
from curation.audit.findings import worst
from curation.audit.sections import Section, render

# A page of more would be slow to open; audit.json has them all.
_MAX_ITEMS = 300
_COLUMNS = ("item", "place", "name", "problems", "rules", "fit", "frames", "first_problem")
_NAMES = {
    "pose": "pose",
    "axes": "axes of the camera",
    "depth": "depth",
    "unit": "unit of the positions",
    "fov_deg": "horizontal field of view, degrees",
    "lag_frames": "frames by which the poses are late",
    "mirrored": "left and right swapped",
}


def write(
    report: Mapping, out: Path, *, changes: Mapping | None = None, failed: Sequence[str] = ()
) -> Path:
    """Write everything about an audit into a folder.

    Args:
        report: Of `findings.summarise`.
        out: The folder.
        changes: Of `findings.compare`, if it was compared.
        failed: What `findings.failures` says.

    Returns:
        The page, out/index.html: one file that opens offline.
    """
    content = {**report, "compared": changes, "failed": list(failed)}
    files.write_json(out / "audit.json", content)
    with files.replacing(out / "worst.csv") as temporary:
        _write_worst(report["items"], temporary)
    with files.replacing(out / "rejects.txt") as temporary:
        temporary.write_text("".join(f"{place}\n" for place in report["rejects"]), "utf-8")
    with files.replacing(out / "index.html") as temporary:
        temporary.write_text(_page(report, changes, failed), "utf-8")
    return out / "index.html"


def sections(
    report: Mapping, changes: Mapping | None = None, failed: Sequence[str] = ()
) -> list[Section]:
    """The parts of the page, in reading order."""
    items = [item for item in worst(report["items"]) if item["problems"]]
    parts = [
        Section("Convention", _convention(report, failed)),
        Section("Changes", render("outside_changes.html", changes=changes)),
        Section("What is wrong", render("outside_rules.html", report=report, rules=RULES)),
        Section(
            "Clips",
            render("outside_items.html", items=items[:_MAX_ITEMS], more=len(items) - _MAX_ITEMS),
        ),
        Section("Not examined", render("outside_notes.html", said=report["not_done"])),
    ]
    return [part for part in parts if part.html.strip()]


def _page(report: Mapping, changes: Mapping | None, failed: Sequence[str]) -> str:
    counts = report["counts"]
    subtitle = (
        f"{counts['items']} clips · {counts['frames']:,} frames · read as {report['format']}: "
        f"{report['declares']}"
    )
    parts = sections(report, changes, failed)
    return render("page.html", title=report["dataset"], subtitle=subtitle, sections=parts)


def _convention(report: Mapping, failed: Sequence[str]) -> str:
    said = report["convention"]
    rows = []
    if said is not None:
        for field, label in _NAMES.items():
            rows.append(
                {
                    "label": label,
                    "found": _shown(said[field]),
                    "declared": _shown((said["declared"] or {}).get(field)),
                    "rival": _shown((said["runner_up"] or {}).get(field)),
                }
            )
    return render(
        "outside_convention.html", said=said, rows=rows, counts=report["counts"], failed=failed
    )


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _write_worst(items: Sequence[Mapping], path: Path) -> None:
    """Every clip, those with most problems first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for item in worst(items):
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
