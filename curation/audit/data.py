"""Everything that a report shows, gathered from a dataset folder; no pixels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from capture.episode import Episode
from curation import tables
from curation.decide import load_decisions, rules_of
from curation.filters import Rule

PERSON, DUPLICATE, OTHER = "a person's decision", "repeated path", "another check"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One trajectory and what became of it.

    Attributes:
        episode: The finished episode.
        frames: Its rows of the frame metrics.
        clips: Its clips: the rows of the clip metrics joined with the verdicts; may be empty.
    """

    episode: Episode
    frames: pd.DataFrame
    clips: list[dict]

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return float(self.frames["t_s"].iloc[-1] - self.frames["t_s"].iloc[0])

    @property
    def length_m(self) -> float:
        """Length of the path."""
        steps = np.diff(self.frames[["x_m", "y_m", "z_m"]].to_numpy(), axis=0)
        return float(np.linalg.norm(steps, axis=1).sum())

    @property
    def rejected(self) -> list[dict]:
        """The clips that were rejected."""
        return [clip for clip in self.clips if not clip["keep"]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A dataset as the report sees it.

    Attributes:
        path: The dataset folder.
        scenes: Scene id -> its card: what `Scene.to_json` gives, and "map", "picture" if drawn.
        routes: The measured trajectories, by scene, generator and id.
        problems: Episode or plan id -> what is wrong with it, in words.
        notes: Clip id -> what a person noted.
        shards: Rows of the shard table: shard, split, bytes, sha256, samples.
        rules: Those that decided, with absolute bounds.
    """

    path: Path
    scenes: dict[str, dict]
    routes: list[Route]
    problems: dict[str, str]
    notes: dict[str, str]
    shards: list[dict]
    rules: tuple[Rule, ...]

    @property
    def clips(self) -> list[dict]:
        """All clips of all trajectories."""
        return [clip for route in self.routes for clip in route.clips]

    def values(self, metric: str, keep: bool | None = None) -> np.ndarray:
        """A clip metric of all clips, or of those kept or rejected, without unknown values."""
        chosen = [c[metric] for c in self.clips if keep is None or c["keep"] is keep]
        values = np.array(chosen, dtype=np.float64)
        return values[np.isfinite(values)]


def gather(dataset: Path) -> Report:
    """Read the metrics, the verdicts and the cards of a dataset.

    Raises:
        ValueError: If the dataset has not been curated.
    """
    needed = [dataset / "metrics" / name for name in ("frames.parquet", "clips.parquet")]
    for path in (*needed, dataset / "clips.parquet"):
        if not path.is_file():
            raise ValueError(f"{path} does not exist: run `relickit curate` on the dataset first")
    verdicts = {row["clip_id"]: row for row in pq.read_table(dataset / "clips.parquet").to_pylist()}
    clips: dict[str, list[dict]] = {}
    for row in pq.read_table(needed[1]).to_pylist():
        if row["clip_id"] not in verdicts:
            raise ValueError(
                f"{dataset / 'clips.parquet'} is older than the metrics: it says nothing of "
                f"{row['clip_id']}; run `relickit curate` again"
            )
        clips.setdefault(row["plan_id"], []).append(row | verdicts[row["clip_id"]])
    routes = []
    for plan_id, rows in pq.read_table(needed[0]).to_pandas().groupby("plan_id", sort=True):
        # A damaged episode is listed among the problems, in words.
        with contextlib.suppress(ValueError):
            episode = Episode.load(dataset / "episodes" / str(plan_id))
            frames = rows.reset_index(drop=True)
            routes.append(Route(episode=episode, frames=frames, clips=clips.get(episode.id, [])))
    routes.sort(key=lambda r: (r.episode.scene.id, r.episode.generator, r.episode.id))
    decisions = load_decisions(dataset / "decisions.jsonl")
    return Report(
        path=dataset,
        scenes={r.episode.scene.id: _card(dataset, r.episode) for r in routes},
        routes=routes,
        problems=_problems(dataset, {route.episode.id for route in routes}),
        notes={clip: said.note for clip, said in decisions.items() if said.note},
        shards=_shards(dataset / "shards"),
        rules=rules_of(dataset),
    )


def cause(rules: Sequence[Rule], clip: Mapping, reason: str) -> str:
    """The check behind a reason, as a line of the funnel."""
    for rule in rules:
        if rule.reason(clip[rule.metric]) == reason:
            return rule.name
    if reason.startswith("rejected by a person"):
        return PERSON
    return DUPLICATE if reason.startswith("repeats the path") else OTHER


def _card(dataset: Path, episode: Episode) -> dict:
    path = dataset / "scenes" / f"{episode.scene.id}.json"
    return json.loads(path.read_text()) if path.is_file() else episode.scene.to_json()


def _problems(dataset: Path, known: set[str]) -> dict[str, str]:
    """Episodes that are there and cannot be used, and plans that were given up."""
    found: dict[str, str] = {}
    for path in sorted((dataset / "failed").glob("*.json")):
        if path.stem not in known:
            reasons = json.loads(path.read_text()).get("reasons", ())
            found[path.stem] = f"was given up: {'; '.join(reasons)}"
    measured = set(tables.measured_plans(dataset))
    for folder in sorted((dataset / "episodes").iterdir()):
        if folder.name in known or folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            Episode.load(folder)
            merged = "was measured after the tables were joined" if folder.name in measured else ""
            found[folder.name] = (merged or "has not been measured") + "; run `relickit curate`"
        except ValueError as error:
            found[folder.name] = str(error)
    return found


def _shards(folder: Path) -> list[dict]:
    """The shard table, if the dataset has been packed."""
    if not (folder / "manifest.json").is_file():
        return []
    manifest = json.loads((folder / "manifest.json").read_text())
    return pq.read_table(folder / manifest["tables"]["shards"]["file"]).to_pylist()
