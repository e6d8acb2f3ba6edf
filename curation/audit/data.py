"""Everything that a report shows, gathered from a dataset folder; no pixels."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from capture import actions, camera, files
from capture.episode import Episode
from capture.schedule import SPEEDS
from curation import balance, tables
from curation.convention import dataset as examined
from curation.decide import Decision, load_decisions, rules_of
from curation.filters import Rule

_POSE = ["x_m", "y_m", "z_m", "heading_deg", "tilt_deg", "roll_deg"]
_SHOWN_POINTS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One trajectory and what became of it.

    Attributes:
        id: Of its plan.
        scene_id: Where it is.
        generator: What planned it.
        fps: Frames a second.
        size_px: Width and height of the pictures.
        num_frames: How many.
        duration_s: From the first frame to the last.
        length_m: Of the path.
        clearance_m: Least distance to a surface, from the planner.
        path_m: Points of the path from above, float64 [P, 2]; 120 at most.
        clips: The rows of the clip metrics joined with the verdicts; may be empty.
        balance: Of the frames of kept clips: with which action at which speed, int64 [13, 4], the
            actions of RELIC and the bins of `capture.schedule.SPEEDS`.
    """

    id: str
    scene_id: str
    generator: str
    fps: float
    size_px: tuple[int, int]
    num_frames: int
    duration_s: float
    length_m: float
    clearance_m: float
    path_m: np.ndarray
    clips: list[dict]
    balance: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Report:
    """A dataset as the report sees it.

    Attributes:
        path: The dataset folder.
        scenes: Scene id -> its card: what `Scene.to_json` gives, and "map", "picture" if drawn.
        routes: The measured trajectories, by scene, generator and id.
        problems: Episode or plan id -> what is wrong with it, in words.
        decisions: Clip id -> what a person decided.
        shards: Rows of the shard table: shard, split, bytes, sha256, samples.
        rules: Those that decided, with absolute bounds.
        convention: What the poses mean, as in audit.json; None where it cannot be told.
    """

    path: Path
    scenes: dict[str, dict]
    routes: list[Route]
    problems: dict[str, str]
    decisions: dict[str, Decision]
    shards: list[dict]
    rules: tuple[Rule, ...]
    convention: dict | None

    @functools.cached_property
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
    clips = _clips(dataset)
    problems = _given_up(dataset)
    routes, cards = [], {}
    for plan_id, frames in _frames(dataset):
        try:
            episode = Episode.load(dataset / "episodes" / plan_id)
        except ValueError as error:
            problems[plan_id] = _placeless(str(error), dataset)
            continue
        cards.setdefault(episode.scene.id, _card(dataset, episode))
        routes.append(_route(episode, frames, clips.get(episode.id, [])))
    routes.sort(key=lambda route: (route.scene_id, route.generator, route.id))
    known = {route.id for route in routes}
    return Report(
        path=dataset,
        scenes=cards,
        routes=routes,
        problems=dict(sorted({**_unmeasured(dataset, known | set(problems)), **problems}.items())),
        decisions=load_decisions(dataset / "decisions.jsonl"),
        shards=_shards(dataset / "shards"),
        rules=rules_of(dataset),
        convention=examined.of(dataset),
    )


def _clips(dataset: Path) -> dict[str, list[dict]]:
    """Plan id -> its clips."""
    metrics = dataset / "metrics" / "clips.parquet"
    for path in (dataset / "metrics" / "frames.parquet", metrics, dataset / "clips.parquet"):
        if not path.is_file():
            raise ValueError(f"{path} does not exist: run `relickit curate` on the dataset first")
    verdicts = {row["clip_id"]: row for row in pq.read_table(dataset / "clips.parquet").to_pylist()}
    clips: dict[str, list[dict]] = {}
    for row in pq.read_table(metrics).to_pylist():
        if row["clip_id"] not in verdicts:
            raise ValueError(
                f"{dataset / 'clips.parquet'} is older than the metrics: it says nothing of "
                f"{row['clip_id']}; run `relickit curate` again"
            )
        clips.setdefault(row["plan_id"], []).append(row | verdicts[row["clip_id"]])
    return clips


