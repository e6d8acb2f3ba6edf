"""Defects of known strength, planted in clean clips that are held in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import pyarrow as pa

from capture import actions, camera
from capture.actions import Actions
from capture.episode import Episode
from capture.trajectory import Trajectory
from curation import motion

AT = 40  # the frame at which things happen; clips have 81


@dataclass(frozen=True, kw_only=True)
class Held(Episode):
    """A clip in memory that can be measured like an episode on disk.

    Attributes:
        rgb: uint8 [T, H, W, 3].
        depth: Planar, float32 [T, H, W] metres.
        objects: Mask, uint16 [T, H, W].
        poses: Commanded, float64 [T, 4, 4].
        reported: By the engine, float64 [T, 4, 4].
        labels: The stored actions.
    """

    rgb: np.ndarray
    depth: np.ndarray
    objects: np.ndarray
    poses: np.ndarray
    reported: np.ndarray
    labels: Actions

    @classmethod
    def of(cls, episode: Episode, start: int, stop: int) -> Held:
        """Frames [start, stop) of an episode."""
        poses = episode.trajectory.cam_to_world[start:stop].copy()
        labels = actions.encode(poses)
        return cls(
            path=episode.path,
            info={**episode.info, "num_frames": stop - start, "step_m": labels.step_m},
            rgb=episode.frames(start, stop),
            depth=episode.depth_m(start, stop),
            objects=episode.mask(start, stop),
            poses=poses,
            reported=poses,
            labels=labels,
        )

    @cached_property
    def table(self):
        """Nothing was measured at capture."""
        return pa.table({"frame": np.arange(len(self))})

    def column(self, name: str) -> np.ndarray:
        """The reported poses, as the engine says them."""
        assert name == "reported_cm_deg"
        return np.concatenate(camera.to_unreal(self.reported), axis=1)

    @cached_property
    def trajectory(self) -> Trajectory:
        """The commanded path."""
        return Trajectory.uniform(self.poses, self.fps)

    @cached_property
    def actions(self) -> Actions:
        """The stored actions."""
        return self.labels

    def frames(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Colour."""
        return self.rgb[start:stop]

    def depth_m(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Depth."""
        return self.depth[start:stop]

    def mask(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Objects."""
        return self.objects[start:stop]


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One way to spoil a clip.

    Attributes:
        name: As a person says it.
        rules: The rules of which at least one has to find it.
        unit: Of the strengths.
        strengths: Rising; the first should hardly matter, the last two must be found.
        plant: Returns the spoilt clip, or None where the clip cannot show it.
    """

    name: str
    rules: tuple[str, ...]
    unit: str
    strengths: tuple[float, ...]
    plant: Callable[[Held, float], Held | None]


def changed(clip: Held, **fields) -> Held:
    """A clip with other fields; poses take the reported ones and the labels with them."""
    if "poses" in fields:
        labels = actions.encode(fields["poses"])
        fields = {"reported": fields["poses"], "labels": labels, **fields}
        fields["info"] = {**clip.info, "step_m": labels.step_m}
    return dataclasses.replace(clip, **fields)


# -- paths: the pixels stay as they are ----------------------------------------------------------


def _rebuilt(clip: Held, move_m: np.ndarray | None = None, pan_deg=0.0, tilt_deg=0.0) -> Held:
    """Positions and angles with something added, each [T]."""
    angles = camera.to_unreal(clip.poses)[1]
    position = clip.poses[:, :3, 3] + (0.0 if move_m is None else move_m)
    poses = camera.pose_from_angles(
        position, -angles[:, 1] + pan_deg, angles[:, 0] + tilt_deg, angles[:, 2]
    )
    return changed(clip, poses=poses)


def too_fast(clip: Held, speed_m_s: float) -> Held | None:
    speed = clip.trajectory.speed_m_s().max()
    if speed < 0.3:
        return None
    position = clip.poses[:, :3, 3]
    return _rebuilt(clip, (position - position[0]) * (speed_m_s / speed - 1.0))


def whip_pan(clip: Held, peak_deg_s: float) -> Held:
    t = np.arange(len(clip))
    rate = peak_deg_s * np.exp(-0.5 * ((t - AT) / 4.0) ** 2)
    return _rebuilt(clip, pan_deg=np.cumsum(rate) / clip.fps)


def abrupt_turn(clip: Held, rate_deg_s: float) -> Held:
    t = np.arange(len(clip)) / clip.fps
    return _rebuilt(clip, pan_deg=rate_deg_s * np.maximum(t - AT / clip.fps, 0.0))


def uneven(clip: Held, change_m_s: float) -> Held:
    on = (np.arange(len(clip)) // 4) % 2
    along = clip.poses[0, :3, 2]
    return _rebuilt(clip, np.cumsum(change_m_s * on / clip.fps)[:, None] * along)


def still(clip: Held, share: float) -> Held:
    index = np.minimum(np.arange(len(clip)), round((1.0 - share) * (len(clip) - 1)))
    return changed(clip, poses=clip.poses[index])


def shaky_position(clip: Held, sigma_mm: float) -> Held:
    return _rebuilt(clip, np.random.default_rng(0).normal(0, sigma_mm / 1000, (len(clip), 3)))


def shaky_view(clip: Held, sigma_deg: float) -> Held:
    pan, tilt = np.random.default_rng(0).normal(0, sigma_deg, (2, len(clip)))
    return _rebuilt(clip, pan_deg=pan, tilt_deg=tilt)


def swinging(clip: Held, rate_hz: float) -> Held:
    t = np.arange(len(clip)) / clip.fps
    return _rebuilt(clip, pan_deg=3.0 * np.sin(2 * np.pi * rate_hz * t))


def swaying(clip: Held, rate_hz: float) -> Held:
    t = np.arange(len(clip)) / clip.fps
    return _rebuilt(clip, 0.03 * np.sin(2 * np.pi * rate_hz * t)[:, None] * clip.poses[:, :3, 0])


def jump(clip: Held, distance_m: float) -> Held:
    moved = np.zeros((len(clip), 3))
    moved[AT:, 1] = distance_m
    return _rebuilt(clip, moved)


def stutter(clip: Held, count: float) -> Held | None:
    """Poses that repeat the one before while the camera moves faster than 0.5 m/s."""
    fast = np.flatnonzero(clip.trajectory.speed_m_s()[8:-8] > 0.5) + 8
    if len(fast) < 8 * count:
        return None
    index = np.arange(len(clip))
    for n in fast[:: len(fast) // int(count)][: int(count)]:
        index[n + 1] = n
    return changed(clip, poses=clip.poses[index])


# -- pictures ------------------------------------------------------------------------------------


def gain(clip: Held, factor: float) -> Held:
    return changed(clip, rgb=np.clip(clip.rgb * np.float32(factor), 0, 255).astype(np.uint8))


def black(clip: Held, count: float) -> Held:
    rgb = clip.rgb.copy()
    rgb[AT : AT + int(count)] = 0
    return changed(clip, rgb=rgb)


def flicker(clip: Held, levels: float) -> Held:
    sign = np.where(np.arange(len(clip)) % 2, levels, -levels)[:, None, None, None]
    return changed(clip, rgb=np.clip(clip.rgb + sign, 0, 255).astype(np.uint8))


def frozen(clip: Held, count: float) -> Held | None:
    speed, turn = clip.trajectory.speed_m_s(), clip.trajectory.turn_deg_s()
    moving = ((speed > 0.2) | (turn > 4.0))[AT : AT + int(count)]
    if not moving.all():
        return None
    rgb, depth = clip.rgb.copy(), clip.depth.copy()
    rgb[AT + 1 : AT + 1 + int(count)] = rgb[AT]
    depth[AT + 1 : AT + 1 + int(count)] = depth[AT]
    return changed(clip, rgb=rgb, depth=depth)


def blurred(clip: Held, sigma_px: float) -> Held:
    return changed(clip, rgb=np.stack([cv2.GaussianBlur(f, (0, 0), sigma_px) for f in clip.rgb]))


def loading(clip: Held, sigma_px: float) -> Held:
    """Blurred at first, sharp after 12 frames."""
    rgb = clip.rgb.copy()
    for t in range(12):
        rgb[t] = cv2.GaussianBlur(rgb[t], (0, 0), max(sigma_px * (1.0 - t / 12), 0.1))
    return changed(clip, rgb=rgb)


def plate(clip: Held, share: float) -> Held:
    """Something at 20 cm before part of the picture."""
    rgb, depth = clip.rgb.copy(), clip.depth.copy()
    columns = round(share * depth.shape[2])
    depth[AT - 8 : AT + 8, :, :columns] = 0.2
    rgb[AT - 8 : AT + 8, :, :columns] = (rgb[AT - 8 : AT + 8, :, :columns] // 2) + 20
    return changed(clip, rgb=rgb, depth=depth)


# -- a ball of the world: whatever lies in it is spoilt ------------------------------------------


def _world(clip: Held) -> np.ndarray:
    """World points of all pixels, float32 [T, H, W, 3]; infinite where nothing is."""
    k = clip.intrinsics
    x = (np.arange(k.width_px, dtype=np.float32) + 0.5 - k.cx_px) / k.fx_px
    y = (np.arange(k.height_px, dtype=np.float32) + 0.5 - k.cy_px) / k.fy_px
    rays = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)), np.float32)], -1)
    turned = np.einsum("tij,hwj->thwi", clip.poses[:, :3, :3].astype(np.float32), rays)
    return turned * clip.depth[..., None] + clip.poses[:, None, None, :3, 3].astype(np.float32)


def _ball(clip: Held, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a ball on the ground that fills `share` of frame 40, bool [T, H, W]; all points."""
    points = _world(clip)
    height, width = clip.depth.shape[1:]
    away = np.linalg.norm(points - points[AT, round(0.8 * height), width // 2], axis=-1)
    away = np.nan_to_num(away, nan=np.inf)
    return away < np.quantile(away[AT], share), points


def magenta(clip: Held, share: float) -> Held:
    inside, _ = _ball(clip, share)
    rgb = clip.rgb.copy()
    light = np.clip(0.4 + clip.rgb[inside].mean(axis=-1, keepdims=True) / 200, 0, 1)
    rgb[inside] = light * np.array([255, 0, 255])
    return changed(clip, rgb=rgb)


def default_material(clip: Held, share: float) -> Held:
    """A grey checkerboard of 25 cm, lit as what was there before."""
    inside, points = _ball(clip, share)
    rgb = clip.rgb.copy()
    board = np.floor(points[inside] / 0.25 + 1e-3).astype(int).sum(axis=-1) % 2
    soft = np.stack([cv2.GaussianBlur(f, (0, 0), 6.0) for f in clip.rgb])[inside].mean(axis=-1)
    rgb[inside] = np.clip(np.where(board, 150, 110) * (0.5 + soft / 256), 0, 255)[:, None]
    return changed(clip, rgb=rgb)


def hole(clip: Held, share: float) -> Held:
    inside, _ = _ball(clip, share)
    rgb, depth = clip.rgb.copy(), clip.depth.copy()
    rgb[inside], depth[inside] = (150, 180, 220), np.inf
    return changed(clip, rgb=rgb, depth=depth)


def popping(clip: Held, share: float) -> Held:
    """What lies in the ball is gone after frame 40, and what was behind it is seen."""
    inside, _ = _ball(clip, share)
    inside[:AT] = False
    rgb, depth = clip.rgb.copy(), clip.depth.copy()
    depth[inside] *= 1.5
    rgb[inside] = 255 - rgb[inside]
    return changed(clip, rgb=rgb, depth=depth)


def wall(clip: Held, _: float) -> Held | None:
    """A wall across the way, that the camera flies through."""
    at, along = clip.poses[AT + 4, :3, 3], clip.poses[AT, :3, 2]
    ahead = (clip.poses[:, :3, 3] - at) @ along
    if ahead[AT] > -0.2 or ahead[AT + 8] < 0.2:
        return None
    depth = clip.depth.copy()
    for t in np.flatnonzero(ahead < -0.05):
        depth[t] = np.minimum(
            depth[t], np.float32(-ahead[t] / max(clip.poses[t, :3, 2] @ along, 0.5))
        )
    return changed(clip, depth=depth)


# -- what does not agree -------------------------------------------------------------------------


def late(clip: Held, frames: float) -> Held:
    index = np.maximum(np.arange(len(clip)) - int(frames), 0)
    return changed(clip, rgb=clip.rgb[index], depth=clip.depth[index], objects=clip.objects[index])


def scaled(clip: Held, factor: float) -> Held | None:
    if motion.summary(clip.trajectory)["path_m"] < 2.0:
        return None  # a camera that only turns cannot tell
    return changed(clip, depth=clip.depth * np.float32(factor))


def wrong_position(clip: Held, offset_mm: float) -> Held:
    reported = clip.poses.copy()
    reported[AT, 0, 3] += offset_mm / 1000
    return changed(clip, reported=reported)


def wrong_direction(clip: Held, angle_deg: float) -> Held:
    angles = camera.to_unreal(clip.poses)[1]
    turned = camera.pose_from_angles(
        clip.poses[:, :3, 3], -angles[:, 1] + angle_deg, angles[:, 0], angles[:, 2]
    )
    return changed(clip, reported=turned)


def swapped_labels(clip: Held, share: float) -> Held | None:
    values = clip.labels.values.copy()
    pairs = [(2, 3), (8, 9)]
    if not values[:, [column for pair in pairs for column in pair]].any(axis=1).mean() > 0.5:
        return None
    rows = np.arange(len(clip)) < share * len(clip)
    for a, b in pairs:
        values[np.ix_(rows, [a, b])] = values[np.ix_(rows, [b, a])]
    return changed(clip, labels=Actions(values=values, step_m=clip.labels.step_m))
