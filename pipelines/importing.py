"""`relickit import`: clips in any format that we read become episodes of a dataset of ours.

The dataset is one that `curate`, `caption`, `audit`, `shard` and `train` take as if it had been
rendered here: dataset.json, scenes/, plans.parquet, episodes/. An episode that is there is not
written again, so the same command continues; another one may add clips to the same folder. See
docs/other-formats.md for what is taken where a format leaves something open.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from capture import camera, config, files, formats
from capture.episode import EpisodeWriter
from capture.formats import Clips, Posed, text
from capture.formats.adopt import Given, adopt, assumed
from capture.scene import Plan, Scene, save_plans
from curation.caption import lint
from curation.exposure import FrameObserver
from pipelines import runner, sources
from pipelines.console import bar, say, say_notes, sentence
from pipelines.dataset import Dataset
from pipelines.recipes import DatasetRecipe, SceneGroup

RECIPE = "import"
GENERATOR = "imported"
# A scene of others' has no walls that we know of: this far around the paths.
_MARGIN_M = 1.0
_ORIGIN = ("format", "clip", "poses_sha256")
# Checks that cannot be made without depth, and would reject every clip.
_NEED_DEPTH = ("holes", "pose and depth disagree")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """Where the clips come from; small, so that it can be sent to a worker."""

    path: Path
    format: str | None
    given: Given

    def clips(self) -> Clips:
        """The clips, looked for once in a process."""
        return sources.clips(self.path, self.format)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    """A clip that becomes an episode.

    Attributes:
        index: Its place among the source's clips.
        origin: Its format, its name there, and the SHA-256 of its poses as they are there, whatever
            was given.
        plan: What it would have been planned as.
        caption: Of the source, without what `lint.repair` drops; may be empty.
        has_depth: Whether the source knows how far things are.
        notes: What was not taken of it, a sentence each.
    """

    index: int
    origin: tuple[str, str, str]
    plan: Plan
    caption: str
    has_depth: bool
    notes: tuple[str, ...]


def import_clips(
    source: Path,
    out: Path,
    *,
    format: str | None = None,
    scene: str | None = None,
    scene_per_clip: bool = False,
    split: Literal["train", "val"] = "train",
    given: Given | None = None,
    address: str | None = None,
) -> int:
    """Turn every clip at a path into an episode of a dataset.

    Args:
        source: A file or folder in a format that `capture.formats` reads.
        out: The dataset; made if it is not there, added to if it was imported too.
        format: Name of the format; recognised by default.
        scene: Name of the scene that the clips show; the dataset's name by default.
        scene_per_clip: Every clip shows a scene of its own, named as the clip.
        split: Of these scenes.
        given: What to take where the format leaves something open.
        address: Of a Ray cluster; ten seconds of work need none.

    Returns:
        How many of the source's clips are episodes now.

    Raises:
        ValueError: If nothing is there, the folder holds another dataset, or clips could not be
            taken (the others are); each of those is said in a line of its own. Nothing is written
            where a clip is there already with other options.
    """
    _require_scene(scene, scene_per_clip)
    origin = _Source(path=source.resolve(), format=format, given=given or Given())
    clips, dataset = formats.read(source, format), Dataset(out)
    recipe = _started(dataset)
    one = None if scene_per_clip else scene or _plain(out.resolve().name)
    items, failed, taken = _survey(clips, origin.given, one)
    for line in taken:
        say(f"Import: {line}")
    if items:
        _require_once(dataset, items)
        cards = _scenes(dataset, items)
        _publish(dataset, recipe, items, cards, split)
        failed += _write(dataset, origin, items, cards, address)
        notes = [note for item in items for note in item.notes]
        say_notes(notes, "see `notes` in each episode.json")
    for line in failed:
        say(line)
    if failed:
        others = f"; the others are in {out}" if len(failed) < len(clips) else ""
        raise ValueError(
            f"Import: {len(failed)} of {len(clips)} clips failed, see above{others}. "
            "Put them right and run the same command again"
        )
    say(f"Import: {len(items)} clips are episodes in {out}; next: relickit curate {out}")
    return len(items)


def _require_scene(scene: str | None, scene_per_clip: bool) -> None:
    if scene is not None and scene_per_clip:
        raise ValueError("--scene and --scene-per-clip exclude each other; give one of them")
    if scene is not None and scene != _plain(scene):
        raise ValueError(
            f"--scene {scene!r}: a scene's name has letters, digits, dashes and underscores alone, "
            f"such as {_plain(scene)!r}"
        )


def _started(dataset: Dataset) -> DatasetRecipe | None:
    """The recipe of a dataset that was imported before; None for a new folder."""
    if dataset.card.is_file():
        recipe = dataset.recipe()
        if recipe.name != RECIPE:
            raise ValueError(
                f"{dataset.path} holds a dataset that was planned ({recipe.name}), not imported; "
                "choose another folder with -o"
            )
        dataset.sweep()
        return recipe
    if dataset.path.is_dir() and any(dataset.path.iterdir()):
        raise ValueError(f"{dataset.path} is not empty and no dataset; choose another with -o")
    return None


def _survey(
    clips: Clips, given: Given, scene: str | None
) -> tuple[list[_Item], list[str], list[str]]:
    """What each clip becomes, without reading pixels.

    Returns:
        The clips; a sentence for each that cannot be taken; what is taken because nobody says it.
    """
    items: dict[str, _Item] = {}
    failed, taken = [], {}
    with bar("Read", len(clips), "clips") as progress:
        for index in range(len(clips)):
            try:
                clip = clips[index]
                item = _item(index, clip, given, scene)
                taken[assumed(clip, given)] = None
                if (twin := items.setdefault(item.plan.id, item)) is not item:
                    name, other = item.origin[1], twin.origin[1]
                    raise ValueError(f"{name}: the same path and camera as {other}")
            except ValueError as error:
                failed.append(_said(index, error))
            progress.update(index + 1)
    return list(items.values()), failed, [line for line in taken if line]


def _item(index: int, clip: Posed, given: Given, scene: str | None) -> _Item:
    record, poses = adopt(clip, given), hashlib.sha256(clip.cam_to_world.tobytes())
    caption, notes = _caption(record)
    plan = Plan(
        scene_id=Scene(name=scene or _plain(record.name), bounds_m=()).id,
        generator=GENERATOR,
        seed=0,
        fps=record.rate(),
        trajectory=record.trajectory(),
        intrinsics=record.camera(),
        clearance_m=float("nan"),  # nobody measured it
    )
    return _Item(
        index=index,
        origin=(record.format, record.name, poses.hexdigest()),
        plan=plan,
        caption=caption,
        has_depth=record.depth is not None,
        notes=(*record.notes, *notes),
    )


def _caption(record: Posed) -> tuple[str, tuple[str, ...]]:
    """A clip's caption as ours may be, and a sentence about what of it was not taken."""
    said = record.caption.strip().rstrip(".")
    if not said:
        return "", ()
    repaired = lint.repair(f"{said}.")
    if not repaired.dropped:
        return repaired.text, ()
    gone = " ".join(repaired.dropped)
    return repaired.text, (
        f"{record.name}: not taken of the caption, because it speaks of the camera, repeats itself "
        f"or is too long: {gone}",
    )


