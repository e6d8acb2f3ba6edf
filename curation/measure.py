"""Measures an episode: one row per frame, one row per clip. Scores only, never a decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture import actions as relic
from capture import camera
from capture.episode import Episode
from curation import balance, caption, collision, coverage, exposure, geometry, motion, segment

_CHUNK = 64  # frames decoded at once; a multiple of the pair gap and of the key-frame distance


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known of one episode.

    Attributes:
        frames: Columns of the frame table, each [T].
        clips: Rows of the clip table.
    """

    frames: dict[str, np.ndarray]
    clips: list[dict[str, object]]


def measure(episode: Episode) -> Measured:
    """All scores of an episode: 6 ms a frame of 832x480 on one core, 20 ms without an observer.

    What the recorder's observer measured on the raw frames is taken from the episode; without it
    the decoded frames are measured, and the column `raw_pixels` says so.

    Raises:
        ValueError: If the episode's pixels cannot be read, or hold what no camera gives.
    """
    try:
        return _measure(episode)
    except ValueError as error:
        raise ValueError(f"episode {episode.id} cannot be measured: {error}") from error


def _measure(episode: Episode) -> Measured:
    path = episode.trajectory
    raw = all(name in episode.table.column_names for name in exposure.COLUMNS)
    pixels, lumas, depths = _observed(episode) if raw else _decoded(episode)
    _check(pixels)
    inlier, lags = _geometry(episode, lumas, depths)
    reported = episode.column("reported_cm_deg")
    error_m, error_deg = motion.pose_error(
        camera.from_unreal(reported[:, :3], reported[:, 3:]), path.cam_to_world
    )
    angles = camera.to_unreal(path.cam_to_world)[1]
    frames = {
        "t_s": path.t_s,
        **dict(zip(("x_m", "y_m", "z_m"), path.position_m.T, strict=True)),
        "heading_deg": -angles[:, 1],
        "tilt_deg": angles[:, 0],
        "roll_deg": angles[:, 2],
        "speed_m_s": np.concatenate([[np.nan], path.speed_m_s()]),
        "turn_deg_s": np.concatenate([[np.nan], path.turn_deg_s()]),
        **pixels,
        "pose_error_m": error_m,
        "pose_error_deg": error_deg,
        "geometry_inlier": inlier,
        "revisit_gap_s": coverage.revisit_gap_s(path, pixels["depth_median_m"]),
        "raw_pixels": np.full(len(path), raw),
    }
    ranges = segment.segments(len(path))
    clips = [_clip(episode, frames, lags, start, stop) for start, stop in ranges]
    return Measured(frames=frames, clips=clips)


def _clip(
    episode: Episode, frames: dict[str, np.ndarray], lags: np.ndarray, start: int, stop: int
) -> dict[str, object]:
    """One row of the clip table: frames [start, stop)."""
    path = episode.trajectory.window(start, stop)
    part = {name: values[start:stop] for name, values in frames.items()}
    step_m = np.linalg.norm(np.diff(path.position_m, axis=0, prepend=path.position_m[:1]), axis=1)
    step_deg = np.concatenate([[0.0], path.turn_deg_s() * np.diff(path.t_s)])
    inside = slice(start, stop - geometry.PAIR_GAP)
    lag, margin = geometry.best_lag(lags[inside])
    action_shares = balance.histogram(relic.encode(path.cam_to_world))
    seen = _view(episode, start, stop)
    return {
        "clip_id": segment.clip_id(episode.scene.id, episode.id, start),
        "plan_id": episode.id,
        "scene_id": episode.scene.id,
        "generator": episode.generator,
        "start": start,
        "stop": stop,
        "fps": float(episode.fps),
        "raw_pixels": bool(part["raw_pixels"][0]),
        "place": seen.place.name if seen.place else "",
        "view_names": list(seen.objects),
        "view_shares": [float(share) for share in seen.objects.values()],
        "action_shares": action_shares.tolist(),
        "lag_errors": _known(lags[inside]).mean(axis=0).tolist(),
        "loop_closed": coverage.loop_closed(episode.trajectory),
        **motion.summary(path),
        "pose_error_max_m": float(part["pose_error_m"].max()),
        "pose_error_max_deg": float(part["pose_error_deg"].max()),
        **exposure.summary(part, step_m, step_deg),
        **collision.summary(part, episode.info["clearance_m"]),
        "geometry_inlier": float(np.median(_known(frames["geometry_inlier"][inside]))),
        "lag_frames": lag,
        "lag_margin": margin,
        **coverage.summary(part["revisit_gap_s"]),
        "action_entropy_bits": balance.entropy_bits(action_shares),
    }


