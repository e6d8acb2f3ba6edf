"""episode.json, written last: that an episode is whole, and what is known of it without pixels."""

from __future__ import annotations

import math
from pathlib import Path

from capture import files

NAME = "episode.json"
SCHEMA = 1
# Of an episode, beside the mark, which has the size and SHA-256 of each.
FILES = ("rgb.mp4", "depth.mkv", "mask.mkv", "frames.parquet")
_NUMBER = (int, float)
_FIELDS = {
    "plan_id": (str,),
    "generator": (str,),
    "seed": (int,),
    "fps": _NUMBER,
    "num_frames": (int,),
    "clearance_m": (*_NUMBER, type(None)),
    "step_m": _NUMBER,
    "intrinsics": (dict,),
    "scene": (dict,),
    "engine": (dict,),
    "mask_names": (list,),
    "depth": (dict,),
    "files": (dict,),
}
_FACTS = {"bytes": (int,), "sha256": (str,)}


class NewerEpisode(ValueError):
    """An episode that a later version made; this one neither reads it nor writes over it."""


def again(path: Path) -> str:
    """What to do about an episode that is damaged or unfinished: one wording for all messages."""
    dataset = path.parent.parent
    return f"delete {path} and run `relickit capture {dataset}` again, or the import that made it"


def read(path: Path) -> dict:
    """The content of an episode's mark, every field of the kind that it should be.

    Args:
        path: The episode's folder.

    Raises:
        NewerEpisode: If a later version made it.
        ValueError: If it is absent or damaged.
    """
    mark, remedy = path / NAME, again(path)
    if not mark.is_file():
        raise ValueError(f"{path} is no finished episode: it has no {NAME}; {remedy}")
    info = files.read_json(mark, remedy)
    schema = info.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerEpisode(f"{mark} is of schema {schema}, newer than {SCHEMA}; update relickit")
    if schema != SCHEMA:
        raise ValueError(f"{mark} has schema {schema}, this version reads {SCHEMA}; {remedy}")
    wrong = _wrong(info, _FIELDS)
    if not wrong:
        wrong = [f"files.{n}" for n in FILES if _wrong(info["files"].get(n), _FACTS)]
    if not wrong and not 0 < info["fps"] < math.inf:
        wrong = ["fps"]
    if wrong:
        raise ValueError(f"{mark} is damaged: {wrong[0]} is absent, or not what it was; {remedy}")
    return info


def _wrong(found: object, kinds: dict[str, tuple[type, ...]]) -> list[str]:
    """Names that are absent from an object, or of another kind there."""
    known = found if isinstance(found, dict) else {}
    return [name for name, kind in kinds.items() if type(known.get(name)) not in kind]
