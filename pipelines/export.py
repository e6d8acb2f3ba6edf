"""`relickit export`: a dataset's clips, or anything that we can read, in other people's formats.

OUT holds what the format wants (see `capture.formats` and docs/other-formats.md), and export.json:
the format, its conventions in a line, and which clips it is of. A clip that is there is skipped,
so the same command continues; what concerns all clips is written last.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capture import files, formats
from capture.episode import Episode
from capture.formats import Format, Posed, Slot, episodes
from pipelines.console import bar, say, sentence
from shards import jobs

MARK = "export.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class _Item:
    """A clip that is to be written; it is read when its turn comes, and not kept.

    Attributes:
        name: Of the clip.
        num_frames: Its poses.
        record: Reads it.
    """

    name: str
    num_frames: int
    record: Callable[[], Posed]


def export(source: Path, to: str, out: Path, *, whole: bool = False) -> int:
    """Write every clip of a dataset in another format.

    Args:
        source: A dataset of ours, or a folder in any format that we read.
        to: Name of a format that we write.
        out: Where to; made if it is not there.
        whole: Whole episodes instead of the clips that curation kept.

    Returns:
        How many clips are there now.

    Raises:
        ValueError: If the format is not known or not written, there is nothing to export, the
            folder holds another export, or clips could not be written (the others are).
    """
    format = formats.find(to)
    if format.write is None:
        written = ", ".join(f.name for f in formats.FORMATS.values() if f.write)
        raise ValueError(f"{to} is read, not written; --to is one of {written}")
    items = _items(source, whole=whole)
    _claim(out, format, items)
    failures = _write(format, items, out)
    if failures:
        raise ValueError(f"Export: {len(failures)} of {len(items)} clips failed: {failures[0]}")
    format.finish(out, [item.name for item in items])
    say(f"Export: {len(items)} clips in {out} ({format.title})")
    return len(items)


def _write(format: Format, items: Sequence[_Item], out: Path) -> list[str]:
    """Write what is not there yet; returns a sentence for every clip that could not be."""
    assert format.write is not None
    failures, first_frame = [], 0
    with bar("Export", len(items), "clips") as progress:
        for number, item in enumerate(items):
            slot = Slot(number=number, first_frame=first_frame)
            first_frame += item.num_frames
            if not (out / format.mark(item.name, slot)).exists():
                try:
                    format.write(item.record(), out, slot)
                except ValueError as error:
                    failures.append(f"{item.name}: {sentence(error)}")
            progress.update(number + 1)
    return failures


def _items(source: Path, *, whole: bool) -> list[_Item]:
    ours = (source / "clips.parquet").is_file() and not whole
    items = _kept(source) if ours else _read(source)
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{source} has two clips that would both be named {twice!r}")
    return items


def _kept(source: Path) -> list[_Item]:
    """The clips of a dataset of ours that curation kept."""
    items = [
        _Item(
            name=clip.clip_id,
            num_frames=clip.stop - clip.start,
            record=functools.partial(_record, source / "episodes" / clip.plan_id, clip),
        )
        for clip in jobs.kept_clips(source)
    ]
    if not items:
        raise ValueError(f"{source / 'clips.parquet'} keeps no clip; nothing to export")
    return items


def _record(episode: Path, clip: jobs.ClipRow) -> Posed:
    return episodes.posed(
        Episode.load(episode), clip.start, clip.stop, name=clip.clip_id, caption=clip.caption
    )


def _read(source: Path) -> list[_Item]:
    """Everything at a path; each is looked at once for its name and length."""
    clips, items = formats.read(source), []
    with bar("Read", len(clips), "clips") as progress:
        for index, record in enumerate(clips):
            load = functools.partial(clips.__getitem__, index)
            items.append(_Item(name=record.name, num_frames=len(record), record=load))
            progress.update(index + 1)
    return items


def _sweep(out: Path, names: set[str]) -> None:
    """Remove what a killed export left; finished clips' own folders hold no such thing."""
    for folder, inside, _ in os.walk(out):
        inside[:] = [name for name in inside if name not in names]
        files.sweep(Path(folder))


def _claim(out: Path, format: Format, items: Sequence[_Item]) -> None:
    """Mark the folder as this export's, or check that it is."""
    wanted = {
        "schema": SCHEMA,
        "format": format.name,
        "conventions": format.title,
        "clips": len(items),
        "clips_sha256": hashlib.sha256(
            "\n".join(f"{item.name} {item.num_frames}" for item in items).encode()
        ).hexdigest(),
    }
    mark = out / MARK
    if mark.is_file():
        if files.read_json(mark) != wanted:
            raise ValueError(
                f"{out} holds an export of another format or of other clips (see {MARK}); "
                "choose another folder with -o, or delete this one"
            )
        _sweep(out, {item.name for item in items})
        return
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty and no export of ours; choose another folder with -o")
    files.write_json(mark, wanted)
