"""What is wrong with a clip of anybody's, in plain words: checks of what `capture.formats` reads.

Each check looks at one kind of content and returns problems: a rule's name and a sentence. None
raises over bad data.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from capture.camera import rotation_angle_deg
from capture.formats import Posed
from capture.formats.pixels import Chosen, Images
from curation.convention.hypothesis import fov_deg
from curation.convention.labels import sides

# What every rule of an audit means; `--fail-on` and audit.json use these names.
RULES = {
    "unreadable": "the clip, or its pictures or depth, cannot be read",
    "poses": "poses are not finite, or no rotations",
    "motionless": "the camera never moves, or there is one pose only",
    "jumps": "the camera jumps between two frames",
    "times": "times do not increase, or a frame is missing in between",
    "missing": "frames, pictures or depth are missing",
    "resolution": "the pictures have different sizes",
    "intrinsics": "the camera cannot be as the file says",
    "unit": "distances are absurd for the unit that is declared",
    "convention": "pose, axes, depth, unit, field of view, lag or sides are not as declared",
    "lag": "the poses are early or late against the pictures",
    "scale": "the positions have another scale than the depth",
    "mirrored": "left and right are swapped",
}
_MOST_SPEED_M_S = 150.0
_LEAST_PATH_M = 1e-3
_JUMP_FACTOR, _JUMP_DEG, _JUMP_AWAY = 12.0, 60.0, 5
_FOV_DEG = (5.0, 175.0)
_RATE_HZ = (0.01, 1000.0)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong.

    Attributes:
        rule: One of `RULES`.
        text: A sentence for people.
    """

    rule: str
    text: str


def check(clip: Posed) -> list[Problem]:
    """Everything that is wrong with a clip, apart from its convention."""
    checks: tuple[Callable[[Posed], Iterator[Problem]], ...] = (
        _poses, _motion, _times, _camera, _lacks, _pictures, _depth, _sides,
    )  # fmt: skip
    return list(itertools.chain.from_iterable(one(clip) for one in checks))


def _poses(clip: Posed) -> Iterator[Problem]:
    poses = clip.cam_to_world
    finite = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    if not finite.all():
        yield Problem("poses", f"{_frames(~finite)}: NaN or infinity in the pose")
    rotation = np.where(finite[:, None, None], poses[:, :3, :3], np.eye(3))
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
        size = np.linalg.det(rotation)
    bad = ~(error < 1e-3)
    if bad.any():
        yield Problem(
            "poses", f"{_frames(bad)}: no rotation, its columns are not orthonormal "
            f"(off by up to {np.nanmax(np.where(bad, error, 0.0)):.3g})",
        )  # fmt: skip
    flipped = ~bad & (size < 0)
    if flipped.any():
        yield Problem("poses", f"{_frames(flipped)}: a reflection (determinant -1), not a rotation")
    last = finite & np.any(poses[:, 3] != [0.0, 0.0, 0.0, 1.0], axis=1)
    if last.any():
        yield Problem("poses", f"{_frames(last)}: the last row is not 0 0 0 1; transposed?")


def _motion(clip: Posed) -> Iterator[Problem]:
    finite = np.flatnonzero(np.isfinite(clip.cam_to_world).all(axis=(1, 2)))
    poses = clip.cam_to_world[finite]
    if len(clip) < 2:
        yield Problem("motionless", f"{len(clip)} pose: no path")
    if len(poses) < 2:
        return
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    turns = rotation_angle_deg(poses[:-1, :3, :3], poses[1:, :3, :3])
    if steps.max() < 1e-9 and turns.max() < 1e-6:
        yield Problem("motionless", "the camera never moves: all poses are the same")
        return
    usual, jumped = _usual(steps), jumps(poses[:, :3, 3], turns)
    if jumped.any():
        worst = int(np.argmax(np.where(jumped, steps / max(usual, 1e-12) + turns, 0.0)))
        yield Problem(
            "jumps", f"{int(jumped.sum())} jumps; the largest after frame {finite[worst]}: "
            f"{steps[worst]:.3g} and {turns[worst]:.3g} degrees in one step, usually {usual:.3g}",
        )  # fmt: skip
    if clip.declared.unit is not None:
        yield from _size(clip, steps)


