"""What a shard holds, read from its tar alone: for tars whose other files are lost or unproved."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path

from capture import files
from shards import codec, jobs, tars
from shards.schema import PARTS, Sample, Shard, ShardError

# A tar and what an unproved file beside it says -> what the tar holds.
Read = Callable[[Path, Shard | None], Shard]


def known(tar: Path, read: Read) -> Shard | None:
    """What is known of a tar through the file beside it; nothing if that is absent or damaged.

    A file that does not prove itself is believed in the tar's SHA-256 alone.

    Args:
        tar: The file.
        read: What reads the tar anew.

    Raises:
        ShardError: If the tar has other bytes than an unproved file counts.
    """
    shard = tars.beside(tar)
    if shard is not None or not tar.is_file():
        return shard
    told = tars.beside(tar, proved=False)
    if told is None:
        return None
    if told.sha256 != files.sha256(tar):
        raise ShardError(
            f"{tar} has other bytes than {told.name}.json counts, so one of the two is damaged; "
            "delete both and make the shard again"
        )
    return read(tar, told)


def of_videos(tar: Path, dataset: Path, told: Shard | None = None) -> Shard:
    """A shard of videos from its tar; the tar's bytes are believed.

    Its name proves what it was made from, if that is known: of the episodes as they are, or as the
    file beside it says. Else it has the digits in its name alone as fingerprint, and `relickit
    shard` writes it again.

    Args:
        tar: The file.
        dataset: The folder with the episodes, if they are there.
        told: What the file beside it says.

    Raises:
        ShardError: If it is no whole tar, or a sample lacks a part.
    """
    shard, digits = _described(tar, PARTS, _of_meta), tar.stem.rpartition("-")[2]
    ids = {sample.plan_id for sample in shard.samples}
    now = {plan_id: _sha256(dataset / "episodes" / plan_id / "episode.json") for plan_id in ids}
    then = {s.plan_id: s.episode_sha256 for s in told.samples} if told else {}
    for marks in (now, then):
        mine = proved(_with_episodes(shard, marks))
        if mine.fingerprint != digits:
            return mine
    return dataclasses.replace(_with_episodes(shard, now), fingerprint=digits)


def of_set(tar: Path, samples: Iterable[Sample], fingerprint: str) -> Shard:
    """A shard of a parallel set from its tar; the tar's bytes are believed.

    Args:
        tar: The file.
        samples: What is known of its clips.
        fingerprint: Of what it was made from.

    Raises:
        ShardError: If it is no whole tar, or has other clips.
    """
    by_key = {sample.key: sample for sample in samples}

    def make(key: str, _: Mapping[str, bytes]) -> Sample:
        if key not in by_key:
            raise ShardError(f"{tar}: holds {key}, which is not one of its clips; delete it")
        return by_key[key]

    shard = _described(tar, (), make)
    return dataclasses.replace(shard, fingerprint=fingerprint)


def proved(shard: Shard) -> Shard:
    """With its fingerprint, if its name proves what it was made from.

    Else with the digits in its name alone.
    """
    clips = [
        jobs.ClipRow(
            clip_id=sample.key,
            plan_id=sample.plan_id,
            scene_id=sample.scene_id,
            start=sample.start,
            stop=sample.start + sample.num_frames,
            caption=sample.caption,
            split=shard.split,
        )
        for sample in shard.samples
    ]
    episodes = {sample.plan_id: sample.episode_sha256 for sample in shard.samples}
    mark, digits = jobs.fingerprint(clips, episodes), shard.name.rpartition("-")[2]
    return dataclasses.replace(shard, fingerprint=mark if mark.startswith(digits) else digits)


def _described(
    tar: Path, wanted: tuple[str, ...], make: Callable[[str, Mapping[str, bytes]], Sample]
) -> Shard:
    """A shard without fingerprint.

    Args:
        tar: The file.
        wanted: Names of every sample's parts; any if empty.
        make: A sample without parts, from its key and the contents of its parts.
    """
    samples = []
    for key, group in groupby(tars.members(tar), key=lambda item: item[0]):
        mine = list(group)
        contents = {part.name: content for _, part, content in mine}
        if wanted and tuple(contents) != wanted:
            raise ShardError(f"{tar}: sample {key} has the parts {', '.join(contents)}; delete it")
        parts = tuple(part for _, part, _ in mine)
        samples.append(dataclasses.replace(make(key, contents), parts=parts))
    return Shard(
        name=tar.stem,
        split=tar.stem.split("-")[0],
        fingerprint="",
        bytes=tar.stat().st_size,
        sha256=files.sha256(tar),
        samples=tuple(samples),
    )


def _of_meta(key: str, contents: Mapping[str, bytes]) -> Sample:
    meta = json.loads(contents["meta.json"])
    path, intrinsics = codec.decode_camera(contents["camera.npz"])
    return Sample(
        key=key,
        scene_id=meta["scene_id"],
        plan_id=meta["plan_id"],
        generator=meta["generator"],
        start=meta["start"],
        num_frames=len(path),
        fps=meta["fps"],
        width_px=intrinsics.width_px,
        height_px=intrinsics.height_px,
        caption=meta["caption"],
        episode_sha256="",
        parts=(),
    )


def _with_episodes(shard: Shard, marks: Mapping[str, str]) -> Shard:
    samples = (
        dataclasses.replace(sample, episode_sha256=marks.get(sample.plan_id, ""))
        for sample in shard.samples
    )
    return dataclasses.replace(shard, samples=tuple(samples))


def _sha256(path: Path) -> str:
    return files.sha256(path) if path.is_file() else ""
