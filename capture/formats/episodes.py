"""Our own episodes as records: what the exporters write, and what an audit reads.

Camera to world, OpenCV camera, right-handed world with z up, metres; depth planar; a pose and an
action (RELIC's 13, `capture.actions`) per frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from capture import actions, video
from capture.episode import Episode
from capture.formats.pixels import DepthVideo, Video
from capture.formats.record import Declared, Format, Labels, Posed


def posed(
    episode: Episode, start: int = 0, stop: int | None = None, *, name: str = "", caption: str = ""
) -> Posed:
    """Frames [start, stop) of an episode; the first one is at 0 s.

    Args:
        episode: Where they lie.
        start: First frame.
        stop: One past the last; the episode's end by default.
        name: Of the record; the episode's id by default.
        caption: What is seen.

    Raises:
        ValueError: If the episode does not hold these frames.
    """
    stop = len(episode) if stop is None else stop
    if not 0 <= start < stop <= len(episode):
        raise ValueError(f"episode {episode.id} has {len(episode)} frames, got {start} to {stop}")
    path, k = episode.trajectory.window(start, stop), episode.intrinsics
    moves = actions.encode(path.cam_to_world)
    return Posed(
        name=name or episode.id,
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m", up="z", depth="planar"),
        cam_to_world=path.cam_to_world,
        t_s=path.t_s - path.t_s[0],
        fps=episode.fps,
        intrinsics=np.tile([k.fx_px, k.fy_px, k.cx_px, k.cy_px], (len(path), 1)),
        size_px=(k.width_px, k.height_px),
        rgb=Video(
            source=episode.path / "rgb.mp4", start=start, num_frames=stop - start, gop=video.GOP
        ),
        depth=DepthVideo(source=episode.path / "depth.mkv", start=start, num_frames=stop - start),
        actions=Labels(
            names=actions.NAMES,
            values=moves.values,
            meaning="row t is the move from frame t - 1 to frame t; turns in degrees",
            step_m=moves.step_m,
        ),
        caption=caption,
    )


def _found(path: Path) -> list[Path]:
    for pattern in ("episode.json", "*/episode.json", "episodes/*/episode.json"):
        if found := sorted(path.glob(pattern)):
            return [file.parent for file in found]
    return []


def _read(folder: Path) -> Posed:
    """A whole episode, with the actions that it holds, not those that it should."""
    episode = Episode.load(folder)
    record, kept = posed(episode), episode.actions
    assert record.actions is not None
    labels = replace(record.actions, values=kept.values, step_m=kept.step_m)
    return replace(record, actions=labels)


FORMAT = Format(
    name="relickit",
    title="camera to world, 4x4, OpenCV axes, z up, metres; planar depth; a pose per frame",
    places=_found,
    load=_read,
    otherwise="holds no finished episode (no episode.json)",
)
