"""One shard: written under a temporary name, read back, compared, renamed.

A shard is a plain uncompressed tar, as `webdataset` writes it, byte for byte; the standard library
makes it because importing `webdataset` imports torch where torch is installed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from capture import files
from capture.episode import Episode
from shards import codec, manifest, recover, tars
from shards.jobs import ClipRow, ShardJob, episode_sha256, fingerprint
from shards.planned import require_planned
from shards.schema import Part, Sample, Shard, ShardError


def write(job: ShardJob, dataset: Path) -> Shard:
    """Write one shard and the JSON file beside it; a finished one is only looked at.

    The same job gives the same bytes. Any number of processes may write the same job at once, and
    a process that dies leaves nothing but a temporary file, which the next call removes.

    Args:
        job: From `jobs.plan`.
        dataset: The dataset's folder.

    Raises:
        ShardError: If the disk is full, or what was written does not read back.
        ValueError: If an episode is damaged or has changed since the job was planned.
    """
    return write_samples(job, dataset / "shards", _samples(job, dataset))


class Job(Protocol):
    """One shard of a parallel set, to be written."""

    @property
    def name(self) -> str:
        """The tar's name without its suffix."""
        ...

    @property
    def split(self) -> str:
        """Of `schema.SPLITS`."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the shard is made from."""
        ...

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Its clips, without parts."""
        ...


def write_samples(
    job: ShardJob | Job, folder: Path, samples: Iterable[tuple[Sample, dict[str, bytes]]]
) -> Shard:
    """Write the samples of a job, each with its members by name; if it is finished, none is made.

    Raises:
        ShardError: If the disk is full, what was written does not read back, or the folder is a
            later version's.
    """
    manifest.require_ours(folder)
    files.sweep(folder)
    tar, done = folder / f"{job.name}.tar", finished(job, folder)
    if done is not None:
        with explained(f"{job.name}.json"):
            tars.write_beside(tar, done)  # so that it is not read anew the next time
        return done
    with explained(f"shard {job.name}"):
        with files.replacing(tar) as temporary:
            written = _write_tar(temporary, samples)
            files.sync(temporary)
            shard = _read_back(temporary, job, written)
        tars.write_beside(tar, shard)
    return shard


def finished(job: ShardJob | Job, folder: Path) -> Shard | None:
    """The shard of this job if it is there and whole by size, else None.

    Where the file beside the tar does not prove itself, the tar is read anew.
    """
    tar = folder / f"{job.name}.tar"
    if not tar.is_file():
        return None

    def read(tar: Path, told: Shard | None) -> Shard:
        if isinstance(job, ShardJob):
            return recover.of_videos(tar, folder.parent, told)
        return recover.of_set(tar, job.samples, job.fingerprint)

    try:
        shard = recover.known(tar, read)
    except (ValueError, KeyError, TypeError):
        return None  # write it again
    if shard is None or shard.fingerprint != job.fingerprint:
        return None
    return shard if shard.bytes == tar.stat().st_size else None


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Say in one sentence that the disk is full.

    Raises:
        ShardError: In place of the operating system's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ShardError(
            f"the disk is full: {what} was not written; what was finished before is kept, "
            "so make room and run the same command again"
        ) from error


def _samples(job: ShardJob, dataset: Path) -> Iterator[tuple[Sample, dict[str, bytes]]]:
    """The job's clips, cut from their episodes."""
    episodes = {clip.plan_id: episode_sha256(dataset, clip.plan_id) for clip in job.clips}
    if fingerprint(job.clips, episodes) != job.fingerprint:
        raise ShardError(f"shard {job.name}: an episode changed meanwhile; plan the shards again")
    for clip in job.clips:
        yield _sample(clip, dataset, job.split, episodes[clip.plan_id])


def _write_tar(
    path: Path, samples: Iterable[tuple[Sample, dict[str, bytes]]]
) -> list[tuple[Sample, dict[str, int]]]:
    """Every sample with the crc32 of each of its parts, taken before the part was written."""
    written = []
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
        for sample, parts in samples:
            written.append((sample, {name: zlib.crc32(content) for name, content in parts.items()}))
            for name, content in parts.items():
                header = tarfile.TarInfo(f"{sample.key}.{name}")
                header.size, header.mode = len(content), 0o444
                tar.addfile(header, io.BytesIO(content))
    return written


def _sample(clip: ClipRow, dataset: Path, split: str, mark: str) -> tuple[Sample, dict[str, bytes]]:
    episode = Episode.load(dataset / "episodes" / clip.plan_id)
    if episode.scene.id != clip.scene_id:
        raise ShardError(
            f"clip {clip.clip_id} is said to be from the scene {clip.scene_id}, but its episode is "
            f"from {episode.scene.id}; curate again"
        )
    episode.require_intact("rgb.mp4", "frames.parquet")
    require_planned(episode)
    k = episode.intrinsics
    sample = Sample(
        key=clip.clip_id,
        scene_id=clip.scene_id,
        plan_id=clip.plan_id,
        generator=episode.generator,
        start=clip.start,
        num_frames=clip.stop - clip.start,
        fps=episode.fps,
        width_px=k.width_px,
        height_px=k.height_px,
        caption=clip.caption,
        episode_sha256=mark,
        parts=(),
    )
    parts = codec.encode(
        episode,
        key=clip.clip_id,
        start=clip.start,
        stop=clip.stop,
        caption=clip.caption,
        split=split,
    )
    return sample, parts


def _read_back(
    path: Path, job: ShardJob | Job, written: list[tuple[Sample, dict[str, int]]]
) -> Shard:
    """Open the tar again, compare every member with what was meant, and note where it lies."""
    samples = []
    with tarfile.open(path, mode="r:") as tar, path.open("rb") as file:
        for sample, crc32s in written:
            parts = []
            for name, crc32 in crc32s.items():
                member = tar.next()
                if member is None or member.name != f"{sample.key}.{name}":
                    raise ShardError(f"shard {job.name}: {sample.key}.{name} did not read back")
                content = os.pread(file.fileno(), member.size, member.offset_data)
                if zlib.crc32(content) != crc32:
                    raise ShardError(
                        f"shard {job.name}: {sample.key}.{name} reads back with other bytes than "
                        "were written; check the disk and the memory of this machine"
                    )
                parts.append(
                    Part(name=name, offset=member.offset_data, size=member.size, crc32=crc32)
                )
            samples.append(dataclasses.replace(sample, parts=tuple(parts)))
    return Shard(
        name=job.name,
        split=job.split,
        fingerprint=job.fingerprint,
        bytes=path.stat().st_size,
        sha256=files.sha256(path),
        samples=tuple(samples),
    )
