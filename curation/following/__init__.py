"""Does a generated video go where it was told? Poses of its frames from pictures of the truth.

The truth is rendered at the poses that were commanded. Each generated frame is laid over it: SIFT
matches and PnP with the truth's depth, and direct alignment of all pixels, each propose a pose.
The one at which both pictures are most alike counts, and none where they are not alike: a frame
that shows something else has no pose. The errors are metric, without SLAM and without a scale
that must be fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from capture.actions import NAMES, STATIC, encode
from capture.camera import Intrinsics, rotation_angle_deg
from curation.following import features
from curation.following.pixels import Alignment
from curation.following.views import View

__all__ = ["Following", "View", "follow", "recover", "signs", "summary"]

# Below the first likeness a pose may be anywhere; above the second no better one is looked for.
_LEAST_LIKENESS, _SURE_LIKENESS = 0.8, 0.9
# Smaller motions over the frames compared are no test of a sign.
_LEAST_M, _LEAST_DEG = 0.02, 0.5
_SIGN_GAP = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """Where the frames of a video were taken from, and how far that is from the command.

    Attributes:
        cam_to_world: float64 [T, 4, 4], NaN where no pose was recovered.
        error_deg: Angle from the commanded pose, float64 [T], NaN likewise.
        error_m: Distance from the commanded position, float64 [T], NaN likewise.
        likeness: Of the frame and the truth at the recovered pose, float64 [T] in [-1, 1].
    """

    cam_to_world: np.ndarray
    error_deg: np.ndarray
    error_m: np.ndarray
    likeness: np.ndarray

    @property
    def recovered(self) -> np.ndarray:
        """Which frames have a pose, bool [T]."""
        return np.isfinite(self.error_deg)


def follow(
    made: np.ndarray,
    truth: np.ndarray,
    depth_m: np.ndarray,
    cam_to_world: np.ndarray,
    intrinsics: Intrinsics,
) -> Following:
    """Recover the pose of every generated frame.

    Args:
        made: Generated frames, uint8 [T, H, W, 3].
        truth: What is seen from the commanded poses, uint8 [T, H, W, 3].
        depth_m: Planar depth of the truth, float32 [T, H, W].
        cam_to_world: The commanded poses, float64 [T, 4, 4].
        intrinsics: Of all frames.

    Raises:
        ValueError: If the shapes do not belong together.
    """
    size = (len(made), intrinsics.height_px, intrinsics.width_px)
    wanted = {"made": (*size, 3), "truth": (*size, 3), "depth_m": size}
    given = {"made": made, "truth": truth, "depth_m": depth_m}
    for name, shape in wanted.items():
        if given[name].shape != shape:
            raise ValueError(f"{name} needs the shape {shape}, got {given[name].shape}")
    if cam_to_world.shape != (len(made), 4, 4):
        raise ValueError(f"expected {len(made)} poses [4, 4], got {cam_to_world.shape}")
    poses, likeness = np.full((len(made), 4, 4), np.nan), np.zeros(len(made))
    views = [
        View(rgb=rgb, depth_m=depth, intrinsics=intrinsics, cam_to_world=pose)
        for rgb, depth, pose in zip(truth, depth_m, cam_to_world, strict=True)
    ]
    before = cam_to_world[:1]
    for t, (frame, view) in enumerate(zip(made, views, strict=True)):
        # A model that does not obey has stayed where it was, or goes on as before.
        pose, likeness[t] = recover(frame, [view, views[0]], [view.cam_to_world, *before])
        if pose is not None:
            poses[t], before = pose, [pose]
    return Following(
        cam_to_world=poses,
        error_deg=rotation_angle_deg(poses[:, :3, :3], cam_to_world[:, :3, :3]),
        error_m=np.linalg.norm(poses[:, :3, 3] - cam_to_world[:, :3, 3], axis=1),
        likeness=likeness,
    )


def recover(
    made: np.ndarray, views: Sequence[View], starts: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, float]:
    """The pose of one frame.

    Args:
        made: uint8 [H, W, 3].
        views: Of the same place and camera; the first that recovers a pose is enough.
        starts: Poses near which to look besides, cam_to_world float64 [4, 4].

    Returns:
        cam_to_world float64 [4, 4], or None if at no pose the frame is like what a view shows, and
        the largest likeness.
    """
    most = 0.0
    for view in views:
        best = (0.0, view.cam_to_world)
        alignment = Alignment(made, view)
        for pose in _proposed(made, view, alignment, starts):
            best = max(best, (alignment.likeness(pose), pose), key=lambda one: one[0])
            if best[0] >= _SURE_LIKENESS:
                break
        most = max(most, best[0])
        if best[0] >= _LEAST_LIKENESS:
            return best[1], best[0]
    return None, most


def _proposed(
    made: np.ndarray, view: View, alignment: Alignment, starts: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Poses, each when it is asked for."""
    matched = features.find(made, view)
    if matched is not None:
        yield matched
    for start in (*starts, *([] if matched is None else [matched])):
        refined = alignment.refined(start)
        if refined is not None:
            yield refined


def signs(found: np.ndarray, commanded: np.ndarray, gap: int = _SIGN_GAP) -> dict[str, list[int]]:
    """Action -> [pairs of frames that go the commanded way, pairs that can tell].

    Frame t against frame t + gap, wherever both have a pose and the command moves by at least 2 cm
    or half a degree along the action.

    Args:
        found: Recovered poses, float64 [T, 4, 4], NaN where there is none.
        commanded: float64 [T, 4, 4].
        gap: Frames.
    """
    counts = {name: [0, 0] for name in NAMES[:STATIC]}
    least = np.array([_LEAST_M] * 6 + [_LEAST_DEG] * 6)
    for t in range(len(found) - gap):
        pair = [t, t + gap]
        if not np.isfinite(found[pair]).all():
            continue
        told, seen = (encode(poses[pair], 1.0).values[1, :STATIC] for poses in (commanded, found))
        for n in np.flatnonzero(told > least):
            counts[NAMES[n]][0] += int(seen[n] > 0)
            counts[NAMES[n]][1] += 1
    return counts


def summary(
    videos: Sequence[Following], commanded: Sequence[np.ndarray], gap: int = _SIGN_GAP
) -> dict[str, object]:
    """Numbers of several videos, first frames left out: they are given.

    Args:
        videos: Of `follow`.
        commanded: The poses of each, float64 [T, 4, 4].
        gap: Of `signs`.

    Returns:
        "recovered" (share of the frames); of these the medians "error_deg" and "error_m", and
        "error_deg_p90" and "error_m_p90", None where none was recovered; and "signs": action ->
        share of the pairs of frames that go the commanded way, for actions with any.
    """
    errors = {
        name: np.concatenate([getattr(video, name)[1:] for video in videos])
        for name in ("error_deg", "error_m")
    }
    said: dict[str, object] = {
        "recovered": round(float(np.isfinite(errors["error_deg"]).mean()), 3)
    }
    for name, values in errors.items():
        known = values[np.isfinite(values)]
        for tail, percent in (("", 50), ("_p90", 90)):
            value = float(np.percentile(known, percent)) if len(known) else math.nan
            said[name + tail] = round(value, 4) if len(known) else None
    counts = [
        signs(video.cam_to_world, poses, gap)
        for video, poses in zip(videos, commanded, strict=True)
    ]
    totals = {name: np.sum([one[name] for one in counts], axis=0) for name in NAMES[:STATIC]}
    said["signs"] = {
        name: round(float(right / all), 3) for name, (right, all) in totals.items() if all
    }
    return said
