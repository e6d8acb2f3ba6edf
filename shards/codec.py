"""A clip as the members of a sample, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np

from capture import actions, video
from capture.actions import Actions
from capture.camera import Intrinsics
from capture.episode import Episode
from capture.trajectory import Trajectory
from shards import arrays
from shards.schema import CONVENTIONS, PARTS, Clip


def encode(
    episode: Episode, *, key: str, start: int, stop: int, caption: str, split: str
) -> dict[str, bytes]:
    """Members of a sample by part name, in the order of `schema.PARTS`.

    The video is cut out of the episode's without encoding again. The actions are those of the
    clip's own poses, so their unit of translation is the clip's mean step (RELIC eq. 1).

    Args:
        episode: Where the clip lies.
        key: The clip's id.
        start: First frame; a multiple of `video.GOP`.
        stop: One past the last frame.
        caption: What is seen.
        split: "train" or "val".

    Raises:
        ValueError: If the episode does not hold these frames.
    """
    if not 0 <= start < stop <= len(episode):
        raise ValueError(
            f"clip {key} wants frames {start} to {stop} of episode {episode.id}, "
            f"which has {len(episode)}; curate again"
        )
    path = episode.trajectory.window(start, stop)
    moves = actions.encode(path.cam_to_world)
    k = episode.intrinsics
    meta = {
        "clip_id": key,
        "plan_id": episode.id,
        "scene_id": episode.scene.id,
        "generator": episode.generator,
        "split": split,
        "start": start,
        "stop": stop,
        "fps": episode.fps,
        "caption": caption,
        "conventions": CONVENTIONS,
    }
    return {
        "actions.npz": _npz(values=moves.values, step_m=np.float64(moves.step_m)),
        "camera.npz": _npz(
            cam_to_world=path.cam_to_world,
            t_s=path.t_s - path.t_s[0],
            intrinsics=np.array(
                [k.fx_px, k.fy_px, k.cx_px, k.cy_px, k.width_px, k.height_px], dtype=np.float64
            ),
        ),
        "meta.json": (json.dumps(meta, indent=1, sort_keys=True) + "\n").encode(),
        "rgb.mp4": video.cut(episode.path / "rgb.mp4", start, stop),
    }


def decode(parts: Mapping[str, bytes], start: int, stop: int) -> Clip:
    """Frames [start, stop) of a sample, counted from the clip's first frame.

    Args:
        parts: What `encode` gave.
        start: First frame.
        stop: One past the last frame.

    Raises:
        ValueError: If a part is missing or does not hold what it should.
    """
    missing = [name for name in PARTS if name not in parts]
    if missing:
        raise ValueError(f"a sample has the parts {', '.join(PARTS)}; missing {', '.join(missing)}")
    meta = json.loads(parts["meta.json"])
    path, intrinsics = decode_camera(parts["camera.npz"], start, stop)
    return Clip(
        key=meta["clip_id"],
        frames=video.read_rgb(parts["rgb.mp4"], start, stop),
        trajectory=path,
        actions=_window(parts["actions.npz"], start, stop),
        intrinsics=intrinsics,
        fps=meta["fps"],
        caption=meta["caption"],
        scene_id=meta["scene_id"],
        plan_id=meta["plan_id"],
        generator=meta["generator"],
        start=meta["start"] + start,
    )


def decode_camera(
    data: bytes, start: int = 0, stop: int | None = None
) -> tuple[Trajectory, Intrinsics]:
    """The path and the camera of a camera.npz; only frames [start, stop) of the path."""
    cam_to_world, t_s, numbers = _arrays("camera.npz", data, ("cam_to_world", "t_s", "intrinsics"))
    fx, fy, cx, cy, width, height = numbers.tolist()
    intrinsics = Intrinsics(
        width_px=int(width), height_px=int(height), fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy
    )
    return Trajectory(t_s=t_s[start:stop], cam_to_world=cam_to_world[start:stop]), intrinsics


def decode_actions(data: bytes) -> Actions:
    """The actions of an actions.npz."""
    values, step_m = _arrays("actions.npz", data, ("values", "step_m"))
    return Actions(values=values, step_m=float(step_m))


def _window(data: bytes, start: int, stop: int) -> Actions:
    """Rows [start, stop); no move reaches the first frame of a window, so it is static."""
    values, step_m = _arrays("actions.npz", data, ("values", "step_m"))
    values = values[start:stop].copy()
    values[0] = 0.0
    values[0, actions.STATIC] = 1.0
    return Actions(values=values, step_m=float(step_m))


def _npz(**arrays: np.ndarray | np.generic) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _arrays(part: str, data: bytes, names: tuple[str, ...]) -> list[np.ndarray]:
    try:
        found = arrays.from_npz(data)
        return [found[name] for name in names]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{part} needs the arrays {', '.join(names)} ({error})") from error
