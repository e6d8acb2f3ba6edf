"""Record: a plan through an engine into an episode, never a frame under the wrong pose.

Every frame is one group: set the pose, take colour, depth and mask, read the pose back. The next
groups are already on their way while the last one is measured, encoded and written. Before the
first frame the picture must have settled and must follow the camera; after the last frame the first
one must come out again. What does not hold is taken again, or the plan fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from capture import camera
from capture.camera import Intrinsics
from capture.client import EngineLost, Group, decode_bmp, decode_depth_npy
from capture.episode import Episode, EpisodeWriter, is_finished
from capture.scene import Plan
from capture.stage import RETAKES, BadFrame, Stage, mask_values, prepare

__all__ = ["BadFrame", "Stage", "WrongPose", "frames", "prepare", "record", "settle"]

# Called with colour uint8 [H, W, 3] and depth float32 [H, W] in metres of every raw frame.
Observer = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]

# Groups on their way: four of eight messages (`vbatch` and seven) fill one tick of the plugin.
DEPTH_AHEAD = 4
MAX_WARM_UP = 12
_ATTEMPTS = 3  # at an episode whose pictures have not settled
# Two captures of one pose agree: mean absolute difference of 8-bit levels, and share of pixels
# whose depth differs by more than a hundredth or whose object differs.
_SETTLED_LEVELS, _SETTLED_SHARE = 0.25, 0.002
# The same, over an episode: exposure, streaming and moving things.
_DRIFT_LEVELS, _DRIFT_SHARE = 2.0, 0.02
# UnrealCV prints three decimals and rounds arguments to 32-bit floats.
_POSITION_TOLERANCE_CM = 0.002
_ANGLE_TOLERANCE_DEG = 0.003
_HALF_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])  # about the camera's own vertical axis


class WrongPose(BadFrame):
    """The engine rendered from another pose than the commanded one."""


class Unsettled(BadFrame):
    """The same pose does not always look the same."""


class Frame(NamedTuple):
    """What one group brings.

    Attributes:
        rgb: Colour, uint8 [H, W, 3].
        depth_m: Planar depth, float32 [H, W]; infinity where nothing is.
        mask: Index into the stage's `mask_names`, uint16 [H, W].
        reported_cm_deg: The engine's own x y z pitch yaw roll, float64 [6], Unreal units.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    mask: np.ndarray
    reported_cm_deg: np.ndarray


def record(
    stage: Stage,
    plan: Plan,
    root: Path,
    *,
    observers: Sequence[Callable[[], Observer]] = (),
    on_frame: Callable[[int], None] | None = None,
) -> Episode:
    """Render a plan into `root/<plan id>`; a finished episode is returned as it is.

    Args:
        stage: From `prepare`.
        plan: What to render.
        root: The dataset's `episodes` folder.
        observers: Makers of functions that measure raw frames; one of each per episode.
        on_frame: Called with the number of frames done.

    Raises:
        EngineLost: If the engine is gone; nothing is left behind.
        WrongPose: If it renders from another pose than commanded, again and again.
        Unsettled: If one pose does not always look the same.
        BadFrame: If its answers are no pictures.
    """
    if is_finished(root / plan.id):
        return Episode.load(root / plan.id)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _record_once(stage, plan, root, observers, on_frame)
        except Unsettled:
            pass  # streaming, shaders: what had not settled at the beginning may well be so by now
    return _record_once(stage, plan, root, observers, on_frame)


