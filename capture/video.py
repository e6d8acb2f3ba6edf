"""Video files: H.264 colour, lossless 16-bit depth and masks; exact frames by index.

Frame i is the i-th that is shown, in other people's videos too, whatever their rate does.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

# A key frame every GOP frames lets a reader start near any frame and makes clips cut without
# encoding again.
GOP = 16
DEPTH_NEAR_M = 0.05
DEPTH_FAR_M = 100.0
_NOTHING = 65535  # the depth code of "there is nothing"
_MAX_CODE = 65534
_BT709 = 1  # FFmpeg's number for the primaries, the transfer function and the matrix
_BITEXACT = {"fflags": "+bitexact"}  # keeps the library's version out of the file
_LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG
# Without it, FFmpeg cuts digits off where it makes colour differences: 0.3 levels of bias in RGB.
_ROUNDING = Interpolation.BILINEAR | Interpolation.ACCURATE_RND


class _Writer:
    """A file of one video stream, whose frames come one by one."""

    def __init__(self, container: OutputContainer, stream: VideoStream):
        self._container, self._stream, self._index = container, stream, 0

    def _append(self, frame: av.VideoFrame) -> None:
        frame.pts = self._index
        self._index += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class RgbWriter(_Writer):
    """Frames [H, W, 3] uint8 RGB to H.264: no B-frames, BT.709 tags, reproducible bytes."""

    def __init__(self, path: Path, width_px: int, height_px: int, fps: float, crf: int = 18):
        if width_px % 2 or height_px % 2:
            raise ValueError(f"4:2:0 video needs even sizes, got {width_px}x{height_px}")
        container = av.open(str(path), "w", format="mp4", container_options=_BITEXACT)
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        stream.options = {
            "crf": str(crf),
            "preset": "veryfast",
            "threads": "1",
            "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0",
        }
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        super().__init__(container, stream)
        # Kept: a frame's own `reformat` sets up FFmpeg's scaler, with its threads, anew every time.
        self._scaler = VideoReformatter()

    def add(self, frame: np.ndarray) -> None:
        """Append one frame."""
        video_frame = self._scaler.reformat(
            av.VideoFrame.from_ndarray(frame, format="rgb24"),
            format="yuv420p",
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED,
            interpolation=_ROUNDING,
            threads=1,
        )
        self._append(video_frame)


class Gray16Writer(_Writer):
    """Frames [H, W] uint16 to FFV1 in Matroska: lossless, every frame a key frame, checksummed."""

    def __init__(self, path: Path, width_px: int, height_px: int, fps: float):
        container = av.open(str(path), "w", format="matroska", container_options=_BITEXACT)
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "gray16le"
        stream.options = {"level": "3", "g": "1", "slicecrc": "1", "threads": "1"}
        super().__init__(container, stream)

    def add(self, frame: np.ndarray) -> None:
        """Append one frame."""
        pixels = np.ascontiguousarray(frame)
        self._append(av.VideoFrame.from_ndarray(pixels, format="gray16le"))


def encode_depth(depth_m: np.ndarray) -> np.ndarray:
    """Metres to uint16 on a logarithmic scale; relative error at most 5.9e-5 inside the range.

    `q = round(65534 * ln(d / near) / ln(far / near))`, clamped to the range 0.05-100 m; 65535 is
    infinity, which also stands for everything beyond the far end.
    """
    per_code = math.log(DEPTH_FAR_M / DEPTH_NEAR_M) / _MAX_CODE
    q = np.clip(depth_m, DEPTH_NEAR_M, DEPTH_FAR_M)
    q /= DEPTH_NEAR_M
    np.log(q, out=q)
    q /= per_code
    np.rint(q, out=q)
    q[~(depth_m <= DEPTH_FAR_M)] = _NOTHING  # written so that a NaN is nothing
    return q.astype(np.uint16)


_DECODED_DEPTH_M = (
    DEPTH_NEAR_M * np.exp(np.arange(_NOTHING + 1) * np.log(DEPTH_FAR_M / DEPTH_NEAR_M) / _MAX_CODE)
).astype(np.float32)
_DECODED_DEPTH_M[_NOTHING] = np.inf


def decode_depth(code: np.ndarray) -> np.ndarray:
    """What `encode_depth` kept, float32 metres; infinity where there is nothing."""
    return _DECODED_DEPTH_M[code]


def read_rgb(source: Path | bytes, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Frames [start, stop) of a video, uint8 [T, H, W, 3].

    Raises:
        ValueError: If the file is no video, or holds fewer frames.
    """
    return _read(source, start, stop, "rgb24")


