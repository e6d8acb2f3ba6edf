"""Is a parallel set what its manifest says; where that is lost, what lies beside its tars?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from capture import files, video
from shards import depth, encoded, manifest, tars
from shards.check.dataset import require_decodable
from shards.check.listing import Listing, wrong_size
from shards.check.problem import Problem, attempt
from shards.latents import EncodedSet, part_of, starts
from shards.schema import Shard


def check_set(folder: Path, *, deep: bool, videos: bool = True) -> Iterator[Problem]:
    """What is wrong with one parallel set, inside its shards folder.

    Args:
        folder: The set's.
        deep: Decode every frame of depth too.
        videos: Whether the tables of the videos are there to compare with.
    """
    if not (folder / encoded.MARK).is_file() and not (folder / manifest.NAME).is_file():
        message = (
            f"has neither {encoded.MARK} nor {manifest.NAME}, so nobody knows what made it; delete "
            "the folder and run `relickit encode` again"
        )
        yield Problem(path=folder, message=message)
        return
    listing, cut = Listing(folder), False
    known = list(attempt(folder / encoded.MARK, encoded.load_encoder, folder))
    wrong = list(known)
    for tar, shard in listing.tars():
        if shard and (size := wrong_size(tar, shard)):
            cut = True
            wrong.append(Problem(path=tar, message=f"{size}; run `relickit encode` again"))
            continue
        found = list(_check_tar(tar, shard, listed=listing.whole))
        wrong += found or listing.beside(tar, shard)
    # Without a tar there is no set to publish.
    beyond = cut or bool(known) or (videos and not listing.whole and not _is_written(folder))
    yield from listing.problems(beyond_repair=beyond)
    yield from wrong
    if cut or not (listing.whole and videos):
        return
    if listing.content["encoder"]["kind"] == "depth":
        yield from attempt(folder, _require_whole_depth, folder, listing.shards, deep)
    else:
        yield from attempt(folder, _require_whole_set, folder, listing.content["encoder"])


def _is_written(folder: Path) -> bool:
    """Whether every tar is there that the set should have, so that it could be published."""
    try:
        planned = encoded.plan(folder.parent, encoded.load_encoder(folder))
    except (ValueError, KeyError, TypeError):
        return False
    return all((folder / f"{job.name}.tar").is_file() for job in planned)


def _check_tar(tar: Path, shard: Shard | None, *, listed: bool) -> Iterator[Problem]:
    """What is wrong with a tar of the right size.

    Args:
        tar: The file.
        shard: What it should hold, if that is known.
        listed: In the tables, through which every member is read later.
    """
    if shard is None:
        yield from attempt(tar, tars.members, tar)
    elif files.sha256(tar) != shard.sha256:
        message = (
            "its bytes are not those that were written (SHA-256); delete it and run "
            "`relickit encode` again"
        )
        yield Problem(path=tar, message=message)
    elif not listed:
        yield from attempt(tar, _require_members_of, tar, shard)


def _require_members_of(tar: Path, shard: Shard) -> None:
    """A tar has the members that the file beside it counts."""
    found = [(key, part) for key, part, _ in tars.members(tar)]
    counted = [(sample.key, part) for sample in shard.samples for part in sample.parts]
    if found != counted:
        raise ValueError(
            f"{shard.name}.json counts {len(counted)} members, which are not the {len(found)} of "
            "the tar; delete both and encode again"
        )


def _require_whole_set(folder: Path, encoder: dict) -> None:
    """Every clip of the videos has the arrays that its encoder makes, all of them finite."""
    found = EncodedSet(folder.parent, folder.name, encoder["kind"])
    config, names = found.config, ["empty", "words"]
    for key in found.keys:
        if encoder["kind"] == "latents":
            begins = starts(found.num_frames(key), config["window"], config["every"])
            names = [part_of(start) for start in begins]
        _require_members(found, key, [f"{name}.npy" for name in names])
        for name in names:
            if not np.isfinite(found.array(key, name)).all():
                raise ValueError(f"sample {key}: {name} has values that are not finite")


def _require_whole_depth(folder: Path, shards: list[Shard], deep: bool) -> None:
    """Every clip of the videos has its depth, of as many frames."""
    found = EncodedSet(folder.parent, folder.name, "depth")
    samples = {sample.key: sample for shard in shards for sample in shard.samples}
    for key in found.keys:
        _require_members(found, key, [depth.PART])
        content, sample = found.member(key, depth.PART), samples[key]
        count = video.num_frames(content)
        if count != sample.num_frames:
            raise ValueError(f"sample {key}: depth has {count} frames, not {sample.num_frames}")
        if deep:
            size = (sample.width_px, sample.height_px)
            name = f"sample {key}: {depth.PART}"
            require_decodable(name, content, size, read=video.read_gray16)


def _require_members(found: EncodedSet, key: str, names: list[str]) -> None:
    if found.names(key) != names:
        raise ValueError(f"sample {key} has the members {found.names(key)}, not {names}")
