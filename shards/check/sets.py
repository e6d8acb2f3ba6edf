"""Is a parallel set what its manifest says; where that is lost, what lies beside its tars?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from capture import files, video
from shards import depth, encoded, manifest, recover, tars
from shards.check import codec
from shards.check.dataset import require_decodable
from shards.check.derived import check_derived
from shards.check.listing import Listing, in_place, is_hidden, wrong_size
from shards.check.problem import Problem, attempt, guarded
from shards.encoded import encoder_in
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
    listing, cut = Listing(folder, _read), False
    encoder = encoder_in(listing.content)
    known = list(attempt(folder / encoded.MARK, encoded.load_encoder, folder))
    if known and encoder is not None:
        message = "is absent or damaged; manifest.json says the same, from which it can be written"
        told = dataclasses.replace(known[0], message=message, repairable=True)
        known = [in_place(told.path) or told]
    elif not known:
        encoder = encoded.load_encoder(folder)
    wrong = list(known)
    for tar, shard in listing.tars():
        if shard and (size := wrong_size(tar, shard)):
            cut = True
            wrong.append(Problem(path=tar, message=f"{size}; run `relickit encode` again"))
            continue
        cut = cut or is_hidden(tar)
        found = listing.unread(tar) or list(guarded(tar, _check_tar(tar, shard)))
        wrong += found or listing.beside(tar, shard)
    # Without a tar there is no set to publish.
    beyond = cut or encoder is None
    if videos and encoder is not None and not listing.whole:
        beyond = beyond or not _is_written(folder, encoder)
    yield from listing.problems(beyond_repair=beyond)
    yield from wrong
    if encoder is not None:
        yield from attempt(folder / codec.NAME, codec.require_codec, folder, encoder.config)
    named = encoder is not None and encoder == encoder_in(listing.content)
    if listing.whole and listing.complete:
        if not known and not named:
            message = "does not name the encoder that encoder.json names, which counts"
            yield Problem(path=folder / manifest.NAME, message=message, repairable=True)
        yield from check_derived(listing, videos=False)
    if encoder is not None and named and listing.whole and videos and not cut:
        yield from guarded(folder, _against_videos(listing, encoder, deep))


def _read(tar: Path, told: Shard | None) -> Shard:
    """What a tar holds; of its clips, what the file beside it says is all that is known here."""
    return recover.of_set(tar, told.samples if told else (), told.fingerprint if told else "")


def _against_videos(listing: Listing, encoder: encoded.Encoder, deep: bool) -> Iterator[Problem]:
    """What is wrong with a set of which every file is whole, beside the shards of videos."""
    folder = listing.folder
    if encoder.kind == "depth":
        found = list(attempt(folder, _require_whole_depth, folder, listing.shards, deep))
    else:
        found = list(attempt(folder, _require_whole_set, folder, encoder))
    yield from found
    planned = encoded.plan(folder.parent, encoder)
    if not found:
        yield from attempt(folder, _require_same_samples, planned, listing.shards)
    mine = {job.name for job in planned}
    for tar in listing.strays():
        if tar.stem not in mine:  # else it waits for the others, to be published with them
            message = (
                "is not in the manifest, so `train-*.tar` reads clips twice; of earlier shards, "
                "--repair removes it"
            )
            yield Problem(path=tar, message=message, repairable=True)


def _require_same_samples(planned: Sequence[encoded.EncodeJob], shards: Sequence[Shard]) -> None:
    """The tables say of every clip what those of the videos say."""
    wanted = {sample.key: sample for job in planned for sample in job.samples}
    for shard in shards:
        for sample in shard.samples:
            mine = dataclasses.asdict(dataclasses.replace(sample, parts=()))
            theirs = dataclasses.asdict(wanted[sample.key])
            for name in mine:
                if mine[name] != theirs[name]:
                    raise ValueError(
                        f"sample {sample.key}: the tables say {name} {mine[name]!r}, those of the "
                        f"videos {theirs[name]!r}; run `relickit encode` again"
                    )


def _is_written(folder: Path, encoder: encoded.Encoder) -> bool:
    """Whether every tar is there that the set should have, so that it could be published."""
    try:
        planned = encoded.plan(folder.parent, encoder)
    except (ValueError, KeyError, TypeError):
        return False
    return all((folder / f"{job.name}.tar").is_file() for job in planned)


def _check_tar(tar: Path, shard: Shard | None) -> Iterator[Problem]:
    """What is wrong with a tar of the right size, of which is known what it should hold, or not."""
    if shard is None:
        yield from attempt(tar, tars.members, tar)
    elif files.sha256(tar) != shard.sha256:
        message = (
            "its bytes are not those that were written (SHA-256); delete it and run "
            "`relickit encode` again"
        )
        yield Problem(path=tar, message=message)


def _require_whole_set(folder: Path, encoder: encoded.Encoder) -> None:
    """Every clip of the videos has the arrays that its encoder makes, all of them finite."""
    found = EncodedSet(folder.parent, folder.name, encoder.kind)
    config, names = found.config, ["empty", "words"]
    for key in found.keys:
        if encoder.kind == "latents":
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
