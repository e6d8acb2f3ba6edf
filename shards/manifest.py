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

import hashlib
import io
import json
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.compute as pc
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
# Name of a parallel set's folder; see `shards.encoded`.
SET = re.compile(r"(latents|text|depth)-[0-9a-f]+")
_TEXT, _NUMBER = pa.string(), pa.int64()
_COLUMNS = {
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
_SAMPLE = tuple(_COLUMNS["samples"])[2:]
# Rows that are Python objects at once, which bounds memory.
_BLOCK = 1 << 16
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
    shards = (_require_finished(job, folder) for job in jobs)
    weights = {clip.clip_id: clip.weight for job in jobs for clip in job.clips}
    return publish_videos(folder, shards, weights, dataset / "clips.parquet")


def publish_videos(
    folder: Path, shards: Iterable[Shard], weights: Mapping[str, float], clips: Path
) -> Path:
    """The same for shards that are known already.

    Args:
        folder: Where the tars are.
        shards: All of them.
        weights: Of the samples by key.
        clips: The clips.parquet that they were made from, if it is there.
    """
    parent = files.sha256(clips) if clips.is_file() else ""
    return write(
        folder,
        shards,
        weights=weights,
        more={"parent": parent, **_SAYS},
        readme=card.card,
    )


def write(
    folder: Path,
    shards: Iterable[Shard],
    *,
    weights: Mapping[str, float] | None = None,
    more: dict,
    readme: Callable[[dict, pa.Table], str] | None = None,
) -> Path:
    """Publish finished shards: tables, card, and last the manifest; then remove older files.

    Args:
        folder: Where the tars are.
        shards: All of them, taken one by one and not kept.
        weights: Of the samples by key; the table has no such column by default.
        more: Further fields of the manifest.
        readme: Text of README.md from the manifest's content and the table of the samples; no such
            file by default.

    Returns:
        The path of manifest.json.

    Raises:
        ShardError: If the disk is full; the old manifest stays.
    """
    with explained("the manifest"):
        tables = _tables(shards, weights)
        manifest = {
            "schema": SCHEMA,
            "manifest_sha": _manifest_sha(tables["shards"], weights or {}),
            "tables": {name: _write_table(folder, name, tables[name]) for name in TABLES},
            "splits": {split: _totals(tables, split) for split in SPLITS},
            **more,
        }
        if readme is not None:
            with files.replacing(folder / card.NAME) as temporary:
                temporary.write_text(readme(manifest, tables["samples"]))
        files.write_json(folder / NAME, manifest)
    _remove_stale(folder, manifest, tables["shards"]["shard"].to_pylist())
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
        manifest = json.loads(content)
    except ValueError as error:
        raise ShardError(f"{path} is no JSON ({error}); run `{maker(path)}` again") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise ShardError(f"{path} is of schema {schema}, newer than {SCHEMA}; update relickit")
    if schema not in READABLE:
        raise ShardError(f"{path} is not of schema {SCHEMA}; run `{maker(path)}` again")
    return manifest


def load_table(folder: Path, manifest: dict, name: str) -> pa.Table:
    """One of `TABLES`, its bytes checked against the manifest; of an older schema, completed.

    Raises:
        ShardError: If the file is absent or damaged.
    """
    path = folder / manifest["tables"][name]["file"]
    if not path.is_file():
        raise ShardError(f"{path} is not there; run `{maker(path)}` again")
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
        for row in _rows(load_table(folder, manifest, "index")):
            key, name = row["key"], row["part"]
            where = {field: row[field] for field in ("offset", "size", "crc32")}
            parts_of[key].append(Part(name=name, **where))
    for row in _rows(load_table(folder, manifest, "samples")):
        known = {field: row[field] for field in _SAMPLE}
        mine = tuple(parts_of.pop(row["key"], ()))
        samples[row["shard"]].append(Sample(**known, parts=mine))
    for row in _rows(load_table(folder, manifest, "shards")):
        name, _ = row.pop("shard"), row.pop("samples")
        shards.append(Shard(name=name, **row, samples=tuple(samples.pop(name, ()))))
    return shards


def maker(path: PurePath | str) -> str:
    """The command that makes a manifest or table: of videos, or of a parallel set."""
    parallel = SET.fullmatch(PurePath(path).parent.name)
    return "relickit encode" if parallel else "relickit shard"


def _rows(table: pa.Table) -> Iterator[dict]:
    """A table's rows, few of which are Python objects at once."""
    for batch in table.to_batches(max_chunksize=_BLOCK):
        yield from batch.to_pylist()


def _manifest_sha(shards: pa.Table, weights: Mapping[str, float]) -> str:
    """SHA-256 of what the shards hold and how it is drawn, however the tables are written."""
    content = sorted([row["shard"], row["sha256"], row["bytes"]] for row in _rows(shards))
    content = [SCHEMA, content, sorted(weights.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _require_finished(job: ShardJob, folder: Path) -> Shard:
    shard = finished(job, folder)
    if shard is None:
        raise ShardError(f"shard {job.name} is not finished; run `relickit shard` again")
    return shard


def _tables(shards: Iterable[Shard], weights: Mapping[str, float] | None) -> dict[str, pa.Table]:
    """The three tables, sorted by shard and by place in it."""
    pieces = [_pieces(shard, weights) for shard in shards]
    return {name: pa.concat_tables([p[name] for p in pieces]).combine_chunks() for name in TABLES}


def _pieces(shard: Shard, weights: Mapping[str, float] | None) -> dict[str, pa.Table]:
    """One shard's rows of the three tables."""
    index = [
        (shard.name, sample.key, part.name, part.offset, part.size, part.crc32)
        for sample in shard.samples
        for part in sample.parts
    ]
    of_shard = (shard.fingerprint, shard.bytes, shard.sha256, len(shard.samples))
    of_sample = operator.attrgetter(*_SAMPLE)
    samples = [(shard.name, shard.split, *of_sample(sample)) for sample in shard.samples]
    tables = {
        "index": _table(index, _COLUMNS["index"]),
        "shards": _table([(shard.name, shard.split, *of_shard)], _COLUMNS["shards"]),
        "samples": _table(samples, _COLUMNS["samples"]),
    }
    if weights is not None:
        drawn = pa.array([weights.get(sample.key, 1.0) for sample in shard.samples], pa.float64())
        tables["samples"] = tables["samples"].append_column("weight", drawn)
    return tables


def _table(rows: Sequence[tuple], types: Mapping[str, pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types.values(), strict=True)]
    return pa.table(dict(zip(types, arrays, strict=True)))


def _write_table(folder: Path, name: str, table: pa.Table) -> dict:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    path = folder / f"{name}-{digest[:8]}.parquet"
    with files.replacing(path) as temporary:
        temporary.write_bytes(out.getvalue())
    return {"file": path.name, "rows": len(table), "sha256": digest}


def _totals(tables: Mapping[str, pa.Table], split: str) -> dict:
    shards, samples = (tables[name].filter(pc.field("split") == split) for name in TABLES[1:])
    sizes = [samples[name].to_pylist() for name in ("width_px", "height_px")]
    num_frames, fps = samples["num_frames"].to_pylist(), samples["fps"].to_pylist()
    return {
        "shards": len(shards),
        "samples": len(samples),
        "frames": sum(num_frames),
        "seconds": round(sum(n / rate for n, rate in zip(num_frames, fps, strict=True)), 3),
        "scenes": sorted(samples["scene_id"].unique().to_pylist()),
        "sizes_px": sorted(set(zip(*sizes, strict=True))),
        "bytes": sum(shards["bytes"].to_pylist()),
    }


def _remove_stale(folder: Path, manifest: dict, shards: Sequence[str]) -> None:
    keep = {NAME, *(table["file"] for table in manifest["tables"].values())}
    for name in shards:
        keep |= {f"{name}.tar", f"{name}.json"}
    patterns = [f"{split}-*.{kind}" for split in SPLITS for kind in ("tar", "json")]
    patterns += [f"{name}-*.parquet" for name in TABLES]
    for path in sorted(p for pattern in patterns for p in folder.glob(pattern)):
        if path.name not in keep:
            path.unlink(missing_ok=True)
