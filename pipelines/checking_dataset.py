"""Are a dataset's own files there and what they say they are: recipe, plans, scenes, metrics?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from capture import config, files, parquet, pictures
from capture.scene import Scene, load_plans, plans_again, scenes_again
from curation import decide, rules
from curation.caption import table as captions
from curation.filters import RULES
from pipelines.recipes import DatasetRecipe
from shards import arrays
from shards.check import Problem
from shards.check.problem import attempt

# What nobody but a dataset has in its folder, and what is a part of one.
_OWN = ("dataset.json", "plans.parquet", "scenes", "episodes", "metrics")
_PARTS = ("audit", "captions", "failed", "metrics", "preview", "scenes")
_JPEG_END = b"\xff\xd9"
_PLAN_ID = re.compile(r"[0-9a-f]{16}")
_MAP = {"origin_m", "cell_m", "clearance_m", "reachable"}


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a dataset, also one that lost files; shards and clips alone are none."""
    truth = (folder / "scene.json").is_file()  # `relickit evaluate` rendered it
    return not truth and any((folder / name).exists() for name in _OWN)


def check_part(folder: Path) -> Iterator[Problem]:
    """Says of a part of a dataset, which cannot be checked alone, what to check instead."""
    dataset = folder.resolve().parent
    if folder.resolve().name in _PARTS and is_dataset(dataset):
        message = f"is a part of a dataset; run `relickit check {dataset}`"
        yield Problem(path=folder, message=message)


def check_dataset(dataset: Path) -> Iterator[Problem]:
    """What is wrong with a dataset's files but for episodes, clips.parquet and shards.

    Args:
        dataset: Its folder.
    """
    yield from attempt(dataset / "dataset.json", _require_recipe, dataset / "dataset.json")
    yield from _check_plans(dataset)
    yield from _check_metrics(dataset)
    yield from attempt(dataset / "rules.json", _require_rules, dataset / decide.RULES_FILE)
    said = dataset / captions.FILE
    if said.exists():
        remedy = (
            f"delete it and run `relickit caption {dataset}` again, which asks for nothing anew"
        )
        columns = {"clip_id": str, "text": str, "short": str}
        yield from attempt(said, parquet.read, said, columns, remedy)
    for file in sorted(dataset.glob("failed/[!.]*.json")):
        yield from attempt(file, files.read_json, file, "delete it and capture again")


def _require_recipe(file: Path) -> None:
    again = "run `relickit plan` with the same recipe again, or the import, which writes it"
    if not file.exists():
        raise ValueError(f"is not there; {again}")
    try:
        config.load(DatasetRecipe, file)
    except ValueError as error:
        raise ValueError(f"{error}; delete it and {again}") from error


def _require_rules(file: Path) -> None:
    try:
        rules.load(file, RULES)
    except ValueError as error:
        raise ValueError(f"{error}; it is yours to mend or to delete") from error


def _check_plans(dataset: Path) -> Iterator[Problem]:
    """Problems of the plans beside episodes, and of the scenes; `shards.check` reads the plans."""
    file = dataset / "plans.parquet"
    made = {p.parent.name for p in dataset.glob("episodes/[!.]*/episode.json")}
    if not file.exists() and (made or (dataset / "clips.parquet").exists()):
        message = "is not there; run `relickit plan` again, or the import that made it"
        yield Problem(path=file, message=message)
    for path in sorted(dataset.glob("scenes/[!.]*.plans.parquet")):
        scene_id = path.name.removesuffix(".plans.parquet")
        remedy = scenes_again(dataset, scene_id)
        for problem in attempt(path, load_plans, path):
            what = problem.message.partition("; delete ")[0]
            yield Problem(path=path, message=f"{what}; {remedy}")
    try:
        plans = load_plans(file)
    except (ValueError, OSError):
        return
    known = {plan.id for plan in plans}
    if more := sorted(name for name in made - known if _PLAN_ID.fullmatch(name)):
        message = f"lacks the plans of {len(more)} episodes, such as {more[0]}; {plans_again(file)}"
        yield Problem(path=file, message=message)
    for scene_id in dict.fromkeys(plan.scene_id for plan in plans):
        card = dataset / "scenes" / f"{scene_id}.json"
        yield from attempt(card, _require_scene, card, scenes_again(dataset, scene_id))


def _require_scene(file: Path, remedy: str) -> None:
    """A card is a scene's, and the pictures and the map that it names can be read."""
    if not file.exists():
        raise ValueError(f"is not there; {remedy}")
    said = files.read_json(file, remedy)
    try:
        drawn = said.pop("map", None)
        shown = [said.pop("picture", None), drawn and drawn["image"]]
        scene = Scene.from_json(said, str(file))
        for name in filter(None, shown):
            _require_jpeg(file.with_name(name))
        if drawn:
            _require_map(file.with_name(f"{scene.id}.space.npz"))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{error}; {remedy}") from error


def _require_jpeg(file: Path) -> None:
    # Of a file that was cut, OpenCV shows what there is.
    if file.is_file() and not file.read_bytes().endswith(_JPEG_END):
        raise ValueError(f"{file} is damaged: it does not end where a picture ends")
    pictures.read(file)


def _require_map(file: Path) -> None:
    try:
        missing = _MAP - arrays.from_npz(file.read_bytes()).keys()
    except ValueError as error:
        raise ValueError(f"{file} is no map ({error})") from error
    if missing:
        raise ValueError(f"{file} is no map: it lacks {', '.join(sorted(missing))}")


def _check_metrics(dataset: Path) -> Iterator[Problem]:
    """Problems of the measured numbers, beside clips.parquet at least."""
    folder, clips = dataset / "metrics", dataset / "clips.parquet"
    remedy = f"run `relickit curate {dataset}` again, which writes it anew"
    for name, columns in (
        ("frames", {"plan_id": str, "scene_id": str, "frame": int, "t_s": float}),
        ("clips", {"clip_id": str, "plan_id": str, "scene_id": str, "start": int, "stop": int}),
    ):
        file = folder / f"{name}.parquet"
        if file.exists():
            yield from attempt(file, parquet.read, file, columns, remedy)
        elif clips.exists():
            yield Problem(path=file, message=f"is not there; {remedy}")
    yield from attempt(folder / "clips.parquet", _require_same_clips, dataset, remedy)
    for part in sorted(folder.glob("parts/[!.]*.parquet")):
        cure = f"delete it and run `relickit curate {dataset}` again, which measures it anew"
        yield from attempt(part, parquet.read, part, {"plan_id": str}, cure)
    for part in sorted(folder.glob("parts/[!.]*.convention.json")):
        cure = f"delete it and run `relickit curate {dataset}` again, which writes it anew"
        yield from attempt(part, files.read_json, part, cure)


def _require_same_clips(dataset: Path, remedy: str) -> None:
    """The clips that were measured are those that were judged, where both can be read."""
    paths = (dataset / "metrics" / "clips.parquet", dataset / "clips.parquet")
    try:
        measured, judged = (
            set(parquet.read(path, {"clip_id": str}, remedy)["clip_id"].to_pylist())
            for path in paths
        )
    except ValueError:
        return
    if measured != judged:
        raise ValueError(f"and {paths[1].name} differ in {len(measured ^ judged)} clips; {remedy}")
