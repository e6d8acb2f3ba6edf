"""The manifest: which shards a dataset has, published as one rename.

shards/
  <name>.tar, <name>.json    a shard and what is known of it
  index-<hash>.parquet       one row per part: shard, key, part, offset, size, crc32
  shards-<hash>.parquet      one row per shard
  samples-<hash>.parquet     one row per sample, with its weight
  README.md                  the dataset card: what is inside, for people
  manifest.json              names the three tables; published last

The name of every tar and table carries a hash of what it holds, so a reader that has opened a
manifest keeps seeing the dataset that it names until `publish` removes the old files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from capture import files
from shards import card
from shards.jobs import ShardJob
from shards.schema import (
    CONVENTIONS,
    PARTS,
    READABLE,
    SCHEMA,
    SPLITS,
    Part,
    Sample,
    Shard,
    ShardError,
)
from shards.writer import explained, finished

NAME = "manifest.json"
TABLES = ("index", "shards", "samples")
_FIELDS = [field.name for field in dataclasses.fields(Sample) if field.name != "parts"]
_SAYS = {"parts": list(PARTS), "conventions": CONVENTIONS}
# Columns that schema 1 lacks, and what they were.
_ADDED = {"samples": ("weight", 1.0), "shards": ("fingerprint", "")}


def publish(dataset: Path, jobs: Sequence[ShardJob]) -> Path:
    """Make these shards the dataset's, and remove those of an earlier plan.

    Args:
        dataset: The dataset's folder.
        jobs: All of `jobs.plan`, every one written.

    Returns:
        The path of manifest.json.

    Raises:
        ShardError: If a shard is not finished or the disk is full; the old manifest stays.
    """
    folder = dataset / "shards"
    shards = [_require_finished(job, folder) for job in jobs]
    weights = {clip.clip_id: clip.weight for job in jobs for clip in job.clips}
    return publish_videos(folder, shards, weights, dataset / "clips.parquet")


def publish_videos(
    folder: Path, shards: Sequence[Shard], weights: Mapping[str, float], clips: Path
) -> Path:
    """The same for shards that are known already.

    Args:
        folder: Where the tars are.
        shards: All of them.
        weights: Of the samples by key.
        clips: The clips.parquet that they were made from, if it is there.
    """
    parent = files.sha256(clips) if clips.is_file() else ""
    samples = [sample for shard in shards for sample in shard.samples]
    return write(
        folder,
        shards,
        weights=weights,
        more={"parent": parent, **_SAYS},
        readme=lambda content: card.card(content, samples),
    )


def write(
    folder: Path,
    shards: Sequence[Shard],
    *,
    weights: Mapping[str, float] | None = None,
    more: dict,
    readme: Callable[[dict], str] | None = None,
) -> Path:
    """Publish finished shards: tables, card, and last the manifest; then remove older files.

    Args:
        folder: Where the tars are.
        shards: All of them.
        weights: Of the samples by key; the table has no such column by default.
        more: Further fields of the manifest.
        readme: Text of README.md from the manifest's content; no such file by default.

    Returns:
        The path of manifest.json.

    Raises:
        ShardError: If the disk is full; the old manifest stays.
    """
    with explained("the manifest"):
        rows = _rows(shards, weights)
        tables = {name: _write_table(folder, name, rows[name]) for name in TABLES}
        manifest = {
            "schema": SCHEMA,
            "manifest_sha": manifest_sha(shards, weights or {}),
            "tables": tables,
            "splits": {split: _totals(shards, split) for split in SPLITS},
            **more,
        }
        if readme is not None:
            with files.replacing(folder / card.NAME) as temporary:
                temporary.write_text(readme(manifest))
        files.write_json(folder / NAME, manifest)
    _remove_stale(folder, manifest, shards)
    return folder / NAME


def load(folder: Path) -> dict:
    """The content of a manifest.json.

    Args:
        folder: The shards folder.

    Raises:
        ShardError: If it is absent, damaged or of another version.
    """
    path = folder / NAME
    if not path.is_file():
        raise ShardError(f"{path} is not there; run `relickit shard` on this dataset first")
    return parse(path.read_bytes(), str(path))


def parse(content: bytes, path: str) -> dict:
    """A manifest.json from its bytes.

    Args:
        content: Of the file.
        path: Where it is, for messages.

    Raises:
        ShardError: If it is damaged or of another version.
    """
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise ShardError(f"{path} is no JSON ({error}); run `relickit shard` again") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise ShardError(f"{path} is of schema {schema}, newer than {SCHEMA}; update relickit")
    if schema not in READABLE:
        raise ShardError(f"{path} is not of schema {SCHEMA}; run `relickit shard` again")
    return manifest


def load_table(folder: Path, manifest: dict, name: str) -> pa.Table:
    """One of `TABLES`, its bytes checked against the manifest; of an older schema, completed.

    Raises:
        ShardError: If the file is absent or damaged.
    """
    path = folder / manifest["tables"][name]["file"]
    if not path.is_file():
        raise ShardError(f"{path} is not there; run `relickit shard` again")
    return parse_table(path.read_bytes(), manifest, name, str(path))


def parse_table(
    content: bytes, manifest: dict, name: str, path: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """One of `TABLES` from its bytes.

    Args:
        content: Of the file.
        manifest: Names its SHA-256.
        name: Of the table.
        path: Where it is, for messages.
        columns: All by default; shard and split, if asked for, come as dictionaries.

    Raises:
        ShardError: If they are not the bytes that were written.
    """
    require_table(content, manifest, name, path)
    added, value = _ADDED.get(name, ("", None)) if manifest["schema"] == 1 else ("", None)
    stored = None if columns is None else [column for column in columns if column != added]
    few = [column for column in columns or () if column in ("shard", "split")]
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=few)
    table = file.read(stored)
    if added and (columns is None or added in columns):
        table = table.append_column(added, pa.repeat(value, len(table)))
    return table


def require_table(content: bytes, manifest: dict, name: str, path: str) -> None:
    """Compare the bytes of a table with the manifest; see `parse_table`.

    Raises:
        ShardError: If they are not those that were written.
    """
    if hashlib.sha256(content).hexdigest() != manifest["tables"][name]["sha256"]:
        raise ShardError(f"{path} is damaged (its SHA-256 differs); run `relickit shard` again")


def load_shards(folder: Path, manifest: dict) -> list[Shard]:
    """The shards that a manifest lists, with their samples and parts, from its tables.

    Raises:
        ShardError: If a table is absent or damaged.
    """
    tables = {name: load_table(folder, manifest, name) for name in TABLES}
    parts, samples = defaultdict(list), defaultdict(list)
    for row in tables["index"].to_pylist():
        where = {name: row[name] for name in ("offset", "size", "crc32")}
        parts[row["key"]].append(Part(name=row["part"], **where))
    for row in tables["samples"].to_pylist():
        known = {field: row[field] for field in _FIELDS}
        samples[row["shard"]].append(Sample(**known, parts=tuple(parts[row["key"]])))
    shards = []
    for row in tables["shards"].to_pylist():
        name, _ = row.pop("shard"), row.pop("samples")
        shards.append(Shard(name=name, **row, samples=tuple(samples[name])))
    return shards


def manifest_sha(shards: Iterable[Shard], weights: Mapping[str, float]) -> str:
    """SHA-256 of what the shards hold and how it is drawn, however the tables are written."""
    content = sorted([shard.name, shard.sha256, shard.bytes] for shard in shards)
    content = [SCHEMA, content, sorted(weights.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _require_finished(job: ShardJob, folder: Path) -> Shard:
    shard = finished(job, folder)
    if shard is None:
        raise ShardError(f"shard {job.name} is not finished; run `relickit shard` again")
    return shard


def _rows(shards: Sequence[Shard], weights: Mapping[str, float] | None) -> dict[str, list[dict]]:
    """The three tables, sorted by shard and by place in it."""
    samples = [
        {
            "shard": shard.name,
            "split": shard.split,
            **dataclasses.asdict(sample),
            **({} if weights is None else {"weight": weights.get(sample.key, 1.0)}),
        }
        for shard in shards
        for sample in shard.samples
    ]
    index = [
        {
            "shard": sample["shard"],
            "key": sample["key"],
            "part": part["name"],
            "offset": part["offset"],
            "size": part["size"],
            "crc32": part["crc32"],
        }
        for sample in samples
        for part in sample.pop("parts")
    ]
    tars = [
        {
            "shard": shard.name,
            "split": shard.split,
            "fingerprint": shard.fingerprint,
            "bytes": shard.bytes,
            "sha256": shard.sha256,
            "samples": len(shard.samples),
        }
        for shard in shards
    ]
    return {"index": index, "shards": tars, "samples": samples}


def _write_table(folder: Path, name: str, rows: list[dict]) -> dict:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, compression="zstd")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    path = folder / f"{name}-{digest[:8]}.parquet"
    with files.replacing(path) as temporary:
        temporary.write_bytes(out.getvalue())
    return {"file": path.name, "rows": len(rows), "sha256": digest}


def _totals(shards: Sequence[Shard], split: str) -> dict:
    samples = [s for shard in shards if shard.split == split for s in shard.samples]
    return {
        "shards": sum(shard.split == split for shard in shards),
        "samples": len(samples),
        "frames": sum(s.num_frames for s in samples),
        "seconds": round(sum(s.num_frames / s.fps for s in samples), 3),
        "scenes": sorted({s.scene_id for s in samples}),
        "sizes_px": sorted({(s.width_px, s.height_px) for s in samples}),
        "bytes": sum(shard.bytes for shard in shards if shard.split == split),
    }


def _remove_stale(folder: Path, manifest: dict, shards: Sequence[Shard]) -> None:
    keep = {NAME, *(table["file"] for table in manifest["tables"].values())}
    for shard in shards:
        keep |= {f"{shard.name}.tar", f"{shard.name}.json"}
    patterns = [f"{split}-*.{kind}" for split in SPLITS for kind in ("tar", "json")]
    patterns += [f"{name}-*.parquet" for name in TABLES]
    for path in sorted(p for pattern in patterns for p in folder.glob(pattern)):
        if path.name not in keep:
            path.unlink(missing_ok=True)