def _record_once(
    stage: Stage,
    plan: Plan,
    root: Path,
    observers: Sequence[Callable[[], Observer]],
    on_frame: Callable[[int], None] | None,
) -> Episode:
    started, retakes = time.monotonic(), stage.num_retakes
    first_pose = plan.trajectory.cam_to_world[0]
    stage.insist(lambda: stage.look(plan.intrinsics))
    warm_up = settle(stage, first_pose)
    if warm_up == MAX_WARM_UP:
        raise Unsettled(
            f"two pictures of one pose still differ after {warm_up} captures; pause the game, fix "
            "its exposure, or let it load before"
        )
    if not stage.follows:
        _check_that_pictures_follow(stage, first_pose)
    engine = {**stage.engine, "depth_unit": "cm", "camera_id": stage.camera_id}
    with EpisodeWriter(
        root, plan=plan, scene=stage.scene, mask_names=stage.mask_names, engine=engine
    ) as writer:
        watch = [make() for make in observers]
        first = None
        for index, frame in enumerate(frames(stage, plan)):
            first = first or frame
            writer.add(
                rgb=frame.rgb,
                depth_m=frame.depth_m,
                mask=frame.mask,
                reported_cm_deg=frame.reported_cm_deg,
                measured={
                    k: v for look in watch for k, v in look(frame.rgb, frame.depth_m).items()
                },
            )
            if on_frame:
                on_frame(index + 1)
        assert first is not None
        writer.note(drift_levels=_drift(first, _take(stage, first_pose)))
        writer.time(
            wall_s=time.monotonic() - started,
            warm_up_captures=warm_up,
            retakes=stage.num_retakes - retakes,
        )
    return Episode.load(root / plan.id)


def frames(stage: Stage, plan: Plan) -> Iterator[Frame]:
    """The frames of a plan; one that is lost or bad is taken again.

    Raises:
        EngineLost: If the engine stays lost.
        BadFrame: If a frame stays bad, such as `WrongPose`.
    """
    stage.insist(lambda: stage.look(plan.intrinsics))
    poses = plan.trajectory.cam_to_world
    done = failures = 0
    while done < len(poses):
        try:
            if failures:
                stage.num_retakes += 1
                stage.renew()
                settle(stage, poses[done])
            for frame in _stream(stage, poses, plan.intrinsics, done):
                yield frame
                done, failures = done + 1, 0
        except (EngineLost, BadFrame):
            failures += 1
            if failures > RETAKES:
                raise


def settle(stage: Stage, pose: np.ndarray) -> int:
    """Capture a pose until two captures agree (exposure, streaming, temporal filters).

    Args:
        stage: From `prepare`, its view set.
        pose: cam_to_world, float64 [4, 4].

    Returns:
        How many captures it took; `MAX_WARM_UP` if no two agreed.

    Raises:
        EngineLost: If the engine stays lost.
        BadFrame: If the captures stay bad.
    """

    def attempt() -> Frame | BadFrame:
        try:
            return _ask(stage, pose)
        except BadFrame as error:  # the first pictures of a camera may be garbage
            return error

    last = None
    for count in range(1, MAX_WARM_UP + 1):
        current = stage.insist(attempt)
        if (
            isinstance(last, Frame)
            and isinstance(current, Frame)
            and _agree(last, current, _SETTLED_LEVELS, _SETTLED_SHARE)
        ):
            return count
        last = current
    if isinstance(last, BadFrame):
        raise last
    return MAX_WARM_UP


def _stream(stage: Stage, poses: np.ndarray, view: Intrinsics, start: int) -> Iterator[Frame]:
    """Frames from `start` on, with groups sent ahead."""
    commanded = list(zip(*camera.to_unreal(poses), strict=True))
    ahead: list[Group] = []
    sent = start
    for index in range(start, len(poses)):
        while sent < len(poses) and len(ahead) < DEPTH_AHEAD:
            ahead.append(stage.client.send(_commands(stage, *commanded[sent])))
            sent += 1
        replies = stage.client.receive(ahead.pop(0))
        try:
            frame = _decode(stage, replies, view, f"frame {index}", *commanded[index])
        except BadFrame:
            for group in ahead:  # the stream itself is sound
                stage.client.receive(group)
            raise
        yield frame


def _take(stage: Stage, pose: np.ndarray) -> Frame:
    """One capture, taken again if it is lost or bad."""
    return stage.insist(lambda: _ask(stage, pose))


def _ask(stage: Stage, pose: np.ndarray) -> Frame:
    assert stage.view is not None
    commanded = camera.to_unreal(pose)
    replies = stage.client.request(_commands(stage, *commanded))
    return _decode(stage, replies, stage.view, "warm-up", *commanded)


