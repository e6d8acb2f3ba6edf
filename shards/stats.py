"""What a dataset holds, in numbers: episodes, clips and their verdicts, shards, parallel sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from capture import mark, parquet
from capture.actions import NAMES
from capture.scene import plans_again
from shards import encoded, jobs, manifest
from shards.schema import SPLITS

_LIST = 12  # names in a line
_TOTALS = {"shards", "samples", "frames", "seconds", "bytes", "scenes"}


def statistics(dataset: Path) -> dict:
    """All numbers, for JSON; what is not there yet is left out.

    Args:
        dataset: The dataset's folder, or its shards folder alone.

    Raises:
        ValueError: If the folder holds neither plans, episodes, clips nor shards.
    """
    shards = encoded.shards_folder(dataset)
    found: dict = {}
    if (dataset / "plans.parquet").is_file():
        plans = dataset / "plans.parquet"
        found["plans"] = len(parquet.read(plans, {"plan_id": str}, plans_again(plans)))
    if (dataset / "episodes").is_dir():
        found["episodes"] = _episodes(dataset / "episodes")
    if (dataset / "clips.parquet").is_file():
        found["clips"] = _clips(dataset)
    if (shards / manifest.NAME).is_file():
        found["shards"] = _shards(shards)
        found["sets"] = dict(one for kind in get_args(encoded.Kind) for one in _sets(shards, kind))
    if not found:
        raise ValueError(
            f"{dataset} holds nothing to count: expected plans, episodes, clips or shards"
        )
    return found


def lines(found: dict) -> Iterator[str]:
    """The same for people."""
    planned = f" of {found['plans']:,} planned" if "plans" in found else ""
    if "episodes" in found:
        e = found["episodes"]
        yield f"Episodes: {e['count']:,}{planned}, {e['frames']:,} frames, {_time(e['seconds'])}"
    elif planned:
        yield f"Plans: {found['plans']:,}"
    if "clips" in found:
        yield f"Clips: {_kept(found['clips'])}"
        if "action_shares" in found["clips"]:
            shares = found["clips"]["action_shares"]
            told = ", ".join(f"{name} {shares[name]:.1%}" for name in NAMES)
            yield f"Actions, share of frames: {told}"
    if "shards" in found:
        for split, totals in found["shards"]["splits"].items():
            yield f"Shards, {split}: {_totals(totals)}"
        known = found["shards"]
        yield f"Frames a clip (clips): {_counts(known['num_frames'])}"
        yield f"Pixels: {_counts(known['sizes_px'])}; fps: {_counts(known['fps'])}"
        yield f"Paths: {_counts(known['generators'])}"
        words = known["caption_words"]
        yield (
            f"Captions: {known['captions']:,} different, {words[0]} to {words[1]} words; weights "
            f"{known['weights'][0]:.3g} to {known['weights'][1]:.3g}, effective sample size "
            f"{known['effective_clips']:.0f}"
        )
    for name, told in found.get("sets", {}).items():
        config = ", ".join(f"{key} {value}" for key, value in told["config"].items())
        yield f"Set {name}: {_many(told['clips'], 'clip')}, {told['bytes'] / 1e6:.1f} MB; {config}"


def kept_clips(dataset: Path) -> str:
    """How many clips of a dataset were kept, and why others were not."""
    return _kept(_clips(dataset))


def packed_clips(dataset: Path) -> str:
    """Clips, frames and bytes of each split of a dataset's shards."""
    splits = _shards(encoded.shards_folder(dataset))["splits"]
    return "; ".join(f"{name}: {_totals(totals)}" for name, totals in splits.items())


def _episodes(folder: Path) -> dict:
    marks = [mark.read(path.parent) for path in folder.glob(f"*/{mark.NAME}")]
    return {
        "count": len(marks),
        "frames": sum(each["num_frames"] for each in marks),
        "seconds": round(sum(each["num_frames"] / each["fps"] for each in marks), 3),
    }


