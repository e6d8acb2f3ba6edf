"""A dataset's own files: each may be lost or damaged, and the sentence says how to get it back."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_dataset import NUM_PLANS
from tiny_engine import tiny_world

from capture import files, pictures
from capture.plan_map import ClearanceMap
from capture.scene import load_plans, save_plans
from pipelines.checking import check_any
from pipelines.checking_dataset import check_dataset, is_dataset

SCENE = tiny_world().scene.id
CLIP = {"clip_id": "a", "plan_id": "p", "scene_id": SCENE, "start": 0, "stop": 17}
FRAME = {"plan_id": "p", "scene_id": SCENE, "frame": 0, "t_s": 0.0}


@pytest.fixture
def whole(planned: Path) -> Path:
    """Everything that belongs to a dataset but for episodes and shards."""
    scenes, cells = planned / "scenes", np.ones((3, 2))
    grid = ClearanceMap(
        origin_m=np.zeros(2), cell_m=0.5, clearance_m=cells.astype(np.float32), reachable=cells > 0
    )
    grid.save(scenes / f"{SCENE}.space.npz")
    shutil.copy(planned / "plans.parquet", scenes / f"{SCENE}.plans.parquet")
    for name in (f"{SCENE}.jpg", f"{SCENE}.map.jpg"):
        pictures.write_jpeg(scenes / name, np.zeros((64, 64, 3), np.uint8))
    drawn = {"image": f"{SCENE}.map.jpg", "extent_m": [0, 1, 0, 1]}
    card = {**tiny_world().scene.to_json(), "map": drawn, "picture": f"{SCENE}.jpg"}
    files.write_json(scenes / f"{SCENE}.json", card)
    files.write_json(planned / "failed" / "p.json", {"attempts": []})
    (planned / "metrics" / "parts").mkdir(parents=True)
    for name, row in (("frames", FRAME), ("clips", CLIP)):
        for file in (f"{name}.parquet", f"parts/p.{name}.parquet"):
            pq.write_table(pa.Table.from_pylist([row]), planned / "metrics" / file)
    files.write_json(planned / "metrics" / "parts" / "p.convention.json", {"source": ""})
    pq.write_table(pa.Table.from_pylist([CLIP]), planned / "clips.parquet")
    captions = [{"clip_id": "a", "text": "A room.", "short": "A room."}]
    pq.write_table(pa.Table.from_pylist(captions), planned / "captions.parquet")
    files.write_json(planned / "rules.json", [])
    return planned


def junk(path: Path) -> None:
    path.write_bytes(b"x" * 200)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def nest(path: Path) -> None:
    path.write_text("[" * 100_000)


def drop_a_plan(path: Path) -> None:
    """Of which there is an episode."""
    *plans, last = load_plans(path)
    save_plans(path, plans)
    files.write_json(path.parent / "episodes" / last.id / "episode.json", {})


def other_clips(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([{**CLIP, "clip_id": "b"}]), path)


PLAN = "run `relickit plan`"
SCENES = rf"delete .*/plans.parquet and .*/scenes/{SCENE}.\* and {PLAN} again"
CURATE = "run `relickit curate .*` again"
FILES = {
    "dataset.json": [Path.unlink, junk, nest],
    "plans.parquet": [Path.unlink, junk, cut, drop_a_plan],
    f"scenes/{SCENE}.json": [Path.unlink, junk, nest],
    f"scenes/{SCENE}.jpg": [Path.unlink, junk, cut],
    f"scenes/{SCENE}.map.jpg": [Path.unlink, junk, cut],
    f"scenes/{SCENE}.space.npz": [Path.unlink, junk, cut],
    f"scenes/{SCENE}.plans.parquet": [junk, cut],
    "metrics/frames.parquet": [Path.unlink, junk, cut],
    "metrics/clips.parquet": [Path.unlink, junk, cut, other_clips],
    "metrics/parts/p.frames.parquet": [junk, cut],
    "metrics/parts/p.clips.parquet": [junk, cut],
    "metrics/parts/p.convention.json": [junk, nest],
    "captions.parquet": [junk, cut],
    "rules.json": [junk, nest],
    "failed/p.json": [junk, nest],
}
REMEDY = {
    "dataset.json": f"{PLAN} with the same recipe again",
    "plans.parquet": f"{PLAN} again, or the import that made it",
    "scenes": SCENES,
    "metrics": CURATE,
    "captions.parquet": "run `relickit caption .*` again",
    "rules.json": "it is yours to mend or to delete",
    "failed": "delete it",
}


def test_a_whole_dataset_has_no_problems(whole):
    assert list(check_dataset(whole)) == []


@pytest.mark.parametrize(
    ("file", "damage"), [(file, damage) for file, ways in FILES.items() for damage in ways]
)
def test_what_is_lost_or_damaged_is_named_with_what_to_do(whole, file, damage):
    damage(whole / file)
    found = [p for p in check_any(whole) if "clips.parquet lacks the columns" not in str(p)]
    if damage is drop_a_plan:
        found = [problem for problem in found if "/episodes/" not in str(problem.path)]
    (problem,) = found
    assert file.partition(".")[0] in str(problem)
    assert re.search(REMEDY[Path(file).parts[0]], str(problem)), str(problem)


def test_stages_that_have_not_run_are_no_problem(planned):
    assert check_any(planned) == []
    (planned / "plans.parquet").unlink()
    assert check_any(planned) == []


def test_shards_and_clips_alone_are_no_dataset(tmp_path):
    (tmp_path / "clips.parquet").touch()
    (tmp_path / "shards").mkdir()
    assert not is_dataset(tmp_path)


@pytest.mark.parametrize("part", ["metrics", "scenes", "failed"])
def test_of_a_part_of_a_dataset_the_dataset_is_named(whole, part):
    (problem,) = check_any(whole / part)
    assert f"is a part of a dataset; run `relickit check {whole}`" in str(problem)


def test_a_plan_that_is_lost_is_counted(whole):
    drop_a_plan(whole / "plans.parquet")
    assert len(load_plans(whole / "plans.parquet")) == NUM_PLANS - 1
    assert any("lacks the plans of 1 episodes" in str(problem) for problem in check_any(whole))
