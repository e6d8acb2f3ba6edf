"""Episodes: a rendered plan as a folder, complete or absent.

<plan id>/
  rgb.mp4           colour, H.264
  depth.mkv         planar depth, 16-bit logarithmic (see `capture.video.encode_depth`)
  mask.mkv          index into `mask_names`, uint16; 0 is the background
  frames.parquet    per frame: time, commanded and reported pose, action, what observers measured
  episode.json      everything else, with the size and SHA-256 of the files above
  timing.json       how it went: seconds, retakes; the only file that differs between two runs
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import actions, config, files, mark, video
from capture.actions import Actions
from capture.background import Background
from capture.camera import Intrinsics
from capture.scene import Plan, Scene
from capture.trajectory import Trajectory

_Made = TypeVar("_Made")
_FRAMES_PENDING = 6  # per video
_MakeWriter: TypeAlias = type[video.RgbWriter] | type[video.Gray16Writer]
_VIDEOS: dict[str, _MakeWriter] = {
    "rgb.mp4": video.RgbWriter,
    "depth.mkv": video.Gray16Writer,
    "mask.mkv": video.Gray16Writer,
}


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A finished episode. Pixels are read when asked for.

    Attributes:
        path: Its folder.
        info: The content of episode.json.
    """

    path: Path
    info: dict

    @classmethod
    def load(cls, path: Path) -> Episode:
        """Open an episode folder.

        Raises:
            ValueError: If the folder is absent, unfinished, damaged or of another schema.
        """
        info = mark.read(path)
        for name in mark.FILES:
            file, expected = path / name, info["files"][name]["bytes"]
            if not file.is_file() or file.stat().st_size != expected:
                found = f"{file.stat().st_size} bytes" if file.is_file() else "nothing"
                raise ValueError(
                    f"{file}: expected {expected} bytes, found {found}; {mark.again(path)}"
                )
        return cls(path=path, info=info)

    def require_intact(self, *names: str) -> None:
        """Compare files with the checksums in episode.json.

        Args:
            names: Of `mark.FILES`.

        Raises:
            ValueError: If one has other bytes.
        """
        for name in names:
            if files.sha256(self.path / name) != self.info["files"][name]["sha256"]:
                raise ValueError(
                    f"{self.path / name} is damaged: its SHA-256 is not the one in episode.json; "
                    f"{mark.again(self.path)}"
                )

    @property
    def id(self) -> str:
        """The plan's id."""
        return self.info["plan_id"]

    @property
    def generator(self) -> str:
        """Name of the path generator."""
        return self.info["generator"]

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.info["fps"]

    @property
    def clearance_m(self) -> float:
        """Smallest distance from the path to any surface; NaN where nobody measured it."""
        clearance_m = self.info["clearance_m"]
        return math.nan if clearance_m is None else clearance_m

    @cached_property
    def scene(self) -> Scene:
        """The scene that was rendered."""
        return self._part("scene", Scene.from_json)

    @cached_property
    def intrinsics(self) -> Intrinsics:
        """The camera."""
        return self._part("intrinsics", functools.partial(config.from_json, Intrinsics))

    def _part(self, name: str, make: Callable[[dict, str], _Made]) -> _Made:
        try:
            return make(self.info[name], f"{self.path / mark.NAME}, {name}")
        except ValueError as error:
            raise ValueError(f"{error}; {mark.again(self.path)}") from error

    @property
    def mask_names(self) -> list[str]:
        """Object ids by mask value; entry 0 is "background"."""
        return self.info["mask_names"]

    @cached_property
    def table(self):
        """frames.parquet as a pyarrow Table, one row per frame."""
        return pq.read_table(self.path / "frames.parquet")

    def column(self, name: str) -> np.ndarray:
        """One column of the table: [T], or [T, n] for lists."""
        values = self.table.column(name).combine_chunks()
        if hasattr(values, "flatten") and values.type.num_fields:
            return values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), -1)
        return values.to_numpy(zero_copy_only=False)

    def __len__(self) -> int:
        return self.info["num_frames"]

    @cached_property
    def trajectory(self) -> Trajectory:
        """The rendered path (as commanded, and confirmed by the engine frame by frame)."""
        poses = self.column("cam_to_world").reshape(-1, 4, 4)
        return Trajectory(t_s=self.column("t_s"), cam_to_world=poses)

    @cached_property
    def actions(self) -> Actions:
        """RELIC's 13 numbers per frame."""
        return Actions(values=self.column("action"), step_m=self.info["step_m"])

    def frames(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Colour of frames [start, stop), uint8 [T, H, W, 3]."""
        return video.read_rgb(self.path / "rgb.mp4", start, stop)

    def depth_m(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Planar depth of frames [start, stop), float32 metres [T, H, W]; infinity: nothing."""
        return video.read_depth_m(self.path / "depth.mkv", start, stop)

    def mask(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Object index of frames [start, stop), uint16 [T, H, W]."""
        return video.read_gray16(self.path / "mask.mkv", start, stop)


def is_finished(path: Path) -> bool:
    """Whether a folder holds a whole episode, by its mark and the sizes of its files.

    Raises:
        mark.NewerEpisode: If it must be left as it is.
    """
    try:
        Episode.load(path)
    except mark.NewerEpisode:
        raise
    except ValueError:
        return False
    return True


class EpisodeWriter:
    """Writes an episode frame by frame; the folder appears when the `with` block ends well.

    Each of the three videos is encoded, closed, synced and hashed by a thread of its own.

    Args:
        root: The dataset's `episodes` folder.
        plan: What is rendered.
        scene: Where.
        mask_names: Object ids by mask value, entry 0 the background.
        engine: What rendered it: name, version, depth quantisation.
    """

    def __init__(
        self,
        root: Path,
        *,
        plan: Plan,
        scene: Scene,
        mask_names: list[str],
        engine: Mapping[str, object],
    ):
        self._plan, self._scene = plan, scene
        self._mask_names, self._engine = mask_names, dict(engine)
        self._target = root / plan.id
        self._columns: dict[str, list] = {}
        self._timing: dict[str, float] = {}

    def __enter__(self) -> EpisodeWriter:
        k = self._plan.intrinsics
        size = (k.width_px, k.height_px, self._plan.fps)
        with contextlib.ExitStack() as opened:
            self._path = opened.enter_context(files.replacing_folder(self._target))
            self._videos = [
                opened.enter_context(_Video(make, self._path / name, *size))
                for name, make in _VIDEOS.items()
            ]
            self._opened = opened.pop_all()
        return self

    def add(
        self,
        *,
        rgb: np.ndarray,
        depth_m: np.ndarray,
        mask: np.ndarray,
        reported_cm_deg: np.ndarray,
        measured: Mapping[str, float] | None = None,
    ) -> None:
        """Append the next frame of the plan. The arrays are read later: leave them as they are.

        Args:
            rgb: uint8 [H, W, 3].
            depth_m: Planar depth, float32 [H, W].
            mask: Index into `mask_names`, uint16 [H, W].
            reported_cm_deg: The engine's own x y z pitch yaw roll, float64 [6], Unreal units.
            measured: Numbers about the raw frame, one column of frames.parquet each.
        """
        rgb_video, depth_video, mask_video = self._videos
        rgb_video.add(lambda: rgb)
        depth_video.add(lambda: video.encode_depth(depth_m))
        mask_video.add(lambda: mask)
        row = {"reported_cm_deg": np.asarray(reported_cm_deg, dtype=np.float64), **(measured or {})}
        for name, value in row.items():
            self._columns.setdefault(name, []).append(value)
        if len(self._columns["reported_cm_deg"]) == len(self._plan.trajectory):
            for each in self._videos:
                each.finish()

    def time(self, **facts: float) -> None:
        """Note how it went, for timing.json: seconds, captures that warmed up, retakes."""
        self._timing.update(facts)

    def note(self, **facts: object) -> None:
        """Add to what is recorded of the engine."""
        self._engine.update(facts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._opened.__exit__(kind, error, trace)
            return
        with self._opened:
            self._finish()

    def _finish(self) -> None:
        plan, trajectory = self._plan, self._plan.trajectory
        num_frames = len(self._columns.get("reported_cm_deg", ()))
        if num_frames != len(trajectory):
            raise ValueError(f"plan {plan.id} has {len(trajectory)} frames, got {num_frames}")
        facts = {each.name: each.facts() for each in self._videos}
        moves = actions.encode(trajectory.cam_to_world)
        columns = {
            "frame": _numbers(np.arange(num_frames, dtype=np.int32)),
            "t_s": _numbers(trajectory.t_s),
            "cam_to_world": _lists(trajectory.cam_to_world.reshape(num_frames, 16)),
            "action": _lists(moves.values),
            "reported_cm_deg": _lists(np.stack(self._columns.pop("reported_cm_deg"))),
        }
        for name, values in self._columns.items():
            columns[name] = _numbers(np.array(values, dtype=np.float32))
        table = self._path / "frames.parquet"
        pq.write_table(pa.table(columns), table)
        facts[table.name] = files.facts(table)
        files.write_json(self._path / "timing.json", self._timing)
        info = {
            "schema": mark.SCHEMA,
            "plan_id": plan.id,
            "generator": plan.generator,
            "seed": plan.seed,
            "fps": plan.fps,
            "num_frames": num_frames,
            "clearance_m": plan.clearance_m if math.isfinite(plan.clearance_m) else None,
            "step_m": moves.step_m,
            "intrinsics": dataclasses.asdict(plan.intrinsics),
            "scene": self._scene.to_json(),
            "engine": self._engine,
            "mask_names": self._mask_names,
            "depth": {"kind": "planar", "near_m": video.DEPTH_NEAR_M, "far_m": video.DEPTH_FAR_M},
            "files": facts,
        }
        files.write_json(self._path / mark.NAME, info)


class _Video:
    """A video that a thread of its own encodes, closes, syncs and hashes."""

    def __init__(self, make: _MakeWriter, path: Path, width_px: int, height_px: int, fps: float):
        self.name = path.name
        self._path, self._writer = path, make(path, width_px, height_px, fps)
        self._thread = Background(_FRAMES_PENDING)
        self._found: Future[dict] | None = None

    def __enter__(self) -> _Video:
        return self

    def add(self, make_frame: Callable[[], np.ndarray]) -> None:
        self._thread.do(lambda: self._writer.add(make_frame()))

    def finish(self) -> None:
        """After the last frame."""
        self._found = self._thread.do(self._finish)

    def _finish(self) -> dict:
        self._writer.close()
        files.sync(self._path)
        return files.facts(self._path)

    def facts(self) -> dict:
        """Size and hash, once everything is written."""
        self._thread.wait()
        assert self._found is not None
        return self._found.result()

    def __exit__(self, *_: object) -> None:
        self._thread.close()
        if self._found is None:
            with contextlib.suppress(Exception):  # the file is thrown away
                self._writer.close()


def _numbers(values: np.ndarray) -> pa.Array:
    """[T] as a column; `pa.array` would import pandas, which takes as long as ten frames."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _lists(values: np.ndarray) -> pa.FixedSizeListArray:
    """[T, n] as a column of lists."""
    flat = _numbers(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