def _clips(dataset: Path) -> dict:
    columns = {"clip_id": str, "keep": bool, "reject_reasons": list}
    rows = parquet.read(dataset / "clips.parquet", columns, jobs.clips_again(dataset)).to_pylist()
    rejected = [row["reject_reasons"] for row in rows if not row["keep"]]
    reasons = Counter(reason for each in rejected for reason in each)  # a clip may have several
    kept = {row["clip_id"] for row in rows if row["keep"]}
    found = {"count": len(rows), "kept": len(kept), "rejected": _causes(dataset, reasons)}
    measured = dataset / "metrics" / "clips.parquet"
    if kept and measured.is_file():
        columns = {"clip_id": str, "action_shares": list}
        metrics = parquet.read(measured, columns, jobs.clips_again(dataset)).to_pylist()
        shares = [row["action_shares"] for row in metrics if row["clip_id"] in kept]
        if shares:
            found["action_shares"] = dict(zip(NAMES, np.mean(shares, axis=0).tolist(), strict=True))
    return found


def _causes(dataset: Path, reasons: Counter[str]) -> dict[str, int]:
    """How many clips each rule rejects, under the names of the report."""
    from curation.decide import cause, rules_of
    from curation.filters import RULES

    try:
        rules = rules_of(dataset)
    except ValueError:  # of a version that did not keep them
        rules = RULES
    counts = Counter()
    for reason, count in reasons.items():
        counts[cause(rules, reason)] += count
    return _sorted(counts)


def _shards(folder: Path) -> dict:
    content = manifest.load(folder)
    samples = manifest.load_table(folder, content, "samples")
    columns = {name: samples[name].to_pylist() for name in ("caption", "num_frames", "generator")}
    sizes = zip(samples["width_px"].to_pylist(), samples["height_px"].to_pylist(), strict=True)
    words = [len(caption.split()) for caption in columns["caption"]]
    weights = samples["weight"].to_numpy()
    return {
        "splits": _splits(folder),
        "num_frames": _sorted(Counter(columns["num_frames"])),
        "sizes_px": _sorted(Counter(f"{width}x{height}" for width, height in sizes)),
        "fps": _sorted(Counter(samples["fps"].to_pylist())),
        "generators": _sorted(Counter(columns["generator"])),
        "captions": len(set(columns["caption"])),
        "caption_words": [min(words), max(words)],
        "weights": [float(weights.min()), float(weights.max())],
        "effective_clips": float(weights.sum() ** 2 / (weights**2).sum()),
    }


def _sets(shards: Path, kind: encoded.Kind) -> Iterator[tuple[str, dict]]:
    for name, config in encoded.published_sets(shards, kind):
        splits = _splits(shards / name).values()
        clips, size = (sum(split[field] for split in splits) for field in ("samples", "bytes"))
        yield name, {"clips": clips, "bytes": size, "config": config}


def _splits(folder: Path) -> dict[str, dict]:
    """Totals by split, as a manifest tells them."""
    told = manifest.load(folder).get("splits")
    known = told if isinstance(told, dict) else {}
    found = {name: known[name] for name in SPLITS if isinstance(known.get(name), dict)}
    if len(found) < len(SPLITS) or any(_TOTALS - totals.keys() for totals in found.values()):
        path = folder / manifest.NAME
        raise ValueError(f"{path} lacks totals of the splits; run `{manifest.maker(path)}` again")
    return found


def _sorted(counts: Counter) -> dict[str, int]:
    """The most frequent first, then by name."""
    return {str(k): n for k, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}


def _counts(counts: dict[str, int]) -> str:
    told = [f"{name} ({count:,})" for name, count in counts.items()]
    more = [f"and {len(told) - _LIST} more"] if len(told) > _LIST else []
    return ", ".join([*told[:_LIST], *more])


def _kept(clips: dict) -> str:
    reasons = _counts(clips["rejected"]) if clips["rejected"] else "none"
    return f"{clips['kept']:,} of {clips['count']:,} kept; rejected for: {reasons}"


def _totals(totals: dict) -> str:
    return (
        f"{_many(totals['samples'], 'clip')} of {_many(len(totals['scenes']), 'scene')}, "
        f"{_many(totals['frames'], 'frame')}, {_time(totals['seconds'])}, "
        f"{_many(totals['shards'], 'shard')}, {totals['bytes'] / 1e6:.1f} MB"
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"
