"""How rules decide. Pure: numbers in, verdict out; nothing is measured here.

A rule bounds a metric, absolutely or relative to the dataset. Relative bounds become absolute ones
when the whole dataset is known (`resolve`), and so every verdict names the number that decided.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.catalogue import ABOUT, CLIP_METRICS, UNITS
from curation.verdict import Score, Verdict

# Fewer clips than this have no quartiles worth the name.
MIN_CLIPS = 20
_METRICS = frozenset(metric.name for metric in CLIP_METRICS)
# Stands for any number in a rule's text.
_ANY = "\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One check: a metric stays within its bounds, or the clip goes.

    Attributes:
        name: Two or three words for lists: "whip pan".
        metric: Column of the clip table.
        text: What is wrong, as the beginning of a clause: "turns at {value}, more than {bound}".
            The metric's description by default.
        at_least: Smallest value that is kept.
        at_most: Largest value that is kept.
        low_fences: Relative to the dataset: no more than this many interquartile ranges below the
            lower quartile (Tukey's fences; 1.5 is an outlier, 3 is far out).
        high_fences: The same above the upper quartile.
        required: Whether a value that could not be measured rejects the clip too.
    """

    name: str
    metric: str
    text: str = ""
    at_least: float = -math.inf
    at_most: float = math.inf
    low_fences: float = math.inf
    high_fences: float = math.inf
    required: bool = False

    def __post_init__(self):
        if self.metric not in _METRICS:
            raise ValueError(
                f"there is no metric {self.metric!r}; known are {', '.join(sorted(_METRICS))}"
            )
        bounds = (self.at_least, self.at_most, self.low_fences, self.high_fences)
        if not any(map(math.isfinite, bounds)) or self.at_least > self.at_most:
            raise ValueError(
                f"the rule on {self.metric} needs a bound, and at_least <= at_most; "
                f"got {self.at_least} and {self.at_most}"
            )
        if min(self.low_fences, self.high_fences) < 0:
            raise ValueError(f"the fences of the rule on {self.metric} must not be negative")
        if not self.text:
            text = f"{ABOUT[self.metric]}: {{value}}, expected {{bound}}"
            object.__setattr__(self, "text", text)
        try:
            self.text.format(value=_ANY, bound=_ANY)
        except (LookupError, ValueError, AttributeError) as error:
            raise ValueError(f"text may hold {{value}} and {{bound}}, got {self.text!r}") from error

    def reason(self, value: float) -> str | None:
        """Why this value is rejected, or None; fences count once they are resolved."""
        if math.isnan(value):
            return self._unmeasured if self.required else None
        if self.at_least <= value <= self.at_most:
            return None
        bound = self.at_least if value < self.at_least else self.at_most
        return self.text.format(value=_say(value, self.metric), bound=_say(bound, self.metric))

    def gave(self, reason: str) -> bool:
        """Whether a reason is this rule's, of whatever value."""
        pieces = self.text.format(value=_ANY, bound=_ANY).split(_ANY)
        said = re.fullmatch(".+".join(map(re.escape, pieces)), reason)
        return said is not None or reason == self._unmeasured

    @property
    def _unmeasured(self) -> str:
        return f"{self.metric} could not be measured"


def judge(row: Mapping[str, object], rules: Sequence[Rule]) -> Verdict:
    """The verdict on one row of the clip metrics.

    Args:
        row: Metric name -> number; a metric that is absent counts as not measured.
        rules: What to check, in the order of the reasons.
    """
    values = {rule.metric: _number(row.get(rule.metric)) for rule in rules}
    reasons = [rule.reason(values[rule.metric]) for rule in rules]
    said = tuple(reason for reason in reasons if reason)
    scores = tuple(
        Score(name=name, value=value, unit=UNITS[name]) for name, value in values.items()
    )
    return Verdict(keep=not said, reasons=said, scores=scores)