def _require_once(dataset: Dataset, items: Sequence[_Item]) -> None:
    """Refuse clips that are there with another scale, axis, camera, rate or scene."""
    there: dict[tuple[object, ...], set[str]] = {}
    for file in dataset.episodes.glob("*/episode.json"):
        try:
            engine = files.read_json(file)["engine"]
            there.setdefault(tuple(engine.get(key) for key in _ORIGIN), set()).add(file.parent.name)
        except (ValueError, KeyError, AttributeError):
            continue  # damaged, so it counts as absent
    for item in items:
        plans = there.get(item.origin, {item.plan.id})
        if item.plan.id not in plans:
            raise ValueError(
                f"{dataset.path} has {item.origin[1]} already, imported with other options "
                "(--scale, --up, --fps, --fov, --scene); give the same ones, or choose another "
                "folder with -o"
            )


def _said(index: int, error: ValueError) -> str:
    return f"  clip {index}: {sentence(error)}"


def _plain(name: str) -> str:
    """A name that scenes and clips may have: letters, digits, dashes and underscores."""
    return text.plain_word(name).replace(".", "_")


def _scenes(dataset: Dataset, items: Sequence[_Item]) -> dict[str, Scene]:
    """A card for each scene: what its clips say alike, and the box around their paths."""
    cards = {}
    for scene_id in dict.fromkeys(item.plan.scene_id for item in items):
        here = [item for item in items if item.plan.scene_id == scene_id]
        paths = np.concatenate([item.plan.trajectory.position_m for item in here])
        low, high = paths.min(0) - _MARGIN_M, paths.max(0) + _MARGIN_M
        captions = {item.caption for item in here}
        card = Scene(
            name=scene_id.removesuffix("-0"),
            bounds_m=(*low.tolist(), *high.tolist()),
            setting=captions.pop().rstrip(".") if len(captions) == 1 else "",
        )
        if (dataset.scenes / f"{scene_id}.json").is_file():
            card = _joined(dataset.scene(scene_id), card)
        cards[scene_id] = card
    return cards


