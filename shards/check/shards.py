"""Is a folder of shards what its manifest says; where that is lost, what lies beside its tars?"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from capture import files, video
from shards import codec, encoded, manifest, recover, sets, tars
from shards.check.dataset import require_decodable, require_moves
from shards.check.derived import check_derived, check_sources
from shards.check.listing import Listing, in_place, wrong_size
from shards.check.problem import Problem, attempt, guarded
from shards.check.sets import check_set
from shards.damage import require_intact
from shards.schema import SET, Sample, Shard


def check_shards(folder: Path, dataset: Path, *, deep: bool) -> Iterator[Problem]:
    """What is wrong with a shards folder and its parallel sets; nothing if it is not there.

    Args:
        folder: The shards.
        dataset: The dataset's folder, to compare with; or the shards folder again.
        deep: Decode every frame too.
    """
    if not folder.is_dir():
        return
    listing = Listing(folder, lambda tar, told: recover.of_videos(tar, dataset, told))
    wrong, lost = [], []
    for tar, shard in listing.tars():
        found = listing.unread(tar) or list(guarded(tar, _check_tar(tar, shard, deep)))
        (wrong if tar.is_file() else lost).extend(found or listing.beside(tar, shard))
    if not listing.whole:
        wrong += attempt(folder, _require_once, listing.shards)
    # `repair` believes no damaged tar where the list is lost, and makes nothing from nothing.
    blocked = any(not problem.repairable for problem in wrong) or not tars.tars(folder)
    stuck = blocked and not listing.whole
    yield from listing.problems(beyond_repair=blocked)
    for problem in sorted(wrong + lost, key=lambda problem: problem.path):
        yield _unless(stuck, problem)
    if listing.complete:
        yield from attempt(folder, _require_apart, listing.shards)
        yield from check_sources(dataset, listing)
        yield from check_derived(listing, videos=True) if listing.whole else ()
    for tar in listing.strays():
        message = (
            "is not in the manifest, so `train-*.tar` reads clips twice: of an earlier plan, or of "
            "`relickit shard` that was stopped or is at work; --repair removes it"
        )
        yield Problem(path=tar, message=message, repairable=True)
    for each in _sets(folder):
        for problem in check_set(each, deep=deep, videos=listing.whole):
            yield _unless(stuck, problem)
    there, listed = set(sets.published(folder)), sets.listed(folder)
    if there - set(listed or ()) or (listed is None and (folder / sets.NAME).exists()):
        message = "is lost or damaged, or does not list every set that is there"
        problem = Problem(path=folder / sets.NAME, message=message, repairable=not stuck)
        yield in_place(problem.path) or problem


def _unless(stuck: bool, problem: Problem) -> Problem:
    """The problem, beyond repair if that is stuck."""
    return dataclasses.replace(problem, repairable=problem.repairable and not stuck)


def _sets(folder: Path) -> list[Path]:
    """Parallel sets in a folder of shards, also those that lost files."""
    return sorted(
        each
        for each in folder.iterdir()
        if (each.is_dir() and SET.fullmatch(each.name))
        or any((each / name).is_file() for name in (encoded.MARK, manifest.NAME))
    )


def _check_tar(tar: Path, shard: Shard | None, deep: bool) -> Iterator[Problem]:
    if shard is None:
        yield from attempt(tar, tars.members, tar)
        return
    wrong: list[Problem] = []
    if tar.is_file():
        with tar.open("rb") as file:
            for sample in shard.samples:
                wrong += attempt(tar, _require_whole_sample, file, shard, sample, deep)
    if size := wrong_size(tar, shard):
        damaged = f"{len(wrong)} of {len(shard.samples)} samples are damaged: " if wrong else ""
        yield Problem(path=tar, message=f"{damaged}{size}; run `relickit shard` again")
    elif not wrong and files.sha256(tar) != shard.sha256:
        message = (
            "a header or the padding is damaged: relickit still reads every sample, but "
            "webdataset may lose some without a word; delete it and run `relickit shard` again"
        )
        yield Problem(path=tar, message=message)
    else:
        yield from wrong


def _require_whole_sample(file: BinaryIO, shard: Shard, sample: Sample, deep: bool) -> None:
    parts = {}
    for part in sample.parts:
        file.seek(part.offset)
        content = parts[part.name] = file.read(part.size)
        require_intact(
            content, part.size, part.crc32, shard=shard.name, key=sample.key, part=part.name
        )
    path, intrinsics = codec.decode_camera(parts["camera.npz"])
    moves = codec.decode_actions(parts["actions.npz"])
    counts = [len(path), len(moves), video.num_frames(parts["rgb.mp4"]), sample.num_frames]
    if len(set(counts)) > 1:
        raise ValueError(
            f"sample {sample.key}: poses, actions, video and index disagree about the number "
            f"of frames: {counts}"
        )
    size = (intrinsics.width_px, intrinsics.height_px)
    if size != (sample.width_px, sample.height_px):
        raise ValueError(f"sample {sample.key}: camera and index disagree about the size")
    _require_told(shard, sample, json.loads(parts["meta.json"]))
    require_moves(path, moves)
    if deep:
        require_decodable(f"sample {sample.key}: rgb.mp4", parts["rgb.mp4"], size)


def _require_told(shard: Shard, sample: Sample, meta: dict) -> None:
    """The index says of a sample what its own meta.json says."""
    told = {
        "clip_id": sample.key,
        "plan_id": sample.plan_id,
        "scene_id": sample.scene_id,
        "generator": sample.generator,
        "split": shard.split,
        "start": sample.start,
        "stop": sample.start + sample.num_frames,
        "fps": sample.fps,
        "caption": sample.caption,
    }
    for name, value in told.items():
        if meta[name] != value:
            raise ValueError(
                f"sample {sample.key}: the index says {name} {value!r}, its meta.json "
                f"{meta[name]!r}; run `relickit shard` again"
            )


def _require_apart(shards: list[Shard]) -> None:
    """No scene is in both splits."""
    split_of: dict[str, str] = {}
    for shard in shards:
        for sample in shard.samples:
            if split_of.setdefault(sample.scene_id, shard.split) != shard.split:
                raise ValueError(f"scene {sample.scene_id} is in train and in val; shard again")


def _require_once(shards: list[Shard]) -> None:
    """No clip is in two tars, of which the manifest would have said which one counts."""
    seen: dict[str, str] = {}
    for shard in shards:
        for sample in shard.samples:
            if seen.setdefault(sample.key, shard.name) != shard.name:
                raise ValueError(
                    f"{seen[sample.key]}.tar and {shard.name}.tar hold the clip {sample.key}; run "
                    "`relickit shard` again, or delete the older one"
                )