def _frames(dataset: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Plan id and float64 [T, 8] of each episode: `_POSE`, t_s, speed_m_s; they lie together."""
    names = [*_POSE, "t_s", "speed_m_s"]
    table = pq.read_table(
        dataset / "metrics" / "frames.parquet", columns=["plan_id", *names]
    ).combine_chunks()
    plans = table["plan_id"].combine_chunks().dictionary_encode()
    values = np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)
    codes = plans.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    for start, rows in zip(starts, np.split(values, starts[1:]), strict=True):
        yield plans.dictionary[codes[start]].as_py(), rows


def _route(episode: Episode, frames: np.ndarray, clips: list[dict]) -> Route:
    place, t_s, speed_m_s = frames[:, :6], frames[:, 6], frames[:, 7]
    steps = np.diff(place[:, :3], axis=0)
    size = episode.intrinsics
    return Route(
        id=episode.id,
        scene_id=episode.scene.id,
        generator=episode.generator,
        fps=episode.fps,
        size_px=(size.width_px, size.height_px),
        num_frames=len(frames),
        duration_s=float(t_s[-1] - t_s[0]),
        length_m=float(np.linalg.norm(steps, axis=1).sum()),
        clearance_m=episode.clearance_m,
        path_m=place[:: max(1, len(place) // _SHOWN_POINTS), :2],
        clips=clips,
        balance=_balance(place, speed_m_s, clips),
    )


def _balance(place: np.ndarray, speed_m_s: np.ndarray, clips: Sequence[Mapping]) -> np.ndarray:
    poses = camera.pose_from_angles(place[:, :3], *place[:, 3:].T)
    active = balance.active(actions.encode(poses))
    bins = np.searchsorted(list(SPEEDS.values()), speed_m_s)
    kept = np.zeros(len(place), dtype=bool)
    for clip in clips:
        if clip["keep"]:
            kept[max(clip["start"], 1) : clip["stop"]] = True
    at_speed = bins[kept, None] == np.arange(len(SPEEDS))
    return active[kept].T.astype(np.int64) @ at_speed.astype(np.int64)


def _card(dataset: Path, episode: Episode) -> dict:
    path = dataset / "scenes" / f"{episode.scene.id}.json"
    return files.read_json(path) if path.is_file() else episode.scene.to_json()


def _given_up(dataset: Path) -> dict[str, str]:
    """Plans that were given up and have no episode since."""
    found = {}
    for path in sorted((dataset / "failed").glob("*.json")):
        if not (dataset / "episodes" / path.stem / "episode.json").is_file():
            attempts = files.read_json(path).get("attempts", ())
            reasons = dict.fromkeys(attempt["reason"] for attempt in attempts)
            found[path.stem] = f"was given up: {'; '.join(reasons)}"
    return found


def _unmeasured(dataset: Path, known: set[str]) -> dict[str, str]:
    """Episodes that are there and not in the tables."""
    measured = set(tables.measured_plans(dataset))
    return {
        folder.name: _placeless(_missing(folder, measured), dataset)
        for folder in _episodes(dataset, known)
    }


def _placeless(text: str, dataset: Path) -> str:
    """A sentence that is the same wherever the dataset lies."""
    return text.replace(f"{dataset}/", "").replace(f" {dataset}`", " DATASET`")


def _episodes(dataset: Path, known: set[str]) -> Iterator[Path]:
    for folder in sorted((dataset / "episodes").iterdir()):
        if folder.name not in known and not folder.name.startswith(".") and folder.is_dir():
            yield folder


def _missing(folder: Path, measured: set[str]) -> str:
    try:
        Episode.load(folder)
    except ValueError as error:
        return str(error)
    merged = "was measured after the tables were joined" if folder.name in measured else ""
    return (merged or "has not been measured") + "; run `relickit curate`"


def _shards(folder: Path) -> list[dict]:
    """The shard table, if the dataset has been packed."""
    if not (folder / "manifest.json").is_file():
        return []
    manifest = files.read_json(folder / "manifest.json")
    return pq.read_table(folder / manifest["tables"]["shards"]["file"]).to_pylist()