def jumps(positions: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Whether each step is a jump, bool [T - 1]; see docs/audit.md.

    Args:
        positions: [T, 3].
        turns: Degrees over each step, [T - 1].
    """
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    two = np.linalg.norm(positions[2:] - positions[:-2], axis=1)
    back = two < 0.5 * np.minimum(steps[:-1], steps[1:])  # one pose is elsewhere
    spike = np.append(back, False) | np.append(False, back)
    far = (steps > _around(steps) * _JUMP_AWAY) | spike
    return ((steps > _JUMP_FACTOR * _usual(steps)) & far) | (turns > _JUMP_DEG)


def _usual(steps: np.ndarray) -> float:
    """The median of the steps that lead anywhere."""
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0


def _around(steps: np.ndarray) -> np.ndarray:
    """The larger of the neighbouring steps: nobody jumps and goes on at that speed."""
    padded = np.pad(steps, 1)
    return np.maximum(padded[:-2], padded[2:])


def _size(clip: Posed, steps: np.ndarray) -> Iterator[Problem]:
    rate = _rate(clip)
    speed = float(np.median(steps)) * rate if rate else 0.0
    length = float(steps.sum())
    unit = clip.declared.unit
    if speed > _MOST_SPEED_M_S:
        yield Problem("unit", f"{speed:.4g} m/s if the positions are in {unit}, as declared")
    elif 0 < length < _LEAST_PATH_M:
        yield Problem("unit", f"a path of {1e3 * length:.3g} mm if the positions are in {unit}")


def _rate(clip: Posed) -> float | None:
    if clip.fps is not None:
        return clip.fps
    if clip.t_s is None or len(clip) < 2:
        return None
    length = float(clip.t_s[-1] - clip.t_s[0])
    return (len(clip) - 1) / length if np.isfinite(length) and length > 0 else None


def _times(clip: Posed) -> Iterator[Problem]:
    if clip.fps is not None and not _RATE_HZ[0] <= clip.fps <= _RATE_HZ[1]:
        yield Problem("times", f"{clip.fps:g} frames a second")
    assert clip.frame_index is not None
    jumps = np.diff(clip.frame_index)
    if len(jumps) and jumps.min() < 1:
        yield Problem("times", "the frame numbers of the poses do not increase")
    elif len(jumps) and jumps.max() > max(1, int(np.median(jumps))):
        gap = int(np.argmax(jumps))
        yield Problem(
            "missing", f"{int((jumps - np.median(jumps)).sum())} frames have no pose, "
            f"the first ones after frame {int(clip.frame_index[gap])}",
        )  # fmt: skip
    if clip.t_s is None or len(clip) < 2:
        return
    if not np.isfinite(clip.t_s).all():
        yield Problem(
            "times", f"{_frames(np.asarray(~np.isfinite(clip.t_s)))}: the time is not finite"
        )
        return
    steps = np.diff(clip.t_s)
    if steps.min() <= 0:
        stuck = np.append(False, steps <= 0)
        yield Problem("times", f"{_frames(stuck)}: time stands still or runs back")
    elif steps.max() > 2.5 * np.median(steps):
        gaps = np.append(steps > 2.5 * np.median(steps), False)
        yield Problem(
            "missing", f"{_frames(gaps)}: a gap follows, of "
            f"up to {steps.max():.3g} s where {np.median(steps):.3g} s are usual",
        )  # fmt: skip


def _camera(clip: Posed) -> Iterator[Problem]:
    if clip.intrinsics is None:
        return
    values = clip.intrinsics
    bad = np.asarray(~(np.isfinite(values).all(axis=1) & (values[:, :2] > 0).all(axis=1)))
    if bad.any():
        yield Problem("intrinsics", f"{_frames(bad)}: fx, fy, cx, cy are {values[bad][0].tolist()}")
        return
    try:
        values = np.median(clip.intrinsics_px(), axis=0)
        width, height = clip.size()
    except (ValueError, OSError):
        return
    angle = fov_deg(width, values[0])
    if not _FOV_DEG[0] < angle < _FOV_DEG[1]:
        yield Problem("intrinsics", f"a horizontal field of view of {angle:.1f} degrees")
    if not (0 <= values[2] <= width and 0 <= values[3] <= height):
        at = f"({values[2]:.4g}, {values[3]:.4g})"
        yield Problem("intrinsics", f"the principal point {at} lies outside {width}x{height}")


def _pictures(clip: Posed) -> Iterator[Problem]:
    if clip.rgb is None:
        return
    try:
        source = clip.pictures()
        sizes = _sizes(source)
        if len(sizes) > 1:
            listed = ", ".join(f"{w}x{h}" for w, h in sorted(sizes))
            yield Problem("resolution", f"the pictures have different sizes: {listed}")
        looked = sorted({0, len(source) // 2, len(source) - 1})
        shapes = [next(iter(source.frames(at, at + 1))).shape for at in looked]
        height, width = shapes[0][:2]
    except (ValueError, OSError, StopIteration, cv2.error) as error:
        yield Problem("unreadable", f"the pictures cannot be read: {error or 'they end early'}")
        return
    if clip.size_px is not None and clip.size_px != (width, height):
        declared = "x".join(map(str, clip.size_px))
        yield Problem("resolution", f"the pictures are {width}x{height}, the file says {declared}")


def _sizes(source: object) -> set[tuple[int, int]]:
    """Sizes of single images, from their headers; empty for a video, which has one."""
    if isinstance(source, Chosen):
        source = source.pictures
    if not isinstance(source, Images):
        return set()
    sizes = set()
    for file in source.files:
        try:
            with Image.open(file) as image:
                sizes.add(image.size)
        except (OSError, UnidentifiedImageError) as error:
            raise ValueError(f"image {file}: it cannot be decoded or is not there") from error
    return sizes


def _lacks(clip: Posed) -> Iterator[Problem]:
    return (Problem("missing", sentence) for sentence in clip.lacks)


def _depth(clip: Posed) -> Iterator[Problem]:
    if clip.depth is None:
        return
    try:
        if len(clip.depth) != len(clip):
            yield Problem("missing", f"{len(clip.depth)} depth frames for {len(clip)} poses")
        at = min(len(clip.depth), len(clip)) // 2
        frame = next(iter(clip.depth.frames_m(at, at + 1)))
    except (ValueError, OSError, StopIteration, cv2.error) as error:
        yield Problem("unreadable", f"the depth cannot be read: {error or 'it ends early'}")
        return
    known = frame[np.isfinite(frame)]
    if np.isnan(frame).any() or (known < 0).any():
        yield Problem("unreadable", f"the depth of frame {at} holds NaN or negative distances")
    elif not len(known):
        yield Problem("missing", f"the depth of frame {at} is empty: nothing is anywhere")


def _sides(clip: Posed) -> Iterator[Problem]:
    found = sides(clip)
    if found is not None and found.swapped:
        yield Problem(
            "mirrored", "left and right of the action labels are swapped against the poses: "
            f"they agree on {100 * found.agreement:.0f} % of {found.rows} moves",
        )  # fmt: skip


def _frames(bad: np.ndarray) -> str:
    """Which frames, in words."""
    places = np.flatnonzero(bad)
    if len(places) == 1:
        return f"frame {places[0]}"
    return f"{len(places)} frames from {places[0]} to {places[-1]}"
