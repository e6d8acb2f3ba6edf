"""Is a folder of shards what its manifest says; where that is lost, what lies beside its tars?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from capture import files, video
from shards import codec, encoded, jobs, manifest, sets, tars
from shards.check.dataset import require_decodable, require_moves
from shards.check.listing import Listing, wrong_size
from shards.check.problem import Problem, attempt
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
    listing, wrong, lost = Listing(folder), [], []
    for tar, shard in listing.tars():
        found = list(_check_tar(tar, shard, deep))
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
        yield from attempt(folder, _require_current, dataset, listing)
    for each in _sets(folder):
        for problem in check_set(each, deep=deep, videos=listing.whole):
            yield _unless(stuck, problem)
    there, listed = set(sets.published(folder)), sets.listed(folder)
    if (folder / sets.NAME).exists() and (listed is None or there - set(listed)):
        message = "is damaged, or does not list every set that is there"
        yield Problem(path=folder / sets.NAME, message=message, repairable=not stuck)


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
                wrong += attempt(tar, _require_whole_sample, file, shard.name, sample, deep)
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


def _require_whole_sample(file: BinaryIO, shard: str, sample: Sample, deep: bool) -> None:
    parts = {}
    for part in sample.parts:
        file.seek(part.offset)
        content = parts[part.name] = file.read(part.size)
        require_intact(content, part.size, part.crc32, shard=shard, key=sample.key, part=part.name)
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
    require_moves(path, moves)
    if deep:
        require_decodable(f"sample {sample.key}: rgb.mp4", parts["rgb.mp4"], size)


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


def _require_current(dataset: Path, listing: Listing) -> None:
    """The shards hold the clips that clips.parquet keeps, and no scene is in both splits."""
    split_of: dict[str, str] = {}
    for shard in listing.shards:
        for sample in shard.samples:
            if split_of.setdefault(sample.scene_id, shard.split) != shard.split:
                raise ValueError(f"scene {sample.scene_id} is in train and in val; shard again")
    if not (dataset / "clips.parquet").is_file():
        return
    # Before schema 2, shards knew of no weights; nor do the files beside the tars.
    weighted = listing.whole and listing.content["schema"] > 1
    kept = {
        clip.clip_id: (clip.split, clip.caption, clip.weight if weighted else 1.0)
        for clip in jobs.kept_clips(dataset)
    }
    held = {
        s.key: (shard.split, s.caption, listing.weights[s.key] if weighted else 1.0)
        for shard in listing.shards
        for s in shard.samples
    }
    if kept != held:
        raise ValueError(
            f"clips.parquet changed after the shards were made ({_changes(kept, held)}); run "
            "`relickit shard` again"
        )


def _changes(kept: Mapping[str, tuple], held: Mapping[str, tuple]) -> str:
    """How many clips differ in what.

    Args:
        kept: Clip id -> split, caption and weight in clips.parquet.
        held: The same in the shards.
    """
    both = kept.keys() & held.keys()
    counts = {
        "no longer kept": len(held.keys() - both),
        "kept but missing": len(kept.keys() - both),
    }
    for i, name in enumerate(("split", "caption", "weight")):
        counts[f"with another {name}"] = sum(kept[key][i] != held[key][i] for key in both)
    return "clips " + ", ".join(f"{what}: {count}" for what, count in counts.items() if count)
