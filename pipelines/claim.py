"""export.json: which clips a folder holds an export of, so that another export is refused.

It says the format, its conventions in a line, the options, and of every clip what it was made of: a
clip that is there is skipped only while its source is what it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from capture import config, files
from capture.formats import Format, Posed, Slot
from capture.formats.adopt import Given
from capture.formats.pixels import Member

MARK = "export.json"
SCHEMA = 2
_DIGITS = 16
_ADVICE = "choose another folder with -o, or delete this one"


@dataclass(frozen=True, slots=True)
class Item:
    """A clip that is to be written; it is read when its turn comes, and not kept.

    Attributes:
        place: Among the clips of the source, from 0.
        name: Of the clip.
        num_frames: Its poses.
        digest: Of what it is made of; empty where nobody can tell.
        record: Reads it.
    """

    place: int
    name: str
    num_frames: int
    digest: str
    record: Callable[[], Posed]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What is to be in a folder.

    Attributes:
        format: The clips' format there.
        given: What is taken where the source leaves something open.
        items: The clips, in order.
        unread: Places of those that could not be read.
    """

    format: Format
    given: Given
    items: Sequence[Item]
    unread: Sequence[int] = ()

    def make(self, out: Path) -> None:
        """Mark the folder as this export's, or check that it is.

        Raises:
            ValueError: If it holds something else, or a clip that was made of something else.
        """
        mark, before = out / MARK, {}
        if mark.is_file():
            said = files.read_json(mark, _ADVICE)
            before = said.pop("digests", {})
            self._require_same(out, said)
            self._require_unchanged(out, before)
            _sweep(out, {item.name for item in self.items})
        elif out.is_dir() and any(out.iterdir()):
            raise ValueError(
                f"{out} is not empty and no export of ours; choose another folder with -o"
            )
        digests = {item.name: item.digest or before.get(item.name, "") for item in self.items}
        files.write_json(mark, {**self._facts(), "digests": digests})

    def _require_same(self, out: Path, said: dict) -> None:
        missed = set(said.get("unread", ()))
        # What could not be read then may be readable now.
        before = [item for item in self.items if item.place not in missed]
        facts = dataclasses.replace(self, items=before, unread=sorted(missed))._facts()
        given = said.get("given")
        if {**said, "given": facts["given"]} != facts:
            raise ValueError(
                f"{out} holds an export of another format or of other clips (see {MARK}); {_ADVICE}"
            )
        if given != facts["given"]:
            raise ValueError(
                f"{out} holds an export of these clips with other options (`given` in {MARK}: "
                f"{json.dumps(given)}); give the same ones, {_ADVICE}"
            )

    def _require_unchanged(self, out: Path, digests: dict[str, str]) -> None:
        for item, slot in slots(self.items):
            is_there = (out / self.format.mark(item.name, slot)).exists()
            if is_there and item.digest and digests.get(item.name) != item.digest:
                raise ValueError(
                    f"{out} holds {item.name} as it was before: its caption, poses or pictures "
                    f"are others now; {_ADVICE}"
                )

    def _facts(self) -> dict:
        """What export.json says, without the clips' digests."""
        listed = "\n".join(f"{item.name} {item.num_frames}" for item in self.items)
        return {
            "schema": SCHEMA,
            "format": self.format.name,
            "conventions": self.format.title,
            "given": config.to_json(self.given),
            "clips": len(self.items),
            "clips_sha256": hashlib.sha256(listed.encode()).hexdigest(),
            **({"unread": list(self.unread)} if self.unread else {}),
        }


def slots(items: Iterable[Item]) -> Iterator[tuple[Item, Slot]]:
    """Each clip, and where it stands among all."""
    first_frame = 0
    for number, item in enumerate(items):
        yield item, Slot(number=number, first_frame=first_frame)
        first_frame += item.num_frames


def release(out: Path) -> None:
    """Take export.json, and empty folders, out of a folder that holds nothing else."""
    inside = sorted(out.rglob("*"), reverse=True)
    if all(path.is_dir() or path == out / MARK for path in inside):
        for path in inside:
            path.rmdir() if path.is_dir() else path.unlink()


def digest(record: Posed) -> str:
    """Of a clip as it was read: caption, poses, times, camera; size and time of its pictures."""
    numbers = (record.cam_to_world, record.t_s, record.frame_index, record.intrinsics)
    found = [file.stat() for file in _files((record.rgb, record.depth)) if file.exists()]
    facts = (record.caption, record.fps, record.size_px, record.intrinsics_unit)
    made_of = hashlib.sha256(repr((facts, [(s.st_size, s.st_mtime_ns) for s in found])).encode())
    for array in numbers:
        made_of.update(b"-" if array is None else array.tobytes())
    return made_of.hexdigest()[:_DIGITS]


def digest_of(*facts: object) -> str:
    """Of plain values, such as a row of clips.parquet and its episode's SHA-256."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:_DIGITS]


def _files(of: object) -> Iterator[Path]:
    """Every file that pictures or depth are made of, whatever their kind."""
    if isinstance(of, Member):
        yield of.tar
    elif isinstance(of, Path):
        yield of
    elif isinstance(of, tuple):
        for part in of:
            yield from _files(part)
    elif dataclasses.is_dataclass(of):
        for field in dataclasses.fields(of):
            yield from _files(getattr(of, field.name))


def _sweep(out: Path, names: set[str]) -> None:
    """Remove what a killed export left; finished clips' own folders hold no such thing."""
    for folder, inside, _ in os.walk(out):
        inside[:] = [name for name in inside if name not in names]
        files.sweep(Path(folder))
