"""The table of clips: its columns, and how they are written for the page's script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.audit import folder
from curation.audit.checks import RULES as OUTSIDE_RULES
from curation.audit.data import Report
from curation.catalogue import CLIP_METRICS
from curation.decide import cause
from curation.rules import Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: An identifier.
        label: Its heading.
        kind: "text"; "number"; "choice", one of few names; "labels", several of few names.
        values: One for each clip: text, a number or None, a name, or a list of names.
        unit: Of numbers.
        about: One line for people.
        bounds: Values below the first or above the second are rejected; None is no bound.
        shown: Whether it is there from the beginning; the others load when they are asked for.
    """

    name: str
    label: str
    kind: Literal["text", "number", "choice", "labels"]
    values: Sequence[Any]
    unit: str = ""
    about: str = ""
    bounds: tuple[float | None, float | None] | None = None
    shown: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """All clips.

    Attributes:
        clips: What a decision calls each of them.
        keys: `folder.page_key` of the trajectory of each.
        columns: What is known of them.
    """

    clips: Sequence[str]
    keys: Sequence[str]
    columns: Sequence[Column]


def of_report(report: Report) -> Table:
    """The clips of a dataset of ours: the verdict, its reasons, and every metric."""
    rows = [(route, clip) for route in report.routes for clip in route.clips]
    clips = [clip for _, clip in rows]
    causes = [[cause(report.rules, reason) for reason in clip["reject_reasons"]] for clip in clips]
    seconds = [(clip["stop"] - clip["start"]) / route.fps for route, clip in rows]
    verdicts = ["kept" if clip["keep"] else "rejected" for clip in clips]
    why = ["; ".join(clip["reject_reasons"]) for clip in clips]
    columns = [
        Column(name="verdict", label="Verdict", kind="choice", values=verdicts),
        Column(name="reasons", label="Rules broken", kind="labels", values=causes),
        Column(name="scene", label="Scene", kind="choice", values=_of(clips, "scene_id")),
        Column(name="path", label="Path", kind="choice", values=_of(clips, "generator")),
        Column(name="split", label="Split", kind="choice", values=_of(clips, "split")),
        Column(name="seconds", label="Length", kind="number", values=seconds, unit="s"),
        Column(name="why", label="Why", kind="text", values=why),
        Column(
            name="weight", label="Weight", kind="number", values=_of(clips, "weight"), shown=False,
            about="how often training draws it; 1 on average",
        ),
        Column(
            name="caption", label="Caption", kind="text", values=_of(clips, "caption"), shown=False
        ),
        *(
            Column(
                name=metric.name, label=_heading(metric.name), kind="number",
                values=_of(clips, metric.name), unit=metric.unit, about=metric.about,
                bounds=_bounds(report.rules, metric.name), shown=False,
            )
            for metric in CLIP_METRICS
        ),
    ]  # fmt: skip
    keys = [folder.page_key(route.id) for route, _ in rows]
    return Table(clips=_of(clips, "clip_id"), keys=keys, columns=columns)


def of_items(items: Sequence[Mapping]) -> Table:
    """The clips of an audit of anybody's dataset (the entries of `items` in audit.json)."""
    said = [item["convention"] or {} for item in items]
    rules = [
        [rule for rule in OUTSIDE_RULES if rule in {p["rule"] for p in item["problems"]}]
        for item in items
    ]
    why = ["; ".join(p["text"] for p in item["problems"]) for item in items]
    verdicts = ["problems" if item["problems"] else "no problem" for item in items]
    told = [
        "not told" if one.get("agrees") is None else "as declared" if one["agrees"] else "apart"
        for one in said
    ]
    columns = [
        Column(name="verdict", label="Verdict", kind="choice", values=verdicts),
        Column(name="reasons", label="Rules broken", kind="labels", values=rules),
        Column(name="convention", label="Convention", kind="choice", values=told),
        _number("frames", "Frames", _of(items, "frames"), shown=True),
        _number("duration_s", "Length", _of(items, "duration_s"), "s", shown=True),
        Column(name="why", label="Why", kind="text", values=why),
        _number("path_length", "Path", _of(items, "path_length"), about="in the file's own unit"),
        _number("fps", "Rate", _of(items, "fps"), "fps"),
        _number("fit", "Fit", _of(items, "fit"), about="of the best reading; 1 is perfect"),
        _number("confidence", "Confidence", _of(said, "confidence")),
        _number("lag_frames", "Lag", _of(said, "lag_frames"), "frames", "of the poses"),
        _number("fov_deg", "Field of view", _of(said, "fov_deg"), "deg", "horizontal"),
        _number("scale", "Scale", _of(items, "scale"), about="of the positions, by the depth"),
        Column(
            name="notes", label="Notes", kind="text", shown=False,
            values=["; ".join(item["notes"]) for item in items],
        ),
    ]  # fmt: skip
    return Table(
        clips=[item["place"] for item in items],
        keys=[item_key(item) for item in items],
        columns=columns,
    )


