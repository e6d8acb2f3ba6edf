"""The captions of a dataset on disk: resumable, one file per clip, joined into captions.parquet.

captions/<captioner's hash>/<clip id>.json    as soon as a clip is captioned
captions.parquet                              the captions that count; without it, the scene cards'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import files
from capture.episode import Episode
from capture.scene import Scene
from curation.caption import card, lint, score
from curation.caption.base import ERROR, SUCCESS, Caption, Captioner, Shot, caption, prompt_hash

FILE = "captions.parquet"
# So many failures one after the other, and at least this many: the server is gone.
_MAX_FAILURES = 8
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("text", pa.string()),
        ("short", pa.string()),
        ("captioner", pa.string()),
        ("prompt_hash", pa.string()),
        ("status", pa.string()),
        ("detail", pa.string()),
        ("dropped", pa.list_(pa.string())),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("requests", pa.int64()),
        ("words", pa.int32()),
        ("repeated_share", pa.float64()),
        ("object_recall", pa.float64()),
        ("object_invention", pa.float64()),
        ("invented", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A caption, long and short."""

    long: str
    short: str


def texts(dataset: Path, rows: Sequence[Mapping]) -> list[Text]:
    """The caption of each measured clip: of captions.parquet, or of its scene card.

    Args:
        dataset: The dataset folder.
        rows: Of metrics/clips.parquet.
    """
    said: dict[str, Text] = {}
    if (dataset / FILE).is_file():
        columns = ["clip_id", "text", "short"]
        for row in pq.read_table(dataset / FILE, columns=columns).to_pylist():
            if row["text"]:
                said[row["clip_id"]] = Text(long=row["text"], short=row["short"])
    scenes = _Scenes(dataset)
    return [said.get(row["clip_id"]) or _from_card(scenes.of(row), row) for row in rows]


def run(dataset: Path, rows: Sequence[Mapping], captioner: Captioner) -> Iterator[Caption]:
    """Caption clips; those that are captioned already come from their files.

    Captions that failed are tried again. Interrupt it at any time, and call it again.

    Args:
        dataset: The dataset folder.
        rows: Of metrics/clips.parquet.
        captioner: Who says it.

    Yields:
        The captions, in the order in which they are done.

    Raises:
        ValueError: If captions fail one after the other.
    """
    folder = dataset / "captions" / prompt_hash(captioner)
    todo = []
    for row in rows:
        done = _read(folder / f"{row['clip_id']}.json")
        if done is not None and done.status == SUCCESS:
            yield done
        else:
            todo.append(row)
    scenes, waiting = _Scenes(dataset), iter(todo)
    pool = ThreadPoolExecutor(max_workers=captioner.concurrency)
    running: set[Future[Caption]] = set()
    failures = 0
    try:
        while True:
            for row in waiting:
                shot = scenes.shot(row)
                running.add(pool.submit(_caption, folder, captioner, shot))
                if len(running) >= 2 * captioner.concurrency:
                    break
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done = future.result()
                failures = failures + 1 if done.status == ERROR else 0
                if failures >= max(_MAX_FAILURES, 2 * captioner.concurrency):
                    raise ValueError(
                        f"{failures} captions failed one after the other: {done.detail}"
                    )
                yield done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def publish(dataset: Path, rows: Sequence[Mapping], captions: Sequence[Caption]) -> Path:
    """Write captions.parquet, with what can be measured of each caption.

    Args:
        dataset: The dataset folder.
        rows: Of metrics/clips.parquet.
        captions: Of the clips that were captioned, in any order.

    Returns:
        captions.parquet.
    """
    by_id = {row["clip_id"]: row for row in rows}
    scenes = _Scenes(dataset)
    cards = {row["scene_id"]: scenes.of(row) for row in rows}
    heads = {score.head(label) for scene in cards.values() for label in scene.labels.values()}
    table = []
    for said in sorted(captions, key=lambda said: said.clip_id):
        row = by_id[said.clip_id]
        scene = cards[row["scene_id"]]
        truth = score.truth(said.text, scene, _view(scene, row), heads - {""})
        table.append(
            dataclasses.asdict(said)
            | {
                "words": lint.num_words(said.text),
                "repeated_share": lint.repeated_share(said.text),
                "object_recall": truth.recall,
                "object_invention": truth.invention,
                "invented": list(truth.invented),
            }
        )
    with files.replacing(dataset / FILE) as temporary:
        pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), temporary)
    return dataset / FILE


def pick(cam_to_world: np.ndarray, count: int) -> list[int]:
    """The frames that show most: farthest-point sampling by where the camera looks and stands.

    The first is frame 0; each next one is the frame that differs most from all chosen ones, a
    metre counting as 30 degrees.

    Args:
        cam_to_world: Poses of a clip, float64 [T, 4, 4].
        count: How many; at most T.

    Returns:
        Frame numbers, sorted.
    """
    features = np.concatenate(
        [cam_to_world[:, :3, 2] / np.radians(30.0), cam_to_world[:, :3, 3]], axis=1
    )
    chosen = [0]
    apart = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < min(count, len(features)):
        chosen.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.linalg.norm(features - features[chosen[-1]], axis=1))
        apart[chosen] = -1.0
    return sorted(chosen)


class _Scenes:
    """The episodes of clips, opened once."""

    def __init__(self, dataset: Path):
        self._dataset = dataset
        self._episodes: dict[str, Episode] = {}

    def _episode(self, row: Mapping) -> Episode:
        plan_id = row["plan_id"]
        if plan_id not in self._episodes:
            self._episodes[plan_id] = Episode.load(self._dataset / "episodes" / plan_id)
        return self._episodes[plan_id]

    def of(self, row: Mapping) -> Scene:
        return self._episode(row).scene

    def shot(self, row: Mapping) -> Shot:
        episode = self._episode(row)
        return Shot(
            clip_id=row["clip_id"],
            scene=episode.scene,
            view=_view(episode.scene, row),
            frames=partial(_frames, episode, row["start"], row["stop"]),
        )


def _frames(episode: Episode, start: int, stop: int, count: int) -> np.ndarray:
    chosen = pick(episode.trajectory.cam_to_world[start:stop], count)
    return np.concatenate([episode.frames(start + n, start + n + 1) for n in chosen])


def _view(scene: Scene, row: Mapping) -> card.View:
    place = next((p for p in scene.places if p.name == row["place"]), None)
    objects = dict(zip(row["view_names"], row["view_shares"], strict=True))
    return card.View(place=place, objects=objects)


def _from_card(scene: Scene, row: Mapping) -> Text:
    seen = _view(scene, row)
    return Text(
        long=card.describe(scene, seen, row["clip_id"]),
        short=card.describe_short(scene, seen, row["clip_id"]),
    )


def _caption(folder: Path, captioner: Captioner, shot: Shot) -> Caption:
    done = caption(captioner, shot)
    files.write_json(folder / f"{shot.clip_id}.json", dataclasses.asdict(done))
    return done


def _read(path: Path) -> Caption | None:
    if not path.is_file():
        return None
    try:
        data = files.read_json(path)
        return Caption(**{**data, "dropped": tuple(data["dropped"])})
    except (ValueError, KeyError, TypeError):
        return None  # of another version: captioned anew
