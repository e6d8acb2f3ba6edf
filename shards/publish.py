"""Publishing shards: their tables and the dataset card, and last the manifest that names them.

A rename of manifest.json is the one step that readers see; see `shards.manifest` for the files.
"""

from __future__ import annotations

import hashlib
import io
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import files
from shards import card, manifest
from shards.jobs import ShardJob
from shards.manifest import COLUMNS, NAME, SAMPLE, TABLES, rows
from shards.schema import CONVENTIONS, PARTS, SCHEMA, SPLITS, Shard, ShardError
from shards.writer import explained, finished

_SAYS = {"parts": list(PARTS), "conventions": CONVENTIONS}


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
    return publish_shards(
        folder,
        shards,
        weights=weights,
        more={"parent": parent, **_SAYS},
        readme=True,
    )


def publish_shards(
    folder: Path,
    shards: Iterable[Shard],
    *,
    weights: Mapping[str, float] | None = None,
    more: dict,
    readme: bool = False,
) -> Path:
    """Publish finished shards: tables, card, and last the manifest; then remove older files.

    Args:
        folder: Where the tars are.
        shards: All of them, taken one by one and not kept.
        weights: Of the samples by key; the table has no such column by default.
        more: Further fields of the manifest.
        readme: Write README.md too.

    Returns:
        The path of manifest.json.

    Raises:
        ShardError: If the disk is full, or there is a manifest of a later version, which stays.
    """
    manifest.require_ours(folder)
    with explained("the manifest"):
        tables = _tables(shards, weights)
        content = {
            "schema": SCHEMA,
            "manifest_sha": _manifest_sha(tables["shards"], weights or {}),
            "tables": {name: _write_table(folder, name, tables[name]) for name in TABLES},
            "splits": {split: _totals(tables, split) for split in SPLITS},
            **more,
        }
        if readme:
            write_card(folder, content, tables["samples"])
        files.write_json(folder / NAME, content)
    _remove_stale(folder, content, tables["shards"]["shard"].to_pylist())
    return folder / NAME


def derived(content: dict, tables: Mapping[str, pa.Table], *, videos: bool) -> dict:
    """A manifest with every field as it follows from its tables, where it does.

    Args:
        content: Of the manifest.
        tables: All of `TABLES`, as it names them.
        videos: Whether it is of videos, or else of a parallel set.
    """
    told = {name: {**content["tables"][name], "rows": len(tables[name])} for name in TABLES}
    splits = {split: _totals(tables, split) for split in SPLITS}
    found = {**content, "tables": told, "splits": splits, **(_SAYS if videos else {})}
    if content["schema"] == SCHEMA:  # schema 1 had another `manifest_sha`
        columns = [tables["samples"][name].to_pylist() for name in ("key", "weight") if videos]
        weights = dict(zip(*columns, strict=True)) if columns else {}
        found["manifest_sha"] = _manifest_sha(tables["shards"], weights)
    return json.loads(json.dumps(found))


def write_card(folder: Path, content: dict, samples: pa.Table) -> None:
    """Write README.md.

    Args:
        folder: The shards.
        content: Of the manifest.
        samples: The table of all samples.
    """
    with files.replacing(folder / card.NAME) as temporary:
        temporary.write_text(card.card(content, samples))


def _manifest_sha(shards: pa.Table, weights: Mapping[str, float]) -> str:
    """SHA-256 of what the shards hold and how it is drawn, however the tables are written."""
    content = sorted([row["shard"], row["sha256"], row["bytes"]] for row in rows(shards))
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
    of_sample = operator.attrgetter(*SAMPLE)
    samples = [(shard.name, shard.split, *of_sample(sample)) for sample in shard.samples]
    tables = {
        "index": _table(index, COLUMNS["index"]),
        "shards": _table([(shard.name, shard.split, *of_shard)], COLUMNS["shards"]),
        "samples": _table(samples, COLUMNS["samples"]),
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
