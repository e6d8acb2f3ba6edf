"""What can be mended in a folder without its sources, and without touching what is good."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from capture import files
from shards import card, encoded, jobs, manifest, recover, sets, writer
from shards.encoded import encoder_in
from shards.publish import derived, publish_videos, write_card
from shards.schema import SET, Shard, ShardError
from shards.tars import beside, lost, tars, write_beside

# A temporary file of another machine, whose processes cannot be seen, is left for this long.
_OLD_S = 86400.0


def repair(folder: Path) -> list[str]:
    """Drop temporary files; write lost or damaged files beside the tars again, and manifests.

    Tars that a manifest does not name are removed. Other tars and episodes are never touched, nor
    is an index that is right. What a lost index said is taken from the other one, else from the
    tars themselves: their bytes are then believed.

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
    if is_set(folder):
        found = [folder]
    elif shards.is_dir() and tars(shards):
        done += _tried(_repair_videos(shards, folder))
        found = sorted(each for each in shards.iterdir() if is_set(each))
    for each in found:
        try:
            done += _tried(_repair_set(each))
        except ShardError as error:
            done.append(f"{each}: not mended: {error}")
    if sets.published(shards):
        done += _tried(_list_sets(shards))
    return list(dict.fromkeys(done))


def is_set(folder: Path) -> bool:
    """Whether a folder is a parallel set, though it may have lost what says whose."""
    named = SET.fullmatch(folder.resolve().name) is not None and bool(tars(folder))
    return named or (folder / encoded.MARK).is_file()


def _tried(steps: Iterator[str]) -> Iterator[str]:
    """What was done, and what stopped it: a file that cannot be read, a folder in its place."""
    try:
        yield from steps
    except OSError as error:
        why = error.strerror
        if isinstance(error, IsADirectoryError):
            why = "a folder stands in its place; move it away and run the same again"
        yield f"{error.filename2 or error.filename}: not mended: {why}"


def _list_sets(shards: Path) -> Iterator[str]:
    if sets.write(shards):
        yield f"{shards / sets.NAME}: written again"


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


def _repair_videos(folder: Path, dataset: Path) -> Iterator[str]:
    listed, shards = _listed(folder), []
    for tar in tars(folder):
        if listed and tar.stem not in listed:
            yield from _drop(tar)
            continue
        shard = listed.get(tar.stem)
        if shard is None or not shard.fingerprint:  # schema 1 did not list it
            shard = _known(tar, lambda tar, told: recover.of_videos(tar, dataset, told)) or shard
        if shard is None:
            shard = recover.of_videos(tar, dataset)
        shard = shard if shard.fingerprint else recover.proved(shard)
        yield from _write_beside(tar, shard)
        shards.append(shard)
    if listed:
        yield from _mend_manifest(folder)
        return
    for tar in lost(folder):
        yield f"{tar}: not there, so its clips are left out; `relickit shard` makes it again"
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
    yield f"{path}: written again from {len(shards)} tars"


def _repair_set(folder: Path) -> Iterator[str]:
    listed, told = _listed(folder), _told_encoder(folder)
    if told is not None and not _says_whose(folder):
        files.write_json(folder / encoded.MARK, told.to_json())
        yield f"{folder / encoded.MARK}: written again"
    encoder = encoded.load_encoder(folder)
    planned = {job.name: job for job in _planned(folder, encoder, needed=not listed)}
    for tar in tars(folder):
        shard, job = listed.get(tar.stem), planned.get(tar.stem)
        if shard is None and job is not None:
            read = _reader(job)
            shard = writer.finished(job, folder) or _known(tar, read) or read(tar, None)
        if shard is not None:
            yield from _write_beside(tar, shard)
        elif listed and planned:
            yield from _drop(tar)
    if listed:
        yield from _mend_manifest(folder, encoder)
    elif path := encoded.publish(folder.parent, encoder, list(planned.values())):
        yield f"{path}: written again from {len(planned)} tars"


def _planned(folder: Path, encoder: encoded.Encoder, *, needed: bool) -> list[encoded.EncodeJob]:
    """The jobs of a set; none where the videos are not there, if they are not needed."""
    try:
        return encoded.plan(folder.parent, encoder)
    except ShardError:
        if needed:
            raise
        return []


def _reader(job: encoded.EncodeJob) -> recover.Read:
    return lambda tar, _: recover.of_set(tar, job.samples, job.fingerprint)


def _says_whose(folder: Path) -> bool:
    """Whether encoder.json says whose set it is."""
    try:
        encoded.load_encoder(folder)
    except ShardError:
        return False
    return True


def _told_encoder(folder: Path) -> encoded.Encoder | None:
    """The encoder as the manifest says, if that can be read."""
    try:
        return encoder_in(manifest.load(folder))
    except ShardError:
        return None


def _drop(tar: Path) -> Iterator[str]:
    """Remove a tar that a manifest does not name: a plain glob would read its clips twice."""
    tar.unlink()
    tar.with_suffix(".json").unlink(missing_ok=True)
    yield f"{tar}: not in the manifest, removed"


def _mend_manifest(folder: Path, encoder: encoded.Encoder | None = None) -> Iterator[str]:
    """Write again what a manifest and README.md do not say as the tables do.

    Args:
        folder: Of a manifest whose tables are whole.
        encoder: Of a parallel set.
    """
    content = manifest.load(folder)
    tables = {name: manifest.load_table(folder, content, name) for name in manifest.TABLES}
    wanted = derived(content, tables, videos=encoder is None)
    if encoder is not None:
        wanted["encoder"] = encoder.to_json()
    elif not card.counts(folder / card.NAME, wanted):
        write_card(folder, wanted, tables["samples"])
        yield f"{folder / card.NAME}: written again"
    if wanted != content:
        files.write_json(folder / manifest.NAME, wanted)
        yield f"{folder / manifest.NAME}: written again from its tables"


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


def _known(tar: Path, read: recover.Read) -> Shard | None:
    """What is known of a tar through the file beside it; see `recover.known`.

    Raises:
        ShardError: If that says that the tar had other bytes.
    """
    shard = recover.known(tar, read)
    if shard is not None and shard.sha256 != files.sha256(tar):
        raise ShardError(
            f"{tar} is damaged: its bytes are not those that {shard.name}.json counts; delete both "
            "and make the shard again"
        )
    return shard


def _write_beside(tar: Path, shard: Shard) -> Iterator[str]:
    if beside(tar, proved=False) != shard:
        yield from _tried(_write(tar, shard))


def _write(tar: Path, shard: Shard) -> Iterator[str]:
    write_beside(tar, shard)
    yield f"{tar.with_suffix('.json')}: written again"


def _clips(dataset: Path) -> list[jobs.ClipRow]:
    return jobs.kept_clips(dataset) if (dataset / "clips.parquet").is_file() else []
