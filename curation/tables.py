"""The metrics of a dataset on disk: one part per episode, merged into two tables.

metrics/parts/<plan id>.frames.parquet
metrics/parts/<plan id>.clips.parquet     written last: it is the commit mark
metrics/frames.parquet, metrics/clips.parquet
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import camera, files
from capture.episode import Episode, is_finished
from curation import clips, duplicates, segment
from curation.catalogue import CLIP_METRICS, FRAME_METRICS, UNITS
from curation.measure import measure

# Raise one when a number changes its meaning: everything is then measured or cut again.
MEASURE_VERSION, CUT_VERSION = 5, 1

_POSE = ("x_m", "y_m", "z_m", "heading_deg", "tilt_deg", "roll_deg")
_FRAME_SCHEMA = pa.schema(
    [
        ("plan_id", pa.string()),
        ("scene_id", pa.string()),
        ("frame", pa.int32()),
        ("t_s", pa.float64()),
        *((name, pa.float32()) for name in _POSE),
        *((metric.name, pa.float32()) for metric in FRAME_METRICS),
        ("raw_pixels", pa.bool_()),
        ("lag_errors", pa.list_(pa.float32())),
        ("view_names", pa.list_(pa.string())),
        ("view_shares", pa.list_(pa.float32())),
    ]
)
_CLIP_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("plan_id", pa.string()),
        ("scene_id", pa.string()),
        ("generator", pa.string()),
        ("start", pa.int32()),
        ("stop", pa.int32()),
        ("fps", pa.float64()),
        ("raw_pixels", pa.bool_()),
        ("place", pa.string()),
        ("view_names", pa.list_(pa.string())),
        ("view_shares", pa.list_(pa.float64())),
        ("action_shares", pa.list_(pa.float64())),
        ("lag_errors", pa.list_(pa.float64())),
        ("loop_closed", pa.bool_()),
        ("revisit_gap_shares", pa.list_(pa.float64())),
        *((metric.name, pa.float64()) for metric in CLIP_METRICS),
    ]
)


def measure_episode(dataset: Path, plan_id: str, length: int = segment.LENGTH) -> bool:
    """Measure one episode into its part files and cut it into clips, unless that is done.

    Safe to run for many episodes at once, and again after an interruption: a part is bound to the
    content of the episode it was taken from. Clips of another length are cut from the measured
    frames; no pixel is read again.

    Args:
        dataset: The dataset folder.
        plan_id: Name of the episode's folder.
        length: Of a clip, frames.

    Returns:
        Whether anything had to be done.

    Raises:
        ValueError: If the episode is absent, unfinished or cannot be measured.
    """
    episode = Episode.load(dataset / "episodes" / plan_id)
    mark, cut_mark = _marks(episode, length)
    frames_path, clips_path = _parts(dataset, plan_id)
    measured = _known(frames_path) == mark
    if measured and _known(clips_path) == cut_mark:
        return False
    if not measured:
        _write(frames_path, _frame_table(episode, measure(episode)), mark)
    rows = clips.rows(episode, _columns(pq.read_table(frames_path)), length)
    _write(clips_path, pa.Table.from_pylist(rows, schema=_CLIP_SCHEMA), cut_mark)
    return True


def is_measured(dataset: Path, plan_id: str, length: int = segment.LENGTH) -> bool:
    """Whether `measure_episode` would have nothing to do."""
    try:
        mark, cut_mark = _marks(Episode.load(dataset / "episodes" / plan_id), length)
    except ValueError:
        return False
    frames_path, clips_path = _parts(dataset, plan_id)
    return _known(frames_path) == mark and _known(clips_path) == cut_mark


def merge(dataset: Path) -> Path:
    """Join the parts of all measured episodes into metrics/{frames,clips}.parquet.

    Clips are sorted by id and get the column `duplicate_of`, the first clip with the same path.

    Returns:
        metrics/clips.parquet.

    Raises:
        ValueError: If no episode has been measured.
    """
    plan_ids = measured_plans(dataset)
    if not plan_ids:
        raise ValueError(f"{dataset}: no episode has been measured; run `relickit curate` first")
    parts = [_parts(dataset, plan_id) for plan_id in plan_ids]
    frames = pa.concat_tables([pq.read_table(part).replace_schema_metadata() for part, _ in parts])
    cut = pa.concat_tables([pq.read_table(part).replace_schema_metadata() for _, part in parts])
    cut = cut.sort_by("clip_id")
    cut = cut.append_column("duplicate_of", _duplicates(cut, frames))
    folder = dataset / "metrics"
    _write(folder / "frames.parquet", frames)
    _write(folder / "clips.parquet", cut)
    return folder / "clips.parquet"


def measured_plans(dataset: Path) -> list[str]:
    """Ids of the episodes that are there as a whole and whose metrics are, sorted."""
    found = sorted((dataset / "metrics" / "parts").glob("*.clips.parquet"))
    names = [path.name.removesuffix(".clips.parquet") for path in found]
    return [name for name in names if is_finished(dataset / "episodes" / name)]


def _parts(dataset: Path, plan_id: str) -> tuple[Path, Path]:
    folder = dataset / "metrics" / "parts"
    return folder / f"{plan_id}.frames.parquet", folder / f"{plan_id}.clips.parquet"


def _marks(episode: Episode, length: int) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """What the parts must have been made of to be valid: frames and clips."""
    content = files.sha256(episode.path / "episode.json").encode()
    mark = {
        b"relickit.episode": content,
        b"relickit.measure": f"{MEASURE_VERSION}".encode(),
    }
    return mark, {**mark, b"relickit.cut": f"{CUT_VERSION} {length}".encode()}


def _known(path: Path) -> dict[bytes, bytes] | None:
    if not path.is_file():
        return None
    metadata = pq.read_schema(path).metadata or {}
    return {key: value for key, value in metadata.items() if key.startswith(b"relickit.")}


def _frame_table(episode: Episode, measured: Mapping[str, object]) -> pa.Table:
    count = len(episode)
    columns = {
        "plan_id": [episode.id] * count,
        "scene_id": [episode.scene.id] * count,
        "frame": np.arange(count),
        **measured,
    }
    arrays = [
        pa.array(columns[field.name], field.type if pa.types.is_list(field.type) else None)
        for field in _FRAME_SCHEMA
    ]
    cast = [a.cast(field.type) for a, field in zip(arrays, _FRAME_SCHEMA, strict=True)]
    return pa.Table.from_arrays(cast, schema=_FRAME_SCHEMA)


def _columns(table: pa.Table) -> dict[str, np.ndarray]:
    """The frame table as arrays [T]: float64, bool, or lists in an object array."""
    columns: dict[str, np.ndarray] = {}
    for name in table.column_names:
        values = table[name].combine_chunks()
        if pa.types.is_list(values.type):
            columns[name] = np.empty(len(values), dtype=object)
            columns[name][:] = values.to_pylist()
        elif pa.types.is_floating(values.type):
            columns[name] = values.to_numpy(zero_copy_only=False).astype(np.float64)
        else:
            columns[name] = values.to_numpy(zero_copy_only=False)
    return columns


def _write(path: Path, table: pa.Table, mark: dict[bytes, bytes] | None = None) -> None:
    """A table whose columns carry their unit, written atomically."""
    fields = [
        field.with_metadata({"unit": UNITS[field.name]}) if UNITS.get(field.name) else field
        for field in table.schema
    ]
    with files.replacing(path) as temporary:
        pq.write_table(table.cast(pa.schema(fields, metadata=mark)), temporary, compression="zstd")


def _duplicates(cut: pa.Table, frames: pa.Table) -> pa.Array:
    """Clip ids, "" where a clip is the first of its kind."""
    begin: dict[str, int] = {}
    for row, plan_id in enumerate(frames["plan_id"].to_pylist()):
        begin.setdefault(plan_id, row)
    columns = [frames[name].to_numpy().astype(np.float64) for name in _POSE]
    x, y, z, heading, tilt, roll = columns
    poses = camera.pose_from_angles(np.stack([x, y, z], -1), heading, tilt, roll)
    spans = cut.select(["plan_id", "start", "stop"]).to_pylist()
    paths = [poses[(first := begin[s["plan_id"]]) + s["start"] : first + s["stop"]] for s in spans]
    ids = cut["clip_id"].to_pylist()
    found = duplicates.find(cut["scene_id"].to_pylist(), np.array(paths))
    return pa.array(["" if n is None else ids[n] for n in found], pa.string())
