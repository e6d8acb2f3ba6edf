"""Clip candidates of a measured episode, one row each: from the frame table, without pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from capture import actions as relic
from capture.episode import Episode
from capture.trajectory import Trajectory
from curation import balance, collision, coverage, exposure, filters, geometry, motion, segment

# A clip is rejected for its worst frame by these metrics: it had better not hold that frame.
_WORST_OF = {
    "speed_max_m_s": "speed_m_s",
    "turn_max_deg_s": "turn_deg_s",
    "pose_error_max_m": "pose_error_m",
    "pose_error_max_deg": "pose_error_deg",
    "clipped_low_max": "clipped_low_share",
    "clipped_high_max": "clipped_high_share",
    "near_share_max": "near_share",
    "nothing_share_max": "nothing_share",
}
# Largest values of frame metrics that most frames do not have.
_LARGEST = ("magenta_share", "checker_share", "hole_share", "popped_share", "sharpening")


def rows(
    episode: Episode, frames: Mapping[str, np.ndarray], length: int = segment.LENGTH
) -> list[dict[str, object]]:
    """The clips of an episode with their metrics; see `curation.catalogue` for each.

    Args:
        episode: Its poses are read, no pixels.
        frames: Columns of its frame table, each [T], as `curation.measure` gives them.
        length: Of a clip, frames.
    """
    path = episode.trajectory
    bad, breaks = cuts(path, frames)
    ranges = segment.segments(len(path), length, bad=bad, breaks=breaks)
    return [row(episode, frames, start, stop) for start, stop in ranges]


def cuts(path: Trajectory, frames: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where an episode is cut: frames that no clip should hold, and frames after a jump.

    Bad are stretches of two seconds that stand still, black and frozen frames, and frames beyond
    the bounds of `filters.RULES` for a clip's worst frame.

    Args:
        path: Of the episode.
        frames: Columns of its frame table, each [T].

    Returns:
        bool [T] twice, for `segment.segments`.
    """
    bad = motion.idle(path) | exposure.black(frames["luma_mean"])
    bad |= exposure.frozen(frames["luma_std"], frames["change"], *_steps(path))
    breaks = motion.teleports(path)
    for rule in filters.RULES:
        if rule.metric in _WORST_OF:
            values = np.nan_to_num(frames[_WORST_OF[rule.metric]], nan=rule.at_most)
            bad |= (values > rule.at_most) & ~breaks
    return bad, breaks


def row(
    episode: Episode, frames: Mapping[str, np.ndarray], start: int, stop: int
) -> dict[str, object]:
    """One row of the clip table: frames [start, stop) of an episode; see `rows`."""
    path = episode.trajectory.window(start, stop)
    part = {name: values[start:stop] for name, values in frames.items()}
    pairs = {name: frames[name][start : stop - geometry.PAIR_GAP] for name in frames}
    lags = np.array([errors for errors in pairs["lag_errors"] if errors is not None])
    lags = _known(lags.reshape(-1, len(geometry.LAGS)))
    lag, margin = geometry.best_lag(lags)
    moves = relic.encode(path.cam_to_world)
    action_shares = balance.histogram(moves)
    view = _view(part)
    place = episode.scene.place_at(path.position_m[0])
    return {
        "clip_id": segment.clip_id(episode.scene.id, episode.id, start, stop - start),
        "plan_id": episode.id,
        "scene_id": episode.scene.id,
        "generator": episode.generator,
        "start": start,
        "stop": stop,
        "fps": float(episode.fps),
        "raw_pixels": bool(part["raw_pixels"][0]),
        "place": place.name if place else "",
        "view_names": list(view),
        "view_shares": list(view.values()),
        "action_shares": action_shares.tolist(),
        "lag_errors": lags.mean(axis=0).tolist(),
        "loop_closed": coverage.loop_closed(episode.trajectory),
        "revisit_gap_shares": coverage.gap_histogram(part["revisit_gap_s"]).tolist(),
        **motion.summary(path),
        "pose_error_max_m": float(part["pose_error_m"].max()),
        "pose_error_max_deg": float(part["pose_error_deg"].max()),
        **exposure.summary(part, *_steps(path)),
        **collision.summary(part, episode.clearance_m),
        **{f"{name}_max": _largest(pairs[name]) for name in _LARGEST},
        "edge_blur_px": float(np.percentile(_known(part["edge_blur_px"]), 10)),
        "geometry_inlier": float(np.median(_known(pairs["geometry_inlier"]))),
        "lag_frames": lag,
        "lag_margin": margin,
        **coverage.summary(part),
        "action_entropy_bits": balance.entropy_bits(action_shares),
        "action_coupling": balance.coupling(moves),
        "label_agreement": float(np.mean(part["label_agreement"])),
    }


def _view(part: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Object id -> mean share of the pictures that were looked at, largest first."""
    looked = [n for n, names in enumerate(part["view_names"]) if names is not None]
    shares: dict[str, float] = {}
    for n in looked:
        for name, share in zip(part["view_names"][n], part["view_shares"][n], strict=True):
            shares[name] = shares.get(name, 0.0) + float(share) / len(looked)
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _steps(path: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Metres and degrees from the frame before, each [T]; 0 for the first."""
    step_m = np.linalg.norm(np.diff(path.position_m, axis=0, prepend=path.position_m[:1]), axis=1)
    return step_m, np.concatenate([[0.0], path.turn_deg_s() * np.diff(path.t_s)])


def _largest(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else float("nan")


def _known(values: np.ndarray) -> np.ndarray:
    """The rows without NaN; one row of NaN where there are none."""
    known = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
    return known if len(known) else np.full((1, *values.shape[1:]), np.nan)