def _joined(before: Scene, card: Scene) -> Scene:
    """The card of a scene that has been imported in part."""
    old, new = np.array(before.bounds_m), np.array(card.bounds_m)
    bounds = (*np.minimum(old[:3], new[:3]).tolist(), *np.maximum(old[3:], new[3:]).tolist())
    setting = card.setting if card.setting == before.setting else ""
    return dataclasses.replace(card, bounds_m=bounds, setting=setting)


def _publish(
    dataset: Dataset,
    recipe: DatasetRecipe | None,
    items: Sequence[_Item],
    cards: dict[str, Scene],
    split: str,
) -> None:
    """The dataset's own files: recipe, scenes, plans, and rules where there is no depth."""
    k = items[0].plan.intrinsics
    recipe = recipe or DatasetRecipe(
        name=RECIPE, scenes=(), width_px=k.width_px, height_px=k.height_px, fov_deg=k.fov_deg
    )
    known = {group.scene_id: group for group in recipe.scenes}
    known |= {key: SceneGroup(name=card.name, seed=0, split=split) for key, card in cards.items()}
    dataset.path.mkdir(parents=True, exist_ok=True)
    config.save(dataset.card, dataclasses.replace(recipe, scenes=tuple(known.values())))
    for scene_id, card in cards.items():
        files.write_json(dataset.scenes / f"{scene_id}.json", card.to_json())
    plans = dataset.plans() if dataset.plans_file.is_file() else []
    there = {plan.id for plan in plans}
    save_plans(dataset.plans_file, plans + [i.plan for i in items if i.plan.id not in there])
    rules = dataset.path / "rules.json"
    if not all(item.has_depth for item in items) and not rules.exists():
        files.write_json(rules, [{"name": name, "off": True} for name in _NEED_DEPTH])
        say(f"Import: without depth, {rules} leaves out what needs it: {', '.join(_NEED_DEPTH)}")


def _write(
    dataset: Dataset,
    source: _Source,
    items: Sequence[_Item],
    cards: dict[str, Scene],
    address: str | None,
) -> list[str]:
    """The episodes that are not there yet; a sentence for each that cannot be written."""
    todo = [item for item in items if not dataset.is_captured(item.plan)]
    write = functools.partial(_write_item, dataset=dataset, source=source, cards=cards)
    said = runner.over(write, todo, title="Import", unit="clips", address=address)
    return [sentence for sentence in said if sentence]


def _write_item(
    item: _Item, *, dataset: Dataset, source: _Source, cards: dict[str, Scene]
) -> str | None:
    """One episode, or the sentence why not."""
    try:
        record = adopt(source.clips()[item.index], source.given)
        _write_episode(dataset, item, cards[item.plan.scene_id], record)
    except ValueError as error:
        return _said(item.index, error)
    return None


def _write_episode(dataset: Dataset, item: _Item, scene: Scene, record: Posed) -> None:
    """One episode, frame by frame; measured before our codec, as a rendered one is.

    Its copy of the scene's card has the clip's own caption as setting: `curate` captions from it.
    """
    plan, scene = item.plan, dataclasses.replace(scene, setting=item.caption.rstrip("."))
    size = (plan.intrinsics.height_px, plan.intrinsics.width_px)
    engine: dict[str, object] = {"name": "import", **dict(zip(_ORIGIN, item.origin, strict=True))}
    if record.depth is None:
        engine["depth"] = "unknown"
    if item.notes:
        engine["notes"] = list(item.notes)
    observe = FrameObserver()
    location, rotation = camera.to_unreal(record.cam_to_world)
    with EpisodeWriter(
        dataset.episodes, plan=plan, scene=scene, mask_names=["background"], engine=engine
    ) as writer:
        frames = zip(record.pictures().frames(), _depths(record, size), strict=False)
        for (rgb, depth_m), at in zip(frames, np.hstack([location, rotation]), strict=False):
            if rgb.shape[:2] != size or depth_m.shape != size:
                raise ValueError(
                    f"{record.name}: pictures of {size[1]}x{size[0]} expected, got "
                    f"{rgb.shape[1]}x{rgb.shape[0]}, and depth of "
                    f"{depth_m.shape[1]}x{depth_m.shape[0]}"
                )
            measured = observe(rgb, depth_m)
            if record.depth is None:
                measured |= {"near_share": 0.0, "nothing_share": 0.0}
            writer.add(
                rgb=rgb,
                depth_m=depth_m,
                mask=np.zeros(size, dtype=np.uint16),
                reported_cm_deg=at,
                measured=measured,
            )


def _depths(record: Posed, size: tuple[int, int]) -> Iterable[np.ndarray]:
    """Depth of each frame; infinity where nobody knows it."""
    if record.depth is not None:
        return record.depth.frames_m()
    return itertools.repeat(np.full(size, np.inf, dtype=np.float32))
