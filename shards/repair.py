"""What can be mended in a folder without its sources, and without touching what is good."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from capture import files
from shards import codec, encoded, jobs, manifest, sets, writer
from shards.publish import publish_videos
from shards.schema import PARTS, Sample, Shard, ShardError
from shards.tars import beside, lost, members, tars

# A temporary file of another machine, whose processes cannot be seen, is left for this long.
_OLD_S = 86400.0
_MakeSample = Callable[[str, Mapping[str, bytes]], Sample]


def repair(folder: Path) -> list[str]:
    """Drop temporary files; write lost or damaged files beside the tars again, and manifests.

    Tars and episodes are never touched, nor is an index that is right. What a lost index said is
    taken from the other one, else from the tars themselves: their bytes are then believed.

    Args:
        folder: Any folder of ours.

    Returns:
        What was done, a sentence each.

    Raises:
        ShardError: If a tar whose index is lost is damaged, or is not what the file beside it
            says, two tars hold the same clip, or a manifest is newer than this version.
    """
    done = list(_drop_temporary(folder))
    shards, found = encoded.shards_folder(folder), []
    if (folder / encoded.MARK).is_file():
        found = [folder]
    elif shards.is_dir() and tars(shards):
        done += _repair_videos(shards, folder)
        found = sorted(mark.parent for mark in shards.glob(f"*/{encoded.MARK}"))
    for each in found:
        done += _repair_set(each)
    if sets.published(shards) and sets.write(shards):
        done.append(f"{shards / sets.NAME}: written again")
    return done


def _drop_temporary(folder: Path) -> Iterator[str]:
    mine = files.temporary_mark()
    for parent in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        before = sorted(parent.glob(".*.tmp-*"))
        files.sweep(parent)
        for path in before:
            if path.exists() and time.time() - path.stat().st_mtime > _OLD_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not path.exists():
                yield f"{path}: temporary, removed"
            elif mine not in path.name:
                yield (
                    f"{path}: temporary, of another machine, which may be writing it; left until "
                    "it is a day old, or delete it"
                )


def _repair_videos(folder: Path, dataset: Path) -> list[str]:
    listed, done, shards = _listed(folder), [], []
    for tar in tars(folder):
        if listed and tar.stem not in listed:
            continue  # of an earlier plan: readers do not see it
        shard = listed.get(tar.stem)
        if shard is None or not shard.fingerprint:  # schema 1 did not list it
            shard = _beside(tar) or shard
        if shard is None:
            shard = _described(tar, "", PARTS, _sample_of(dataset))
        shard = shard if shard.fingerprint else _proved(shard)
        done += _write_beside(tar, shard)
        shards.append(shard)
    if listed:
        return done
    done += [
        f"{tar}: not there, so its clips are left out; `relickit shard` makes it again"
        for tar in lost(folder)
    ]
    keys = [sample.key for shard in shards for sample in shard.samples]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ShardError(
            f"{folder}: two tars hold the clip {twice}, and the manifest that says which one "
            "counts is lost; run `relickit shard` again, or delete the older tar"
        )
    weights = {clip.clip_id: clip.weight for clip in _clips(dataset)}
    path = publish_videos(
        folder, shards, {key: weights.get(key, 1.0) for key in keys}, dataset / "clips.parquet"
    )
    return [*done, f"{path}: written again from {len(shards)} tars"]


def _repair_set(folder: Path) -> list[str]:
    encoder, listed, done = encoded.load_encoder(folder), _listed(folder), []
    planned = encoded.plan(folder.parent, encoder)
    for job in planned:
        tar, by_key = folder / f"{job.name}.tar", {sample.key: sample for sample in job.samples}
        if tar.is_file() and writer.finished(job, folder) is None:
            shard = (
                listed.get(job.name)
                or _beside(tar)
                or _described(tar, job.fingerprint, (), lambda key, _, known=by_key: known[key])
            )
            done += _write_beside(tar, shard)
    path = None if listed else encoded.publish(folder.parent, encoder, planned)
    return [*done, *([f"{path}: written again from {len(planned)} tars"] if path else [])]


def _listed(folder: Path) -> dict[str, Shard]:
    """What the manifest says; nothing if it or a table is lost or damaged.

    Raises:
        ShardError: If it is newer than this version, which therefore cannot tell.
    """
    try:
        shards = manifest.load_shards(folder, manifest.load(folder))
    except (ValueError, KeyError, TypeError) as error:
        if manifest.is_newer(folder):
            raise ShardError(str(error)) from error
        return {}
    return {shard.name: shard for shard in shards}


def _beside(tar: Path) -> Shard | None:
    """What the file beside a tar says, if it is there and can be read.

    Raises:
        ShardError: If it says that the tar had other bytes.
    """
    shard = beside(tar)
    if shard is not None and shard.sha256 != files.sha256(tar):
        raise ShardError(
            f"{tar} is damaged: its bytes are not those that {shard.name}.json counts; delete both "
            "and make the shard again"
        )
    return shard


def _write_beside(tar: Path, shard: Shard) -> list[str]:
    path = tar.with_suffix(".json")
    wanted = json.loads(json.dumps(dataclasses.asdict(shard)))
    try:
        if json.loads(path.read_text()) == wanted:
            return []
    except (OSError, ValueError):
        pass
    files.write_json(path, wanted)
    return [f"{path}: written again"]


def _described(tar: Path, mark: str, wanted: tuple[str, ...], make: _MakeSample) -> Shard:
    """A shard from its tar alone.

    Args:
        tar: The file.
        mark: The fingerprint.
        wanted: Names of every sample's parts; any if empty.
        make: A sample without parts, from its key and the contents of its parts.
    """
    found = members(tar)
    samples = []
    for key, group in groupby(found, key=lambda item: item[0]):
        mine = list(group)
        contents = {part.name: content for _, part, content in mine}
        if wanted and tuple(contents) != wanted:
            raise ShardError(f"{tar}: sample {key} has the parts {', '.join(contents)}; delete it")
        parts = tuple(part for _, part, _ in mine)
        samples.append(dataclasses.replace(make(key, contents), parts=parts))
    return Shard(
        name=tar.stem,
        split=tar.stem.split("-")[0],
        fingerprint=mark,
        bytes=tar.stat().st_size,
        sha256=files.sha256(tar),
        samples=tuple(samples),
    )


def _proved(shard: Shard) -> Shard:
    """With its fingerprint, if what it was made from is known again, as its name then proves.

    Else with the digits in its name alone, and `relickit shard` writes it again.
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


def _sample_of(dataset: Path) -> _MakeSample:
    def make(key: str, contents: Mapping[str, bytes]) -> Sample:
        meta = json.loads(contents["meta.json"])
        path, intrinsics = codec.decode_camera(contents["camera.npz"])
        mark = dataset / "episodes" / meta["plan_id"] / "episode.json"
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
            episode_sha256=files.sha256(mark) if mark.is_file() else "",
            parts=(),
        )

    return make


def _clips(dataset: Path) -> list[jobs.ClipRow]:
    return jobs.kept_clips(dataset) if (dataset / "clips.parquet").is_file() else []
