"""Parallel sets of shards: what an encoder made of every clip, or its depth, under the clips' keys.

shards/<kind>-<hash>/
  encoder.json               whose set it is, written first
  <name>.tar, <name>.json    one for each shard of videos: the same samples in the same order
  index-, shards-, samples-<hash>.parquet, manifest.json

A sample's members are arrays, `<key>.<name>.npy`, or files as they are. The folder is named by the
hash of the encoder, and a shard by the hash of what it was made from, so that another encoder, a
changed caption or another clip makes new files and never touches the videos, or what is still
right.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture import files
from shards import manifest, sets, writer
from shards.folder import inside
from shards.publish import publish_shards
from shards.published import open_shards, published
from shards.schema import TAR_SCHEMA, Kind, Sample, Shard, ShardError

# Beside the tars, written before them: kind and config of the encoder.
MARK = "encoder.json"
# A name for an encoder: enough digits that two never meet.
_DIGITS = 8

# A sample's members by name: of an array without its suffix .npy, of a file with its own.
Members = Mapping[str, np.ndarray | bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoder:
    """What decides the values of a set.

    Attributes:
        kind: What it makes: "latents" of the frames, vectors of the caption ("text"), or "depth".
        config: Everything on which its output depends, for JSON.
    """

    kind: Kind
    config: Mapping[str, str | int | float]

    @property
    def sha256(self) -> str:
        """Of kind and config."""
        return _sha256([self.kind, dict(self.config)])

    def to_json(self) -> dict:
        """What `load_encoder` reads."""
        return {"kind": self.kind, "sha256": self.sha256, "config": dict(self.config)}

    @property
    def name(self) -> str:
        """Of its set's folder."""
        return f"{self.kind}-{self.sha256[:_DIGITS]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeJob:
    """One shard of a set; a `writer.Job`.

    Attributes:
        split: "train" or "val".
        name: `<split>-<number>-<first digits of the fingerprint>`.
        fingerprint: SHA-256 of the encoder and of what is known of the clips.
        samples: The clips, without parts; with captions only for text, which depends on them.
        parent: `manifest_sha` of the videos' shards when this was planned.
    """

    split: str
    name: str
    fingerprint: str
    samples: tuple[Sample, ...]
    parent: str


def shards_folder(dataset: Path) -> Path:
    """A dataset's shards, or the folder itself if it is one of shards."""
    return dataset / "shards" if (dataset / "shards").is_dir() else dataset


def load_encoder(folder: Path) -> Encoder:
    """The encoder of a set, finished or not.

    Raises:
        ShardError: If its encoder.json is absent or damaged.
    """
    try:
        encoder = _encoder(files.read_json(folder / MARK))
    except (OSError, ValueError):
        encoder = None
    if encoder is None:
        raise ShardError(
            f"{folder / MARK} is absent or damaged; delete the folder and encode again"
        )
    return encoder


def encoder_in(content: dict) -> Encoder | None:
    """The encoder that a set's manifest names; nothing if it names none, or one that is damaged.

    Args:
        content: Of the manifest.
    """
    return _encoder(content.get("encoder"))


def _encoder(says: object) -> Encoder | None:
    """From what `Encoder.to_json` gave; nothing if it is damaged."""
    if not isinstance(says, dict) or not isinstance(says.get("config"), dict):
        return None
    encoder = Encoder(kind=says.get("kind", ""), config=says["config"])
    return encoder if encoder.to_json() == says else None


def plan(folder: Path, encoder: Encoder) -> list[EncodeJob]:
    """One job for each shard of videos.

    Args:
        folder: The shards folder.
        encoder: Whose set it will be.

    Raises:
        ShardError: If the shards are absent or damaged.
    """
    jobs, videos = [], manifest.load(folder)
    for shard in manifest.load_shards(folder, videos, parts=False):
        samples = tuple(_source(sample, encoder.kind) for sample in shard.samples)
        content = [TAR_SCHEMA, encoder.sha256, [dataclasses.asdict(sample) for sample in samples]]
        mark, numbered = _sha256(content), shard.name.rpartition("-")[0]
        name = f"{numbered}-{mark[:_DIGITS]}"
        job = EncodeJob(
            split=shard.split,
            name=name,
            fingerprint=mark,
            samples=samples,
            parent=videos["manifest_sha"],
        )
        jobs.append(job)
    return jobs


def start(folder: Path, encoder: Encoder) -> Path:
    """Make an encoder's folder and say in it whose it is.

    Args:
        folder: The shards folder.
        encoder: Whose set it will be.

    Returns:
        The set's folder.
    """
    mine = folder / encoder.name
    if not (mine / MARK).is_file():
        files.write_json(mine / MARK, encoder.to_json())
    return mine


def write(job: EncodeJob, folder: Path, encode: Callable[[Sample], Members]) -> Shard:
    """Write one shard of a set; if it is finished, nothing is encoded. See `writer.write`.

    Args:
        job: From `plan`.
        folder: The set's folder.
        encode: A sample's members.

    Raises:
        ShardError: If the disk is full, what was written does not read back, or an array is not
            finite.
    """
    return writer.write_samples(job, folder, _samples(job, encode))


def publish(folder: Path, encoder: Encoder, jobs: Sequence[EncodeJob]) -> Path | None:
    """Make the shards of `jobs` the set; nothing if some are not finished yet.

    Any number of processes may call it at once.

    Args:
        folder: The shards folder.
        encoder: Whose set it is.
        jobs: All of `plan`.

    Returns:
        The path of the set's manifest.json.

    Raises:
        ShardError: If the videos were sharded again meanwhile; what is theirs stays.
    """
    mine = folder / encoder.name
    shards = [writer.finished(job, mine) for job in jobs]
    whole = [shard for shard in shards if shard is not None]
    if len(whole) < len(jobs):
        return None
    parent = manifest.load(folder)["manifest_sha"]
    if any(job.parent != parent for job in jobs):
        raise ShardError(
            f"{folder} was sharded again while {encoder.name} was made; run `relickit encode` again"
        )
    path = publish_shards(mine, whole, more={"parent": parent, "encoder": encoder.to_json()})
    sets.write(folder)
    return path


def published_sets(location: Path | str, kind: Kind) -> Iterator[tuple[str, dict]]:
    """The published sets of a kind: each one's name and its encoder's config.

    Args:
        location: The dataset's folder or its shards folder alone, or an address of one; from a
            web server those that its sets.json lists.
        kind: "latents", "text" or "depth".

    Raises:
        ShardError: If there are no shards, or a manifest is damaged.
    """
    videos = open_shards(location)
    for name in videos.folder.folders():
        if name.startswith(f"{kind}-"):
            mine = published(inside(videos.address, name))
            if mine is not None:
                yield name, mine.content["encoder"]["config"]


def _source(sample: Sample, kind: Kind) -> Sample:
    caption = sample.caption if kind == "text" else ""
    return dataclasses.replace(sample, caption=caption, parts=())


def _samples(
    job: EncodeJob, encode: Callable[[Sample], Members]
) -> Iterator[tuple[Sample, dict[str, bytes]]]:
    for sample in job.samples:
        members = encode(sample)
        yield sample, dict(_file(sample.key, name, members[name]) for name in sorted(members))


def _file(key: str, name: str, content: np.ndarray | bytes) -> tuple[str, bytes]:
    """A member's name in the tar and its bytes."""
    if isinstance(content, bytes):
        return name, content
    if not np.isfinite(content).all():
        raise ShardError(
            f"sample {key}: {name} has values that are not finite; the encoder overflows, or its "
            "weights are damaged"
        )
    return f"{name}.npy", _npy(content)


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def _sha256(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
