"""The verbs that make, judge and hand on data; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from capture import config
from capture.launcher import parse_engine
from pipelines import recipes
from pipelines.cli.options import Address, Engine
from pipelines.console import say
from pipelines.dataset import Dataset


def plan(
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    engine: str | None = None,
    radius_m: float = 20.0,
    recording: tuple[Path, ...] = (),
    axes: Literal["unreal", "relickit"] | None = None,
    scene: str | None = None,
    preview: bool = False,
    dry_run: bool = False,
) -> None:
    """Plan the trajectories of a recipe.

    Args:
        recipe: Name of a dataset recipe: demo, toy, worlds, balanced.
        data: The dataset's folder; `data/<recipe>` by default.
        engine: Plan in the level that this engine shows (HOST:PORT, unix:PATH or
            unreal:/path/to/Binary.sh), surveyed by its depth, instead of the recipe's scenes.
        radius_m: How far such a survey goes from the start.
        recording: Human paths (CSV, TUM, JSON; see docs/trajectories.md) to plan instead of the
            recipe's own plans.
        axes: Of the recordings' world, where the files leave it open.
        scene: Plan there, such as apartment-3 or house.glb, what the recipe plans for its first
            scene, instead of the recipe's scenes.
        preview: Draw the paths over a map of each scene, into the folder's `preview/`.
        dry_run: Print the resolved recipe and stop.
    """
    wanted = recipes.find(recipe)
    if axes and not recording:
        raise ValueError("--axes says something about recordings; give --recording too")
    if scene is not None and engine is not None:
        raise ValueError("--scene and --engine exclude each other: the engine shows its own scene")
    if scene is not None:
        from pipelines.planning import in_scene

        wanted = in_scene(wanted, scene)
    if recording:
        from pipelines.planning import with_recordings

        wanted = with_recordings(wanted, recording, axes=axes)
    if dry_run:
        say(json.dumps(config.to_json(wanted), indent=1))
        return
    from pipelines import planning

    folder = Dataset(data or Path("data") / wanted.name)
    if engine is None:
        plans = planning.plan(wanted, folder)
    else:
        plans = planning.plan_on_engine(wanted, folder, parse_engine(engine), radius_m=radius_m)
    scenes = dict.fromkeys(wanted.scene_id for wanted in plans)
    where = ", ".join(scenes) if len(scenes) <= 4 else f"{len(scenes)} scenes"
    say(f"Plan: {len(plans)} plans of {where} in {folder.plans_file}")
    for picture in planning.draw_previews(folder) if preview else ():
        say(f"Preview: {picture}")


def capture(
    dataset: Positional[Path], /, *, engine: Engine = "embedded", address: Address = None
) -> None:
    """Render the plans of a dataset into episodes.

    Args:
        dataset: The dataset's folder.
        engine: What renders.
        address: Of a Ray cluster.
    """
    from pipelines import stages
    from pipelines.runner import cluster

    spec, folder = parse_engine(engine), Dataset(dataset)
    folder.recipe()
    with cluster(address):
        stages.capture(folder, spec)


def curate(
    dataset: Positional[Path],
    /,
    *,
    num_frames: int = 81,
    address: Address = None,
) -> None:
    """Measure episodes, cut them into clips, judge and caption these, split them by scene.

    The folder's rules.json changes rules, its decisions.jsonl overrules them; run this again and
    it decides anew in seconds, without measuring (see docs/curation.md).

    Args:
        dataset: The dataset's folder.
        num_frames: Of a clip: 81, 161 or 317 (21, 41 or 80 latents), or any other 1 + 4 n.
        address: Of a Ray cluster.
    """
    from pipelines import stages
    from shards.stats import kept_clips

    Dataset(dataset).recipe()
    written = stages.curate(Dataset(dataset), length=num_frames, address=address)
    say(f"Curate: {written}: {kept_clips(dataset)}")


def caption(
    dataset: Positional[Path],
    /,
    *,
    captioner: str = "metadata",
    endpoint: str = "",
    model: str = "",
    images: int = 4,
    concurrency: int = 8,
) -> None:
    """Caption the kept clips anew; nothing is measured or judged again.

    Interrupt it at any time; the same command goes on. The key of an endpoint, where it needs one,
    is the environment variable OPENAI_API_KEY.

    Args:
        dataset: The dataset's folder.
        captioner: metadata (from the scene cards), openai (any server with its API),
            transformers (a local model), or module:Class of your own.
        endpoint: URL of the server, such as http://localhost:8000/v1.
        model: Its name on the server, or the folder of a local one.
        images: Pictures of each clip that are shown.
        concurrency: Requests at once.
    """
    from curation.caption.registry import Options
    from pipelines import stages

    Dataset(dataset).recipe()
    options = Options(endpoint=endpoint, model=model, images=images, concurrency=concurrency)
    written = stages.caption(Dataset(dataset), captioner, options)
    say(f"Caption: {written}; shard again to pack the new captions")


def shard(dataset: Positional[Path], /, *, address: Address = None) -> None:
    """Pack the kept clips into WebDataset shards.

    Args:
        dataset: The dataset's folder.
        address: Of a Ray cluster.
    """
    from pipelines import stages
    from shards.stats import packed_clips

    Dataset(dataset).recipe()
    written = stages.shard(Dataset(dataset), address)
    say(f"Shards: {written}: {packed_clips(dataset)}")


def encode(
    dataset: Positional[Path],
    /,
    *,
    recipe: str | None = None,
    only: Literal["latents", "text", "depth"] | None = None,
    window: int = 0,
    every: int = 0,
) -> None:
    """Make latents and text embeddings ahead of training, beside the videos and under their keys.

    Training with the same recipe finds them. Depth is cut out of the episodes with `--only depth`.
    The same command again continues; under `accelerate launch`, `torchrun` or `srun` the processes
    share the shards.

    Args:
        dataset: The dataset's folder, with its shards.
        recipe: Training recipe (tiny, small, 1.3b, 14b, or a .json file) whose codec, size and text
            encoder it will be; or the folder of a run. Depth needs none.
        only: Make only these.
        window: Also encode windows of this many frames (1 + 4 n) that begin later in their clip.
        every: Frames between the beginnings of such windows.
    """
    from pipelines.encoding import encode_dataset, encode_depth
    from pipelines.launch import explain

    explain()
    if only == "depth":
        encode_depth(dataset)
        return
    if recipe is None:
        raise ValueError("latents and text follow a training recipe; name it with --recipe")
    kinds = (only,) if only else ("latents", "text")
    encode_dataset(dataset, recipe, kinds=kinds, window=window, every=every)


def build(
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    engine: Engine = "embedded",
    address: Address = None,
    dry_run: bool = False,
) -> None:
    """All data stages of a recipe.

    Args:
        recipe: Name of a dataset recipe: demo, toy, worlds, balanced.
        data: The dataset's folder; `data/<recipe>` by default.
        engine: What renders.
        address: Of a Ray cluster.
        dry_run: Print the resolved recipe and stop.
    """
    wanted = recipes.find(recipe)
    if dry_run:
        say(json.dumps(config.to_json(wanted), indent=1))
        return
    from pipelines import stages
    from pipelines.runner import cluster

    spec = parse_engine(engine)
    with cluster(address):
        stages.build(wanted, Dataset(data or Path("data") / wanted.name), spec)


def export(
    dataset: Positional[Path],
    /,
    *,
    to: str,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    whole: bool = False,
    format: str | None = None,
    fps: float | None = None,
    fov: float | None = None,
    up: Literal["z", "y", "-y"] | None = None,
    scale: float = 1.0,
) -> None:
    """Write a dataset's kept clips in another format; the same command again continues.

    A clip that cannot be read is named and does not stop the others; the exit code is then 1.

    Args:
        dataset: A dataset's folder, or a folder in any format that we read.
        to: nerfstudio, colmap, colmap-text, tum, kitti, re10k, gamecraft, lingbot, vipe,
            sana-wm, solarwm, matrix-game, worldplay, mind, scene-mem-bench, context-as-memory,
            infinite-world, sekai, yume or lerobot; see docs/other-formats.md.
        out: A new folder.
        whole: Whole episodes instead of the kept clips.
        format: What the folder is in, if it is no dataset of ours; recognised by default.
        fps: Of a source that tells neither times nor a rate.
        fov: Horizontal field of view in degrees, of a source without intrinsics.
        up: The source's axis that points up; by default as its format says, else z.
        scale: Metres of one unit of the source's positions.
    """
    from capture.formats.adopt import Given
    from pipelines.export import export as export_clips

    given = Given(fps=fps, fov_deg=fov, up=up, scale=scale)
    export_clips(dataset, to, out, whole=whole, format=format, given=given)


def import_(
    path: Positional[Path],
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    format: str | None = None,
    scene: str | None = None,
    scene_per_clip: bool = False,
    split: Literal["train", "val"] = "train",
    fps: float | None = None,
    fov: float | None = None,
    up: Literal["z", "y", "-y"] | None = None,
    scale: float = 1.0,
    address: Address = None,
) -> None:
    """Turn clips of any format that we read into episodes; the same command again continues.

    The folder is then a dataset to curate, caption, audit, shard and train on.

    Args:
        path: A file or folder in a format of docs/other-formats.md.
        out: The dataset's folder; new, or one that was imported before.
        format: Name of the format; recognised by default.
        scene: Name of the scene that the clips show; the dataset's name by default.
        scene_per_clip: Every clip shows a scene of its own.
        split: Of these scenes.
        fps: Of a source that tells neither times nor a rate.
        fov: Horizontal field of view in degrees, of a source without intrinsics.
        up: The source's axis that points up; by default as its format says, else z.
        scale: Metres of one unit of the source's positions.
        address: Of a Ray cluster.
    """
    from capture.formats.adopt import Given
    from pipelines.importing import import_clips

    import_clips(
        path,
        out,
        format=format,
        scene=scene,
        scene_per_clip=scene_per_clip,
        split=split,
        given=Given(fps=fps, fov_deg=fov, up=up, scale=scale),
        address=address,
    )


def stats(dataset: Positional[Path], /, *, as_json: bool = False) -> None:
    """Say what a dataset holds: episodes, verdicts, actions, splits, lengths, captions, sets.

    Args:
        dataset: The dataset's folder, or its shards folder alone.
        as_json: All numbers as one JSON object.
    """
    from shards.stats import lines, statistics

    found = statistics(dataset)
    for line in [json.dumps(found, indent=1)] if as_json else lines(found):
        say(line)


def check(folder: Positional[Path], /, *, deep: bool = False, repair: bool = False) -> None:
    """Verify a folder of ours: schemas, counts, checksums, conventions.

    The last line says which problems --repair can mend.

    Args:
        folder: A dataset, an episode, episodes, shards, latents or words, or a run.
        deep: Also decode every frame, and read every number of a run's weights.
        repair: First drop temporary files, and write lost or damaged indices again from the tars.
    """
    from pipelines import checking

    try:
        for sentence in checking.repair(folder) if repair else ():
            say(sentence)
    except ValueError as error:
        say(f"Not mended: {error}")
    problems = checking.check_any(folder, deep=deep)
    for problem in problems:
        say(str(problem))
    if problems:
        raise ValueError(checking.verdict(folder, problems))
    say(f"{folder}: no problems")
