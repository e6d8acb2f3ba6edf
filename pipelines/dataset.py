"""The data road: plan, capture, curate, shard. Each stage continues where it was interrupted."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np

from capture import files, launcher, pictures, survey
from capture.camera import Intrinsics
from capture.engine import preview, scenes
from capture.engine.raster import Renderer
from capture.launcher import EngineSpec
from capture.navigation import FreeSpace, free_space, sample_triangles
from capture.planner import plan as make_plan
from capture.recorder import prepare
from capture.scene import Plan, Scene, load_plans, save_plans
from curation import audit as audit_report
from curation import decide, tables
from pipelines import fleet, runner
from pipelines.console import bar, say
from pipelines.recipes import DatasetRecipe, SceneGroup
from pipelines.workspace import Dataset
from shards import jobs, manifest, writer


def plan(recipe: DatasetRecipe, dataset: Dataset) -> list[Plan]:
    """Plan every trajectory of a recipe, with a map and a picture of each scene.

    Raises:
        ValueError: If the folder belongs to another recipe, or a path cannot be found.
    """
    dataset.start(recipe)
    dataset.sweep()
    if dataset.plans_file.is_file():
        return dataset.plans()
    survey = functools.partial(_plan_scene, recipe=recipe, dataset=dataset)
    runner.over(survey, list(recipe.scenes), title="Plan", unit="scenes")
    plans = [p for group in recipe.scenes for p in load_plans(_scene_plans(dataset, group))]
    save_plans(dataset.plans_file, plans)
    return plans


def plan_on_engine(
    recipe: DatasetRecipe, dataset: Dataset, spec: EngineSpec, *, radius_m: float
) -> list[Plan]:
    """Plan in the level that an engine shows: what the recipe wants of its first scene.

    The free space is surveyed through the engine's depth, so no geometry need be known.
    """
    if dataset.plans_file.is_file():
        return dataset.plans()
    with launcher.open_engine(spec) as engine, engine.connect() as client:
        stage = prepare(client)
        scene = stage.scene
        group = SceneGroup(name=scene.name, seed=scene.seed, plans=recipe.scenes[0].plans)
        dataset.start(dataclasses.replace(recipe, scenes=(group,)))
        with bar("Survey", survey.MAX_STATIONS, "places") as progress:
            found = survey.survey(
                stage,
                survey.start_of(stage),
                radius_m=radius_m,
                min_clearance_m=recipe.motion.min_clearance_m,
                on_station=progress.update,
            )
    picture, extent_m = survey.draw_map(found)
    _save_card(dataset, scene, picture, extent_m)
    plans = _plans_in(found.space, scene.id, group, recipe)
    save_plans(dataset.plans_file, plans)
    return plans


def _scene_plans(dataset: Dataset, group: SceneGroup) -> Path:
    return dataset.scenes / f"{group.scene_id}.plans.parquet"


def _plan_scene(group: SceneGroup, recipe: DatasetRecipe, dataset: Dataset) -> None:
    """Plan one scene; its plans file is written last and marks it as done."""
    if _scene_plans(dataset, group).is_file():
        return
    world = scenes.build(group.name, group.seed)
    renderer = Renderer(world)
    picture, extent_m = preview.draw_map(world, renderer)
    pictures.write_jpeg(
        dataset.scenes / f"{world.scene.id}.jpg", preview.draw_view(world, renderer)
    )
    _save_card(dataset, world.scene, picture, extent_m)
    space = free_space(
        sample_triangles(world.triangles_m(), world.scene.bounds_m),
        world.scene.bounds_m,
        world.spawn_m,
        min_clearance_m=recipe.motion.min_clearance_m,
    )
    plans = _plans_in(space, world.scene.id, group, recipe)
    save_plans(_scene_plans(dataset, group), plans)


def _save_card(
    dataset: Dataset, scene: Scene, picture: np.ndarray, extent_m: tuple[float, ...]
) -> None:
    """The scene's card, with its map and, where there is one, its view."""
    pictures.write_jpeg(dataset.scenes / f"{scene.id}.map.jpg", picture)
    card = {**scene.to_json(), "map": {"image": f"{scene.id}.map.jpg", "extent_m": extent_m}}
    if (dataset.scenes / f"{scene.id}.jpg").is_file():
        card["picture"] = f"{scene.id}.jpg"
    files.write_json(dataset.scenes / f"{scene.id}.json", card)


def _plans_in(
    space: FreeSpace, scene_id: str, group: SceneGroup, recipe: DatasetRecipe
) -> list[Plan]:
    """Everything that is wanted of one scene."""
    intrinsics = Intrinsics.from_fov(recipe.width_px, recipe.height_px, recipe.fov_deg)
    return [
        make_plan(
            wanted.generator,
            space,
            scene_id=scene_id,
            seed=1000 * recipe.seed + number,
            num_frames=wanted.num_frames,
            intrinsics=intrinsics,
            motion=recipe.motion,
        )
        for wanted in group.plans
        for number in range(wanted.count)
    ]


def capture(dataset: Dataset, spec: EngineSpec) -> int:
    """Render every plan that has no episode yet; returns the number of frames rendered."""
    plans = dataset.plans()
    known = {scene_id: dataset.scene(scene_id) for scene_id in {p.scene_id for p in plans}}
    num_frames = fleet.capture(
        plans, known, root=dataset.episodes, failed=dataset.failed, spec=spec
    )
    say(f"Capture: {len(plans)} episodes are there, {num_frames} frames rendered now")
    return num_frames


def curate(dataset: Dataset) -> Path:
    """Measure every episode, judge every clip, caption those that stay; returns clips.parquet."""
    plan_ids = [p.id for p in dataset.plans() if dataset.is_captured(p)]
    if not plan_ids:
        raise ValueError(f"{dataset.path} has no episodes yet; run `relickit capture` first")
    measure = functools.partial(tables.measure_episode, dataset.path)
    runner.over(measure, plan_ids, title="Measure", unit="episodes")
    tables.merge(dataset.path)
    present = {p.scene_id for p in dataset.plans() if dataset.is_captured(p)}
    val = [g.scene_id for g in dataset.recipe().scenes if g.split == "val"]
    return decide.decide(dataset.path, val_scenes=[s for s in val if s in present])


def caption(dataset: Dataset) -> Path:
    """Caption every judged clip anew, without measuring again; returns clips.parquet."""
    return decide.recaption(dataset.path)


def shard(dataset: Dataset) -> Path:
    """Pack the kept clips; returns the manifest."""
    todo = jobs.plan(dataset.path, clips_per_shard=dataset.recipe().clips_per_shard)
    write = functools.partial(_write_shard, dataset=dataset.path)
    runner.over(write, todo, title="Shard", unit="shards")
    return manifest.publish(dataset.path, todo)


def _write_shard(job: jobs.ShardJob, dataset: Path) -> str:
    return writer.write(job, dataset).name


def audit(dataset: Dataset) -> Path:
    """Write the report; returns the page."""
    return audit_report.write(dataset.path)


def build(recipe: DatasetRecipe, dataset: Dataset, spec: EngineSpec) -> Path:
    """All data stages; returns the manifest of the shards."""
    with runner.cluster():
        plan(recipe, dataset)
        capture(dataset, spec)
        clips = curate(dataset)
        published = shard(dataset)
        page = audit(dataset)
    say(f"Clips: {clips}\nAudit: {page}\nShards: {published}")
    return published


def summary(dataset: Dataset) -> dict:
    """What the manifest says of the shards."""
    return json.loads((dataset.path / "shards" / "manifest.json").read_text())
