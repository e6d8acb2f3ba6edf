"""Decides: clip metrics in, clips.parquet out. Nothing is measured again.

clips.parquet has one row per clip candidate, sorted by clip_id: clip_id, plan_id, scene_id, start,
stop (half-open frames), keep, reject_reasons, caption, caption_short, split, weight. Its schema
carries the rules that decided (`rules_of`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import files
from capture.actions import NAMES
from curation import balance, split
from curation import rules as rulebook
from curation.caption import table as captions
from curation.filters import RULES, Rule, judge
from curation.verdict import Verdict

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("plan_id", pa.string()),
        ("scene_id", pa.string()),
        ("start", pa.int32()),
        ("stop", pa.int32()),
        ("keep", pa.bool_()),
        ("reject_reasons", pa.list_(pa.string())),
        ("caption", pa.string()),
        ("caption_short", pa.string()),
        ("split", pa.string()),
        ("weight", pa.float64()),
    ]
)
RULES_FILE = "rules.json"
_REPEATS, _PERSON = "repeats the path of", "rejected by a person"
_RULES_KEY = b"relickit.rules"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a person said about a clip; it overrules every rule.

    Attributes:
        clip_id: The clip.
        keep: Whether to keep it.
        note: Why, in their words; may be empty.
    """

    clip_id: str
    keep: bool
    note: str = ""


def decide(
    dataset: Path,
    *,
    rules: Sequence[Rule] | None = None,
    val_scenes: Collection[str] = (),
) -> Path:
    """Judge every clip of metrics/clips.parquet, caption it, put it into a split, weigh it.

    Args:
        dataset: The dataset folder.
        rules: The checks; by default `curation.filters.RULES` with what rules.json changes.
        val_scenes: Scenes to validate on; all others are for training.

    Returns:
        clips.parquet.

    Raises:
        ValueError: If nothing was measured yet, rules.json or decisions.jsonl is malformed, or a
            validation scene is unknown.
    """
    rows = measured(dataset)
    rules = rulebook.load(dataset / RULES_FILE, RULES) if rules is None else rules
    rules = rulebook.resolve(rules, rows)
    verdicts = _verdicts(dataset, rows, rules)
    splits = split.assign((row["scene_id"] for row in rows), val_scenes)
    weights = _weights(rows, verdicts, splits)
    said = captions.texts(dataset, rows)
    clips = [
        {name: row[name] for name in ("clip_id", "plan_id", "scene_id", "start", "stop")}
        | {
            "keep": verdict.keep,
            "reject_reasons": list(verdict.reasons),
            "caption": text.long,
            "caption_short": text.short,
            "split": splits[row["scene_id"]],
            "weight": weight,
        }
        for row, verdict, text, weight in zip(rows, verdicts, said, weights, strict=True)
    ]
    return _write(dataset, clips, rules)


def recaption(dataset: Path) -> Path:
    """Put the captions that are there now into clips.parquet; all else stays as it is.

    Args:
        dataset: The dataset folder.

    Returns:
        clips.parquet.

    Raises:
        ValueError: If nothing was judged yet, or other clips were measured since.
    """
    path = dataset / "clips.parquet"
    if not path.is_file():
        raise ValueError(f"{path} does not exist: run `relickit curate` first")
    clips, rows = pq.read_table(path).to_pylist(), measured(dataset)
    if [clip["clip_id"] for clip in clips] != [row["clip_id"] for row in rows]:
        raise ValueError(f"{path} has other clips than were measured: run `relickit curate` again")
    said = captions.texts(dataset, rows)
    anew = [
        {**clip, "caption": text.long, "caption_short": text.short}
        for clip, text in zip(clips, said, strict=True)
    ]
    return _write(dataset, anew, rules_of(dataset))


def rules_of(dataset: Path) -> tuple[Rule, ...]:
    """The rules that decided clips.parquet, with absolute bounds.

    Raises:
        ValueError: If the file is of a version that did not keep them.
    """
    path = dataset / "clips.parquet"
    kept = (pq.read_schema(path).metadata or {}).get(_RULES_KEY)
    if kept is None:
        raise ValueError(f"{path} does not say which rules decided: run `relickit curate` again")
    return tuple(Rule(**fields) for fields in json.loads(kept))


