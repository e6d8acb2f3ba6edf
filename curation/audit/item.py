"""One clip of anybody's dataset, audited: what it is, what is wrong with it, what it means."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from capture.formats import Clips, Posed, text
from curation import convention
from curation.audit.checks import Problem, check
from curation.convention import Convention
from curation.convention.labels import sides

_SCALE_TOLERANCE = 0.05
# Names that formats give; a clip in such a file or folder is called as the folder around it.
_GIVEN = ("transforms.json", "groundtruth.txt", "action.json")


def audit_item(clips: Clips, index: int, root: Path) -> dict:
    """Everything an audit says about one clip, ready for JSON; never raises over bad data.

    Args:
        clips: Of `capture.formats.read`.
        index: Which one.
        root: The dataset; paths in sentences are given relative to it.

    Returns:
        An entry of `items` in audit.json (docs/audit.md).
    """
    place = _short(str(_place(clips.places[index])), root)
    try:
        clip = clips[index]
        found = _audited(clip)
    except Exception as error:  # hostile files raise anything
        known = isinstance(error, (ValueError, OSError))
        said = str(error) if known else f"{type(error).__name__}: {error}"
        found = _unreadable(_name(clips.places[index]), said)
    found["problems"] = [
        {"rule": p["rule"], "text": _short(p["text"], root)} for p in found["problems"]
    ]
    found["notes"] = [_short(note, root) for note in found["notes"]]
    return {"item": index, "place": place, **found}


def _audited(clip: Posed) -> dict:
    problems, seen = check(clip), convention.detect(clip)
    problems += _departures(clip, seen)
    said = seen.to_json()
    labels = sides(clip)
    if labels is not None and labels.swapped:
        said["mirrored"], said["agrees"] = True, False
    positions = clip.cam_to_world[:, :3, 3]
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    duration = _duration_s(clip)
    return {
        "name": clip.name,
        "frames": len(clip),
        "fps": _number(clip.fps),
        "duration_s": _number(duration),
        "size_px": list(clip.size_px) if clip.size_px else None,
        "path_length": _number(float(np.nansum(steps))),
        "has": {
            "pictures": clip.rgb is not None,
            "depth": clip.depth is not None,
            "intrinsics": clip.intrinsics is not None,
            "actions": clip.actions is not None,
        },
        "problems": [{"rule": p.rule, "text": p.text} for p in problems],
        "notes": list(clip.notes),
        "convention": said,
        "cannot_tell": seen.reason,
        "fit": round(seen.fit, 4),
        "scale": _number(seen.scale),
        "pictures_late": seen.pictures_late,
        "labels_agree": None if labels is None else _number(labels.agreement),
    }


def _departures(clip: Posed, seen: Convention) -> list[Problem]:
    """What the convention detector found against what is declared."""
    found, declared, problems = seen.found, seen.declared, []
    if seen.agrees is False:
        apart = [
            f"{name} is {mine}, declared {theirs}"
            for name, mine in found.to_json().items()
            if mine is not None
            and (theirs := getattr(declared, name)) is not None
            and (mine != theirs if name != "fov_deg" else abs(mine - theirs) > 1.0)  # pyright: ignore[reportOperatorIssue]
        ]
        problems.append(
            Problem("convention", f"what fits is not what is declared: {'; '.join(apart)}")
        )
    if found.lag_frames:
        side = "late" if found.lag_frames > 0 else "early"
        count = abs(found.lag_frames)
        problems.append(Problem("lag", f"the poses are {count} frame{'s' * (count > 1)} {side}"))
    if seen.pictures_late:
        side, count = "late" if seen.pictures_late > 0 else "early", abs(seen.pictures_late)
        problems.append(
            Problem(
                "lag", f"the pictures are {count} frame{'s' * (count > 1)} {side} against the depth"
            )
        )
    if found.mirrored:
        problems.append(
            Problem("mirrored", "left and right of the poses are swapped against the pictures")
        )
    if seen.scale is not None and abs(math.log(seen.scale)) > _SCALE_TOLERANCE:
        problems.append(
            Problem(
                "scale",
                f"a metre of the positions is {seen.scale:.3g} m of the depth",
            )
        )
    return problems


def _unreadable(name: str, sentence: str) -> dict:
    return {
        "name": name,
        "frames": 0,
        "fps": None,
        "duration_s": None,
        "size_px": None,
        "path_length": None,
        "has": dict.fromkeys(("pictures", "depth", "intrinsics", "actions"), False),
        "problems": [{"rule": "unreadable", "text": sentence}],
        "notes": [],
        "convention": None,
        "cannot_tell": "the clip cannot be read",
        "fit": 0.0,
        "scale": None,
        "pictures_late": None,
        "labels_agree": None,
    }


def _place(place: object) -> object:
    """Where a clip lies, as a reader knows it, in words: a path, or a path and a name in it."""
    if isinstance(place, tuple):
        return " ".join(str(part) for part in place if isinstance(part, (str, Path)))
    if isinstance(place, dict):
        return f"episode {place.get('episode_index')}"
    return place


def _name(place: object) -> str:
    """What a clip is called that cannot be read: as its reader would call it."""
    if not isinstance(place, Path):
        return Path(str(_place(place))).name or "clip"
    at = place.resolve()
    if at.match("sparse/0"):  # COLMAP's
        at = at.parent.parent
    elif at.name in _GIVEN:
        at = at.parent
    return text.plain_name(at.stem if at.is_file() else at.name)


def _short(sentence: str, root: Path) -> str:
    """A sentence without the dataset's own path in front of its files, on one line."""
    for prefix in (f"{root}/", f"{root.resolve()}/"):
        sentence = sentence.replace(prefix, "")
    return " ".join(sentence.split())


def _duration_s(clip: Posed) -> float | None:
    if clip.t_s is not None and np.isfinite(clip.t_s).all():
        return float(clip.t_s[-1] - clip.t_s[0])
    return (len(clip) - 1) / clip.fps if clip.fps else None


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.9g}")