def _commands(stage: Stage, location_cm: np.ndarray, rotation_deg: np.ndarray) -> list[str]:
    base = f"/camera/{stage.camera_id}"
    return [
        f"vset {base}/location " + " ".join(f"{x:.6f}" for x in location_cm),
        f"vset {base}/rotation " + " ".join(f"{x:.6f}" for x in rotation_deg),
        f"vget {base}/lit bmp",
        f"vget {base}/depth npy",
        f"vget {base}/object_mask bmp",
        f"vget {base}/location",
        f"vget {base}/rotation",
    ]


def _decode(
    stage: Stage,
    replies: list[bytes],
    view: Intrinsics,
    name: str,
    location_cm: np.ndarray,
    rotation_deg: np.ndarray,
) -> Frame:
    try:
        reported = np.array([float(x) for reply in replies[5:7] for x in reply.split()])
        lit, mask = (decode_bmp(replies[k], view.width_px, view.height_px) for k in (2, 4))
        depth_cm = decode_depth_npy(replies[3], view.width_px, view.height_px)
    except ValueError as error:
        raise BadFrame(f"{name}: {error}") from error
    _check_pose(name, location_cm, rotation_deg, reported)
    if not (depth_cm >= 0).all():
        raise BadFrame(f"{name}: depth holds negative numbers or NaN")
    return Frame(
        rgb=cv2.cvtColor(lit, cv2.COLOR_BGRA2RGB),
        depth_m=depth_cm / np.float32(camera.CM_PER_M),
        mask=mask_values(stage, mask),
        reported_cm_deg=reported,
    )


def _check_pose(
    name: str, location_cm: np.ndarray, rotation_deg: np.ndarray, reported: np.ndarray
) -> None:
    if reported.shape != (6,):
        raise BadFrame(f"{name}: expected a pose of 6 numbers, got {reported.tolist()}")
    off_cm = np.abs(reported[:3] - location_cm).max()
    # Far from the origin a 32-bit float is coarser than the printed decimals.
    allowed_cm = max(_POSITION_TOLERANCE_CM, 1.5e-7 * np.abs(location_cm).max())
    axes = camera.unreal_axes(*rotation_deg), camera.unreal_axes(*reported[3:])
    off_deg = float(camera.rotation_angle_deg(*axes))
    # Written so that a NaN fails.
    if not (off_cm <= allowed_cm and off_deg <= _ANGLE_TOLERANCE_DEG):
        raise WrongPose(
            f"{name}: commanded {location_cm.round(3).tolist()} cm, "
            f"{rotation_deg.round(3).tolist()} deg, but the engine reports {reported.tolist()}"
        )


def _check_that_pictures_follow(stage: Stage, pose: np.ndarray) -> None:
    """Turn round and back: another view, then the first one again, not one capture later."""
    here = _take(stage, pose)
    behind = _take(stage, pose @ _HALF_TURN)
    again = _take(stage, pose)
    if _levels(here, again) > _levels(here, behind):
        raise Unsettled(
            "pictures lag behind the camera: after a turn there and back the last view is still "
            "shown; switch off 'Use Less CPU when in Background' and frame pacing"
        )
    if all(np.array_equal(a, b) for a, b in zip(here[:3], behind[:3], strict=True)):
        raise Unsettled("the picture stays the same when the camera turns round; is it all black?")
    stage.follows = True


def _drift(first: Frame, again: Frame) -> float:
    """Mean difference of levels between the first frame and its repetition at the end."""
    levels = _levels(first, again)
    if not _agree(first, again, _DRIFT_LEVELS, _DRIFT_SHARE):
        raise Unsettled(
            f"the first pose looks different after the last frame (by {levels:.1f} levels of 255): "
            "exposure or streaming had not settled, or something moves; pause the game"
        )
    return levels


def _levels(one: Frame, other: Frame) -> float:
    return float(np.abs(one.rgb.astype(np.int16) - other.rgb).mean())


def _agree(one: Frame, other: Frame, levels: float, share: float) -> bool:
    # Where both are infinite the comparison is with NaN, and false.
    with np.errstate(invalid="ignore"):
        depth_off = np.abs(one.depth_m - other.depth_m) > 0.01 * one.depth_m
    depth_off |= np.isinf(one.depth_m) != np.isinf(other.depth_m)
    return bool(
        _levels(one, other) < levels
        and depth_off.mean() < share
        and (one.mask != other.mask).mean() < share
    )
