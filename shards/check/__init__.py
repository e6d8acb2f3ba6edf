"""Is a folder of ours what it says it is? Every checksum, count and cross-reference."""

from __future__ import annotations

from pathlib import Path

from shards import manifest, tars
from shards.check.dataset import (
    check_clips,
    check_decisions,
    check_episode,
    check_episodes,
    check_plans,
)
from shards.check.problem import Problem
from shards.check.sets import check_set
from shards.check.shards import check_shards
from shards.repair import is_set

__all__ = ["Problem", "check"]

_STAGES = ("dataset.json", "plans.parquet", "episodes", "clips.parquet", "shards")


def check(folder: Path, *, deep: bool = False) -> list[Problem]:
    """Everything that is wrong with a dataset, an episode, episodes, shards or a parallel set.

    Reads every byte, and goes on after each problem. A stage of a dataset that has not run yet is
    no problem; a stage that contradicts an earlier one is.

    Args:
        folder: What it is follows from its files.
        deep: Decode every frame of every video too.
    """
    if is_set(folder):
        return list(check_set(folder, deep=deep))
    if (folder / manifest.NAME).is_file() or tars.tars(folder):
        return list(check_shards(folder, folder, deep=deep))
    if (folder / "episode.json").is_file():
        return list(check_episode(folder, deep=deep))
    if any((folder / name).exists() for name in _STAGES):
        plans = folder / "plans.parquet"
        episodes = list(check_episodes(folder / "episodes", deep=deep, plans=plans))
        damaged = {problem.path for problem in episodes}
        shards = check_shards(folder / "shards", folder, deep=deep)
        return [
            *check_plans(plans),
            *episodes,
            *check_decisions(folder / "decisions.jsonl"),
            *check_clips(folder),
            # A damaged episode is also not the one that the shards were made from.
            *(problem for problem in shards if problem.path.parent not in damaged),
        ]
    if any(folder.glob("*/episode.json")):
        return list(check_episodes(folder, deep=deep))
    message = (
        "is nothing of ours: expected an episode, episodes, shards, or a dataset with at least "
        f"one of {', '.join(_STAGES)}"
    )
    return [Problem(path=folder, message=message)]
