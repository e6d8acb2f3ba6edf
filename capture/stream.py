"""Frames: poses go out, pictures come back, each with the proof that it was taken from its pose.

Every frame is one group of commands: set the pose, take colour, depth and mask, read the pose back.
The next groups are on their way while one is worked on. A frame that is lost or bad is taken again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from capture import camera
from capture.camera import Intrinsics
from capture.client import EngineError, EngineLost, Group, decode_bmp, decode_depth_npy, text
from capture.session import RETAKES, BadFrame, Session, mask_values

# Groups on their way: four of eight messages (`vbatch` and seven) fill one tick of the plugin.
DEPTH_AHEAD = 4
MAX_WARM_UP = 12
# Two captures of one pose agree: mean absolute difference of 8-bit levels, and share of pixels
# whose depth differs by more than a hundredth or whose object differs.
SETTLED_LEVELS, SETTLED_SHARE = 0.25, 0.002
# UnrealCV prints three decimals and rounds arguments to 32-bit floats.
_POSITION_TOLERANCE_CM = 0.002
_ANGLE_TOLERANCE_DEG = 0.003


class WrongPose(BadFrame):
    """The engine rendered from another pose than the commanded one."""


class Frame(NamedTuple):
    """What one group brings.

    Attributes:
        rgb: Colour, uint8 [H, W, 3].
        depth_m: Planar depth, float32 [H, W]; infinity where nothing is.
        mask: Index into the session's `mask_names`, uint16 [H, W].
        reported_cm_deg: The engine's own x y z pitch yaw roll, float64 [6], Unreal units.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    mask: np.ndarray
    reported_cm_deg: np.ndarray


def frames(session: Session, cam_to_world: np.ndarray, view: Intrinsics) -> Generator[Frame]:
    """What is seen from poses [T, 4, 4]; a frame that is lost or bad is taken again.

    Raises:
        EngineLost: If the engine stays lost.
        BadFrame: If a frame stays bad, such as `WrongPose`.
    """
    session.insist(lambda: session.look(view))
    done = failures = 0
    while done < len(cam_to_world):
        try:
            if failures:
                session.num_retakes += 1
                session.renew()
                settle(session, cam_to_world[done])
            with contextlib.closing(_stream(session, cam_to_world, view, done)) as stream:
                for frame in stream:
                    yield frame
                    done, failures = done + 1, 0
        except (EngineLost, BadFrame):
            failures += 1
            if failures > RETAKES:
                raise


def settle(session: Session, pose: np.ndarray) -> int:
    """Capture a pose until two captures agree (exposure, streaming, temporal filters).

    Args:
        session: From `prepare`, its view set.
        pose: cam_to_world, float64 [4, 4].

    Returns:
        How many captures it took; `MAX_WARM_UP` if no two agreed.

    Raises:
        EngineLost: If the engine stays lost.
        BadFrame: If the captures stay bad.
    """

    def attempt() -> Frame | BadFrame:
        try:
            return _ask(session, pose)
        except BadFrame as error:  # the first pictures of a camera may be garbage
            return error

    last = None
    for count in range(1, MAX_WARM_UP + 1):
        current = session.insist(attempt)
        if isinstance(last, Frame) and isinstance(current, Frame) and agree(last, current):
            return count
        last = current
    if isinstance(last, BadFrame):
        raise last
    return MAX_WARM_UP


def _stream(session: Session, poses: np.ndarray, view: Intrinsics, start: int) -> Generator[Frame]:
    """Frames from `start` on, with groups sent ahead."""
    commanded = list(zip(*camera.to_unreal(poses), strict=True))
    ahead: list[Group] = []
    sent = start
    try:
        for index in range(start, len(poses)):
            while sent < len(poses) and len(ahead) < DEPTH_AHEAD:
                ahead.append(session.client.send(_commands(session, *commanded[sent])))
                sent += 1
            yield _receive(session, ahead.pop(0), view, f"frame {index}", *commanded[index])
    except (BadFrame, GeneratorExit):
        for group in ahead:  # the connection itself is sound: what is on its way is for nobody
            with contextlib.suppress(EngineLost, EngineError):
                session.client.recycle(session.client.receive(group))
        raise


def _ask(session: Session, pose: np.ndarray) -> Frame:
    assert session.view is not None
    commanded = camera.to_unreal(pose)
    group = session.client.send(_commands(session, *commanded))
    return _receive(session, group, session.view, "warm-up", *commanded)


def _commands(session: Session, location_cm: np.ndarray, rotation_deg: np.ndarray) -> list[str]:
    base = f"/camera/{session.camera_id}"
    return [
        f"vset {base}/location " + " ".join(f"{x:.6f}" for x in location_cm),
        f"vset {base}/rotation " + " ".join(f"{x:.6f}" for x in rotation_deg),
        f"vget {base}/lit bmp",
        f"vget {base}/depth npy",
        f"vget {base}/object_mask bmp",
        f"vget {base}/location",
        f"vget {base}/rotation",
    ]


def _receive(
    session: Session,
    group: Group,
    view: Intrinsics,
    name: str,
    location_cm: np.ndarray,
    rotation_deg: np.ndarray,
) -> Frame:
    """The frame that a group brings; its arrays are copies, the replies are given back."""
    try:
        replies = session.client.receive(group)
    except EngineError as error:  # such as "Captured data is empty"
        raise BadFrame(f"{name}: {error}") from error
    try:
        return _decode(session, replies, view, name, location_cm, rotation_deg)
    finally:
        session.client.recycle(replies)


def _decode(
    session: Session,
    replies: Sequence[memoryview],
    view: Intrinsics,
    name: str,
    location_cm: np.ndarray,
    rotation_deg: np.ndarray,
) -> Frame:
    try:
        reported = np.array([float(x) for reply in replies[5:7] for x in text(reply).split()])
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
        mask=mask_values(session, mask),
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


def levels(one: Frame, other: Frame) -> float:
    """Mean absolute difference of two pictures' colour, in levels of 255."""
    return float(np.abs(one.rgb.astype(np.int16) - other.rgb).mean())


def agree(
    one: Frame,
    other: Frame,
    max_levels: float = SETTLED_LEVELS,
    max_share: float = SETTLED_SHARE,
) -> bool:
    """Whether two pictures show the same.

    Args:
        one: A frame.
        other: Another of the same size.
        max_levels: Of mean colour difference.
        max_share: Of pixels whose depth differs by more than a hundredth, or whose object differs.
    """
    # Where both are infinite the comparison is with NaN, and false.
    with np.errstate(invalid="ignore"):
        depth_off = np.abs(one.depth_m - other.depth_m) > 0.01 * one.depth_m
    depth_off |= np.isinf(one.depth_m) != np.isinf(other.depth_m)
    return bool(
        levels(one, other) < max_levels
        and depth_off.mean() < max_share
        and (one.mask != other.mask).mean() < max_share
    )
