"""The manifest: which shards a dataset has, and the tables that it names; read here.

shards/
  <name>.tar, <name>.json    a shard and what is known of it
  index-<hash>.parquet       one row per part: shard, key, part, offset, size, crc32
  shards-<hash>.parquet      one row per shard
  samples-<hash>.parquet     one row per sample, with its weight
  README.md                  the dataset card: what is inside, for people
  manifest.json              names the three tables; published last

The name of every tar and table carries a hash of what it holds, so a reader that has opened a
manifest keeps seeing the dataset that it names until `shards.publish` removes the old files.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from capture import files
from shards.schema import READABLE, SCHEMA, SET, Part, Sample, Shard, ShardError

NAME = "manifest.json"
TABLES = ("index", "shards", "samples")
_TEXT, _NUMBER = pa.string(), pa.int64()
# What the tables hold; where the samples are drawn unevenly, they have a `weight` too.
COLUMNS = {
    "index": {
        **dict.fromkeys(("shard", "key", "part"), _TEXT),
        **dict.fromkeys(("offset", "size", "crc32"), _NUMBER),
    },
    "shards": {
        **dict.fromkeys(("shard", "split", "fingerprint"), _TEXT),
        "bytes": _NUMBER,
        "sha256": _TEXT,
        "samples": _NUMBER,
    },
    "samples": {
        **dict.fromkeys(("shard", "split", "key", "scene_id", "plan_id", "generator"), _TEXT),
        **dict.fromkeys(("start", "num_frames"), _NUMBER),
        "fps": pa.float64(),
        **dict.fromkeys(("width_px", "height_px"), _NUMBER),
        **dict.fromkeys(("caption", "episode_sha256"), _TEXT),
    },
}
# A sample's own columns.
SAMPLE = tuple(COLUMNS["samples"])[2:]
_FILE = re.compile(r"[\w-]+\.parquet")
# Rows that are Python objects at once, which bounds memory.
_BLOCK = 1 << 16
# Columns that schema 1 lacks, and what they were.
_ADDED = {"samples": ("weight", 1.0), "shards": ("fingerprint", "")}


def load(folder: Path) -> dict:
    """The content of a manifest.json.

    Args:
        folder: The shards folder.

    Raises:
        ShardError: If it is absent, damaged or of another version.
    """
    path = folder / NAME
    if not path.is_file():
        raise ShardError(f"{path} is not there; run `{maker(path)}` on this dataset first")
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
        manifest = files.parse_json(content, path, f"run `{maker(path)}` again")
    except ValueError as error:
        raise ShardError(str(error)) from error
    schema = manifest.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise ShardError(f"{path} is of schema {schema}, newer than {SCHEMA}; update relickit")
    if schema not in READABLE:
        raise ShardError(f"{path} is not of schema {SCHEMA}; run `{maker(path)}` again")
    if SET.fullmatch(PurePath(path).parent.name) and not _is_encoder(manifest.get("encoder")):
        raise ShardError(f"{path} is damaged: it has no encoder; run `{maker(path)}` again")
    if wrong := next(_wrong(manifest), ""):
        raise ShardError(f"{path} is damaged: it has no {wrong}; run `{maker(path)}` again")
    return manifest


def _wrong(manifest: dict) -> Iterator[str]:
    """Which fields have not what readers take from them."""
    if not _is_sha256(manifest.get("manifest_sha")):
        yield "manifest_sha"
    tables = manifest.get("tables")
    for name in TABLES:
        told = tables.get(name) if isinstance(tables, dict) else None
        if not isinstance(told, dict) or not _is_sha256(told.get("sha256")):
            yield f"table {name}"
        elif not isinstance(file := told.get("file"), str) or not _FILE.fullmatch(file):
            yield f"file of the table {name}"


def _is_encoder(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("kind"), str) and isinstance(value.get("config"), dict)


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def require_ours(folder: Path) -> None:
    """Leave what a later version wrote.

    Raises:
        ShardError: If the folder's manifest is of a later schema than this version writes.
    """
    if is_newer(folder):
        raise ShardError(
            f"{folder / NAME} is of a later version, which would be written over; update relickit"
        )


def is_newer(folder: Path) -> bool:
    """Whether a folder's manifest is of a later schema than this version writes."""
    try:
        schema = files.read_json(folder / NAME)["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return isinstance(schema, int) and schema > SCHEMA


def load_table(folder: Path, manifest: dict, name: str) -> pa.Table:
    """One of `TABLES`, its bytes checked against the manifest; of an older schema, completed.

    Raises:
        ShardError: If the file is absent or damaged.
    """
    path = folder / manifest["tables"][name]["file"]
    if not path.is_file():
        raise ShardError(f"{path} is not there; run `{maker(path)}` again")
    content = path.read_bytes()
    require_table(content, manifest, name, str(path))
    return parse_table(content, manifest, name)


def parse_table(
    content: bytes, manifest: dict, name: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """One of `TABLES` from its bytes; of an older schema, completed.

    Args:
        content: Of the file, which `require_table` has passed.
        manifest: Tells the schema.
        name: Of the table.
        columns: All by default; shard and split, if asked for, come as dictionaries.
    """
    added, value = _ADDED.get(name, ("", None)) if manifest["schema"] == 1 else ("", None)
    stored = None if columns is None else [column for column in columns if column != added]
    few = [column for column in columns or () if column in ("shard", "split")]
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=few)
    table = file.read(stored)
    if added and (columns is None or added in columns):
        table = table.append_column(added, pa.repeat(value, len(table)))
    return table


def require_table(content: bytes, manifest: dict, name: str, path: str) -> None:
    """Compare the bytes of a table with the manifest.

    Args:
        content: Of the file.
        manifest: Names its SHA-256.
        name: Of the table.
        path: Where it is, for messages.

    Raises:
        ShardError: If they are not those that were written.
    """
    if hashlib.sha256(content).hexdigest() != manifest["tables"][name]["sha256"]:
        raise ShardError(f"{path} is damaged (its SHA-256 differs); run `{maker(path)}` again")


def load_shards(folder: Path, manifest: dict, *, parts: bool = True) -> list[Shard]:
    """The shards that a manifest lists, with their samples, from its tables.

    Args:
        folder: The shards folder.
        manifest: Its content.
        parts: With the samples' parts, which are most of the work.

    Raises:
        ShardError: If a table is absent or damaged.
    """
    parts_of, samples, shards = defaultdict(list), defaultdict(list), []
    if parts:
        for row in rows(load_table(folder, manifest, "index")):
            key, name = row["key"], row["part"]
            where = {field: row[field] for field in ("offset", "size", "crc32")}
            parts_of[key].append(Part(name=name, **where))
    for row in rows(load_table(folder, manifest, "samples")):
        known = {field: row[field] for field in SAMPLE}
        mine = tuple(parts_of.pop(row["key"], ()))
        samples[row["shard"]].append(Sample(**known, parts=mine))
    for row in rows(load_table(folder, manifest, "shards")):
        name, _ = row.pop("shard"), row.pop("samples")
        shards.append(Shard(name=name, **row, samples=tuple(samples.pop(name, ()))))
    return shards


def maker(path: PurePath | str) -> str:
    """The command that makes a manifest or table: of videos, or of a parallel set."""
    parallel = SET.fullmatch(PurePath(path).parent.name)
    return "relickit encode" if parallel else "relickit shard"


def rows(table: pa.Table) -> Iterator[dict]:
    """A table's rows, few of which are Python objects at once."""
    for batch in table.to_batches(max_chunksize=_BLOCK):
        yield from batch.to_pylist()
