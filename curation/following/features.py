"""A frame's pose from SIFT matches with a view whose depth is known, by PnP."""

from __future__ import annotations

import cv2
import numpy as np

from capture.camera import invert
from curation.following.views import View, resized

_FEATURES = 1500
_RATIO = 0.8
# SIFT needs pictures of some size; smaller ones are enlarged first, and the smallest have nothing.
_WIDTH_PX, _LEAST_WIDTH_PX = 640, 160
_REPROJECTION_PX = 2.0
_ROUNDS = 1000
# Fewer that agree may agree by chance.
_LEAST_MATCHES = 12
# Beside an edge, the depth of a feature is anybody's.
_FLAT = 0.05
_FAR_M = 1e9


def find(made: np.ndarray, view: View) -> np.ndarray | None:
    """A frame's cam_to_world, float64 [4, 4]; None where too few features agree on one.

    Pictures of less than 160 pixels across are not tried.

    Args:
        made: uint8 [H, W, 3], of the view's camera.
        view: What it is matched with; in it lie the points that PnP takes.
    """
    if view.intrinsics.width_px < _LEAST_WIDTH_PX:
        return None
    if view.intrinsics.width_px < _WIDTH_PX:
        view = view.at_width(_WIDTH_PX)
        made = resized(made, (view.intrinsics.width_px, view.intrinsics.height_px))
    points, pixels = _matches(made, view)
    if len(points) < _LEAST_MATCHES:
        return None
    matrix = view.intrinsics.matrix()
    solved, turn, move, inliers = cv2.solvePnPRansac(
        points,
        pixels,
        matrix,
        None,
        iterationsCount=_ROUNDS,
        reprojectionError=_REPROJECTION_PX,
        confidence=0.9999,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if not solved or inliers is None or len(inliers) < _LEAST_MATCHES:
        return None
    chosen = inliers[:, 0].astype(int)
    turn, move = cv2.solvePnPRefineLM(points[chosen], pixels[chosen], matrix, None, turn, move)
    made_from_view = np.eye(4)
    made_from_view[:3, :3], made_from_view[:3, 3] = cv2.Rodrigues(turn)[0], move[:, 0]
    return view.cam_to_world @ invert(made_from_view)


def _matches(made: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Points in the view's camera [N, 3], and where the frame shows them: pixels [N, 2]."""
    sift = cv2.SIFT_create(_FEATURES)  # pyright: ignore[reportAttributeAccessIssue]
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (view.rgb, made)]
    (here, mine), (there, theirs) = (sift.detectAndCompute(picture, None) for picture in grey)
    nothing = np.zeros((0, 3)), np.zeros((0, 2))
    if mine is None or theirs is None or min(len(mine), len(theirs)) < _LEAST_MATCHES:
        return nothing
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    forward = _distinct(matcher.knnMatch(mine, theirs, k=2))
    backward = _distinct(matcher.knnMatch(theirs, mine, k=2))
    pairs = [(a, b) for a, b in forward.items() if backward.get(b) == a]
    if not pairs:
        return nothing
    start, end = (
        np.array([keys[pair[side]].pt for pair in pairs]) for side, keys in enumerate((here, there))
    )
    column, row = start.round().astype(int).T
    known = np.where(np.isfinite(view.depth_m), view.depth_m, np.float32(_FAR_M))
    far, near = cv2.dilate(known, np.ones((3, 3))), cv2.erode(known, np.ones((3, 3)))
    flat = (far < (1 + _FLAT) * near) & (known < _FAR_M)
    good = flat[row, column]
    k, depth = view.intrinsics, view.depth_m[row, column].astype(np.float64)
    x = (start[:, 0] + 0.5 - k.cx_px) / k.fx_px
    y = (start[:, 1] + 0.5 - k.cy_px) / k.fy_px
    points = np.stack([x, y, np.ones(len(x))], -1)[good] * depth[good, None]
    return points, end[good] + 0.5


def _distinct(matches) -> dict[int, int]:
    """Query -> train, where the best match is clearly better than the second."""
    return {
        pair[0].queryIdx: pair[0].trainIdx
        for pair in matches
        if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance
    }
