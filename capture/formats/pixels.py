"""Where a record's pictures and depth lie, read only when asked for; and how writers put them."""

from __future__ import annotations

import io
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError

from capture import video
from capture.formats import text

# What numpy, zipfile and zlib raise over damaged or hostile arrays.
_DAMAGED = (
    OSError, ValueError, EOFError, MemoryError, OverflowError, NotImplementedError, RuntimeError,
    SyntaxError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
# Frames held in memory at once while a video streams through.
_CHUNK = 64
MM_PER_M = 1000.0
_MAX_CODE = 65535


class Pictures(Protocol):
    """Colour frames, uint8 RGB."""

    def __len__(self) -> int:
        """How many."""
        ...

    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        ...

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Frames [start, stop), each uint8 [H, W, 3]; ValueError if one cannot be read."""
        ...


class Depth(Protocol):
    """Depth frames in metres."""

    def __len__(self) -> int:
        """How many."""
        ...

    def frames_m(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Frames [start, stop), each float32 metres [H, W], infinity where there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an uncompressed tar."""

    tar: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its content.

        Raises:
            ValueError: If the tar ends before it does.
        """
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise ValueError(f"{self.tar} is cut short, at byte {self.offset + len(content)}")
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """Frames [start, start + num_frames) of a video file.

    Attributes:
        source: The file, or a member of a tar.
        start: First frame.
        num_frames: Length; by default all that follow.
        gop: Every how many frames there is a key frame, where that is known.
    """

    source: Path | Member
    start: int = 0
    num_frames: int | None = None
    gop: int | None = None

    def _opened(self) -> Path | bytes:
        return self.source.read() if isinstance(self.source, Member) else self.source

    def __len__(self) -> int:
        if self.num_frames is not None:
            return self.num_frames
        return video.num_frames(self._opened()) - self.start

    def size_px(self) -> tuple[int, int]:
        """Width and height, from the first frame."""
        first = video.read_rgb(self._opened(), self.start, self.start + 1)
        return first.shape[2], first.shape[1]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Pictures`."""
        source, end = self._opened(), len(self) if stop is None else stop
        for first in range(start, end, _CHUNK):
            last = min(first + _CHUNK, end)
            yield from video.read_rgb(source, self.start + first, self.start + last)


@dataclass(frozen=True, slots=True)
class Images:
    """One image file per frame."""

    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def size_px(self) -> tuple[int, int]:
        """Width and height, of the first file."""
        height, width = _read_image(self.files[0], cv2.IMREAD_COLOR).shape[:2]
        return width, height

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Pictures`."""
        for file in self.files[start:stop]:
            yield cv2.cvtColor(_read_image(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some of other pictures, in their order.

    Attributes:
        pictures: All of them.
        index: Which ones, increasing.
    """

    pictures: Pictures
    index: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.index)

    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.pictures.size_px()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Pictures`."""
        wanted = self.index[start:stop]
        if not wanted:
            return
        first, chosen = wanted[0], set(wanted)
        for place, frame in enumerate(self.pictures.frames(first, wanted[-1] + 1), start=first):
            if place in chosen:
                yield frame


@dataclass(frozen=True, slots=True)
class Joined:
    """Pictures one after the other, all of one size."""

    parts: tuple[Pictures, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def size_px(self) -> tuple[int, int]:
        """Width and height, of the first."""
        return self.parts[0].size_px()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Pictures`."""
        end, first = len(self) if stop is None else stop, 0
        for part in self.parts:
            count = len(part)
            if start < first + count and end > first:
                yield from part.frames(max(start - first, 0), min(end - first, count))
            first += count


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthImages:
    """One PNG or npy file per frame; zero is nothing.

    Attributes:
        files: The files.
        m_per_unit: What one count stands for.
    """

    files: tuple[Path, ...]
    m_per_unit: float

    def __len__(self) -> int:
        return len(self.files)

    def frames_m(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Depth`."""
        for file in self.files[start:stop]:
            if file.suffix == ".npy":
                raw = load_npy(file)
            else:
                raw = _read_image(file, cv2.IMREAD_UNCHANGED)
            if raw.ndim != 2:
                raise ValueError(f"{file}: depth has one channel, got the shape {raw.shape}")
            depth_m = raw.astype(np.float32) * np.float32(self.m_per_unit)
            depth_m[raw == 0] = np.inf
            yield depth_m


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthVideo:
    """Frames [start, start + num_frames) of a depth video of ours."""

    source: Path
    start: int
    num_frames: int

    def __len__(self) -> int:
        return self.num_frames

    def frames_m(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """See `Depth`."""
        end = self.num_frames if stop is None else stop
        for first in range(start, end, _CHUNK):
            last = min(first + _CHUNK, end)
            yield from video.read_depth_m(self.source, self.start + first, self.start + last)


def load_npy(source: Path | bytes, name: object = None) -> np.ndarray:
    """An array of numbers; nothing is unpickled.

    Args:
        source: A file, or its content.
        name: For the message; the file by default.

    Raises:
        ValueError: If the file is absent, no plain npy, or holds no numbers.
    """
    what = f"{source if name is None else name} is no plain npy array of numbers"
    try:
        array = np.load(_opened(source), allow_pickle=False)
    except _DAMAGED as error:
        raise ValueError(f"{what} ({text.one_line(error)})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise ValueError(what)
    return array


def load_npz(source: Path | bytes, *names: str, where: object = None) -> dict[str, np.ndarray]:
    """Arrays of numbers by name; nothing is unpickled.

    Args:
        source: A file, or its content.
        names: Which ones; all by default.
        where: For the message; the file by default.

    Raises:
        ValueError: If the file is absent or no npz, or one of them is not there or no numbers.
    """
    what = (
        f"{source if where is None else where} needs the arrays {', '.join(names) or 'of an npz'}"
    )
    try:
        with np.load(_opened(source), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names or arrays.files}
    except (*_DAMAGED, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{what} ({text.one_line(error)})") from error
    if any(array.dtype.kind not in "fiub" for array in found.values()):
        raise ValueError(f"{what}, of numbers")
    return found


def require_poses(array: np.ndarray, where: object, name: str = "the shape") -> np.ndarray:
    """Poses as float64.

    Args:
        array: What was read.
        where: Its file, for the message.
        name: Of the array, for the message.

    Raises:
        ValueError: If it is not [T, 4, 4], or T is 0.
    """
    if array.ndim != 3 or array.shape[1:] != (4, 4) or not len(array):
        raise ValueError(f"{where}: expected {name} [T, 4, 4], got {list(array.shape)}")
    return array.astype(np.float64)


def _opened(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def part(pictures: Pictures, start: int, stop: int) -> Pictures:
    """Frames [start, stop); of a video still a video, so that key frames can be copied."""
    if isinstance(pictures, Video):
        return replace(pictures, start=pictures.start + start, num_frames=stop - start)
    return Chosen(pictures, tuple(range(start, stop)))


def write_images(pictures: Pictures, folder: Path, pattern: str) -> None:
    """One file per frame, named by `pattern % index`; the suffix says which kind.

    Raises:
        ValueError: If a frame cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(pictures.frames()):
        _write_image(folder / (pattern % index), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def write_depth(depth: Depth, folder: Path, pattern: str, units_per_m: float) -> None:
    """16-bit PNG; zero is nothing, or farther than 65535 units."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, depth_m in enumerate(depth.frames_m()):
        units = np.rint(np.where(np.isfinite(depth_m), depth_m, 0.0) * units_per_m)
        codes = np.where(units <= _MAX_CODE, units, 0).astype(np.uint16)
        _write_image(folder / (pattern % index), codes)


def write_mp4(pictures: Pictures, path: Path, fps: float, *, crf: int = 18) -> None:
    """H.264; copied without encoding again where that is exact.

    Args:
        pictures: What it shows.
        path: Where to.
        fps: Frames per second.
        crf: x264's quality where it is encoded again; lower is better, and larger.

    Raises:
        ValueError: If a frame cannot be read, or the size is odd.
    """
    if isinstance(pictures, Video) and isinstance(pictures.source, Path):
        start, stop = pictures.start, pictures.start + len(pictures)
        if start == 0 and pictures.num_frames is None and pictures.source.suffix == ".mp4":
            shutil.copyfile(pictures.source, path)
            return
        if pictures.gop == video.GOP and start % video.GOP == 0:
            path.write_bytes(video.cut(pictures.source, start, stop))
            return
    writer = video.RgbWriter(path, *pictures.size_px(), fps, crf)
    try:
        for frame in pictures.frames():
            writer.add(frame)
    finally:
        writer.close()


def beside(file: Path | None, num_poses: int) -> tuple[Video | None, float | None, tuple[str, ...]]:
    """A clip's video with a frame for every pose, its rate, and what it lacks, in words.

    Args:
        file: The video; None, or one that is not there, is no video.
        num_poses: Of the clip.

    Raises:
        ValueError: If the file is no video.
    """
    if file is None or not file.is_file():
        return None, None, ()
    found, fps = Video(source=file), video_rate(file)
    if len(found) != num_poses:
        return None, fps, (f"{file}: {len(found)} frames for {num_poses} poses",)
    return found, fps, ()


def video_rate(source: Path) -> float | None:
    """Frames per second that a video file declares; None if it cannot be read."""
    try:
        with av.open(str(source)) as reader:
            rate = reader.streams.video[0].average_rate
            return float(rate) if rate else None
    except (FFmpegError, IndexError, OSError):
        return None


def _read_image(file: Path, mode: int) -> np.ndarray:
    image = cv2.imread(str(file), mode)
    if image is None:
        found = "it cannot be decoded" if file.is_file() else "it is not there"
        raise ValueError(f"image {file}: {found}")
    return image


def _write_image(file: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(file), image):
        raise OSError(f"{file} could not be written")
