from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numbered import numbers_in, picture_of

from capture import video

NUM_FRAMES = 49
RATES = (8.0, 12.5, 16.0, 24.0, 29.97, 30.0, 60.0)


@pytest.fixture(scope="module", params=RATES)
def films(request, tmp_path_factory) -> tuple[Path, Path]:
    """A colour film whose pictures carry their numbers, and a 16-bit one of the same numbers."""
    folder = tmp_path_factory.mktemp("films")
    colour = video.RgbWriter(folder / "rgb.mp4", 96, 64, request.param)
    gray = video.Gray16Writer(folder / "gray.mkv", 8, 6, request.param)
    for number in range(NUM_FRAMES):
        colour.add(picture_of(number))
        gray.add(np.full((6, 8), 1000 * number + 7, dtype=np.uint16))
    colour.close()
    gray.close()
    return folder / "rgb.mp4", folder / "gray.mkv"


def test_every_window_has_exactly_its_frames(films):
    rgb, gray = films
    for start, stop in [(0, 49), (0, 1), (48, 49), (15, 17), (16, 32), (31, 33), (40, None)]:
        expected = list(range(start, NUM_FRAMES if stop is None else stop))
        assert numbers_in(video.read_rgb(rgb, start, stop)) == expected
        codes = video.read_gray16(gray, start, stop)
        assert codes.tolist() == [[[1000 * n + 7] * 8] * 6 for n in expected]
    assert numbers_in(video.read_rgb(rgb.read_bytes(), 20, 22)) == [20, 21]
    assert video.num_frames(rgb) == video.num_frames(gray.read_bytes()) == NUM_FRAMES


@pytest.fixture(scope="module", params=[0, 2])
def uneven(request, tmp_path_factory) -> Path:
    """A film of numbered pictures as a phone or an editor leaves it: it begins late, and each
    picture is shown for another time; with and without pictures that refer to later ones."""
    path = tmp_path_factory.mktemp("uneven") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"bf": str(request.param), "g": "12"}
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90)
        clock = 90
        for number in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(picture_of(number), format="rgb24")
            frame.pts, frame.time_base = clock, stream.codec_context.time_base
            clock += 1 + 7 * (number % 5 == 3) + 40 * (number == 20)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_frame_is_the_one_that_is_shown_in_its_turn(uneven):
    for start, stop in [(0, 49), (5, 9), (19, 23), (48, 49), (30, None)]:
        expected = list(range(start, NUM_FRAMES if stop is None else stop))
        assert numbers_in(video.read_rgb(uneven, start, stop)) == expected
    with pytest.raises(ValueError, match="expected frames 49 to 50, found 0"):
        video.read_rgb(uneven, 49, 50)


@pytest.mark.parametrize(("start", "stop"), [(0, 49), (16, 49), (32, 33), (16, 40)])
def test_a_cut_has_the_same_pixels_and_counts_from_zero(films, start, stop):
    clip = video.cut(films[0], start, stop)
    assert clip == video.cut(films[0], start, stop)
    assert video.num_frames(clip) == stop - start
    np.testing.assert_array_equal(video.read_rgb(clip), video.read_rgb(films[0], start, stop))
    last = stop - start - 1
    assert numbers_in(video.read_rgb(clip, last, last + 1)) == [stop - 1]


def test_cuts_that_cannot_be_are_refused(films):
    with pytest.raises(ValueError, match="multiple of 16 frames, got 8"):
        video.cut(films[0], 8, 20)
    with pytest.raises(ValueError, match="expected frames 32 to 60, found 17"):
        video.cut(films[0], 32, 60)


