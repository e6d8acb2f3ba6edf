"""`relickit trajectory EST REF`: two files of poses brought together, and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from capture import formats
from capture.formats import Posed
from capture.trajectory import Trajectory
from curation import alignment
from curation.alignment import Alignment

_SHOWN = ("rmse", "mean", "median", "std", "min", "max")


def compare(
    estimate: Path,
    reference: Path,
    *,
    align: Alignment = "se3",
    delta: float = 1.0,
    unit: Literal["frames", "m"] = "frames",
    all_pairs: bool = False,
    apart_s: float = 0.02,
    format: str | None = None,
) -> dict:
    """ATE and RPE of every clip that both hold, ready for JSON.

    Of several clips, those that cannot be read or compared are sentences in `failed`.

    Clips belong together by name; two files of one clip each need no equal names. Poses belong
    together by their times, or by their order where the formats hold no times and the lengths are
    equal. RPE is measured after the estimate was scaled as for ATE.

    Raises:
        ValueError: If the files hold no clip in common, or one alone that cannot be compared.
    """
    (mine, unread), (theirs, unknown) = _read(estimate, format), _read(reference, format)
    partners, clips, failed = _partners(mine, theirs), {}, [*unread, *unknown]
    for one, other in partners:
        try:
            clips[one.name] = _errors(
                *_common(one, other, apart_s), name=one.name, align=align, delta=delta, unit=unit,
                all_pairs=all_pairs,
            )  # fmt: skip
        except ValueError as error:
            if len(partners) == 1 and not failed:
                raise
            failed.append(str(error))
    return {
        "align": align,
        "delta": delta,
        "delta_unit": unit,
        "all_pairs": all_pairs,
        "clips": clips,
        "failed": failed,
    }


def lines(found: dict) -> Iterator[str]:
    """The same as a table of text."""
    for name, said in found["clips"].items():
        how = f"aligned by {found['align']}, scale {said['scale']:.6g}"
        yield f"{name}: {said['poses']} poses, {how}"
        yield f"{'':16}" + "".join(f"{column:>12}" for column in _SHOWN)
        step = f"{found['delta']:g} {found['delta_unit']}"
        for kind, title in (("ate", "ATE"), ("rpe", f"RPE {step}")):
            for unit in ("m", "deg"):
                values = said[kind][unit]
                yield f"{title + ', ' + unit:16}" + "".join(f"{values[n]:12.6g}" for n in _SHOWN)
    yield from found["failed"]


def _read(path: Path, format: str | None) -> tuple[list[Posed], list[str]]:
    """Every clip at a path, and a sentence for each that cannot be read.

    Raises:
        ValueError: If none can.
    """
    clips, found, failed = formats.read(path, format), [], []
    for index in range(len(clips)):
        try:
            found.append(clips[index])
        except (ValueError, OSError) as error:
            failed.append(f"{path}, clip {index}: {error}")
    if not found:
        raise ValueError(failed[0])
    return found, failed


def _partners(mine: list[Posed], theirs: list[Posed]) -> list[tuple[Posed, Posed]]:
    if len(mine) == len(theirs) == 1:
        return [(mine[0], theirs[0])]
    named = {clip.name: clip for clip in theirs}
    found = [(clip, named[clip.name]) for clip in mine if clip.name in named]
    if not found:
        raise ValueError(
            f"the estimate holds {', '.join(c.name for c in mine[:3])} ..., the reference "
            f"{', '.join(c.name for c in theirs[:3])} ...; no clip is in both"
        )
    return found


def _common(mine: Posed, theirs: Posed, apart_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The poses that belong together."""
    times = [clip.t_s for clip in (mine, theirs)]
    for clip in (mine, theirs):
        try:
            Trajectory.uniform(clip.cam_to_world, 1.0)  # refuses what is no path
        except ValueError as error:
            raise ValueError(f"{clip.name}: {error}") from error
    if times[0] is not None and times[1] is not None:
        pairs = alignment.associate(times[0], times[1], apart_s)
        if len(pairs) < 3:
            raise ValueError(
                f"{mine.name}: only {len(pairs)} poses are within {apart_s:g} s of one of "
                f"{theirs.name}; give a larger --apart-s, or check the clocks"
            )
        return mine.cam_to_world[pairs[:, 0]], theirs.cam_to_world[pairs[:, 1]]
    if len(mine) != len(theirs):
        raise ValueError(
            f"{mine.name} has {len(mine)} poses and {theirs.name} {len(theirs)}, and there are no "
            "times to tell which belong together"
        )
    return mine.cam_to_world, theirs.cam_to_world


def _errors(
    estimate: np.ndarray,
    reference: np.ndarray,
    *,
    name: str,
    align: Alignment,
    delta: float,
    unit: Literal["frames", "m"],
    all_pairs: bool,
) -> dict:
    try:
        apart, turned, motion = alignment.ate(estimate, reference, align)
        steps = alignment.rpe(motion(estimate), reference, delta, unit, overlapping=all_pairs)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return {
        "poses": len(estimate),
        "scale": motion.scale,
        "ate": {errors.unit: errors.to_json() for errors in (apart, turned)},
        "rpe": {errors.unit: errors.to_json() for errors in steps},
    }
