"""What stands on top of every report: what the poses mean, how late they are, in which scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES = {
    "pose": "pose",
    "axes": "axes of the camera",
    "depth": "depth",
    "unit": "unit of the positions",
    "fov_deg": "horizontal field of view, degrees",
    "lag_frames": "frames by which the poses are late",
    "mirrored": "left and right swapped",
}
_FOV_TOLERANCE_DEG = 1.0
_WORDS = {
    "c2w": "camera to world", "w2c": "world to camera", "opencv": "OpenCV axes",
    "opengl": "OpenGL axes", "unreal": "Unreal axes", "planar": "planar depth",
    "ray": "ray depth", "m": "metres", "cm": "centimetres", "mm": "millimetres",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the banner.

    Attributes:
        label: What it is.
        value: The number, as text.
        unit: Behind it, smaller.
    """

    label: str
    value: str
    unit: str = ""


def sentence(said: Mapping | None) -> str:
    """What fits, in words; empty where nothing is told."""
    if said is None:
        return ""
    words = [_WORDS[said[name]] for name in ("pose", "axes", "depth", "unit") if said[name]]
    if said["fov_deg"] is not None:
        words.append(f"{said['fov_deg']:.4g}° across")
    if said["mirrored"]:
        words.append("left and right swapped")
    return ", ".join(words)


def figures(said: Mapping | None) -> list[Figure]:
    """Lag, scale and confidence of a `convention` object; what is not told is left out."""
    if said is None:
        return []
    found = []
    if said["lag_frames"] is not None:
        unit = "frame" if abs(said["lag_frames"]) == 1 else "frames"
        found.append(Figure("poses late against the pictures", f"{said['lag_frames']}", unit))
    if said["scale"] is not None:
        found.append(Figure("a metre of the positions, by the depth", f"{said['scale']:.3f}", "m"))
    found.append(Figure("confidence in this reading", f"{100 * said['confidence']:.1f}", "%"))
    return found


def rows(said: Mapping | None) -> Sequence[dict[str, object]]:
    """The convention field by field: label, found, declared, rival, and whether they are apart."""
    if said is None:
        return ()
    declared, rival = said["declared"] or {}, said["runner_up"] or {}
    return [
        {
            "label": label,
            "found": _shown(said[field]),
            "declared": _shown(declared.get(field)),
            "rival": _shown(rival.get(field)),
            "apart": _differ(said[field], declared.get(field)),
        }
        for field, label in _NAMES.items()
    ]


def _differ(found: object, declared: object) -> bool:
    if found is None or declared is None:
        return False
    if isinstance(found, float) and isinstance(declared, int | float):
        return abs(found - declared) > _FOV_TOLERANCE_DEG
    return found != declared


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
