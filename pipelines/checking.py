"""`relickit check`: any folder of ours, runs included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.checking_dataset import check_dataset, check_part, is_dataset
from pipelines.checking_runs import check_run, is_run
from shards.check import Problem, check
from shards.repair import repair

__all__ = ["check_any", "repair", "verdict"]

_NAMED = 5


def check_any(folder: Path, *, deep: bool = False) -> list[Problem]:
    """Everything that is wrong with a dataset, episodes, shards, a parallel set or a run.

    Args:
        folder: What it is follows from its files.
        deep: Also decode every frame, and read every number of a run's weights.

    Raises:
        ValueError: If there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give a dataset, episode, shards, set or run")
    if is_run(folder):
        return list(check_run(folder, deep=deep))
    if part := list(check_part(folder)):
        return part
    own = check_dataset(folder) if is_dataset(folder) else ()
    found = [*own, *check(folder, deep=deep)]
    # A file that others follow from is named once.
    once = {p.message: p for p in reversed(found) if p.message.startswith(f"{folder}/")}
    return [p for p in found if once.get(p.message, p) is p]


def verdict(folder: Path, problems: Sequence[Problem]) -> str:
    """The last line about problems: how many, and which of them `--repair` mends.

    Args:
        folder: What was checked.
        problems: One or more.
    """
    beyond = [str(problem.path) for problem in problems if not problem.repairable]
    count = f"{len(problems)} problems" if problems[1:] else "one problem"
    said = f"{folder}: {count}, listed above"
    if len(beyond) == len(problems):
        return f"{said}; --repair mends none of that, so do what the lines say"
    command = f"`relickit check {folder} --repair`"
    if not beyond:
        return f"{said}; {command} mends {'all of them' if problems[1:] else 'it'}"
    names = list(dict.fromkeys(beyond))
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    return (
        f"{said}; {command} mends {len(problems) - len(beyond)} of them, and not what is wrong "
        f"with {', '.join(names[:_NAMED])}{more}"
    )
