from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
from box_room import box_plan, box_scene
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.camera import Intrinsics
from capture.scene import Place, Plan, Scene, load_plans, save_plans
from capture.trajectory import Trajectory

PLANS = [box_plan(kind, seed, 9) for kind in ("pan", "loop", "out_and_back") for seed in (0, 1)]


def same(a: Plan, b: Plan) -> bool:
    paths = zip(
        (a.trajectory.t_s, a.trajectory.cam_to_world),
        (b.trajectory.t_s, b.trajectory.cam_to_world),
        strict=True,
    )
    rest = (dataclasses.replace(p, trajectory=PLANS[0].trajectory) for p in (a, b))
    return next(rest) == next(rest) and all(np.array_equal(x, y) for x, y in paths)


def test_plans_come_back_exactly_and_in_order(tmp_path):
    save_plans(tmp_path / "plans.parquet", PLANS)
    loaded = load_plans(tmp_path / "plans.parquet")
    assert all(same(a, b) for a, b in zip(loaded, PLANS, strict=True))
    save_plans(tmp_path / "again.parquet", loaded)
    both = [(tmp_path / name).read_bytes() for name in ("plans.parquet", "again.parquet")]
    assert both[0] == both[1]


def test_no_plans_are_plans_too(tmp_path):
    save_plans(tmp_path / "plans.parquet", [])
    assert load_plans(tmp_path / "plans.parquet") == []


def test_the_id_names_what_is_rendered():
    plan = PLANS[0]
    poses = plan.trajectory.cam_to_world.copy()
    poses[4, 0, 3] += 1e-9
    others = [
        dataclasses.replace(plan, scene_id="box-7"),
        dataclasses.replace(plan, generator="other"),
        dataclasses.replace(plan, seed=9),
        dataclasses.replace(plan, fps=8.0),
        dataclasses.replace(plan, intrinsics=Intrinsics.from_fov(96, 64, 81.0)),
        dataclasses.replace(plan, trajectory=Trajectory.uniform(poses, 16.0)),
        dataclasses.replace(plan, trajectory=plan.trajectory.window(0, 8)),
    ]
    ids = {plan.id, *(other.id for other in others)}
    assert len(ids) == 1 + len(others)
    assert dataclasses.replace(plan).id == plan.id
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in ids)


def test_the_ids_are_the_same_for_ever():
    # An id is a folder's name in every dataset; a change would render everything again.
    still = Trajectory.uniform(np.tile(np.eye(4), (2, 1, 1)), 16.0)
    plan = dataclasses.replace(PLANS[0], generator="pan", trajectory=still)
    assert plan.id == ID_OF_STILL


def test_a_changed_row_is_noticed(tmp_path):
    path = tmp_path / "plans.parquet"
    save_plans(path, PLANS)
    rows = pq.read_table(path).to_pylist()
    rows[2]["cam_to_world"][3] += 0.5
    table = pq.read_table(path)
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(ValueError, match=rf"plan {PLANS[2].id} holds other content"):
        load_plans(path)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    setting=st.text(),
    labels=st.dictionaries(st.text(), st.text(), max_size=3),
    places=st.lists(st.text(min_size=1), max_size=3),
)
def test_scenes_come_back_from_json(seed, setting, labels, places):
    scene = Scene(
        name="x",
        seed=seed,
        bounds_m=(0.0, 0.0, 0.0, 1.0, 2.0, 3.0),
        setting=setting,
        labels=labels,
        places=tuple(Place(name=name, bounds_m=(0.0,) * 6) for name in places),
    )
    assert Scene.from_json(scene.to_json()) == scene
    assert scene.id == f"x-{seed}"


def test_the_smallest_place_wins():
    flat = Place(name="flat", bounds_m=(0, 0, 0, 9, 9, 3))
    kitchen = Place(name="kitchen", bounds_m=(1, 1, 0, 3, 3, 3))
    scene = dataclasses.replace(box_scene(), places=(flat, kitchen))
    assert scene.place_at([2.0, 2.0, 1.0]) == kitchen
    assert scene.place_at([5.0, 2.0, 1.0]) == flat
    assert scene.place_at([5.0, 2.0, 4.0]) is None


ID_OF_STILL = "0d308457d866fd9b"
