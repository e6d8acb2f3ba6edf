"""`relickit export`: a dataset's clips, or anything that we can read, in other people's formats.

OUT holds what the format wants (see `capture.formats` and docs/other-formats.md), and export.json:
the format, its conventions in a line, and which clips it is of. A clip that is there is skipped,
so the same command continues; what concerns all clips is written last.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capture import files, formats
from capture.episode import Episode
from capture.formats import Format, LeftOut, Posed, Slot, episodes
from pipelines.console import bar, is_disk_full, say, sentence
from shards import jobs

MARK = "export.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class _Item:
    """A clip that is to be written; it is read when its turn comes, and not kept.

    Attributes:
        place: Among the clips of the source, from 0.
        name: Of the clip.
        num_frames: Its poses.
        record: Reads it.
    """

    place: int
    name: str
    num_frames: int
    record: Callable[[], Posed]


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of the clips.

    Attributes:
        written: Names of all that are there now.
        left_out: How many the format has no place for, by its reason.
        failed: A sentence for each that could not be read or written.
    """

    written: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def export(
    source: Path, to: str, out: Path, *, whole: bool = False, format: str | None = None
) -> int:
    """Write every clip of a dataset in another format.

    A clip that cannot be read or written does not stop the others. Where clips are known by their
    number, the files that concern all of them wait for it.

    Args:
        source: A dataset of ours, or a folder in any format that we read.
        to: Name of a format that we write.
        out: Where to; made if it is not there.
        whole: Whole episodes instead of the clips that curation kept.
        format: Name of the source's format; recognised by default.

    Returns:
        How many clips are there now.

    Raises:
        ValueError: If the format is not known or not written, there is nothing to export, the
            format has a place for no clip, the folder holds another export, or clips could not be
            read or written (the others are); each of those is said in a line of its own.
    """
    target = _target(to)
    ours = (source / "clips.parquet").is_file() and not whole and format is None
    items, unread = (_kept(source), {}) if ours else _read(source, format)
    _require_distinct(source, items)
    failed, count, result = list(unread.values()), len(items) + len(unread), _Result()
    if items and not (target.numbered and unread):
        _claim(out, target, items, sorted(unread))
        result = _write(target, items, out)
        failed += result.failed
        if result.written and not (target.numbered and failed):
            target.finish(out, result.written)
    for line in failed:
        say(line)
    for reason, left in result.left_out.items():
        say(f"Export: {left} of {count} clips have no place in {target.name}: {reason}")
    if failed:
        raise ValueError(_told(len(failed), count, target, out))
    if not result.written:
        raise ValueError(f"Export: no clip of {source} has a place in {target.name}, see above")
    say(f"Export: {len(result.written)} clips in {out} ({target.title})")
    return len(result.written)


def _told(failed: int, count: int, target: Format, out: Path) -> str:
    """What became of the others."""
    others = ""
    if failed < count and (out / MARK).is_file():
        index = f", without the index, since {target.name} counts its clips"
        others = f"; the others are in {out}{index if target.numbered else ''}"
    elif failed < count:
        others = f"; {target.name} counts its clips, so none is written before all can be read"
    return (
        f"Export: {failed} of {count} clips failed, see above{others}. "
        "Put them right and run the same command again"
    )


def _target(name: str) -> Format:
    """A format that is written, by its name.

    Raises:
        ValueError: If there is none of this name; lists those that there are.
    """
    written = {f.name: f for f in formats.FORMATS.values() if f.write}
    if name not in written:
        what = f"{name} is read, not written" if name in formats.FORMATS else f"no format {name!r}"
        raise ValueError(f"{what}; --to is one of {', '.join(written)}")
    return written[name]


def _write(format: Format, items: Sequence[_Item], out: Path) -> _Result:
    """Write what is not there yet."""
    assert format.write is not None
    result, first_frame = _Result(), 0
    with bar("Export", len(items), "clips") as progress:
        for number, item in enumerate(items):
            slot = Slot(number=number, first_frame=first_frame)
            first_frame += item.num_frames
            try:
                if not (out / format.mark(item.name, slot)).exists():
                    format.write(item.record(), out, slot)
                result.written.append(item.name)
            except LeftOut as reason:
                result.left_out[str(reason)] += 1
            except (ValueError, OSError) as error:
                if is_disk_full(error):
                    raise
                result.failed.append(f"  {item.name}: {sentence(error)}")
            progress.update(number + 1)
    return result


def _require_distinct(source: Path, items: Sequence[_Item]) -> None:
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{source} has two clips that would both be named {twice!r}")


def _kept(source: Path) -> list[_Item]:
    """The clips of a dataset of ours that curation kept."""
    items = [
        _Item(
            place=place,
            name=clip.clip_id,
            num_frames=clip.stop - clip.start,
            record=functools.partial(_record, source / "episodes" / clip.plan_id, clip),
        )
        for place, clip in enumerate(jobs.kept_clips(source))
    ]
    if not items:
        raise ValueError(f"{source / 'clips.parquet'} keeps no clip; nothing to export")
    return items


def _record(path: Path, clip: jobs.ClipRow) -> Posed:
    episode = Episode.load(path)
    episode.require_intact("rgb.mp4", "frames.parquet")
    return episodes.posed(episode, clip.start, clip.stop, name=clip.clip_id, caption=clip.caption)


def _read(source: Path, format: str | None) -> tuple[list[_Item], dict[int, str]]:
    """Everything at a path, looked at once for name and length; for what cannot be, a sentence."""
    clips, items, unread = formats.read(source, format), [], {}
    with bar("Read", len(clips), "clips") as progress:
        for index in range(len(clips)):
            load = functools.partial(clips.__getitem__, index)
            try:
                record = load()
                items.append(
                    _Item(place=index, name=record.name, num_frames=len(record), record=load)
                )
            except (ValueError, OSError) as error:
                unread[index] = f"  clip {index}: {sentence(error)}"
            progress.update(index + 1)
    return items, unread


def _sweep(out: Path, names: set[str]) -> None:
    """Remove what a killed export left; finished clips' own folders hold no such thing."""
    for folder, inside, _ in os.walk(out):
        inside[:] = [name for name in inside if name not in names]
        files.sweep(Path(folder))


def _claim(out: Path, format: Format, items: Sequence[_Item], unread: Sequence[int]) -> None:
    """Mark the folder as this export's, or check that it is."""
    mark, wanted = out / MARK, _marked(format, items, unread)
    if mark.is_file():
        said = files.read_json(mark)
        missed = set(said.get("unread", ()))
        # What could not be read then may be readable now.
        before = [item for item in items if item.place not in missed]
        if said != _marked(format, before, sorted(missed)):
            raise ValueError(
                f"{out} holds an export of another format or of other clips (see {MARK}); "
                "choose another folder with -o, or delete this one"
            )
        _sweep(out, {item.name for item in items})
    elif out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty and no export of ours; choose another folder with -o")
    files.write_json(mark, wanted)


def _marked(format: Format, items: Sequence[_Item], unread: Sequence[int]) -> dict:
    """What export.json says."""
    listed = "\n".join(f"{item.name} {item.num_frames}" for item in items)
    return {
        "schema": SCHEMA,
        "format": format.name,
        "conventions": format.title,
        "clips": len(items),
        "clips_sha256": hashlib.sha256(listed.encode()).hexdigest(),
        **({"unread": list(unread)} if unread else {}),
    }
