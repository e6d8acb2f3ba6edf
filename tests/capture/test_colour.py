"""Colours come back as they went in, but for the codec: no bias, greys exact, tags honoured."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from capture import video
from capture.colour import to_rgb

LUMA = np.array([0.2126, 0.7152, 0.0722])


def coloured(height: int = 48, width: int = 64) -> np.ndarray:
    """Saturated colours that change slowly, uint8 [H, W, 3]."""
    coarse = np.random.default_rng(0).integers(48, 208, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def yuv420p(rgb: np.ndarray) -> av.VideoFrame:
    """By BT.709's definition, in floating point, rounded."""
    share = rgb / 255
    luma = share @ LUMA
    height, width = luma.shape
    planes = [16 + 219 * luma]
    for channel, scale in ((2, 1.8556), (0, 1.5748)):
        chroma = 128 + 224 * (share[..., channel] - luma) / scale
        planes.append(chroma.reshape(height // 2, 2, width // 2, 2).mean((1, 3)))
    flat = np.concatenate([np.rint(plane).astype(np.uint8).ravel() for plane in planes])
    return av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")


def by_definition(frame: av.VideoFrame) -> np.ndarray:
    """BT.709 to RGB in floating point, chroma repeated, rounded."""
    stored, height = frame.to_ndarray().astype(float), frame.height
    luma = (stored[:height] - 16) / 219
    chroma = (stored[height:].reshape(2, height // 2, -1) - 128) / 224
    u, v = chroma.repeat(2, axis=1).repeat(2, axis=2)
    red, blue = luma + 1.5748 * v, luma + 1.8556 * u
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return np.clip(np.rint(np.stack([red, green, blue], -1) * 255), 0, 255)


def test_the_conversion_is_the_definition():
    for width in (64, 66, 2):  # planes with and without padding behind their rows
        frame = yuv420p(coloured(48, 64)[:, :width])
        error = to_rgb(frame) - by_definition(frame)
        assert np.abs(error).max() <= 1 and np.abs(error.mean((0, 1))).max() < 0.05


@pytest.mark.parametrize("level", [0, 1, 16, 127, 128, 200, 254, 255])
def test_greys_come_back_exactly(tmp_path, level):
    written = np.full((16, 16, 3), level, dtype=np.uint8)
    assert np.abs(through_the_codec(tmp_path, written).astype(int) - level).max() <= 1
    np.testing.assert_array_equal(to_rgb(yuv420p(written)), through_the_codec(tmp_path, written))


def test_colours_have_no_bias(tmp_path):
    picture = coloured(192, 256)
    bias = (through_the_codec(tmp_path, picture).astype(float) - picture).mean((0, 1))
    assert np.abs(bias).max() < 0.4, bias  # 0.01 from the conversions, the rest from H.264
    default = VideoReformatter().reformat(tagged(yuv420p(picture)), format="rgb24").to_ndarray()
    assert (default.astype(float) - picture).mean() < -0.8, "FFmpeg's default is still too dark"


def tagged(frame: av.VideoFrame) -> av.VideoFrame:
    frame.colorspace = frame.color_range = 1  # BT.709, limited
    return frame


def test_other_tags_are_left_to_ffmpeg(tmp_path):
    """A film in BT.601, as other people's often are: its colours are not BT.709's."""
    picture = coloured()
    with av.open(str(tmp_path / "other.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"crf": "4"}
        stream.codec_context.colorspace, stream.codec_context.color_range = 5, 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=5, dst_color_range=1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read = video.read_rgb(tmp_path / "other.mp4")[0].astype(float)
    assert np.abs((read - picture).mean((0, 1))).max() < 2.5


def through_the_codec(folder, picture: np.ndarray) -> np.ndarray:
    writer = video.RgbWriter(folder / "film.mp4", picture.shape[1], picture.shape[0], 16.0)
    writer.add(picture)
    writer.close()
    return video.read_rgb(folder / "film.mp4")[0]
