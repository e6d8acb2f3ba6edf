"""The convention detector: what the poses, the depth and the camera of a clip really mean.

Users of camera datasets read camera-to-world as world-to-camera, left as right, centimetres as
metres, depth along the ray as planar depth, or get poses that are a frame late. Pictures cannot be
misread: with the right reading, a pixel that is lifted by its depth and moved by the poses lands
on a pixel of the same depth and colour. `detect` tries all readings, alone and together, and says
which one fits, how surely, and what the clip cannot tell. See docs/audit.md for the method's
confusion table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from capture.formats import Declared, Posed
from curation.convention import search, verdict, views
from curation.convention.hypothesis import METRES, Hypothesis, fov_deg
from curation.convention.verdict import FOV_TOLERANCE, Detection
from curation.convention.views import Views

__all__ = ["Convention", "Reading", "detect"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A reading in the words of the report; None is what cannot be told, or is not declared.

    Attributes:
        pose: "c2w" or "w2c".
        axes: Of the camera: "opencv", "opengl" or "unreal".
        depth: "planar" or "ray".
        unit: Of the positions in the file, against the depth: "m", "cm" or "mm".
        fov_deg: Horizontal field of view.
        lag_frames: Frames by which the poses are late: picture t fits the pose of t + lag.
        mirrored: Whether left and right of the poses are swapped.
    """

    pose: str | None = None
    axes: str | None = None
    depth: str | None = None
    unit: str | None = None
    fov_deg: float | None = None
    lag_frames: int | None = None
    mirrored: bool | None = None

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = ("pose", "axes", "depth", "unit", "fov_deg", "lag_frames", "mirrored")


@dataclass(frozen=True, kw_only=True, slots=True)
class Convention:
    """What fits the numbers in a file, beside what its format declares.

    Attributes:
        found: What fits.
        declared: What the format, and the file, say.
        confidence: In [0, 1]; below 0.8 nothing is told.
        agrees: Whether all that is told is as declared; None where nothing is told.
        runner_up: The nearest other reading.
        scale: Metres of one declared metre of the positions, against the depth; None without depth
            or where it cannot be told.
        pictures_late: Frames by which the pictures are late against the depth; None where that
            cannot be told.
        fit: How well `found` fits, in [0, 1].
        reason: Why something cannot be told, in a sentence; empty otherwise.
    """

    found: Reading
    declared: Reading
    confidence: float = 0.0
    agrees: bool | None = None
    runner_up: Reading | None = None
    scale: float | None = None
    pictures_late: int | None = None
    fit: float = 0.0
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """The `convention` object of audit.json."""
        return {
            **self.found.to_json(),
            "confidence": round(self.confidence, 4),
            "runner_up": self.runner_up.to_json() if self.runner_up else None,
            "declared": self.declared.to_json(),
            "agrees": self.agrees,
        }


def detect(clip: Posed) -> Convention:
    """Which reading of a clip's numbers fits its pictures and its depth.

    Args:
        clip: As a reader of `capture.formats` gives it.

    Returns:
        The verdict; where nothing can be said, `reason` tells why. Never raises over bad data.
    """
    try:
        taken = views.sample(clip)
    except ValueError as error:
        return _unknown(clip.declared, str(error))
    return detect_in(taken, clip.declared)


def detect_in(taken: Views, declared: Declared) -> Convention:
    """The same for frames that have been read."""
    has_depth, has_colour = taken.depth_m is not None, taken.luma is not None
    stated = _stated(declared, taken)
    if not has_depth and not has_colour:
        return _unknown(declared, "there are neither pictures nor depth")
    pairs = views.pairs(taken)
    if not len(pairs):
        return Convention(
            found=Reading(), declared=stated, reason="the pictures hardly move, or jump throughout"
        )
    base_m = METRES[declared.unit] if declared.unit else 1.0
    units = [length / base_m for length in METRES.values()] if has_depth else [1.0]
    assumed = Hypothesis(
        pose=declared.pose, axes=declared.axes, depth=declared.depth or "planar", metres=1.0
    )
    best, others, evidence = search.search(taken, pairs, assumed, units)
    if not len(evidence.pairs):
        return Convention(
            found=Reading(), declared=stated, reason="the pictures have too few features to match"
        )
    said = verdict.decide(best, others, assumed, units, evidence, fov_known=taken.camera_known)
    out = _convention(said, stated, taken, base_m)
    if said.reading is None:
        return out
    late = verdict.pictures_late(taken, said.reading, evidence.pairs)
    return replace(out, pictures_late=late)


def _convention(said: Detection, stated: Reading, taken: Views, base_m: float) -> Convention:
    rival = said.runner_up and _reading(said.runner_up, taken, base_m)
    if said.reading is None:
        return Convention(
            found=Reading(),
            declared=stated,
            confidence=said.confidence,
            runner_up=rival,
            fit=said.fit,
            reason=said.reason,
        )
    everything = _reading(said.reading, taken, base_m)
    names = {"metres": "unit", "focal": "fov_deg", "lag": "lag_frames"}
    told = {names.get(field, field) for field in said.told}
    found = Reading(**{name: getattr(everything, name) for name in _NAMES if name in told})
    # A scale that is no unit's.
    another_unit = "unit" in told and stated.unit is not None and found.unit is None
    unclear = [
        name for name in _NAMES if name not in told and getattr(everything, name) is not None
    ]
    return Convention(
        found=found,
        declared=stated,
        confidence=said.confidence,
        agrees=_agree(found, stated) and not another_unit,
        runner_up=rival,
        scale=said.reading.metres if "metres" in said.told else None,
        fit=said.fit,
        reason=f"this path cannot tell {', '.join(unclear)}" if unclear else "",
    )


def _agree(found: Reading, stated: Reading) -> bool:
    for name in _NAMES:
        one, two = getattr(found, name), getattr(stated, name)
        if one is None or two is None:
            continue
        if name == "fov_deg":
            ratio = math.tan(math.radians(one) / 2) / math.tan(math.radians(two) / 2)
            if abs(math.log(ratio)) > FOV_TOLERANCE:
                return False
        elif one != two:
            return False
    return True


def _reading(reading: Hypothesis, taken: Views, base_m: float) -> Reading:
    has_depth = taken.depth_m is not None
    angle = fov_deg(taken.camera.width_px, taken.camera.fx_px * reading.focal)
    return Reading(
        pose=reading.pose,
        axes=reading.axes,
        depth=reading.depth if has_depth else None,
        unit=verdict.unit_of(reading.metres, base_m) if has_depth else None,
        fov_deg=round(angle, 2),
        lag_frames=reading.lag,
        mirrored=reading.mirrored,
    )


def _stated(declared: Declared, taken: Views | None) -> Reading:
    angle = None
    if taken is not None and taken.camera_known:
        angle = round(fov_deg(taken.camera.width_px, taken.camera.fx_px), 2)
    return Reading(
        pose=declared.pose,
        axes=declared.axes,
        depth=declared.depth,
        unit=declared.unit,
        fov_deg=angle,
        lag_frames=0,
        mirrored=False,
    )


def _unknown(declared: Declared, reason: str) -> Convention:
    return Convention(found=Reading(), declared=_stated(declared, None), reason=reason)
