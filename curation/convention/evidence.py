"""How well a reading of the poses fits what two frames show: with depth, and by features alone.

Both give a score in [0, 1] for every pair of frames, 1 where everything fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from curation.convention.hypothesis import Hypothesis, motions
from curation.convention.views import Views

# A pair that overlaps less than this counts as if the rest did not fit.
_LEAST_OVERLAP = 0.3
_BEHIND = 1e-6
_SIFT_FEATURES = 800
_RATIO = 0.8
_LEAST_MATCHES = 16
_STANDS = 1e-9  # a shorter step is none


@dataclass(frozen=True, slots=True)
class Blur:
    """How strict a comparison is: the error at which a point counts one half.

    Attributes:
        depth: Relative error of depth.
        levels: Difference of luma.
        px: Distance from where a feature should be, on pictures of about 320 pixels.
    """

    depth: float
    levels: float
    px: float


COARSE = Blur(0.06, 24.0, 6.0)
FINE = Blur(0.01, 8.0, 0.7)


class Evidence(Protocol):
    """What pairs of frames say."""

    pairs: np.ndarray
    has_depth: bool

    def scores(self, reading: Hypothesis, blur: Blur) -> np.ndarray:
        """Float64 [P], one for each of `pairs`; NaN where the reading gives no motion."""
        ...


class DepthEvidence:
    """Points of frame i, lifted by their depth, moved and found again in frame j.

    A point fits by 1 / (1 + (error / blur)^2), both in depth (|q / q_j - 1|, with 1 / q_j
    interpolated, which is exact on planes) and in luma (less the pair's mean difference). The
    score of a pair is the mean over the points that land inside the picture.
    """

    has_depth = True

    def __init__(
        self, views: Views, pairs: np.ndarray, num_points: int, *, luma_share: float = 0.5
    ):
        assert views.depth_m is not None
        self._luma_share = luma_share
        self.pairs, self._views = pairs, views
        self._nearness, self._luma, height, width = _stacked(views, pairs[:, 1])
        k = views.camera
        self._size = width, height
        rows, columns = _grid(height, width, num_points)
        self._depth = views.depth_m[pairs[:, 0]][:, rows, columns]
        self._ray = np.stack(
            [(columns + 0.5 - k.cx_px) / k.fx_px, (rows + 0.5 - k.cy_px) / k.fy_px]
        ).astype(np.float32)
        self._first = None
        if views.luma is not None:
            self._first = views.luma[pairs[:, 0]][:, rows, columns].astype(np.float32)
        self._known = np.isfinite(self._depth) & (self._depth > 0)
        self._depth = np.where(self._known, self._depth, np.float32(1.0))

    def scores(self, reading: Hypothesis, blur: Blur) -> np.ndarray:
        """See `Evidence`."""
        frames = self._views.frames[self.pairs]
        moved = motions(self._views.poses, reading, frames[:, 0], frames[:, 1])
        u, v, q, inside = self._project(moved.astype(np.float32), reading)
        rows = v + np.float32(self._size[1]) * np.arange(len(u), dtype=np.float32)[:, None]
        near = cv2.remap(self._nearness, u, rows, cv2.INTER_LINEAR)
        fit = 1.0 / (1.0 + ((q * near - 1.0) / np.float32(blur.depth)) ** 2)
        if self._luma is not None and self._first is not None:
            apart = cv2.remap(self._luma, u, rows, cv2.INTER_LINEAR) - self._first
            mean = np.where(inside, apart, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
            apart -= mean[:, None].astype(np.float32)
            alike = 1.0 / (1.0 + (apart / np.float32(blur.levels)) ** 2)
            fit = (1.0 - self._luma_share) * fit + self._luma_share * alike
        count = np.maximum(inside.sum(axis=1), _LEAST_OVERLAP * self._known.sum(axis=1))
        scores = np.where(inside, fit, 0.0).sum(axis=1) / np.maximum(count, 1)
        return np.where(np.isfinite(moved).all(axis=(1, 2)), scores, np.nan)

    def _project(
        self, moved: np.ndarray, reading: Hypothesis
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Columns and rows in picture j, the expected depth there, whether it is inside: [P, N]."""
        k, focal = self._views.camera, np.float32(reading.focal)
        x, y = self._ray / focal
        z = self._depth
        if reading.depth == "ray":
            z = z / np.sqrt(x * x + y * y + np.float32(1.0))
        r, t = moved[:, :3, :3, None], moved[:, :3, 3, None]
        a, b, c = (z * (r[:, n, 0] * x + r[:, n, 1] * y + r[:, n, 2]) + t[:, n] for n in range(3))
        ahead = c > _BEHIND
        scale = focal / np.where(ahead, c, np.float32(1.0))
        u = np.float32(k.fx_px) * a * scale + np.float32(k.cx_px - 0.5)
        v = np.float32(k.fy_px) * b * scale + np.float32(k.cy_px - 0.5)
        width, height = self._size
        inside = ahead & (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1) & self._known
        q = np.sqrt(a * a + b * b + c * c) if reading.depth == "ray" else c
        return np.where(inside, u, -1), np.where(inside, v, -1), q, inside


class MatchEvidence:
    """Features of frame i and where frame j shows them, without depth.

    The point of a feature lies somewhere on its ray, so in frame j it lies on the arc from where
    the ray's far end is seen to where camera i stands. The error is the angle from that arc, in
    pixels; unlike the epipolar line, the arc ends, so that points behind a camera do not fit.
    """

    has_depth = False

    def __init__(self, views: Views, pairs: np.ndarray):
        assert views.luma is not None
        self._views = views
        found = _matches(views.luma, pairs)
        enough = [p for p, matches in enumerate(found) if len(matches) >= _LEAST_MATCHES]
        self.pairs = pairs[enough]
        self._rays, self._known = self._padded([found[p] for p in enough])

    def _padded(self, found: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Directions with z = 1 in both cameras, x and y, [P, N, 2, 2]; which are there, [P, N]."""
        k = self._views.camera
        most = max(map(len, found), default=0)
        rays, known = np.zeros((len(found), most, 2, 2)), np.zeros((len(found), most), dtype=bool)
        for p, matches in enumerate(found):
            at = (matches + 0.5 - [[k.cx_px, k.cy_px]]) / [[k.fx_px, k.fy_px]]
            rays[p, : len(at)], known[p, : len(at)] = at, True
        return rays, known

    def scores(self, reading: Hypothesis, blur: Blur) -> np.ndarray:
        """See `Evidence`."""
        frames = self._views.frames[self.pairs]
        moved = motions(self._views.poses, reading, frames[:, 0], frames[:, 1])
        tell = np.asarray(np.isfinite(moved).all(axis=(1, 2)))
        error = _arc_errors(np.where(tell[:, None, None], moved, 0.0), self._rays / reading.focal)
        error_px = self._views.camera.fx_px * reading.focal * error
        fit = np.where(self._known, 1.0 / (1.0 + (error_px / blur.px) ** 2), 0.0)
        return np.where(tell, fit.sum(axis=1) / np.maximum(self._known.sum(axis=1), 1), np.nan)


def _arc_errors(motion: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Angles in radians of what frame j shows from the arcs, float64 [P, N].

    Args:
        motion: Camera i to camera j, [P, 4, 4].
        rays: Directions with z = 1 in camera i and in camera j, x and y: [P, N, 2, 2].
    """
    ones = np.ones((*rays.shape[:2], 1))
    far = _unit(np.concatenate([rays[:, :, 0], ones], -1) @ np.swapaxes(motion[:, :3, :3], 1, 2))
    seen = _unit(np.concatenate([rays[:, :, 1], ones], -1))
    length = np.linalg.norm(motion[:, :3, 3], axis=1)
    moves = (length > _STANDS)[:, None]
    other = np.broadcast_to(
        (motion[:, :3, 3] / np.maximum(length, _STANDS)[:, None])[:, None], far.shape
    )
    normal = np.cross(far, other)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    across = np.abs(np.arcsin(np.clip(np.sum(normal * seen, axis=-1), -1, 1)))
    after = np.sum(np.cross(far, seen) * normal, axis=-1) >= 0
    before = np.sum(np.cross(seen, other) * normal, axis=-1) >= 0
    at_far = _angle(far, seen)
    ends = np.where(moves, np.minimum(at_far, _angle(other, seen)), at_far)
    return np.where(after & before & moves, across, ends)


def _matches(luma: np.ndarray, pairs: np.ndarray) -> list[np.ndarray]:
    """For each pair, the pixels of what both show, float32 [N, 2, 2]: frame, then x and y."""
    sift = cv2.SIFT.create(_SIFT_FEATURES, contrastThreshold=0.02)
    matcher = cv2.BFMatcher()
    features = {
        place: sift.detectAndCompute(luma[place], None)  # pyright: ignore[reportCallIssue, reportArgumentType]
        for place in np.unique(pairs).tolist()
    }
    out = []
    for a, b in pairs.tolist():
        (points_a, words_a), (points_b, words_b) = features[a], features[b]
        found = []
        if words_a is not None and words_b is not None and len(points_b) > 1:
            found = [
                (points_a[m.queryIdx].pt, points_b[m.trainIdx].pt)
                for m, other in matcher.knnMatch(words_a, words_b, k=2)
                if m.distance < _RATIO * other.distance
            ]
        out.append(_consistent(np.array(found, dtype=np.float32).reshape(-1, 2, 2)))
    return out


def _consistent(matches: np.ndarray) -> np.ndarray:
    """Those that agree on one motion, whatever it is."""
    if len(matches) < _LEAST_MATCHES:
        return matches[:0]
    cv2.setRNGSeed(0)
    _, fits = cv2.findFundamentalMat(matches[:, 0], matches[:, 1], cv2.FM_RANSAC, 1.5, 0.999)
    return matches[:0] if fits is None else matches[fits[:, 0] > 0]


def _stacked(views: Views, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int, int]:
    """1 / depth and luma of frames, one below the other, so that one call samples them all."""
    assert views.depth_m is not None
    count, height, width = len(places), *views.depth_m.shape[1:]
    with np.errstate(divide="ignore"):
        nearness = np.float32(1.0) / views.depth_m[places]
    nearness[~np.isfinite(nearness)] = 0.0
    luma = None
    if views.luma is not None:
        luma = views.luma[places].astype(np.float32).reshape(count * height, width)
    return nearness.reshape(count * height, width), luma, height, width


def _grid(height: int, width: int, num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of about so many points, evenly over a picture."""
    step = max(1.0, (height * width / num_points) ** 0.5)
    rows = np.arange(step / 2, height, step).astype(int)
    columns = np.arange(step / 2, width, step).astype(int)
    grid = np.meshgrid(rows, columns, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
