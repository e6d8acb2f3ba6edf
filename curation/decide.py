"""Decides: clip metrics in, clips.parquet out. Nothing is measured again.

clips.parquet has one row per clip candidate, sorted by clip_id: clip_id, plan_id, scene_id, start,
stop (half-open frames), keep, reject_reasons, caption, split.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from capture import files
from capture.episode import Episode
from capture.scene import Scene
from curation import caption, split
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
        ("split", pa.string()),
    ]
)


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
    rules: Sequence[Rule] = RULES,
    val_scenes: Collection[str] | None = None,
) -> Path:
    """Judge every clip of metrics/clips.parquet, caption it, put it into a split.

    Args:
        dataset: The dataset folder.
        rules: The checks; see `curation.filters.RULES`.
        val_scenes: Scenes to validate on; see `curation.split.assign`.

    Returns:
        clips.parquet.

    Raises:
        ValueError: If nothing was measured yet, decisions.jsonl is malformed, or a validation
            scene is unknown.
    """
    rows = _measured(dataset)
    people = load_decisions(dataset / "decisions.jsonl")
    splits = split.assign((row["scene_id"] for row in rows), val_scenes)
    unknown = sorted(set(people) - {row["clip_id"] for row in rows})
    if unknown:
        log.warning("decisions.jsonl speaks of unknown clips: %s", ", ".join(unknown))
    first_kept: dict[str, str] = {}
    clips = []
    for row, text in zip(rows, captions(dataset, rows), strict=True):
        path = row["duplicate_of"] or row["clip_id"]
        verdict = verdict_of(row, rules, first_kept.get(path), people.get(row["clip_id"]))
        if verdict.keep:
            first_kept.setdefault(path, row["clip_id"])
        clips.append(
            {name: row[name] for name in ("clip_id", "plan_id", "scene_id", "start", "stop")}
            | {
                "keep": verdict.keep,
                "reject_reasons": list(verdict.reasons),
                "caption": text,
                "split": splits[row["scene_id"]],
            }
        )
    return _write(dataset, clips)


def recaption(dataset: Path) -> Path:
    """Caption every clip of clips.parquet anew; verdicts and splits stay as they are.

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
    clips, rows = pq.read_table(path).to_pylist(), _measured(dataset)
    if [clip["clip_id"] for clip in clips] != [row["clip_id"] for row in rows]:
        raise ValueError(f"{path} has other clips than were measured: run `relickit curate` again")
    texts = captions(dataset, rows)
    return _write(
        dataset, [{**clip, "caption": text} for clip, text in zip(clips, texts, strict=True)]
    )


def captions(dataset: Path, rows: Sequence[Mapping]) -> list[str]:
    """The caption of each measured clip, from its scene's card and what was seen of it.

    Args:
        dataset: The dataset folder.
        rows: Of metrics/clips.parquet.
    """
    scenes: dict[str, Scene] = {}
    for row in rows:
        if row["plan_id"] not in scenes:
            scenes[row["plan_id"]] = Episode.load(dataset / "episodes" / row["plan_id"]).scene
    return [_caption(scenes[row["plan_id"]], row) for row in rows]


def _measured(dataset: Path) -> list[dict]:
    metrics = dataset / "metrics" / "clips.parquet"
    if not metrics.is_file():
        raise ValueError(f"{metrics} does not exist: measure the episodes first")
    return pq.read_table(metrics).to_pylist()


def _write(dataset: Path, clips: list[dict]) -> Path:
    with files.replacing(dataset / "clips.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(clips, schema=SCHEMA), temporary)
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
    reasons = verdict.reasons + ((f"repeats the path of {repeats}",) if repeats else ())
    if person is not None:
        note = f": {person.note}" if person.note else ""
        reasons = () if person.keep else (f"rejected by a person{note}",)
    return Verdict(keep=not reasons, reasons=reasons, scores=verdict.scores)


def load_decisions(path: Path) -> dict[str, Decision]:
    """Clip id -> the last line about it; empty if there is no file.

    Raises:
        ValueError: If a line is no JSON object with "clip_id" and "keep".
    """
    decisions: dict[str, Decision] = {}
    lines = path.read_text().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("keep"), bool):
            raise ValueError(
                f'{path}, line {number}: expected {{"clip_id": ..., "keep": true or false, '
                f'"note": ...}}, got {line.strip()}'
            )
        unknown = sorted(set(data) - {"clip_id", "keep", "note"})
        if unknown or not isinstance(data.get("clip_id"), str):
            raise ValueError(
                f"{path}, line {number}: expected the keys clip_id, keep and note, "
                f"got {', '.join(data)}"
            )
        decisions[data["clip_id"]] = Decision(**data)
    return decisions


def _caption(scene: Scene, row: Mapping) -> str:
    place = next((p for p in scene.places if p.name == row["place"]), None)
    objects = dict(zip(row["view_names"], row["view_shares"], strict=True))
    return caption.describe(scene, caption.View(place=place, objects=objects), row["clip_id"])
