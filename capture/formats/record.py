"""The neutral record between formats: what a clip of anybody's says, and what its format declares.

A reader fills it without judging: poses are converted to our convention from what the format
*declares* (right-handed world, OpenCV camera, `cam_to_world`), but numbers stay as they are, also
where they make no sense, so that an audit can say so. A writer asks `trajectory()` and
`intrinsics_px()`, which refuse such numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from capture.camera import Intrinsics
from capture.formats.pixels import Chosen, Depth, Pictures
from capture.trajectory import Trajectory

_NO_RATE = "the source gives neither times nor a frame rate; say it with --fps"
_NO_INTRINSICS = "the source has no intrinsics; say its horizontal field of view with --fov"


class LeftOut(ValueError):
    """A clip that a format has no place for, although nothing is wrong with it; says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What a format says of its own numbers.

    Attributes:
        pose: Camera to world, or world to camera.
        axes: The camera's axes: "opencv" x right, y down, z forward; "opengl" x right, y up, z
            backward; "unreal" x forward, y right, z up in a left-handed world.
        unit: Of the positions in the file; None where a scene has a scale of its own.
        up: The world's axis that points up; None where the format does not say.
        depth: "planar" is along the optical axis, "ray" from the camera's centre; None: no depth.
    """

    pose: Literal["c2w", "w2c"]
    axes: Literal["opencv", "opengl", "unreal"]
    unit: Literal["m", "cm", "mm"] | None = None
    up: Literal["z", "-y"] | None = None
    depth: Literal["planar", "ray"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Actions in the words of their source.

    Attributes:
        names: One per column.
        values: float64 [N, len(names)], a row for each pose.
        meaning: Units and timing in a sentence.
        step_m: Metres of one unit of translation, where translations have a unit of their own.
    """

    names: tuple[str, ...]
    values: np.ndarray
    meaning: str = ""
    step_m: float | None = None

    def __post_init__(self):
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise ValueError(
                f"actions need {len(self.names)} named columns, got the shape {values.shape}"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, kw_only=True)
class Posed:
    """One clip: poses, camera, pictures, depth, actions, each None where the source has none.

    Attributes:
        name: Unique in its dataset; letters, digits, dots, dashes and underscores.
        format: `Format.name` of the source.
        declared: What the source says of its poses.
        cam_to_world: float64 [N, 4, 4], converted as declared: OpenCV camera, right-handed world,
            metres where the unit is declared.
        t_s: Seconds, float64 [N].
        fps: Frames per second of the pictures.
        frame_index: Which picture each pose belongs to, int64 [N].
        intrinsics: fx, fy, cx, cy, float64 [N, 4]; pixel centres lie at +0.5.
        intrinsics_unit: "px", or "image": fractions of the image's width and height.
        size_px: Width and height of the pictures that the intrinsics speak of.
        rgb: Colour.
        depth: Depth.
        actions: In the source's own words.
        caption: What is seen.
        notes: What the reader could not take, one sentence each.
        lacks: What belongs to the record and is not there, or does not fit it, one sentence each.
    """

    name: str
    format: str
    declared: Declared
    cam_to_world: np.ndarray
    t_s: np.ndarray | None = None
    fps: float | None = None
    frame_index: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    intrinsics_unit: Literal["px", "image"] = "px"
    size_px: tuple[int, int] | None = None
    rgb: Pictures | None = None
    depth: Depth | None = None
    actions: Labels | None = None
    caption: str = ""
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def __post_init__(self):
        poses = np.array(self.cam_to_world, dtype=np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses):
            raise ValueError(f"{self.name}: poses have the shape [N, 4, 4], got {poses.shape}")
        index = np.arange(len(poses)) if self.frame_index is None else self.frame_index
        self._freeze("cam_to_world", poses)
        self._freeze("frame_index", np.array(index, dtype=np.int64))
        for field, shape in (("t_s", ()), ("intrinsics", (4,))):
            value = getattr(self, field)
            if value is None:
                continue
            value = np.array(value, dtype=np.float64)
            if value.shape != (len(poses), *shape):
                raise ValueError(
                    f"{self.name}: {len(poses)} poses, but {field} has the shape {value.shape}"
                )
            self._freeze(field, value)

    def _freeze(self, field: str, value: np.ndarray) -> None:
        value.setflags(write=False)
        object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.cam_to_world)

    def trajectory(self) -> Trajectory:
        """The path; times from the frame rate where the source gives none.

        Raises:
            ValueError: If the poses are no rigid motions, or there is neither time nor rate.
        """
        t_s = self.t_s
        if t_s is None:
            if self.fps is None or self.frame_index is None:
                raise ValueError(f"{self.name}: {_NO_RATE}")
            t_s = self.frame_index / self.fps
        try:
            return Trajectory(t_s=t_s, cam_to_world=self.cam_to_world)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def rate(self) -> float:
        """Frames per second, from the times where it is not given.

        Raises:
            ValueError: If there is neither.
        """
        if self.fps is not None:
            return self.fps
        if self.t_s is None or len(self) < 2:
            raise ValueError(f"{self.name}: {_NO_RATE}")
        return float((len(self) - 1) / (self.t_s[-1] - self.t_s[0]))

    def intrinsics_px(self) -> np.ndarray:
        """fx, fy, cx, cy in pixels, float64 [N, 4].

        Raises:
            ValueError: If the source has no intrinsics, or fractions of a picture of unknown size.
        """
        if self.intrinsics is None:
            raise ValueError(f"{self.name}: {_NO_INTRINSICS}")
        if self.intrinsics_unit == "px":
            return self.intrinsics
        width, height = self.size()
        return self.intrinsics * [width, height, width, height]

    def camera(self) -> Intrinsics:
        """The one camera of the whole clip.

        Raises:
            ValueError: If the intrinsics change from frame to frame, or are not known.
        """
        values = self.intrinsics_px()
        if not np.allclose(values, values[0], rtol=1e-9, atol=1e-9):
            raise ValueError(f"{self.name}: the camera zooms; this format holds one camera a clip")
        (fx, fy, cx, cy), (width, height) = values[0].tolist(), self.size()
        return Intrinsics(width_px=width, height_px=height, fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy)

    def size(self) -> tuple[int, int]:
        """Width and height in pixels.

        Raises:
            ValueError: If neither the source nor its pictures tell.
        """
        if self.size_px is not None:
            return self.size_px
        if self.rgb is None:
            raise ValueError(f"{self.name}: the size of the pictures is not known")
        return self.rgb.size_px()

    def pictures(self) -> Pictures:
        """The colour pictures, one for every pose.

        Raises:
            ValueError: If there are none, or a pose has none.
        """
        if self.rgb is None or self.frame_index is None:
            raise ValueError(f"{self.name}: the source has no pictures")
        index = tuple(self.frame_index.tolist())
        if index == tuple(range(len(self.rgb))):
            return self.rgb
        increasing = all(a < b for a, b in itertools.pairwise(index))
        if not increasing or index[0] < 0 or index[-1] >= len(self.rgb):
            raise ValueError(
                f"{self.name}: poses of the frames {index[0]} to {index[-1]}, "
                f"but {len(self.rgb)} pictures"
            )
        return Chosen(self.rgb, index)


