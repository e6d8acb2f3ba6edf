"""Planning through the command line, in a world of a few boxes."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from tiny_engine import tiny_engine, tiny_world

from capture import config
from capture.scene import load_plans
from pipelines import planning, recipes
from pipelines.cli import main
from pipelines.dataset import Dataset
from pipelines.recipes import DatasetRecipe, PlanGroup, SceneGroup


def box_world(name: str, seed: int):
    world = tiny_world()
    world.scene = dataclasses.replace(world.scene, name=name, seed=seed)
    return world


@pytest.fixture(autouse=True)
def boxes(monkeypatch):
    """The built-in scenes are replaced by the box room; no Ray is started."""
    monkeypatch.setattr(planning.scenes, "build", box_world)
    monkeypatch.setattr(
        planning.runner, "over", lambda one, items, **_: [one(item) for item in items]
    )


RECORDED = "\n".join(
    ["time_s,x_m,y_m,z_m,heading_deg,tilt_deg,roll_deg"]
    + [f"{k / 20:.3f},{1.5 + k / 40:.4f},1.2,1.4,{30 + k},-5,0" for k in range(41)]
)


def test_recordings_are_planned_and_drawn(tmp_path, capsys):
    path = tmp_path / "walk.csv"
    path.write_text(RECORDED)
    data = tmp_path / "data"
    command = ["plan", "toy", "--data", str(data), "--recording", str(path), "--preview"]
    assert main([*command, "--scene", "tiny-3"]) == 0
    (plan,) = load_plans(data / "plans.parquet")
    assert (plan.scene_id, plan.generator, len(plan.trajectory)) == ("tiny-3", "recording", 33)
    assert plan.clearance_m > 0.3
    picture = cv2.imread(str(data / "preview" / "tiny-3.png"))
    assert picture.shape[1] > 1000 and "Preview:" in capsys.readouterr().out
    # Another recording under the same name is another recipe.
    path.write_text(RECORDED.replace("1.4,", "1.5,"))
    assert main([*command, "--scene", "tiny-3"]) == 1
    assert "another recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--recording", "gone.csv"], "there is no recording gone.csv"),
        (["--axes", "unreal"], "give --recording too"),
        (["--recording", "pyproject.toml", "--scene", "tiny"], "a scene is a name and a seed"),
    ],
)
def test_mistakes_get_a_sentence(flags, sentence, tmp_path, capsys):
    assert main(["plan", "toy", "--data", str(tmp_path / "data"), *flags]) == 1
    assert sentence in capsys.readouterr().err


def scheduled(count: int) -> DatasetRecipe:
    plans = (
        PlanGroup(generator="roam", count=1, num_frames=81),
        PlanGroup(generator="scheduled", count=count, num_frames=81),
    )
    return DatasetRecipe(
        name="scheduled",
        scenes=tuple(
            SceneGroup(name="tiny", seed=seed, plans=plans, split=split)
            for seed, split in ((3, "train"), (4, "train"), (5, "val"))
        ),
        width_px=64,
        height_px=48,
        targets=recipes.Targets(),
    )


def test_a_scheduled_dataset_continues_to_the_same_plans(tmp_path, capsys):
    first, again = Dataset(tmp_path / "a"), Dataset(tmp_path / "b")
    plans = planning.plan(scheduled(4), first)
    said = capsys.readouterr().out
    assert "train: total variation distance to the targets: actions" in said and "val:" in said
    assert len({p.id for p in plans}) == 15
    # A run that was stopped after the first scene goes on with the second.
    again.start(scheduled(4))
    again.scenes.mkdir(parents=True)
    name = "tiny-3.plans.parquet"
    (again.scenes / name).write_bytes((first.scenes / name).read_bytes())
    assert [p.id for p in planning.plan(scheduled(4), again)] == [p.id for p in plans]
    np.testing.assert_array_equal(first.plans_file.read_bytes(), again.plans_file.read_bytes())


def test_scheduled_plans_need_targets():
    data = config.to_json(scheduled(1))
    data["targets"] = None
    with pytest.raises(ValueError, match="go together; give both or neither"):
        config.from_json(DatasetRecipe, data)
    data["targets"] = {"actions": {"pan_lef": 1}}
    with pytest.raises(
        ValueError, match=r"actions: unknown name 'pan_lef'; did you mean 'pan_left"
    ):
        config.from_json(DatasetRecipe, data)
    with pytest.raises(ValueError, match="unknown generator 'raom'"):
        PlanGroup(generator="raom", count=1, num_frames=81)


def test_a_level_behind_an_engine_is_surveyed_and_drawn(tmp_path):
    path = tmp_path / "walk.csv"
    path.write_text(RECORDED)
    with tiny_engine() as address:
        command = ["plan", "toy", "--data", str(tmp_path / "data"), "--engine", address]
        assert main([*command, "--recording", str(path), "--radius-m", "4", "--preview"]) == 0
    (plan,) = load_plans(tmp_path / "data" / "plans.parquet")
    assert plan.scene_id == "tiny-3" and 0.3 < plan.clearance_m < 1.5
    assert (tmp_path / "data" / "preview" / "tiny-3.png").is_file()
