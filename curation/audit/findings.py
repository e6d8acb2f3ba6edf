"""A whole audit from its items: pooled convention, counts, rejects, failing rules, changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from curation.audit.checks import RULES
from curation.convention.pooling import FIELDS, pooled, tells

SCHEMA = 1
_RULE = re.compile(r"([a-z-]+)(?:>(0|1|0?\.\d+|1\.0+))?")
# What --fail-on knows beside the rules: shares of the report's clips.
SHARES = ("reject-rate", "cannot-tell")


def summarise(
    items: Sequence[Mapping],
    *,
    name: str,
    format: str,
    title: str,
    decided: Mapping[str, bool] | None = None,
) -> dict:
    """The content of audit.json, in the schema of docs/audit.md.

    Args:
        items: Of `curation.audit.item.audit_item`, in order.
        name: Of the dataset.
        format: Name of the format that it was read as.
        title: That format's conventions in one line.
        decided: Place -> whether a person wants to keep it; overrules the problems in `rejects`.
    """
    people = decided or {}
    problems = Counter(rule for item in items for rule in rules_of(item))
    rejected = [item for item in items if item["problems"]]
    return {
        "schema": SCHEMA,
        "dataset": name,
        "format": format,
        "declares": title,
        "convention": pooled(items),
        "counts": {
            "items": len(items),
            "rejected": len(rejected),
            "frames": sum(item["frames"] for item in items),
            "duration_s": round(sum(item["duration_s"] or 0.0 for item in items), 3),
            "with_pictures": sum(item["has"]["pictures"] for item in items),
            "with_depth": sum(item["has"]["depth"] for item in items),
            "convention_told": sum(tells(item) for item in items),
            "convention_apart": sum(
                tells(item) and not item["convention"]["agrees"] for item in items
            ),
        },
        "problems": {rule: problems[rule] for rule in RULES if problems[rule]},
        "rejects": [
            item["place"] for item in items if not people.get(item["place"], not item["problems"])
        ],
        "not_done": not_done(items),
        "items": list(items),
    }


def rules_of(item: Mapping) -> set[str]:
    """The rules that an item breaks."""
    return {problem["rule"] for problem in item["problems"]}


def not_done(items: Sequence[Mapping]) -> list[str]:
    """What the data did not allow, in sentences with counts."""
    reasons = Counter(item["cannot_tell"] for item in items if item["cannot_tell"])
    said = [f"{count} clips: {reason}" for reason, count in sorted(reasons.items())]
    without = sum(not item["has"]["depth"] and item["frames"] > 0 for item in items)
    if without:
        said.append(
            f"{without} clips without depth: the unit and the kind of depth are not examined"
        )
    return said


def failures(report: Mapping, rules: Sequence[str]) -> list[str]:
    """A sentence for every `--fail-on` rule that fails.

    Args:
        report: Of `summarise`.
        rules: NAME, or NAME>SHARE of the items; NAME is one of `checks.RULES` or `SHARES`.

    Raises:
        ValueError: If a rule is not known; lists those that there are.
    """
    said, total = [], max(len(report["items"]), 1)
    untold = report["counts"]["items"] - report["counts"]["convention_told"]
    counts = {**dict.fromkeys(RULES, 0), **report["problems"]}
    counts |= dict(zip(SHARES, (len(report["rejects"]), untold), strict=True))
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if match is None or match[1] not in counts:
            raise ValueError(
                f"--fail-on {rule!r} is no rule; known are {', '.join(counts)}, "
                "each alone or with a share, as in reject-rate>0.1"
            )
        count, limit = counts[match[1]], float(match[2] or 0.0)
        if count / total > limit:
            said.append(f"{rule}: {count} of {len(report['items'])} clips")
    return said


def compare(new: Mapping, old: Mapping) -> dict:
    """What changed from one audit to another; clips are the same where their places are."""
    mine, theirs = ({item["place"]: item for item in one["items"]} for one in (new, old))
    both = [place for place in mine if place in theirs]
    return {
        "dataset": old["dataset"],
        "added": [place for place in mine if place not in theirs],
        "removed": [place for place in theirs if place not in mine],
        "worse": {
            place: sorted(gained)
            for place in both
            if (gained := rules_of(mine[place]) - rules_of(theirs[place]))
        },
        "better": {
            place: sorted(lost)
            for place in both
            if (lost := rules_of(theirs[place]) - rules_of(mine[place]))
        },
        "counts": {
            name: [old["counts"][name], value]
            for name, value in new["counts"].items()
            if old["counts"].get(name) != value and name in old["counts"]
        },
        "convention": {
            field: [(old["convention"] or {}).get(field), (new["convention"] or {}).get(field)]
            for field in (*FIELDS, "agrees")
            if (old["convention"] or {}).get(field) != (new["convention"] or {}).get(field)
        },
    }


def worst(items: Sequence[Mapping]) -> list[Mapping]:
    """The items with problems first: those with most, then those that fit least."""
    return sorted(items, key=lambda item: (-len(item["problems"]), item["fit"], item["item"]))
