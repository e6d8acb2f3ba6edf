"""What the verbs of the command line do. Heavy imports happen inside, so that `--help` is quick."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from capture import config
from capture.camera import Axes
from capture.launcher import parse_engine
from pipelines import recipes
from pipelines.console import say
from pipelines.workspace import Dataset


def demo(out: Path, engine: str) -> None:
    """See `relickit demo`."""
    spec = parse_engine(engine)
    from pipelines.demo import run

    run(out, spec)


def serve(
    scene: str,
    seed: int,
    host: str,
    port: int,
    unix_socket: Path | None,
    threads: int | None,
    ue_depth: bool,
    fault: str,
) -> None:
    """See `relickit serve`."""
    from capture.engine.faults import Faults, parse
    from capture.engine.scenes import build
    from capture.engine.server import serve as serve_world
    from capture.engine.state import Options

    faults = Faults(parse(fault)) if fault else None
    logging.getLogger("capture.engine").setLevel(logging.INFO)  # it says why a start takes long
    say(f"Building {scene} (seed {seed}) ...")
    serve_world(
        build(scene, seed),
        host=host,
        port=port,
        unix_socket=unix_socket,
        threads=threads,
        options=Options(ue_depth=ue_depth),
        faults=faults,
        on_listening=lambda number: say(f"Listening on {host}:{number}. Ctrl-C stops it."),
    )


def doctor(engine: str) -> None:
    """See `relickit doctor`."""
    from capture.launcher import open_engine, start_embedded
    from pipelines.doctor import examine

    spec = parse_engine(engine)
    with start_embedded("apartment", 0) if spec.kind == "embedded" else open_engine(spec) as opened:
        bad = 0
        for finding in examine(opened):
            bad += finding.verdict == "bad"
            say(f"{finding.verdict:<5} {finding.topic:<11} {finding.found}")
            if finding.advice:
                say(f"{'':<17} -> {finding.advice}")
    if bad:
        raise ValueError(f"{opened.address} is not ready for capture: {bad} bad, see above")


def scenes(what: str, source: Path | None, out: Path, scale: float) -> None:
    """See `relickit scenes`."""
    from capture.engine.scenes import NAMES, build
    from capture.engine.scenes.imported import import_scenes

    if what == "list":
        for name in NAMES:
            say(f"{name:<12} {build(name).scene.setting}")
        return
    if source is None:
        raise ValueError("give the file or folder to import: relickit scenes import house.glb")
    for world in import_scenes(source, out, scale=scale):
        x0, y0, z0, x1, y1, z1 = world.scene.bounds_m
        say(
            f"{out / world.scene.name}.glb: {len(world.faces):,} triangles, "
            f"{len(world.objects) - 1} objects, {x1 - x0:.1f} x {y1 - y0:.1f} x {z1 - z0:.1f} m"
        )


def plan(
    recipe: str,
    data: Path | None,
    engine: str | None,
    radius_m: float,
    recordings: tuple[Path, ...],
    axes: Axes | None,
    scene: str | None,
    preview: bool,
    dry_run: bool,
) -> None:
    """See `relickit plan`."""
    wanted = recipes.find(recipe)
    if axes and not recordings:
        raise ValueError("--axes says something about recordings; give --recording too")
    if scene is not None and engine is not None:
        raise ValueError("--scene and --engine exclude each other: the engine shows its own scene")
    if scene is not None:
        from pipelines.planning import in_scene

        wanted = in_scene(wanted, scene)
    if recordings:
        from pipelines.planning import with_recordings

        wanted = with_recordings(wanted, recordings, axes=axes)
    if dry_run:
        say(json.dumps(config.to_json(wanted), indent=1))
        return
    from pipelines import planning

    folder = Dataset(data or Path("data") / wanted.name)
    if engine is None:
        plans = planning.plan(wanted, folder)
    else:
        plans = planning.plan_on_engine(wanted, folder, parse_engine(engine), radius_m=radius_m)
    say(f"Plan: {len(plans)} plans in {folder.plans_file}")
    for picture in planning.draw_previews(folder) if preview else ():
        say(f"Preview: {picture}")


def capture(dataset: Path, engine: str, address: str | None) -> None:
    """See `relickit capture`."""
    from pipelines import dataset as stages
    from pipelines.runner import cluster

    spec, folder = parse_engine(engine), Dataset(dataset)
    folder.recipe()
    with cluster(address):
        stages.capture(folder, spec)


def curate(dataset: Path, address: str | None) -> None:
    """See `relickit curate`."""
    from pipelines import dataset as stages
    from pipelines.runner import cluster

    Dataset(dataset).recipe()
    with cluster(address):
        say(f"Curate: {stages.curate(Dataset(dataset))}")


def caption(dataset: Path) -> None:
    """See `relickit caption`."""
    from pipelines import dataset as stages

    Dataset(dataset).recipe()
    say(f"Caption: {stages.caption(Dataset(dataset))}; shard again to pack the new captions")


def audit(dataset: Path) -> None:
    """See `relickit audit`."""
    from pipelines import dataset as stages

    say(f"Audit: {stages.audit(Dataset(dataset))}")


def shard(dataset: Path, address: str | None) -> None:
    """See `relickit shard`."""
    from pipelines import dataset as stages
    from pipelines.runner import cluster

    Dataset(dataset).recipe()
    with cluster(address):
        say(f"Shards: {stages.shard(Dataset(dataset))}")


def build(recipe: str, data: Path | None, engine: str, address: str | None, dry_run: bool) -> None:
    """See `relickit build`."""
    wanted = recipes.find(recipe)
    if dry_run:
        say(json.dumps(config.to_json(wanted), indent=1))
        return
    from pipelines import dataset as stages
    from pipelines.runner import cluster

    spec = parse_engine(engine)
    with cluster(address):
        stages.build(wanted, Dataset(data or Path("data") / wanted.name), spec)


def export(dataset: Path, to: str, out: Path, whole: bool) -> None:
    """See `relickit export`."""
    from pipelines.export import export as export_clips

    export_clips(dataset, to, out, whole=whole)


def check(folder: Path) -> None:
    """See `relickit check`."""
    from shards.check import check as check_folder

    problems = check_folder(folder)
    for problem in problems:
        say(str(problem))
    if problems:
        raise ValueError(f"{folder}: {len(problems)} problems, listed above")
    say(f"{folder}: no problems")


def train(
    stage: str, recipe: str, data: Path | None, run: Path | None, steps: int | None, dry_run: bool
) -> None:
    """See `relickit train`."""
    if dry_run:
        from training.recipes import find

        say(json.dumps(config.to_json(find(recipe)), indent=1))
        return
    if data is None or run is None:
        raise ValueError("training needs --data DATASET and --run FOLDER")
    from pipelines.launch import train as train_stage

    train_stage(stage, recipe, data, run, steps)


def sample(run: Path, image: Path, actions: tuple[str, ...], out: Path) -> None:
    """See `relickit sample`."""
    from pipelines.launch import sample as make_sample

    make_sample(run, image, actions, out)
    say(f"Sample: {out}")


def evaluate(run: Path, scene: str, seed: int, num_starts: int, engine: str) -> None:
    """See `relickit evaluate`."""
    from pipelines.evaluation import evaluate as evaluate_run

    spec = parse_engine(engine)
    result = evaluate_run(run, spec, scene=scene, seed=seed, num_starts=num_starts)
    say(f"Evaluation: {result}\n{result.read_text()}")