def test_frames_that_are_not_there_are_refused(films):
    with pytest.raises(ValueError, match="expected frames 40 to 50, found 9"):
        video.read_rgb(films[0], 40, 50)
    with pytest.raises(ValueError, match="expected frames 49 to the end, found 0"):
        video.read_gray16(films[1], 49)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        writer = video.RgbWriter(tmp_path / name, 96, 64, 16.0)
        for number in range(20):
            writer.add(picture_of(number))
        writer.close()
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_colours_keep_their_mean_and_their_tags(tmp_path):
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (64, 4, 6, 3), dtype=np.uint8)
    frames = patches.repeat(16, 1).repeat(16, 2)
    writer = video.RgbWriter(tmp_path / "rgb.mp4", 96, 64, 16.0)
    for frame in frames:
        writer.add(frame)
    writer.close()
    found = video.read_rgb(tmp_path / "rgb.mp4").astype(float)
    centres = found.reshape(64, 4, 16, 6, 16, 3)[:, :, 6:10, :, 6:10].mean((2, 4))
    assert np.abs(centres - patches).max() < 12
    # FFmpeg's default conversions cut digits off: by 0.36 levels here on the way in, 1.4 out.
    assert np.abs((centres - patches).mean((0, 1, 2))).max() < 0.2
    with av.open(str(tmp_path / "rgb.mp4")) as reader:
        context = reader.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1
        assert context.pix_fmt == "yuv420p"


def test_gray_is_lossless_for_any_values(tmp_path):
    frames = np.random.default_rng(0).integers(0, 65536, (5, 33, 47), dtype=np.uint16)
    writer = video.Gray16Writer(tmp_path / "gray.mkv", 47, 33, 16.0)
    for frame in frames:
        writer.add(frame)
    writer.close()
    np.testing.assert_array_equal(video.read_gray16(tmp_path / "gray.mkv"), frames)


@given(depth_m=arrays(np.float32, 64, elements=st.floats(0.0625, 100.0, width=32)))
def test_depth_keeps_six_hundred_thousandths(depth_m):
    found = video.decode_depth(video.encode_depth(depth_m))
    np.testing.assert_allclose(found, depth_m, rtol=6e-5)
    assert found.dtype == np.float32
    order = np.argsort(depth_m)
    assert (np.diff(video.encode_depth(depth_m)[order].astype(int)) >= 0).all()


def test_depth_outside_the_range():
    depth_m = np.array([0.0, 0.01, 100.0, 100.1, np.inf, np.nan, -3.0], dtype=np.float32)
    found = video.decode_depth(video.encode_depth(depth_m))
    near, far = video.DEPTH_NEAR_M, video.DEPTH_FAR_M
    np.testing.assert_allclose(found, [near, near, far, np.inf, np.inf, np.inf, near], rtol=6e-5)


@given(code=arrays(np.uint16, 64))
@settings(max_examples=30)
def test_depth_codes_survive_a_second_round(code):
    np.testing.assert_array_equal(video.encode_depth(video.decode_depth(code)), code)


def test_odd_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="even sizes, got 95x64"):
        video.RgbWriter(tmp_path / "rgb.mp4", 95, 64, 16.0)


@pytest.mark.parametrize("read", [video.read_rgb, video.read_gray16, video.num_frames])
@pytest.mark.parametrize(
    "content", [b"", b"hello\n" * 50, b"\x00" * 4096, b"RIFF\x24\0\0\0WAVEfmt "]
)
def test_files_that_are_no_video_are_refused(tmp_path, read, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(ValueError) as error:
            read(source)
        assert "\n" not in str(error.value)


def test_sound_is_no_video(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    for read in (video.read_rgb, video.num_frames, lambda path: video.cut(path, 0, 1)):
        with pytest.raises(ValueError, match=r"a\.wav: holds no video"):
            read(tmp_path / "a.wav")


def test_a_film_cut_short_is_refused(films, tmp_path):
    content = films[0].read_bytes()
    for keep in (0.3, 0.9):
        path = tmp_path / f"{keep}.mp4"
        path.write_bytes(content[: int(keep * len(content))])
        with pytest.raises(ValueError, match=rf"{keep}.mp4: "):
            video.read_rgb(path, 0, NUM_FRAMES)
