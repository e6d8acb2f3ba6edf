"""One verdict over many clips of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from curation.convention.verdict import FOV_TOLERANCE

FIELDS = ("pose", "axes", "depth", "unit", "fov_deg", "lag_frames", "mirrored")


def pooled(items: Sequence[Mapping]) -> dict | None:
    """The `convention` object of a whole dataset; None where no item tells anything.

    For each field the value that most confidence stands behind, among the items that tell it; the
    confidence is the least share of any field, times the mean confidence of the items. One item
    that differs does not turn the verdict, but lowers the confidence.

    Args:
        items: With "convention": what `Convention.to_json` gives, or None; and with "scale", what
            a declared metre of the positions measures in the depth, of which the median is given.
    """
    told = [item["convention"] for item in items if tells(item)]
    if not told:
        return None
    scales = [item["scale"] for item in items if item.get("scale") is not None]
    shares, out = [1.0], {}
    for field in FIELDS:
        weights: Counter = Counter()
        for one in told:
            if one[field] is not None:
                value = _rounded(one[field]) if field == "fov_deg" else one[field]
                weights[value] += one["confidence"]
        if not weights:
            out[field] = None
            continue
        value, weight = max(weights.items(), key=lambda entry: (entry[1], str(entry[0])))
        shares.append(weight / sum(weights.values()))
        out[field] = value
        if field == "fov_deg":
            near = [one[field] for one in told if one[field] and _rounded(one[field]) == value]
            out[field] = round(median(near), 2)
    declared = told[0]["declared"]
    mean = sum(one["confidence"] for one in told) / len(told)
    rival = max(told, key=lambda one: one["confidence"])["runner_up"]
    apart = sum(one["agrees"] is False for one in told)
    stated = {name: declared[name] for name in FIELDS if name != "fov_deg"}
    departs = any(
        None not in (out[name], value) and out[name] != value for name, value in stated.items()
    )
    return {
        **out,
        "scale": round(median(scales), 4) if scales else None,
        "confidence": round(min(shares) * mean, 4),
        "runner_up": rival,
        "declared": declared,
        "agrees": not departs and apart * 2 <= len(told),
    }


def tells(item: Mapping) -> bool:
    """Whether an item's verdict confirms or denies anything that is declared."""
    said = item["convention"]
    return said is not None and said["agrees"] is not None


def _rounded(angle_deg: float) -> float:
    """Fields of view that differ less than the tolerance are one."""
    return round(angle_deg / (100 * FOV_TOLERANCE)) * 100 * FOV_TOLERANCE