def item_key(item: Mapping) -> str:
    """Key of the page of an item of somebody else's dataset."""
    return folder.page_key(f"{item['item']} {item['place']}")


def write(table: Table, out: Path) -> None:
    """Write the table into a report: data/table.js, and data/columns/ for what is not shown.

    A clip links to its page if that is there by now.
    """
    there = {
        key
        for key in sorted(set(table.keys))
        if (out / "data" / f"{folder.page_name(key)}.js").is_file()
    }
    columns = []
    for column in table.columns:
        head, content = _written(column)
        if column.shown:
            head["values"] = content
        else:
            folder.write_data(out, f"columns/{column.name}", content)
        columns.append(head)
    pages = [key if key in there else None for key in table.keys]
    folder.write_data(
        out, "table", {"clips": list(table.clips), "pages": pages, "columns": columns}
    )


def _written(column: Column) -> tuple[dict, list]:
    """What the script needs to know of a column, and its values; names become numbers."""
    head: dict = {
        "name": column.name, "label": column.label, "kind": column.kind, "unit": column.unit,
        "about": column.about,
    }  # fmt: skip
    if column.bounds is not None:
        head["bounds"] = list(column.bounds)
    if column.kind == "number":
        return head, [_short(value) for value in column.values]
    if column.kind == "text":
        return head, list(column.values)
    many = column.kind == "labels"
    used = {name for value in column.values for name in (value if many else [value])}
    head["choices"] = sorted(used)
    number = {name: place for place, name in enumerate(head["choices"])}
    if many:
        return head, [[number[name] for name in value] for value in column.values]
    return head, [number[name] for name in column.values]


def _number(
    name: str, label: str, values: list, unit: str = "", about: str = "", shown: bool = False
) -> Column:
    return Column(
        name=name, label=label, kind="number", values=values, unit=unit, about=about, shown=shown
    )


def _of(rows: Iterable[Mapping], name: str) -> list:
    return [row.get(name) for row in rows]


def _heading(name: str) -> str:
    """A metric's name without its unit, as words: "turn_max_deg_s" is "Turn max"."""
    words = name
    for unit in (
        "_m_s2",
        "_m_s3",
        "_m_s",
        "_deg_s2",
        "_deg_s",
        "_hz",
        "_mm",
        "_deg",
        "_m2",
        "_bits",
        "_px",
    ):
        if words.endswith(unit):
            words = words.removesuffix(unit)
            break
    else:
        words = words.removesuffix("_s").removesuffix("_m")
    return words.replace("_", " ").capitalize()


def _bounds(rules: Iterable[Rule], metric: str) -> tuple[float | None, float | None] | None:
    """The narrowest bounds of all rules on a metric; None where there is none."""
    chosen = [rule for rule in rules if rule.metric == metric]
    low = max((rule.at_least for rule in chosen), default=-math.inf)
    high = min((rule.at_most for rule in chosen), default=math.inf)
    if not math.isfinite(low) and not math.isfinite(high):
        return None
    return (low if math.isfinite(low) else None, high if math.isfinite(high) else None)


def _short(value: object) -> float | int | None:
    """Four digits; None where a number is unknown."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short == int(short) else short
