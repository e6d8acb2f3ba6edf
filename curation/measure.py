"""Measures an episode, frame by frame. Scores only, never a decision; clips come later.

Most metrics know every frame. Those that need depth or a second frame look at every eighth
(`geometry.PAIR_GAP`), those about what is in view at every sixteenth, and are NaN elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture import actions as relic
from capture import camera, revisits
from capture.episode import Episode
from curation import balance, caption, collision, coverage, exposure, geometry, motion, render

KEYFRAME_GAP = 2 * geometry.PAIR_GAP
_CHUNK = 64  # frames decoded at once; a multiple of the pair gap and of the key-frame distance
_PICTURE = ("magenta_share", "checker_share", "edge_blur_px")
_PAIR = ("geometry_inlier", "popped_share", "sharpening")


@dataclass(kw_only=True)
class _Pixels:
    """What the pixels of an episode give.

    Attributes:
        columns: Of the frame table, each [T].
        lumas: Small luma of every eighth frame, uint8 [h, w].
        depths: Small depth of every eighth frame, float32 [h, w].
    """

    columns: dict[str, np.ndarray]
    lumas: dict[int, np.ndarray]
    depths: dict[int, np.ndarray]


def measure(episode: Episode) -> dict[str, object]:
    """The columns of the frame table of an episode, each [T]; see `curation.catalogue`.

    What the recorder's observer measured on the raw frames is taken from the episode; without it
    the decoded frames are measured, and the column `raw_pixels` says so.

    Raises:
        ValueError: If the episode's pixels cannot be read, or hold what no camera gives.
    """
    try:
        return _measure(episode)
    except ValueError as error:
        raise ValueError(f"episode {episode.id} cannot be measured: {error}") from error


def _measure(episode: Episode) -> dict[str, object]:
    path = episode.trajectory
    raw = all(name in episode.table.column_names for name in exposure.COLUMNS)
    pixels = _observed(episode) if raw else _decoded(episode)
    _check(pixels.columns)
    reported = episode.column("reported_cm_deg")
    error_m, error_deg = motion.pose_error(
        camera.from_unreal(reported[:, :3], reported[:, 3:]), path.cam_to_world
    )
    angles = camera.to_unreal(path.cam_to_world)[1]
    names, shares = _views(episode)
    return {
        "t_s": path.t_s,
        **dict(zip(("x_m", "y_m", "z_m"), path.position_m.T, strict=True)),
        "heading_deg": -angles[:, 1],
        "tilt_deg": angles[:, 0],
        "roll_deg": angles[:, 2],
        "speed_m_s": np.concatenate([[np.nan], path.speed_m_s()]),
        "turn_deg_s": np.concatenate([[np.nan], path.turn_deg_s()]),
        **pixels.columns,
        "pose_error_m": error_m,
        "pose_error_deg": error_deg,
        **_pairs(episode, pixels),
        **_coverage(episode, pixels.depths),
        "revisit_gap_s": revisits.gap_s(path, pixels.columns["depth_median_m"]),
        "label_agreement": _labels(episode),
        "raw_pixels": np.full(len(path), raw),
        "view_names": names,
        "view_shares": shares,
    }


def _observed(episode: Episode) -> _Pixels:
    """Frame columns as the recorder took them, and what every eighth frame shows."""
    columns = {name: episode.column(name).astype(np.float64) for name in exposure.COLUMNS}
    found = _Pixels(columns=columns | _empty(_PICTURE, len(episode)), lumas={}, depths={})
    for i in range(0, len(episode), geometry.PAIR_GAP):
        # Reading single frames skips the colour conversion of the seven between.
        _look(found, i, episode.frames(i, i + 1)[0], episode.depth_m(i, i + 1)[0])
    return found


def _decoded(episode: Episode) -> _Pixels:
    """The same, measured on the frames as the codec left them."""
    found = _Pixels(columns=_empty(_PICTURE, len(episode)), lumas={}, depths={})
    rows, observe = [], exposure.FrameObserver()
    for start in range(0, len(episode), _CHUNK):
        stop = min(start + _CHUNK, len(episode))
        pictures = zip(episode.frames(start, stop), episode.depth_m(start, stop), strict=True)
        for i, (rgb, depth_m) in enumerate(pictures, start):
            rows.append(observe(rgb, depth_m))
            if i % geometry.PAIR_GAP == 0:
                _look(found, i, rgb, depth_m)
    found.columns |= {name: np.array([row[name] for row in rows]) for name in exposure.COLUMNS}
    return found


def _look(found: _Pixels, i: int, rgb: np.ndarray, depth_m: np.ndarray) -> None:
    found.lumas[i] = geometry.shrink(exposure.luma(rgb))
    found.depths[i] = geometry.shrink(depth_m)
    found.columns["magenta_share"][i] = render.magenta_share(rgb)
    found.columns["checker_share"][i] = render.checker_share(rgb)
    found.columns["edge_blur_px"][i] = render.edge_blur_px(rgb)


def _pairs(episode: Episode, pixels: _Pixels) -> dict[str, object]:
    """What the pairs (i, i + 8) give, at i: agreement [T], lag errors [T, 5] and render faults."""
    poses = episode.trajectory.cam_to_world
    k = geometry.shrink_camera(episode.intrinsics)
    columns = _empty((*_PAIR, "hole_share", "through_surface"), len(poses))
    lags: list[list[float] | None] = [None] * len(poses)
    for i in sorted(pixels.depths):
        j, depth = i + geometry.PAIR_GAP, pixels.depths[i]
        columns["hole_share"][i] = render.hole_share(depth, k, poses[i])
        columns["through_surface"][i] = collision.passes_through(depth, k, poses[i : j + 1])
        if j not in pixels.depths:
            continue
        i_to_j = camera.invert(poses[j]) @ poses[i]
        lumas = pixels.lumas[i], pixels.lumas[j]
        columns["geometry_inlier"][i] = geometry.inlier_share(depth, pixels.depths[j], k, i_to_j)
        columns["popped_share"][i] = render.popped_share(depth, pixels.depths[j], k, i_to_j)
        columns["sharpening"][i] = render.sharpening(*lumas, depth, k, i_to_j)
        lags[i] = geometry.lag_errors(*lumas, depth, k, poses, i, j).tolist()
    return {**columns, "lag_errors": lags}


def _coverage(episode: Episode, depths: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    """What every sixteenth frame shows anew, and again."""
    frames = [i for i in sorted(depths) if i % KEYFRAME_GAP == 0]
    k = geometry.shrink_camera(episode.intrinsics)
    seen = [depths[i] for i in frames]
    path = episode.trajectory
    columns = _empty(("covisible_gap_s", "new_m2"), len(path))
    columns["covisible_gap_s"][frames] = coverage.covisible_gap_s(
        seen, k, path.t_s[frames], path.cam_to_world[frames]
    )
    columns["new_m2"][frames] = coverage.new_m2(seen, k, path.cam_to_world[frames])
    return columns


def _labels(episode: Episode) -> np.ndarray:
    """Whether the stored actions are those of the poses, 0 or 1, [T]."""
    moves = relic.encode(episode.trajectory.cam_to_world, episode.info["step_m"])
    return balance.label_agreement(episode.actions, moves).astype(np.float64)


def _views(episode: Episode) -> tuple[list[list[str] | None], list[list[float] | None]]:
    """Object ids and their shares of the picture, largest first, at every sixteenth frame."""
    names: list[list[str] | None] = [None] * len(episode)
    shares: list[list[float] | None] = [None] * len(episode)
    for i in range(0, len(episode), KEYFRAME_GAP):
        objects = caption.in_view(episode.mask(i, i + 1), episode.mask_names)
        names[i], shares[i] = list(objects), list(objects.values())
    return names, shares


def _empty(names: tuple[str, ...], count: int) -> dict[str, np.ndarray]:
    return {name: np.full(count, np.nan) for name in names}


def _check(pixels: dict[str, np.ndarray]) -> None:
    """Numbers that every picture has must be numbers."""
    for name in ("luma_mean", "luma_std", "sharpness", "near_share", "nothing_share"):
        bad = np.flatnonzero(~np.isfinite(pixels[name]))
        if len(bad):
            raise ValueError(
                f"{name} of frame {bad[0]} is {pixels[name][bad[0]]} ({len(bad)} such frames); "
                "expected a finite number, capture it again"
            )
