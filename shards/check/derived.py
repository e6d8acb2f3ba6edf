"""Do manifest, README.md, clips and episodes say what the tables of the shards say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from capture import files, mark
from shards import card, jobs, manifest
from shards.check.listing import Listing, in_place
from shards.check.problem import Problem, guarded
from shards.publish import derived


def check_derived(listing: Listing, *, videos: bool) -> Iterator[Problem]:
    """What a manifest or README.md says that does not follow from the tables.

    Args:
        listing: Whole.
        videos: Whether it is of videos, or else of a parallel set.
    """
    yield from guarded(listing.folder / manifest.NAME, _wrong(listing, videos))


def _wrong(listing: Listing, videos: bool) -> Iterator[Problem]:
    wanted = derived(listing.content, listing.tables, videos=videos)
    if wrong := [name for name in wanted if wanted[name] != listing.content.get(name)]:
        message = (
            f"what it says of {', '.join(wrong)} does not follow from its tables; it can be "
            "written again"
        )
        yield Problem(path=listing.folder / manifest.NAME, message=message, repairable=True)
    readme = listing.folder / card.NAME
    if videos and not card.counts(readme, wanted):
        message = (
            "is lost or does not count what the manifest does; it can be written again, without "
            "what was added by hand"
        )
        yield in_place(readme) or Problem(path=readme, message=message, repairable=True)


def check_sources(dataset: Path, listing: Listing) -> Iterator[Problem]:
    """What clips.parquet and the episodes say otherwise than shards that were made from them.

    Args:
        dataset: The dataset's folder, or the shards folder again.
        listing: Complete.
    """
    clips, parent = dataset / "clips.parquet", listing.content.get("parent", "")
    if clips.is_file():
        yield from guarded(listing.folder, _not_current(clips, listing, parent))
    elif parent and (dataset / "episodes").is_dir():
        message = "is not there, though the shards were made from it; run `relickit curate` again"
        yield Problem(path=clips, message=message)
    made_from = {
        sample.plan_id: sample.episode_sha256
        for shard in listing.shards
        for sample in shard.samples
        if sample.episode_sha256
    }
    for plan_id, sha256 in sorted(made_from.items()):
        path = dataset / "episodes" / plan_id / mark.NAME
        yield from guarded(path, _another_episode(path, sha256))


def _not_current(clips: Path, listing: Listing, parent: str) -> Iterator[Problem]:
    # Before schema 2, shards knew of no weights; nor do the files beside the tars.
    weighted = listing.whole and listing.content["schema"] > 1
    kept = {
        clip.clip_id: (clip.split, clip.caption, clip.weight if weighted else 1.0)
        for clip in jobs.kept_clips(clips.parent)
    }
    held = {
        s.key: (shard.split, s.caption, listing.weights[s.key] if weighted else 1.0)
        for shard in listing.shards
        for s in shard.samples
    }
    if kept != held:
        message = (
            f"clips.parquet changed after the shards were made ({_changes(kept, held)}); run "
            "`relickit shard` again"
        )
        yield Problem(path=listing.folder, message=message)
    elif weighted and parent != files.sha256(clips):
        message = (
            "its `parent` is not the SHA-256 of clips.parquet, which changed, though not in what "
            "the shards hold; run `relickit shard` again"
        )
        yield Problem(path=listing.folder / manifest.NAME, message=message)


def _another_episode(path: Path, sha256: str) -> Iterator[Problem]:
    if path.is_file() and files.sha256(path) != sha256:
        message = (
            "is not the one that the shards were made from: if the episode was made anew, run "
            f"`relickit shard` again, else {mark.again(path.parent)}"
        )
        yield Problem(path=path, message=message)


def _changes(kept: Mapping[str, tuple], held: Mapping[str, tuple]) -> str:
    """How many clips differ in what.

    Args:
        kept: Clip id -> split, caption and weight in clips.parquet.
        held: The same in the shards.
    """
    both = kept.keys() & held.keys()
    counts = {
        "no longer kept": len(held.keys() - both),
        "kept but missing": len(kept.keys() - both),
    }
    for i, name in enumerate(("split", "caption", "weight")):
        counts[f"with another {name}"] = sum(kept[key][i] != held[key][i] for key in both)
    return "clips " + ", ".join(f"{what}: {count}" for what, count in counts.items() if count)
