"""Record: a plan through an engine into an episode, never a frame under the wrong pose.

Before the first frame the picture must have settled and must follow the camera; after the last
frame the first one must come out again. The captures that prove it travel in the same stream as the
frames (see `capture.stream`), and threads of the episode's writer encode, so that the engine never
waits. What does not hold is taken again, or the plan fails.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import numpy as np

from capture.camera import Intrinsics
from capture.episode import Episode, EpisodeWriter, is_finished
from capture.scene import Plan
from capture.session import BadFrame, Session
from capture.stream import Frame, agree, frames, levels, settle

# Called with colour uint8 [H, W, 3] and depth float32 [H, W] in metres of every raw frame.
Observer = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]

_ATTEMPTS = 3  # at an episode whose pictures have not settled
# By how much the first pose may have changed at the end: exposure, streaming, moving things.
_DRIFT_LEVELS, _DRIFT_SHARE = 2.0, 0.02
_LATE = (
    "pictures lag behind the camera: after a turn there and back the last view is still shown; "
    "switch off 'Use Less CPU when in Background' and frame pacing"
)
_STUCK = "the picture stays the same when the camera turns round; is it all black?"
_HALF_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])  # about the camera's own vertical axis


class Unsettled(BadFrame):
    """The same pose does not always look the same."""


def record(
    session: Session,
    plan: Plan,
    root: Path,
    *,
    observers: Sequence[Callable[[], Observer]] = (),
    on_frame: Callable[[int], None] | None = None,
) -> Episode:
    """Render a plan into `root/<plan id>`; a finished episode is returned as it is.

    Args:
        session: From `prepare`.
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
            return _record_once(session, plan, root, observers, on_frame)
        except Unsettled:
            pass  # streaming, shaders: what had not settled at the beginning may well be so by now
    return _record_once(session, plan, root, observers, on_frame)


def _record_once(
    session: Session,
    plan: Plan,
    root: Path,
    observers: Sequence[Callable[[], Observer]],
    on_frame: Callable[[int], None] | None,
) -> Episode:
    started, retakes = time.monotonic(), session.num_retakes
    first, others, warm_up = _begin(session, plan)
    engine = {**session.engine, "depth_unit": "cm", "camera_id": session.camera_id}
    with (
        contextlib.closing(others),
        EpisodeWriter(
            root, plan=plan, scene=session.scene, mask_names=session.mask_names, engine=engine
        ) as writer,
    ):
        watch = [make() for make in observers]
        path = itertools.islice(others, len(plan.trajectory) - 1)
        for index, frame in enumerate(itertools.chain([first], path)):
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
        writer.note(drift_levels=_drift(first, next(others)))
        writer.time(
            wall_s=time.monotonic() - started,
            warm_up_captures=warm_up,
            retakes=session.num_retakes - retakes,
        )
    return Episode.load(root / plan.id)


def _begin(session: Session, plan: Plan) -> tuple[Frame, Generator[Frame], int]:
    """The first frame, once it is known to be right.

    Nearly always the capture before it shows the same, and the one before that, turned round, does
    not. Where this does not hold, the engine gets time to settle, and it must hold then.

    Returns:
        The first frame; all others and the first pose again; the number of captures before.

    Raises:
        Unsettled: If it never holds.
        EngineLost: If the engine stays lost.
        BadFrame: If the captures stay bad.
    """
    poses = plan.trajectory.cam_to_world
    warm_up = 0
    for attempt in range(2):
        turned = [] if session.follows else [poses[0] @ _HALF_TURN]
        before = [*turned, poses[0]]
        taken = frames(session, np.stack([*before, *poses, poses[0]]), plan.intrinsics)
        looks = [next(taken) for _ in before]
        first = next(taken)
        warm_up += len(before)
        problem = _problem(first, looks)
        if not problem:
            session.follows = True
            return first, taken, warm_up
        taken.close()
        if attempt:
            raise Unsettled(problem)
        warm_up += _settle_and_turn(session, poses[0], plan.intrinsics)
    raise AssertionError("the last attempt returns or raises")


def _settle_and_turn(session: Session, pose: np.ndarray, view: Intrinsics) -> int:
    """Captures until two agree; between, turns round and back, if that has not been seen yet.

    Turned back, a temporal filter may still show something of the view behind, a late picture shows
    all of it.

    Returns:
        The number of captures.
    """
    count = settle(session, pose)
    if session.follows:
        return count
    here, turned, back = frames(session, np.stack([pose, pose @ _HALF_TURN, pose]), view)
    if levels(here, back) > levels(here, turned):
        raise Unsettled(_LATE)
    if np.array_equal(here.rgb, turned.rgb):
        raise Unsettled(_STUCK)
    session.follows = True
    return count + 3 + settle(session, pose)


def _problem(first: Frame, looks: Sequence[Frame]) -> str:
    """What is wrong with the first frame, given the captures before: [turned round], the same."""
    same, *turned = reversed(looks)
    if not agree(same, first):
        return (
            "two pictures of one pose still differ; pause the game, fix its exposure, "
            "or let it load before"
        )
    return _STUCK if turned and np.array_equal(turned[0].rgb, first.rgb) else ""


def _drift(first: Frame, again: Frame) -> float:
    """Mean difference of levels between the first frame and its repetition at the end."""
    off = levels(first, again)
    if not agree(first, again, _DRIFT_LEVELS, _DRIFT_SHARE):
        raise Unsettled(
            f"the first pose looks different after the last frame (by {off:.1f} levels of 255): "
            "exposure or streaming had not settled, or something moves; pause the game"
        )
    return off