def resolve(rules: Sequence[Rule], rows: Iterable[Mapping[str, object]]) -> tuple[Rule, ...]:
    """The rules with absolute bounds alone, for a dataset.

    A fence tightens the absolute bound and never loosens it. It says nothing where fewer than 20
    clips are known, or where half of them have the same value.

    Args:
        rules: The rules.
        rows: The clip metrics of the whole dataset.
    """
    table = list(rows)
    return tuple(
        _fenced(rule, np.array([_number(row.get(rule.metric)) for row in table]))
        if min(rule.low_fences, rule.high_fences) < math.inf
        else rule
        for rule in rules
    )


def load(path: Path, base: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules of a dataset: a base, and what its rules.json changes.

    The file is a list of objects. A name of the base changes the fields that are given, or removes
    the rule with `"off": true`; a new name with a metric and a bound adds a rule.

    Args:
        path: rules.json; the base alone where there is none.
        base: See `curation.filters.RULES`.

    Raises:
        ValueError: If the file is no such list.
    """
    if not path.is_file():
        return tuple(base)
    try:
        changes = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(changes, list) or not all(isinstance(c, dict) for c in changes):
        raise ValueError(f"{path}: expected a list of objects, one for each rule")
    rules = {rule.name: rule for rule in base}
    for number, change in enumerate(changes, 1):
        try:
            _change(rules, change)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, rule {number}: {error}") from error
    return tuple(rules.values())


def to_json(rules: Sequence[Rule]) -> list[dict[str, object]]:
    """The rules as `load` reads them over no base: fields that say nothing are left out."""
    defaults = {field.name: field.default for field in dataclasses.fields(Rule)}
    return [
        {name: value for name, value in dataclasses.asdict(rule).items() if value != defaults[name]}
        for rule in rules
    ]


def version(rules: Sequence[Rule]) -> str:
    """First eight hex digits of the SHA-256 of the rules: which ones decided."""
    return hashlib.sha256(json.dumps(to_json(rules), sort_keys=True).encode()).hexdigest()[:8]


def _change(rules: dict[str, Rule], change: dict) -> None:
    name, off = change.get("name"), change.get("off", False)
    fields = {key: value for key, value in change.items() if key not in ("name", "off")}
    known = [field.name for field in dataclasses.fields(Rule)]
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"unknown keys {', '.join(unknown)}; there are {', '.join(known)}, off")
    if not isinstance(name, str) or not isinstance(off, bool) or (off and fields):
        raise ValueError(f'expected a "name" and either fields or "off": true, got {change}')
    for key, value in fields.items():
        _require_type(key, value)
    if off:
        if name not in rules:
            raise ValueError(f"there is no rule {name!r} to switch off; there are {_names(rules)}")
        del rules[name]
    elif name in rules:
        rules[name] = dataclasses.replace(rules[name], **fields)
    elif "metric" not in fields:
        raise ValueError(f"{name!r} is a new rule and needs a metric; there are {_names(rules)}")
    else:
        rules[name] = Rule(name=name, **fields)


def _require_type(key: str, value: object) -> None:
    kind = str if key in ("metric", "text") else bool if key == "required" else (int, float)
    if not isinstance(value, kind) or (isinstance(value, bool) and key != "required"):
        raise ValueError(f"{key} cannot be {value!r}")


def _names(rules: Mapping[str, Rule]) -> str:
    return ", ".join(rules)


def _fenced(rule: Rule, values: np.ndarray) -> Rule:
    values = values[np.isfinite(values)]
    if len(values) < MIN_CLIPS:
        return rule
    low, high = np.percentile(values, (25, 75))
    if high == low:
        return rule
    at_least = max(rule.at_least, low - rule.low_fences * (high - low))
    at_most = min(rule.at_most, high + rule.high_fences * (high - low))
    return dataclasses.replace(rule, at_least=float(at_least), at_most=float(at_most))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _say(value: float, metric: str) -> str:
    """A number as people read it: "143 deg/s", "3 frames", "31 %"."""
    unit = UNITS[metric]
    if not unit and metric.endswith(_SHARES):
        return f"{100 * value:.3g} %"
    if unit == "frames" and abs(value) == 1:
        unit = "frame"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {unit}".strip()


_SHARES = ("_share", "_share_max", "_inlier", "_low_max", "_high_max", "_coupling", "_agreement")