def cause(rules: Sequence[Rule], reason: str) -> str:
    """What is behind a reason, as the report calls it: mostly the name of a rule.

    Args:
        rules: Those that decided; see `rules_of`.
        reason: One of `reject_reasons`.
    """
    if reason.startswith(_PERSON):
        return "a person's decision"
    if reason.startswith(_REPEATS):
        return "repeated path"
    return next((rule.name for rule in rules if rule.gave(reason)), "another check")


def measured(dataset: Path) -> list[dict]:
    """The rows of metrics/clips.parquet.

    Raises:
        ValueError: If nothing was measured yet.
    """
    metrics = dataset / "metrics" / "clips.parquet"
    if not metrics.is_file():
        raise ValueError(f"{metrics} does not exist: measure the episodes first")
    return pq.read_table(metrics).to_pylist()


def _verdicts(dataset: Path, rows: Sequence[Mapping], rules: Sequence[Rule]) -> list[Verdict]:
    people = load_decisions(dataset / "decisions.jsonl")
    if unknown := sorted(set(people) - {row["clip_id"] for row in rows}):
        log.warning("decisions.jsonl speaks of unknown clips: %s", ", ".join(unknown))
    first_kept: dict[str, str] = {}
    verdicts = []
    for row in rows:
        path = row["duplicate_of"] or row["clip_id"]
        verdict = verdict_of(row, rules, first_kept.get(path), people.get(row["clip_id"]))
        if verdict.keep:
            first_kept.setdefault(path, row["clip_id"])
        verdicts.append(verdict)
    return verdicts


def _weights(
    rows: Sequence[Mapping], verdicts: Sequence[Verdict], splits: Mapping[str, str]
) -> np.ndarray:
    """`balance.weights` of the kept training clips; 1 for validation, 0 for what is rejected."""
    keep = np.array([verdict.keep for verdict in verdicts], dtype=bool)
    train = keep & np.array([splits[row["scene_id"]] == split.TRAIN for row in rows], dtype=bool)
    weights = keep.astype(np.float64)
    shares = [row["action_shares"] for row, chosen in zip(rows, train, strict=True) if chosen]
    weights[train] = balance.weights(np.array(shares).reshape(-1, len(NAMES)))
    return weights


def _write(dataset: Path, clips: list[dict], rules: Sequence[Rule]) -> Path:
    said = json.dumps(rulebook.to_json(rules), sort_keys=True)
    schema = SCHEMA.with_metadata(
        {_RULES_KEY: said.encode(), b"relickit.rules_version": rulebook.version(rules).encode()}
    )
    with files.replacing(dataset / "clips.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(clips, schema=schema), temporary)
    return dataset / "clips.parquet"


def verdict_of(
    row: Mapping[str, object],
    rules: Sequence[Rule] = RULES,
    repeats: str | None = None,
    person: Decision | None = None,
) -> Verdict:
    """The rules' verdict, the duplicate check, and over both what a person decided.

    Args:
        row: A row of the clip metrics.
        rules: The checks.
        repeats: The clip with the same path that is kept already.
        person: What a person said.
    """
    verdict = judge(row, rules)
    reasons = verdict.reasons + ((f"{_REPEATS} {repeats}",) if repeats else ())
    if person is not None:
        note = f": {person.note}" if person.note else ""
        reasons = () if person.keep else (f"{_PERSON}{note}",)
    return Verdict(keep=not reasons, reasons=reasons, scores=verdict.scores)


def load_decisions(path: Path) -> dict[str, Decision]:
    """Clip id -> the last line about it; empty if there is no file.

    Raises:
        ValueError: If a line is no JSON object in UTF-8 with "clip_id" and "keep".
    """
    decisions: dict[str, Decision] = {}
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, content in enumerate(lines, 1):
        try:
            line = content.decode().strip()
            if not line:
                continue
            data = json.loads(line)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}, line {number} is not UTF-8 ({error.reason}); save the file as UTF-8"
            ) from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("keep"), bool):
            raise ValueError(
                f'{path}, line {number}: expected {{"clip_id": ..., "keep": true or false, '
                f'"note": ...}}, got {line}'
            )
        unknown = sorted(set(data) - {"clip_id", "keep", "note"})
        if unknown or not isinstance(data.get("clip_id"), str):
            raise ValueError(
                f"{path}, line {number}: expected the keys clip_id, keep and note, "
                f"got {', '.join(data)}"
            )
        decisions[data["clip_id"]] = Decision(**data)
    return decisions
