"""What a dataset of ours says of its own poses: chosen, kept, bound to the episodes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture.episode import Episode
from capture.files import read_json
from curation.convention import dataset as examined


@pytest.fixture(scope="module")
def box(box_dataset, tmp_path_factory) -> Path:
    dataset = tmp_path_factory.mktemp("convention") / "box"
    shutil.copytree(box_dataset, dataset)
    ways = {}
    for folder in sorted((dataset / "episodes").iterdir()):
        episode = Episode.load(folder)
        ways[episode.id, episode.scene.id] = episode.trajectory.position_m
    return with_frames(dataset, ways)


def with_frames(dataset: Path, ways: Mapping[tuple[str, str], np.ndarray]) -> Path:
    """What is needed of the frame table: (plan id, scene id) -> positions [T, 3]."""
    rows = [
        {"plan_id": plan_id, "scene_id": scene_id, "x_m": x, "y_m": y, "z_m": z}
        for (plan_id, scene_id), way in ways.items()
        for x, y, z in way.tolist()
    ]
    (dataset / "metrics").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), dataset / "metrics" / "frames.parquet")
    return dataset


def test_the_longest_ways_of_different_scenes_are_asked(tmp_path):
    lengths_m = {("a", "x"): 9, ("b", "x"): 8, ("c", "y"): 1, ("d", "x"): 7, ("e", "y"): 0}
    ways = {names: np.array([[0.0, 0, 0], [length, 0, 0]]) for names, length in lengths_m.items()}
    with_frames(tmp_path, ways)
    assert examined.chosen(tmp_path) == ["a", "c", "b"]


def test_a_clean_dataset_is_as_declared_and_asked_once(box, monkeypatch):
    assert examined.of(box) is None
    for plan_id in examined.chosen(box):
        examined.examine(box, plan_id)
    said = examined.of(box)
    assert said is not None and said["agrees"] and said["confidence"] > 0.95
    told = ("c2w", "opencv", "planar", "m", 0, False)
    names = ("pose", "axes", "depth", "unit", "lag_frames", "mirrored")
    assert tuple(said[name] for name in names) == told
    assert {name: said["declared"][name] for name in names} == dict(zip(names, told, strict=True))

    monkeypatch.setattr(examined.convention, "detect", lambda _: pytest.fail("asked again"))
    for plan_id in examined.chosen(box):
        examined.examine(box, plan_id)
    assert examined.of(box) == said


def test_an_episode_that_changed_is_asked_again(box, tmp_path):
    copy = Path(shutil.copytree(box, tmp_path / "box"))
    plan_id = examined.chosen(copy)[0]
    examined.examine(copy, plan_id)
    info = copy / "episodes" / plan_id / "episode.json"
    info.write_text(json.dumps({**read_json(info), "seed": 9}))
    assert not examined.is_examined(copy, plan_id)


def test_nothing_measured_says_nothing(tmp_path):
    assert examined.of(tmp_path) is None
