"""Planning: what is to be rendered, scene by scene, with a map of each."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np

from capture import files, launcher, pictures, plan_map, survey
from capture.camera import Axes, Intrinsics
from capture.engine import preview, scenes
from capture.engine.raster import Renderer
from capture.engine.world import World
from capture.launcher import EngineSpec
from capture.navigation import FreeSpace, free_space, sample_triangles
from capture.plan_map import ClearanceMap
from capture.planner import plan as make_plan
from capture.recordings import import_recording, read_recording
from capture.scene import Plan, Scene, load_plans, save_plans
from capture.schedule import Scheduler, Targets
from capture.session import prepare
from curation import balance
from pipelines import runner
from pipelines.console import bar, say
from pipelines.dataset import Dataset
from pipelines.recipes import SCHEDULED, DatasetRecipe, Recording, SceneGroup


def plan(recipe: DatasetRecipe, dataset: Dataset) -> list[Plan]:
    """Plan every trajectory of a recipe, with a map and a picture of each scene.

    Raises:
        ValueError: If the folder belongs to another recipe, or a path cannot be found.
    """
    dataset.start(recipe)
    dataset.sweep()
    if dataset.plans_file.is_file():
        return dataset.plans()
    if recipe.targets is None:
        one = functools.partial(_plan_scene, recipe=recipe, dataset=dataset)
        runner.over(one, list(recipe.scenes), title="Plan", unit="scenes")
    else:
        _plan_towards_targets(recipe, recipe.targets, dataset)
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
        session = prepare(client)
        scene, first = session.scene, recipe.scenes[0]
        group = dataclasses.replace(first, name=scene.name, seed=scene.seed)
        recipe = dataclasses.replace(recipe, scenes=(group,))
        dataset.start(recipe)
        with bar("Survey", survey.MAX_STATIONS, "places") as progress:
            found = survey.survey(
                session,
                survey.start_of(session),
                radius_m=radius_m,
                min_clearance_m=recipe.motion.min_clearance_m,
                on_station=progress.update,
            )
    picture, extent_m = survey.draw_map(found)
    _save_card(dataset, scene, picture, extent_m, found.space)
    scheduler = recipe.targets and Scheduler(recipe.targets, balance.active)
    plans = _plans_in(found.space, scene.id, group, recipe, scheduler)
    if scheduler:
        _say_distances(group.split, scheduler)
    save_plans(dataset.plans_file, plans)
    return plans


def space_in(world: World, min_clearance_m: float) -> FreeSpace:
    """Where cameras may be in a world of the embedded engine."""
    bounds_m = world.scene.bounds_m
    surface_m = sample_triangles(world.triangles_m(), bounds_m)
    return free_space(surface_m, bounds_m, world.spawn_m, min_clearance_m=min_clearance_m)


def in_scene(recipe: DatasetRecipe, scene: str) -> DatasetRecipe:
    """What the recipe wants of its first scene, in another scene; see `SceneGroup.parse`."""
    there = SceneGroup.parse(scene)
    group = dataclasses.replace(recipe.scenes[0], name=there.name, seed=there.seed)
    return dataclasses.replace(recipe, scenes=(group,))


def with_recordings(
    recipe: DatasetRecipe, recordings: tuple[Path, ...], *, axes: Axes | None
) -> DatasetRecipe:
    """The recipe with human recordings in place of its plans, all in its first scene.

    Args:
        recipe: Gives the size of the pictures and the frame rate.
        recordings: Files; see `capture.recordings`.
        axes: Of CSV files.

    Raises:
        ValueError: If a file cannot be read.
    """
    for path in recordings:
        # Before the folder is claimed: a mistake in the file is no recipe.
        read_recording(path, axes)
    wanted = tuple(
        Recording(file=str(path), sha256=files.sha256(path), axes=axes) for path in recordings
    )
    group = dataclasses.replace(recipe.scenes[0], plans=(), recordings=wanted)
    return dataclasses.replace(recipe, scenes=(group,), targets=None)


def draw_previews(dataset: Dataset) -> list[Path]:
    """A PNG of every scene with its paths; returns the files.

    Raises:
        ValueError: If the dataset has no plans, or they were made without maps.
    """
    plans = dataset.plans()
    drawn = []
    for scene_id in dict.fromkeys(plan.scene_id for plan in plans):
        grid = ClearanceMap.load(_grid_file(dataset, scene_id))
        here = [plan for plan in plans if plan.scene_id == scene_id]
        path = dataset.path / "preview" / f"{scene_id}.png"
        pictures.write_png(path, plan_map.draw(grid, here, scene_id))
        drawn.append(path)
    return drawn


def _plan_towards_targets(recipe: DatasetRecipe, targets: Targets, dataset: Dataset) -> None:
    """Scene after scene, so that each makes up for what those before it lack; by split."""
    schedulers = {group.split: Scheduler(targets, balance.active) for group in recipe.scenes}
    with bar("Plan", len(recipe.scenes), "scenes") as progress:
        for number, group in enumerate(recipe.scenes, 1):
            scheduler = schedulers[group.split]
            if _scene_plans(dataset, group).is_file():
                for plan in load_plans(_scene_plans(dataset, group)):
                    scheduler.add(plan)
            else:
                _plan_scene(group, recipe, dataset, scheduler)
            progress.update(number)
    for split, scheduler in schedulers.items():
        _say_distances(split, scheduler)


def _say_distances(split: str, scheduler: Scheduler) -> None:
    far = ", ".join(f"{name} {value:.3f}" for name, value in scheduler.distances().items())
    say(f"Plan: {split}: total variation distance to the targets: {far}")


def _scene_plans(dataset: Dataset, group: SceneGroup) -> Path:
    return dataset.scenes / f"{group.scene_id}.plans.parquet"


def _grid_file(dataset: Dataset, scene_id: str) -> Path:
    return dataset.scenes / f"{scene_id}.space.npz"


def _plan_scene(
    group: SceneGroup,
    recipe: DatasetRecipe,
    dataset: Dataset,
    scheduler: Scheduler | None = None,
) -> None:
    """Plan one scene; its plans file is written last and marks it as done."""
    if _scene_plans(dataset, group).is_file():
        return
    world = scenes.build(group.name, group.seed)
    renderer = Renderer(world)
    picture, extent_m = preview.draw_map(world, renderer)
    pictures.write_jpeg(
        dataset.scenes / f"{world.scene.id}.jpg", preview.draw_view(world, renderer)
    )
    space = space_in(world, recipe.motion.min_clearance_m)
    _save_card(dataset, world.scene, picture, extent_m, space)
    plans = _plans_in(space, world.scene.id, group, recipe, scheduler)
    save_plans(_scene_plans(dataset, group), plans)


def _save_card(
    dataset: Dataset,
    scene: Scene,
    picture: np.ndarray,
    extent_m: tuple[float, ...],
    space: FreeSpace,
) -> None:
    """The scene's card, its map, its free space and, where there is one, its view."""
    ClearanceMap.of(space).save(_grid_file(dataset, scene.id))
    pictures.write_jpeg(dataset.scenes / f"{scene.id}.map.jpg", picture)
    card = {**scene.to_json(), "map": {"image": f"{scene.id}.map.jpg", "extent_m": extent_m}}
    if (dataset.scenes / f"{scene.id}.jpg").is_file():
        card["picture"] = f"{scene.id}.jpg"
    files.write_json(dataset.scenes / f"{scene.id}.json", card)


def _plans_in(
    space: FreeSpace,
    scene_id: str,
    group: SceneGroup,
    recipe: DatasetRecipe,
    scheduler: Scheduler | None,
) -> list[Plan]:
    """Everything that is wanted of one scene: what is named first, then what is still lacking."""
    intrinsics = Intrinsics.from_fov(recipe.width_px, recipe.height_px, recipe.fov_deg)
    plans = [
        import_recording(
            recording.checked(),
            scene_id=scene_id,
            fps=recipe.motion.fps,
            intrinsics=intrinsics,
            axes=recording.axes,
            space=space,
        )
        for recording in group.recordings
    ]
    plans += [
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
        if wanted.generator != SCHEDULED
        for number in range(wanted.count)
    ]
    if scheduler is None:
        return plans
    for plan in plans:
        scheduler.add(plan)
    lacking = [wanted for wanted in group.plans if wanted.generator == SCHEDULED]
    for number, wanted in enumerate(lacking):
        plans += scheduler.fill(
            space,
            scene_id=scene_id,
            seed=10 * recipe.seed + number,
            count=wanted.count,
            num_frames=wanted.num_frames,
            intrinsics=intrinsics,
            motion=recipe.motion,
        )
    return plans
