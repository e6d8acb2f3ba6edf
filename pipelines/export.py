"""`relickit export`: a dataset's clips, or anything that we can read, in other people's formats.

OUT holds what the format wants (see `capture.formats` and docs/other-formats.md), and export.json
(`pipelines.claim`). A clip that is there is skipped, so the same command continues; what concerns
all clips is written last.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capture import formats
from capture.episode import Episode
from capture.formats import Clips, Format, LeftOut, Posed, episodes
from capture.formats.adopt import Given, assumed, settled
from pipelines.claim import MARK, Claim, Item, digest, digest_of, release, slots
from pipelines.console import bar, is_disk_full, say, say_notes, sentence
from shards import jobs


@dataclass(frozen=True, slots=True)
class _Found:
    """What a source holds, in the order of its clips.

    Attributes:
        items: What can be read.
        unread: A sentence for each that cannot, by its place.
        assumed: What is taken because the source leaves it open, a sentence each.
        notes: What was not taken of it, a sentence each.
    """

    items: list[Item] = field(default_factory=list)
    unread: dict[int, str] = field(default_factory=dict)
    assumed: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


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
    source: Path,
    to: str,
    out: Path,
    *,
    whole: bool = False,
    format: str | None = None,
    given: Given | None = None,
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
        given: What to take where the source leaves something open.

    Returns:
        How many clips are there now.

    Raises:
        ValueError: If the format is not known or not written, there is nothing to export, the
            format has a place for no clip, the folder holds another export, or clips could not be
            read or written (the others are); each of those is said in a line of its own.
    """
    target, given = _target(to), given or Given()
    ours = (source / "clips.parquet").is_file() and not whole and format is None
    found = _kept(source, given) if ours else _read(formats.read(source, format), given)
    _require_distinct(source, found.items)
    failed, count, result = list(found.unread.values()), len(found.items) + len(found.unread), None
    if found.items and not (target.numbered and found.unread):
        claim = Claim(format=target, given=given, items=found.items, unread=sorted(found.unread))
        result = _written(claim, out)
        failed += result.failed
    for line in found.assumed:
        say(f"Export: {line}")
    say_notes(found.notes, f"`relickit audit {source}` lists them")
    for line in failed:
        say(line)
    for reason, left in (result.left_out if result else {}).items():
        say(f"Export: {left} of {count} clips have no place in {target.name}: {reason}")
    if failed:
        raise ValueError(_told(len(failed), count, target, out))
    if not result or not result.written:
        raise ValueError(f"Export: no clip of {source} has a place in {target.name}, see above")
    say(f"Export: {len(result.written)} clips in {out} ({target.title})")
    return len(result.written)


def _written(claim: Claim, out: Path) -> _Result:
    """All clips, and what concerns them all; an export without a clip leaves no mark."""
    claim.make(out)
    result = _write(claim.format, claim.items, out)
    if not result.written:
        release(out)
    elif not (claim.format.numbered and result.failed):
        claim.format.finish(out, result.written)
    return result


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


def _write(format: Format, items: Sequence[Item], out: Path) -> _Result:
    """Write what is not there yet."""
    assert format.write is not None
    result = _Result()
    with bar("Export", len(items), "clips") as progress:
        for item, slot in slots(items):
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
            progress.update(slot.number + 1)
    return result


def _require_distinct(source: Path, items: Sequence[Item]) -> None:
    names = Counter(item.name for item in items)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"{source} has two clips that would both be named {twice[0]!r}")


def _kept(source: Path, given: Given) -> _Found:
    """The clips of a dataset of ours that curation kept."""
    items = [
        Item(
            place=place,
            name=clip.clip_id,
            num_frames=clip.stop - clip.start,
            digest=_made_of(source, clip),
            record=functools.partial(_record, source / "episodes" / clip.plan_id, clip, given),
        )
        for place, clip in enumerate(jobs.kept_clips(source))
    ]
    if not items:
        raise ValueError(f"{source / 'clips.parquet'} keeps no clip; nothing to export")
    return _Found(items=items)


def _made_of(source: Path, clip: jobs.ClipRow) -> str:
    """A clip's digest; empty without its episode, as the clip will say when it is read."""
    try:
        return digest_of(clip.start, clip.caption, jobs.episode_sha256(source, clip.plan_id))
    except ValueError:
        return ""


def _record(path: Path, clip: jobs.ClipRow, given: Given) -> Posed:
    episode = Episode.load(path)
    episode.require_intact("rgb.mp4", "frames.parquet")
    name, caption = clip.clip_id, clip.caption
    record = episodes.posed(episode, clip.start, clip.stop, name=name, caption=caption)
    return record if given == Given() else settled(record, given)


def _read(clips: Clips, given: Given) -> _Found:
    """Everything at a path, looked at once, without its pictures."""
    found = _Found()
    with bar("Read", len(clips), "clips") as progress:
        for index in range(len(clips)):
            try:
                record = clips[index]
            except (ValueError, OSError) as error:
                found.unread[index] = f"  clip {index}: {sentence(error)}"
            else:
                found.items.append(
                    Item(
                        place=index,
                        name=record.name,
                        num_frames=len(record),
                        digest=digest(record),
                        record=functools.partial(_settled, clips, index, given),
                    )
                )
                found.notes.extend((*record.notes, *(record.lacks if record.rgb else ())))
                if line := assumed(record, given):
                    found.assumed[line] = None
            progress.update(index + 1)
    return found


def _settled(clips: Clips, index: int, given: Given) -> Posed:
    return settled(clips[index], given)
