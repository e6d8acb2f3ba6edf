"""`relickit check`: any folder of ours, runs included."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from capture import video
from shards.check import Problem, check
from shards.check.problem import attempt
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
    if (folder / "config.json").is_file():
        return list(_check_run(folder, deep=deep))
    return check(folder, deep=deep)


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


def _check_run(run: Path, *, deep: bool) -> Iterator[Problem]:
    from training.autoencoder import LinearCodec
    from training.run import RunConfig
    from training.state import Checkpoints

    wrong = list(attempt(run / "config.json", RunConfig.load, run))
    yield from wrong
    codec = run / "codec.safetensors"
    if not wrong and RunConfig.load(run).recipe.codec.kind == "linear":
        unreadable = list(attempt(codec, _require_tensors, codec, True))
        yield from unreadable or attempt(codec, LinearCodec.load, codec)
    if (run / "metrics.jsonl").is_file():
        yield from attempt(run / "metrics.jsonl", _require_log, run / "metrics.jsonl")
    step = Checkpoints(run / "checkpoints").latest()
    for file in sorted((run / "checkpoints" / f"{step:07d}").rglob("*")) if step else ():
        if file.suffix == ".safetensors":
            yield from attempt(file, _require_tensors, file, deep)
        elif file.suffix == ".pt":
            yield from attempt(file, _require_optimizer, file)
    for file in sorted(run.glob("samples/*.mp4")):
        yield from attempt(file, video.read_rgb if deep else video.num_frames, file)


def _require_tensors(file: Path, deep: bool) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys() if deep else ():
                if not opened.get_tensor(name).isfinite().all():
                    raise ValueError(f"{name} has values that are not finite; train it again")
    except (SafetensorError, OSError) as error:
        message = f"cannot be read ({error}); delete its folder and run the same training again"
        raise ValueError(message) from error


def _require_optimizer(file: Path) -> None:
    import torch

    try:
        torch.load(file, weights_only=True, map_location="cpu", mmap=True)
    except Exception as error:
        message = f"cannot be read ({error}); delete its folder and run the same training again"
        raise ValueError(" ".join(message.split())) from error


def _require_log(file: Path) -> None:
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON ({error}); delete it") from error
        if row.get("step") != number:
            raise ValueError(
                f"line {number} is of step {row.get('step')}; delete the lines from it"
            )
