"""What the poses of a dataset of ours really mean, told from a few of its episodes.

    metrics/parts/<plan id>.convention.json     of one episode, bound to its content

The rules look at every clip: `geometry_inlier`, `lag_frames` and `label_agreement` find the clip
that is off. This looks at all of them together, and would find what is off everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from capture import files
from capture.episode import Episode
from capture.formats import episodes
from curation import convention
from curation.convention.pooling import pooled

EPISODES = 3
_VERSION = 3


def chosen(dataset: Path) -> list[str]:
    """Ids of the episodes that are asked: the longest ways, of different scenes first.

    A camera that stands, or only turns, says nothing of the unit.

    Args:
        dataset: The dataset folder; metrics/frames.parquet is read.
    """
    table = pq.read_table(
        dataset / "metrics" / "frames.parquet", columns=["plan_id", "scene_id", "x_m", "y_m", "z_m"]
    ).to_pandas()
    ways: list[tuple[float, str, str]] = []
    for (scene_id, plan_id), rows in table.groupby(["scene_id", "plan_id"]):
        steps_m = np.diff(rows[["x_m", "y_m", "z_m"]].to_numpy(np.float64), axis=0)
        ways.append((-float(np.linalg.norm(steps_m, axis=1).sum()), str(plan_id), str(scene_id)))
    ways.sort()
    longest: dict[str, str] = {}
    for _, plan_id, scene_id in ways:
        longest.setdefault(scene_id, plan_id)
    return list(dict.fromkeys([*longest.values(), *(plan_id for _, plan_id, _ in ways)]))[:EPISODES]


def is_examined(dataset: Path, plan_id: str) -> bool:
    """Whether `examine` would have nothing to do."""
    path = _part(dataset, plan_id)
    return path.is_file() and files.read_json(path)["source"] == _source(dataset, plan_id)


def examine(dataset: Path, plan_id: str) -> None:
    """Detect the convention of one episode, unless that is done; about two seconds.

    Raises:
        ValueError: If the episode is absent or unfinished.
    """
    if is_examined(dataset, plan_id):
        return
    found = convention.detect(episodes.posed(Episode.load(dataset / "episodes" / plan_id)))
    content = {
        "source": _source(dataset, plan_id),
        "convention": found.to_json(),
        "cannot_tell": found.reason,
        "fit": found.fit,
        "scale": found.scale,
    }
    files.write_json(_part(dataset, plan_id), content)


def of(dataset: Path) -> dict | None:
    """The `convention` object of audit.json (docs/audit.md), pooled over the chosen episodes.

    Args:
        dataset: The dataset folder.

    Returns:
        None where no episode has been examined, or none can tell.
    """
    if not (dataset / "metrics" / "frames.parquet").is_file():
        return None
    known = [plan_id for plan_id in chosen(dataset) if is_examined(dataset, plan_id)]
    return pooled([files.read_json(_part(dataset, plan_id)) for plan_id in known])


def _part(dataset: Path, plan_id: str) -> Path:
    return dataset / "metrics" / "parts" / f"{plan_id}.convention.json"


def _source(dataset: Path, plan_id: str) -> str:
    """What the verdict must have been made of to be valid; empty if the episode is gone."""
    info = dataset / "episodes" / plan_id / "episode.json"
    return f"{_VERSION} {files.sha256(info)}" if info.is_file() else ""
