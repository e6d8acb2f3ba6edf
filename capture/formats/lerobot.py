"""LeRobot datasets, v3.0 (src/lerobot/datasets there).

Tables and videos may hold many episodes each; `meta/episodes` says where each one lies. Declares
frames per second, names and shapes; it knows no cameras, so the meaning of a pose is the writer's.
What we write: `observation.state` float64 [7] is x, y, z in metres and a quaternion w, x, y, z:
camera to world, OpenCV camera, world z up; `observation.intrinsics` fx, fy, cx, cy in pixels;
`action` RELIC's 13 (`capture.actions`), row t the move from frame t - 1 to t, translations in units
of `action.step_m`; a row per frame; the caption is the task. Only such states are read as poses.

meta/info.json, stats.json, tasks.parquet, episodes/chunk-000/file-000.parquet
data/chunk-000/file-000.parquet, videos/observation.images.camera/chunk-000/file-000.mp4

We write a file per episode, 1000 in a chunk, so that an export continues after any clip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import actions, files
from capture.formats import axes, lerobot_stats, pixels, text
from capture.formats.lerobot_stats import QUANTILES
from capture.formats.pixels import Video
from capture.formats.record import Declared, Format, Labels, Posed, Slot

# A dataset's folder, its info.json, and an episode's row of meta/episodes.
_Row: TypeAlias = tuple[Path, dict[str, Any], dict[str, Any]]
_VERSION = "v3.0"
_PER_CHUNK = 1000
_CAMERA = "observation.images.camera"
_STATE = ("x_m", "y_m", "z_m", "qw", "qx", "qy", "qz")
_INTRINSICS = ("fx_px", "fy_px", "cx_px", "cy_px")
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"
# Fields of plain names and short numbers: `str.format` does more than file names need.
_TEMPLATE = re.compile(r"([^{}]|\{(chunk_index|file_index)(:0\d?d)?\}|\{video_key\})+")


def _found(path: Path) -> list[Path]:
    """The folder itself, if its meta/info.json is of the version that we read."""
    try:
        info = text.load_json(path / "meta" / "info.json")
    except (ValueError, OSError):
        return []
    return [path] if isinstance(info, dict) and info.get("codebase_version") == _VERSION else []


def _listed(path: Path) -> list[_Row]:
    """Every episode, in order."""
    where = path / "meta" / "info.json"
    info = text.require_object(
        text.load_json(where), str(where), "codebase_version", "fps", "features", "data_path"
    )
    if info["codebase_version"] != _VERSION:
        raise ValueError(f"{where}: version {info['codebase_version']!r}, we read {_VERSION}")
    features = text.require_object(info["features"], f"{where}: features")
    for name, feature in features.items():
        text.require_object(feature, f"{where}: features.{name}", "dtype", "shape")
    text.require_number(info["fps"], f"{where}: fps")
    names = features.get("observation.state", {}).get("names")
    if names != list(_STATE):
        raise ValueError(
            f"{where}: observation.state is {names}, a camera pose would be {list(_STATE)}"
        )
    tables = sorted((path / "meta" / "episodes").glob("*/*.parquet"))
    found = [(path, info, row) for table in tables for row in _table(table).to_pylist()]
    if not found:
        raise ValueError(f"{path / 'meta' / 'episodes'} holds no episode")
    return found


def _table(path: Path, **options: Any) -> pa.Table:
    try:
        return pq.read_table(path, **options)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is no Parquet table ({text.one_line(error)})") from error


def _checked(place: _Row) -> Posed:
    """An episode; columns that are missing or of another type are a ValueError."""
    root, info, row = place
    try:
        return _read(root, info, row)
    except (KeyError, TypeError, AttributeError, OverflowError, pa.ArrowException) as error:
        where = f"{root}: episode {row.get('episode_index')}"
        found = text.one_line(error)
        raise ValueError(f"{where} is not laid out as LeRobot {_VERSION} ({found})") from error


def _read(root: Path, info: dict[str, Any], row: dict[str, Any]) -> Posed:
    number = row["episode_index"]
    where = f"{root}: episode {number}"
    data = _placed(root, info["data_path"], row, "data", where)
    table = _table(data, filters=[("episode_index", "==", number)]).sort_by("frame_index")
    if not len(table) or len(table) != row.get("length", len(table)):
        raise ValueError(
            f"{where} should have {row.get('length')} rows in {data}, has {len(table)}"
        )
    state = _matrix(table, "observation.state")
    fps, video = float(info["fps"]), None
    keys = [key for key, f in info["features"].items() if f.get("dtype") == "video"]
    if keys:
        source = _placed(root, info["video_path"], row, f"videos/{keys[0]}", where, keys[0])
        start = round(float(row[f"videos/{keys[0]}/from_timestamp"]) * fps)
        video = Video(source=source, start=start, num_frames=len(table))
    has_k = "observation.intrinsics" in table.column_names
    tasks = row.get("tasks") or [""]
    return Posed(
        name=f"episode_{number:06d}",
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z"),
        cam_to_world=axes.from_quaternions(state[:, 3:], state[:, :3]),
        t_s=table["timestamp"].to_numpy().astype(np.float64),
        fps=fps,
        intrinsics=_matrix(table, "observation.intrinsics") if has_k else None,
        rgb=video,
        actions=_labels(info, table),
        caption=str(tasks[0]),
    )


def _labels(info: dict[str, Any], table: pa.Table) -> Labels | None:
    if "action" not in table.column_names:
        return None
    names = info["features"]["action"].get("names")
    values = _matrix(table, "action")
    if not isinstance(names, list) or len(names) != values.shape[1]:
        names = [f"action_{i}" for i in range(values.shape[1])]
    has_step = "action.step_m" in table.column_names
    step_m = float(table["action.step_m"][0].as_py()) if has_step else None
    return Labels(names=tuple(map(str, names)), values=values, step_m=step_m)


def _placed(
    root: Path, template: str, row: dict[str, Any], kind: str, where: str, key: str = ""
) -> Path:
    """The file that a template and an episode's row name."""
    if not isinstance(template, str) or not _TEMPLATE.fullmatch(template):
        raise ValueError(f"{where}: the template {template!r} of its {kind} file is refused")
    try:
        name = template.format(
            chunk_index=int(row[f"{kind}/chunk_index"]),
            file_index=int(row[f"{kind}/file_index"]),
            video_key=key,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{where}: its {kind} file cannot be named ({error!r})") from error
    return text.inside(root, name, where)


def _matrix(table: pa.Table, column: str) -> np.ndarray:
    return np.array(table[column].to_pylist(), dtype=np.float64)


def write(item: Posed, root: Path, slot: Slot) -> None:
    """The episode's video, then its table."""
    path = item.trajectory()
    wxyz = axes.to_quaternions(path.cam_to_world)
    state = np.hstack([path.position_m, wxyz])
    moves = actions.encode(path.cam_to_world)
    chunk, number = divmod(slot.number, _PER_CHUNK)
    video = _VIDEO.format(video_key=_CAMERA, chunk_index=chunk, file_index=number)
    with files.replacing(root / video) as temporary:
        pixels.write_mp4(item.pictures(), temporary, item.rate())
    index = np.arange(len(path))
    columns = {
        "observation.state": list(state),
        "observation.intrinsics": list(item.intrinsics_px()),
        "action": list(moves.values),
        "action.step_m": np.full(len(path), moves.step_m),
        "timestamp": (index / item.rate()).astype(np.float32),
        "frame_index": index,
        "episode_index": np.full(len(path), slot.number),
        "index": slot.first_frame + index,
        "task_index": np.zeros(len(path), dtype=np.int64),
    }
    width, height = item.size()
    facts = {
        "caption": item.caption,
        "fps": item.rate(),
        "size": [width, height],
        "rgb": lerobot_stats.of_pictures(item.pictures()),
    }
    table = pa.table(columns).replace_schema_metadata({"relickit": json.dumps(facts)})
    with files.replacing(root / _mark(item.name, slot)) as temporary:
        pq.write_table(table, temporary)


def _mark(name: str, slot: Slot) -> str:
    chunk, number = divmod(slot.number, _PER_CHUNK)
    return _DATA.format(chunk_index=chunk, file_index=number)


def _finish(root: Path, names: Sequence[str]) -> None:
    """Everything below meta/, from what the tables say."""
    tables = [_table(root / _mark(name, Slot(number=i))) for i, name in enumerate(names)]
    facts = [json.loads(table.schema.metadata[b"relickit"]) for table in tables]
    rates, sizes = {f["fps"] for f in facts}, {tuple(f["size"]) for f in facts}
    if len(rates) > 1 or len(sizes) > 1:
        raise ValueError(
            f"a LeRobot dataset has one frame rate and one size, these clips have {sorted(rates)} "
            f"and {sorted(sizes)}; export them apart"
        )
    captions = list(dict.fromkeys(fact["caption"] for fact in facts))
    for number, fact in enumerate(facts):
        path = root / _mark(names[number], Slot(number=number))
        tables[number] = _set_task(path, tables[number], captions.index(fact["caption"]))
    stats = [
        {**_stats(table), _CAMERA: fact["rgb"]} for table, fact in zip(tables, facts, strict=True)
    ]
    rows, first = [], 0
    for number, (table, fact) in enumerate(zip(tables, facts, strict=True)):
        rows.append(_episode(number, first, len(table), fact, stats[number]))
        first += len(table)
    info = _info(len(tables), first, len(captions), rates.pop(), sizes.pop())
    with files.replacing(root / _EPISODES) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)
    with files.replacing(root / "meta" / "tasks.parquet") as temporary:
        pq.write_table(_tasks(captions), temporary)
    whole = {
        **_stats(pa.concat_tables(tables)),
        _CAMERA: lerobot_stats.pooled([f["rgb"] for f in facts]),
    }
    files.write_json(root / "meta" / "stats.json", whole)
    files.write_json(root / "meta" / "info.json", info)


