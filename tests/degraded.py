"""Clips made hard: noise, blur, JPEG, few frames, pictures with little in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from elsewhere import Kept

from capture.formats import Posed


def _noisy(levels: float, share: float) -> Callable[[Posed, np.random.Generator], Posed]:
    def spoil(clip: Posed, rng: np.random.Generator) -> Posed:
        rgb, depth_m = _arrays(clip)
        rgb = rgb + rng.normal(0.0, levels, rgb.shape)
        depth_m = depth_m * (1.0 + rng.normal(0.0, share, depth_m.shape))
        return _with(clip, rgb, np.maximum(depth_m, 1e-3))

    return spoil


def _pictures(change: Callable[[np.ndarray], np.ndarray]):
    def spoil(clip: Posed, _: np.random.Generator) -> Posed:
        rgb, depth_m = _arrays(clip)
        return _with(clip, np.stack([change(frame) for frame in rgb]), depth_m)

    return spoil


def _first(count: int) -> Callable[[Posed, np.random.Generator], Posed]:
    def spoil(clip: Posed, _: np.random.Generator) -> Posed:
        rgb, depth_m = _arrays(clip)
        assert clip.intrinsics is not None
        return replace(
            _with(clip, rgb[:count], depth_m[:count]),
            cam_to_world=clip.cam_to_world[:count],
            intrinsics=clip.intrinsics[:count],
        )

    return spoil


def _blurred(sigma_px: float):
    return _pictures(lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma_px))


def _jpeg(quality: int):
    def coded(frame: np.ndarray) -> np.ndarray:
        done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))

    return _pictures(coded)


def _faint(contrast: float):
    return _pictures(lambda frame: 128 + contrast * (frame.astype(np.float64) - 128))


# What was done to a clip -> how.
HOW: dict[str, Callable[[Posed, np.random.Generator], Posed]] = {
    "noise of 20 levels, 3 % of the depth": _noisy(20.0, 0.03),
    "noise of 60 levels, 20 % of the depth": _noisy(60.0, 0.2),
    "blur of 3 px": _blurred(3.0),
    "blur of 10 px": _blurred(10.0),
    "JPEG of quality 10": _jpeg(10),
    "JPEG of quality 2": _jpeg(2),
    "16 frames": _first(16),
    "6 frames": _first(6),
    "a tenth of the contrast": _faint(0.1),
    "a fiftieth of the contrast": _faint(0.02),
}


def _arrays(clip: Posed) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(clip.rgb, Kept) and isinstance(clip.depth, Kept)
    return clip.rgb.arrays, clip.depth.arrays


def _with(clip: Posed, rgb: np.ndarray, depth_m: np.ndarray) -> Posed:
    pictures = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return replace(clip, rgb=Kept(pictures), depth=Kept(depth_m.astype(np.float32)))