@dataclass(frozen=True, slots=True)
class Clips:
    """The clips at a path, each read when it is asked for; a bad one does not stop the others.

    Attributes:
        places: Where each is, as its reader knows it.
        load: Reads the clip at a place; ValueError with the file and, in text, the line.
    """

    places: tuple[Any, ...]
    load: Callable[[Any], Posed]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Posed:
        return self.load(self.places[index])

    def __iter__(self) -> Iterator[Posed]:
        return (self.load(place) for place in self.places)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """Where an item stands among all that are written.

    Attributes:
        number: Its place, from 0.
        first_frame: Poses of all items before it.
    """

    number: int = 0
    first_frame: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One of other people's formats.

    Attributes:
        name: For `--to` and `--format`.
        title: Axes, direction, unit and rate in one line.
        places: What there is of it at a path, such as the files with poses; cheap, and raises
            nothing but OSError. Nothing where we only write.
        load: Reads the clip at a place; None where we only write.
        otherwise: What a path without a place lacks: the sentence that the path begins.
        listed: The places that are read, where they are others than `places`: rows of a table, or a
            file that is named whatever it looks like; ValueError if that is damaged.
        write: One clip into a dataset's folder, atomically, or `LeftOut`; None where we only read.
        mark: The path, below the folder, that is there once a clip has been written.
        finish: Writes what concerns all clips; their names are given in order.
        numbered: Clips are known by their number, so `finish` wants all of them.
    """

    name: str
    title: str
    places: Callable[[Path], Sequence[Any]] = lambda path: ()
    load: Callable[[Any], Posed] | None = None
    otherwise: str = ""
    listed: Callable[[Path], Iterable[Any]] | None = None
    write: Callable[[Posed, Path, Slot], None] | None = None
    mark: Callable[[str, Slot], str] = lambda name, _: name
    finish: Callable[[Path, Sequence[str]], None] = lambda root, names: None
    numbered: bool = False

    def recognises(self, path: Path) -> bool:
        """Whether a path looks like it."""
        return bool(self.places(path))

    def read(self, path: Path) -> Clips:
        """Every clip at a path, each read when it is asked for.

        Raises:
            ValueError: If there is none, or the format is only written.
        """
        if self.load is None:
            raise ValueError(f"{self.name} is written, not read: its files hold no poses")
        found = tuple((self.listed or self.places)(path))
        if not found:
            raise ValueError(f"{path} {self.otherwise}")
        return Clips(found, self.load)