def _observed(episode: Episode) -> tuple[dict, dict, dict]:
    """Frame columns as the recorder took them, and the small pictures of every eighth frame."""
    pixels = {name: episode.column(name).astype(np.float64) for name in exposure.COLUMNS}
    starts = range(0, len(episode), geometry.PAIR_GAP)
    # Reading single frames skips the colour conversion of the seven between.
    lumas = {i: geometry.shrink(exposure.luma(episode.frames(i, i + 1)[0])) for i in starts}
    depths = {i: geometry.shrink(episode.depth_m(i, i + 1)[0]) for i in starts}
    return pixels, lumas, depths


def _decoded(episode: Episode) -> tuple[dict, dict, dict]:
    """The same, measured on the frames as the codec left them."""
    rows, lumas, depths = [], {}, {}
    observe = exposure.FrameObserver()
    for start in range(0, len(episode), _CHUNK):
        stop = min(start + _CHUNK, len(episode))
        pictures = zip(episode.frames(start, stop), episode.depth_m(start, stop), strict=True)
        for i, (rgb, depth_m) in enumerate(pictures, start):
            rows.append(observe(rgb, depth_m))
            if i % geometry.PAIR_GAP == 0:
                lumas[i] = geometry.shrink(exposure.luma(rgb))
                depths[i] = geometry.shrink(depth_m)
    pixels = {name: np.array([row[name] for row in rows]) for name in exposure.COLUMNS}
    return pixels, lumas, depths


def _geometry(episode: Episode, lumas: dict, depths: dict) -> tuple[np.ndarray, np.ndarray]:
    """Inlier share [T] and lag errors [T, 5] of the pairs (i, i + 8); NaN where no pair begins."""
    poses = episode.trajectory.cam_to_world
    k = geometry.shrink_camera(episode.intrinsics)
    inlier = np.full(len(poses), np.nan)
    lags = np.full((len(poses), len(geometry.LAGS)), np.nan)
    for i in sorted(depths):
        j = i + geometry.PAIR_GAP
        if j in depths:
            i_to_j = camera.invert(poses[j]) @ poses[i]
            inlier[i] = geometry.inlier_share(depths[i], depths[j], k, i_to_j)
            lags[i] = geometry.lag_errors(lumas[i], lumas[j], depths[i], k, poses, i, j)
    return inlier, lags


def _view(episode: Episode, start: int, stop: int) -> caption.View:
    """What the masks of the first, the middle and the last frame show."""
    masks = [episode.mask(i, i + 1) for i in (start, (start + stop) // 2, stop - 1)]
    position_m = episode.trajectory.position_m[start]
    return caption.view(episode.scene, position_m, np.concatenate(masks), episode.mask_names)


def _check(pixels: dict[str, np.ndarray]) -> None:
    """Numbers that every picture has must be numbers."""
    for name in ("luma_mean", "luma_std", "sharpness", "near_share", "nothing_share"):
        bad = np.flatnonzero(~np.isfinite(pixels[name]))
        if len(bad):
            raise ValueError(
                f"{name} of frame {bad[0]} is {pixels[name][bad[0]]} ({len(bad)} such frames); "
                "expected a finite number, capture it again"
            )


def _known(values: np.ndarray) -> np.ndarray:
    """The rows without NaN; one row of NaN where there are none."""
    known = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
    return known if len(known) else np.full((1, *values.shape[1:]), np.nan)
