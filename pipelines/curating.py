"""Judging a dataset: measure, cut, decide, caption. Each stage goes on where it was interrupted."""

from __future__ import annotations

import functools
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from capture.mark import again
from curation import decide, segment, split, tables
from curation.caption import registry
from curation.caption import table as captions
from curation.caption.base import Caption, Captioner
from curation.caption.registry import Options
from curation.convention import dataset as examined
from pipelines import runner
from pipelines.console import bar, say
from pipelines.dataset import Dataset


def curate(dataset: Dataset, *, length: int = segment.LENGTH, address: str | None = None) -> Path:
    """Measure every episode, cut it, judge, caption and split the clips; returns clips.parquet.

    What is measured is not measured again: after a change of rules.json or decisions.jsonl this
    takes seconds, and no cluster.

    Args:
        dataset: The dataset.
        length: Of a clip, frames: 81, 161 or 317.
        address: Of a Ray cluster.

    Raises:
        ValueError: If there are no episodes, or the length is none of a clip.
    """
    segment.stride_for(length)
    plans, damaged = [], []
    for plan in dataset.plans():
        folder = dataset.episodes / plan.id
        if dataset.is_captured(plan):
            plans.append(plan)
        elif folder.is_dir():
            damaged.append(folder)
    if damaged:
        say(f"Warning: {len(damaged)} damaged episodes are left out; {again(damaged[0])}")
    if not plans:
        raise ValueError(f"{dataset.path} has no episodes yet; run `relickit capture` first")
    todo = [p.id for p in plans if not tables.is_measured(dataset.path, p.id, length)]
    measure = functools.partial(tables.measure_episode, dataset.path, length=length)
    runner.over(measure, todo, title="Measure", unit="episodes", address=address)
    tables.merge(dataset.path)
    _examine(dataset.path)
    present = {plan.scene_id for plan in plans}
    wanted = [group.scene_id for group in dataset.recipe().scenes if group.split == "val"]
    written = decide.decide(dataset.path, val_scenes=[s for s in wanted if s in present])
    _warn_of_leaks(dataset, written, present)
    return written


def caption(dataset: Dataset, name: str = "metadata", options: Options | None = None) -> Path:
    """Caption the kept clips, without measuring or judging anything; returns clips.parquet.

    Args:
        dataset: The dataset.
        name: A captioner; see `curation.caption.registry`, and `transformers`.
        options: For it.

    Raises:
        ValueError: If nothing was judged yet, or the captioner cannot be had.
    """
    captioner = registry.find(name, options or Options(), {"transformers": _local})
    clips = dataset.path / "clips.parquet"
    if not clips.is_file():
        raise ValueError(f"{clips} does not exist: run `relickit curate` first")
    verdicts = pq.read_table(clips, columns=["clip_id", "keep"]).to_pylist()
    kept = {row["clip_id"] for row in verdicts if row["keep"]}
    rows = [row for row in decide.measured(dataset.path) if row["clip_id"] in kept]
    done: list[Caption] = []
    started = time.monotonic()
    with bar("Caption", len(rows), "clips") as progress:
        for said in captions.run(dataset.path, rows, captioner):
            done.append(said)
            progress.update(len(done))
    captions.publish(dataset.path, rows, done)
    say(f"Caption: {_summary(done, time.monotonic() - started)}")
    return decide.recaption(dataset.path)


def _examine(dataset: Path) -> None:
    """What the poses mean, from a few episodes; quicker than starting Ray."""
    wanted = [i for i in examined.chosen(dataset) if not examined.is_examined(dataset, i)]
    with bar("Convention", len(wanted), "episodes") as progress:
        for done, plan_id in enumerate(wanted, start=1):
            examined.examine(dataset, plan_id)
            progress.update(done)


def _local(options: Options) -> Captioner:
    from training.captioner import LocalCaptioner

    return LocalCaptioner(options)


def _summary(done: list[Caption], seconds: float) -> str:
    """How many, how they ended, and what they cost."""
    ended = Counter(said.status for said in done)
    states = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
    repaired = sum(bool(said.dropped) for said in done)
    requests, read = sum(said.requests for said in done), sum(said.tokens_in for said in done)
    written = sum(said.tokens_out for said in done)
    line = f"{len(done)} clips ({states or 'none'}), {repaired} with sentences dropped"
    if requests:
        line += (
            f"; {requests} requests, {read} tokens in, {written} out in all, {seconds:.0f} s now"
        )
    failed = next((said.detail for said in done if said.detail), "")
    return f"{line}; {failed}" if failed else line


def _warn_of_leaks(dataset: Dataset, clips: Path, scenes: set[str]) -> None:
    """Say so if a scene, or another one that is the same but for its name, is in both splits."""
    rows = pq.read_table(clips, columns=["scene_id", "split"]).to_pylist()
    splits = {row["scene_id"]: row["split"] for row in rows}
    cards = {scene_id: dataset.scene(scene_id).to_json() for scene_id in sorted(scenes)}
    for one, other in split.twins(cards):
        if splits.get(one) != splits.get(other):
            say(
                f"Warning: the scenes {one} and {other} look the same on their cards, but one is "
                "for training and one for validation; put both into one split"
            )