def _tasks(captions: Sequence[str]) -> pa.Table:
    """meta/tasks.parquet: LeRobot reads it with pandas and wants the captions as its index."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type}
        for name, (kind, numpy_type) in kinds.items()
    ]
    index = {"index_columns": ["task"], "column_indexes": [], "columns": columns}
    table = pa.table({"task_index": np.arange(len(captions)), "task": list(captions)})
    return table.replace_schema_metadata({"pandas": json.dumps({**index, "pandas_version": "2.2"})})


def _set_task(path: Path, table: pa.Table, task: int) -> pa.Table:
    """The table with its task's number, which only the captions of all clips decide."""
    if table["task_index"][0].as_py() == task:
        return table
    column = table.column_names.index("task_index")
    table = table.set_column(column, "task_index", pa.array(np.full(len(table), task)))
    with files.replacing(path) as temporary:
        pq.write_table(table, temporary)
    return table


def _episode(
    number: int, first: int, length: int, fact: dict[str, Any], stats: dict[str, Any]
) -> dict[str, Any]:
    """An episode's row of meta/episodes."""
    chunk, file = divmod(number, _PER_CHUNK)
    flat = {f"stats/{key}/{name}": v for key, of in stats.items() for name, v in of.items()}
    return {
        "episode_index": number,
        "tasks": [fact["caption"]],
        "length": length,
        "data/chunk_index": chunk,
        "data/file_index": file,
        "dataset_from_index": first,
        "dataset_to_index": first + length,
        f"videos/{_CAMERA}/chunk_index": chunk,
        f"videos/{_CAMERA}/file_index": file,
        f"videos/{_CAMERA}/from_timestamp": 0.0,
        f"videos/{_CAMERA}/to_timestamp": length / fact["fps"],
        **flat,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }


def _stats(table: pa.Table) -> dict[str, dict[str, list[float]]]:
    """Per column: min, max, mean, std, count and quantiles."""
    out = {}
    for name in table.column_names:
        values = _matrix(table, name).reshape(len(table), -1)
        quantiles = np.percentile(values, QUANTILES, axis=0)
        out[name] = {
            "min": values.min(0).tolist(),
            "max": values.max(0).tolist(),
            "mean": values.mean(0).tolist(),
            "std": values.std(0).tolist(),
            "count": [len(values)],
            **{f"q{q:02d}": v.tolist() for q, v in zip(QUANTILES, quantiles, strict=True)},
        }
    return out


def _info(
    episodes: int, frames: int, tasks: int, fps: float, size: tuple[int, int]
) -> dict[str, Any]:
    """The content of meta/info.json."""
    width, height = size

    def feature(dtype: str, names: Sequence[str] | None, *shape: int) -> dict[str, Any]:
        return {"dtype": dtype, "shape": list(shape), "names": list(names) if names else None}

    whole = {name: feature("int64", None, 1) for name in ("frame_index", "episode_index", "index")}
    video = {
        **feature("video", ("height", "width", "channels"), height, width, 3),
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        },
    }
    return {
        "codebase_version": _VERSION,
        "robot_type": None,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": _PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(fps) if fps == int(fps) else fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": _DATA,
        "video_path": _VIDEO,
        "features": {
            "observation.state": feature("float64", _STATE, len(_STATE)),
            "observation.intrinsics": feature("float64", _INTRINSICS, len(_INTRINSICS)),
            "action": feature("float64", actions.NAMES, len(actions.NAMES)),
            "action.step_m": feature("float64", None, 1),
            _CAMERA: video,
            "timestamp": feature("float32", None, 1),
            **whole,
            "task_index": feature("int64", None, 1),
        },
    }


FORMAT = Format(
    name="lerobot",
    title="v3.0; state camera to world, OpenCV axes, z up, metres, wxyz; MP4; a row per frame",
    places=_found,
    load=_checked,
    listed=_listed,
    write=write,
    mark=_mark,
    finish=_finish,
    numbered=True,
)