def read_gray16(source: Path | bytes, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Frames [start, stop) of a 16-bit video, uint16 [T, H, W]."""
    return _read(source, start, stop, "gray16le")


def read_depth_m(source: Path | bytes, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Frames [start, stop) of a depth video, float32 metres [T, H, W]."""
    return decode_depth(read_gray16(source, start, stop))


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Reading inside fails where FFmpeg only mentions damage in its log and shows something else.

    FFV1's checksums find any damage to depth and masks; H.264 has none, so that some damage to
    colours decodes without a word.

    Raises:
        ValueError: What FFmpeg said first.
    """
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=True) as said:
            yield
    finally:
        av.logging.set_level(level)
    if said:
        raise ValueError(f"the video is damaged: {said[0][1]} says {said[0][2].strip()!r}")


def num_frames(source: Path | bytes) -> int:
    """Frames of a video, counted without decoding them.

    Raises:
        ValueError: If the file is no video.
    """
    try:
        with av.open(_opened(source), "r") as reader:
            return sum(packet.pts is not None for packet in reader.demux(_stream(reader, source)))
    except FFmpegError as error:
        raise ValueError(f"{_name(source)}: cannot be read ({error.strerror})") from error


def cut(source: Path, start: int, stop: int) -> bytes:
    """Frames [start, stop) as a file of their own, copied without encoding again.

    Args:
        source: A file of `RgbWriter` or `Gray16Writer`.
        start: A multiple of `GOP`: the clip must begin with a key frame of the colours.
        stop: Any frame.
    """
    if start % GOP:
        raise ValueError(f"a clip starts at a multiple of {GOP} frames, got {start}")
    out = io.BytesIO()
    container = "matroska" if source.suffix == ".mkv" else "mp4"
    with av.open(str(source)) as reader:
        stream = _stream(reader, source)
        writer = av.open(out, "w", format=container, container_options=_BITEXACT)
        copy = writer.add_stream_from_template(stream)
        per_frame = _ticks_per_frame(stream)
        packets = (packet for packet in reader.demux(stream) if packet.pts is not None)
        kept = 0
        for packet in itertools.islice(packets, start, stop):
            packet.pts = packet.dts = round(kept * per_frame)
            packet.stream = copy
            writer.mux(packet)
            kept += 1
        writer.close()
    if kept != stop - start:
        raise ValueError(f"{source}: expected frames {start} to {stop}, found {kept} of them")
    return out.getvalue()


def _ticks_per_frame(stream) -> Fraction:
    return 1 / (stream.average_rate * stream.time_base)


def _name(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else f"video of {len(source)} bytes"


def _opened(source: Path | bytes) -> str | io.BytesIO:
    return str(source) if isinstance(source, Path) else io.BytesIO(source)


def _stream(reader: InputContainer, source: Path | bytes) -> VideoStream:
    if not reader.streams.video:
        raise ValueError(f"{_name(source)}: holds no video")
    return reader.streams.video[0]


def _read(source: Path | bytes, start: int, stop: int | None, pixel_format: str) -> np.ndarray:
    name = _name(source)
    try:
        frames = list(_decode(source, start, stop, pixel_format))
    except FFmpegError as error:
        raise ValueError(f"{name}: cannot be decoded ({error.strerror})") from error
    if not frames or (stop is not None and len(frames) != stop - start):
        end = "the end" if stop is None else stop
        raise ValueError(f"{name}: expected frames {start} to {end}, found {len(frames)} of them")
    return np.stack(frames)


def _decode(
    source: Path | bytes, start: int, stop: int | None, pixel_format: str
) -> Iterator[np.ndarray]:
    with av.open(_opened(source), "r") as reader:
        stream = _stream(reader, source)
        stream.codec_context.thread_count = 1
        scaler = VideoReformatter()
        frames = iter(reader.decode(stream)) if not start else _decode_from(reader, stream, start)
        for frame in itertools.islice(frames, None if stop is None else stop - start):
            if pixel_format == "rgb24" and _is_ours(frame):
                # The compiler is not free, and depth and masks need none.
                from capture.colour import to_rgb

                yield to_rgb(frame)
            else:
                yield scaler.reformat(frame, format=pixel_format, threads=1).to_ndarray()


def _is_ours(frame: av.VideoFrame) -> bool:
    """Whether it is what `RgbWriter` writes: yuv420p in BT.709, limited range."""
    tagged = frame.colorspace == _BT709 and frame.color_range == _LIMITED
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    return tagged and even and frame.format.name == "yuv420p"


def _decode_from(
    reader: InputContainer, stream: VideoStream, start: int
) -> Iterator[av.VideoFrame]:
    """Frames from the `start`-th on, decoded from the key frame before it."""
    if stream.codec_context.name == "ffv1":
        # Large, and ours: `Gray16Writer` shows every frame equally long.
        per_frame = _ticks_per_frame(stream)
        time = math.ceil((start - Fraction(1, 2)) * per_frame)
    else:
        times = sorted(p.pts for p in reader.demux(stream) if p.pts is not None)
        if start >= len(times):
            return
        time = times[start]
    reader.seek(time, stream=stream)
    for frame in reader.decode(stream):
        if frame.pts is not None and frame.pts >= time:
            yield frame
