"""Is a training run what it says it is: its config, log, checkpoint, codec, videos and truth?"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path

from capture import files, video
from capture.scene import Scene
from shards.check import Problem
from shards.check.dataset import check_episodes, check_plans
from shards.check.problem import attempt

# What a checkpoint consists of, by stage; each a file, or a folder where weights are split.
_PARTS = ("model", "ema", "optimizer")
_CRITIC = ("critic", "critic_optimizer")
_ANEW = "delete the run folder and train again"


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, also one that lost its config.json."""
    return any((folder / name).exists() for name in ("config.json", "checkpoints", "metrics.jsonl"))


def check_run(run: Path, *, deep: bool) -> Iterator[Problem]:
    """What is wrong with a run.

    Args:
        run: Its folder.
        deep: Also decode every frame, and read every number of the weights.
    """
    from training.run import RunConfig
    from training.state import Checkpoints

    config, codec = run / "config.json", run / "codec.safetensors"
    wrong = list(attempt(config, RunConfig.load, run))
    for problem in wrong:
        what = f"{problem.message}; delete it and" if config.is_file() else "is lost;"
        message = f"{what} run the same training again, which writes it"
        yield dataclasses.replace(problem, message=message)
    stage = "" if wrong else RunConfig.load(run).stage
    if not wrong and RunConfig.load(run).recipe.codec.kind == "linear":
        yield from attempt(codec, _require_codec, codec)
    step = Checkpoints(run / "checkpoints").latest()
    yield from attempt(run / "metrics.jsonl", _require_log, run / "metrics.jsonl", step)
    if step:
        folder = run / "checkpoints" / f"{step:07d}"
        yield from _check_checkpoint(folder, (*_PARTS, *_CRITIC * (stage == "distill")), deep)
    for name in ("phases", "pairs"):
        cure = _ANEW if name == "phases" else "delete it and run the same training again"
        for file in sorted(run.glob(f"{name}/[!.]*.safetensors")):
            yield from attempt(file, _require_tensors, file, deep, cure)
    for file in sorted(run.glob("samples/[!.]*.mp4")):
        yield from attempt(file, _require_video, file, deep)
    yield from _check_evaluation(run, deep)


def _check_checkpoint(folder: Path, parts: tuple[str, ...], deep: bool) -> Iterator[Problem]:
    """Problems of a checkpoint: a part that is not there, other bytes, what cannot be read."""
    from training.state import SUMS

    cure, sums = f"delete {folder} and run the same training again", {}
    if (folder / SUMS).exists():
        try:
            sums = files.read_json(folder / SUMS, cure)
        except ValueError as error:
            yield Problem(path=folder / SUMS, message=str(error))
    for name in parts:
        file = folder / f"{name}.{'pt' if 'optimizer' in name else 'safetensors'}"
        if not file.is_file() and not any(folder.glob(f"{name}/*.safetensors")):
            yield Problem(path=file, message=f"is lost; {cure}")
    for file in sorted(file for file in folder.rglob("[!.]*") if file.is_file()):
        known = sums.get(file.name) if file.parent == folder else None
        if known and files.facts(file) != known:
            yield Problem(path=file, message=f"is damaged: {SUMS} has another SHA-256; {cure}")
        elif file.suffix == ".safetensors":
            yield from attempt(file, _require_tensors, file, deep, cure)
        elif file.suffix == ".pt":
            yield from attempt(file, _require_optimizer, file, cure)


def _require_codec(file: Path) -> None:
    from training.autoencoder import LinearCodec

    _require_tensors(file, True, _ANEW)
    LinearCodec.load(file)


def _require_tensors(file: Path, deep: bool, cure: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys() if deep else ():
                if not opened.get_tensor(name).isfinite().all():
                    raise ValueError(f"{name} has values that are not finite; {cure}")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot be read ({error}); {cure}") from error


def _require_optimizer(file: Path, cure: str) -> None:
    """A file of torch's loads; it is an archive, with a checksum of each of its members."""
    import torch

    try:
        torch.load(file, weights_only=True, map_location="cpu", mmap=True)
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except Exception as error:
        message = f"cannot be read ({error}); {cure}"
        raise ValueError(" ".join(message.split())) from error
    if damaged:
        raise ValueError(f"is damaged: the checksum of {damaged} differs; {cure}")


def _require_log(file: Path, steps: int) -> None:
    """Every line is of its step, up to the checkpoint at least; a torn last line may follow."""
    content = file.read_bytes() if file.is_file() else b""
    lines = content.splitlines()
    if lines[steps:] and not content.endswith(b"\n"):
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            row = files.parse_json(line, f"line {number}")
        except ValueError as error:
            raise ValueError(f"{error}; {_ANEW if number <= steps else 'delete it'}") from error
        if row.get("step") != number:
            raise ValueError(
                f"line {number} is of step {row.get('step')}; "
                f"{_ANEW if number <= steps else 'delete the lines from it'}"
            )
    if len(lines) < steps:
        raise ValueError(f"has {len(lines)} lines, but the checkpoint is of step {steps}; {_ANEW}")


def _require_video(file: Path, deep: bool) -> None:
    try:
        with video.strict():
            video.read_rgb(file) if deep else video.num_frames(file)
    except (ValueError, OSError) as error:
        cure = "delete it: videos are for looking at, and `relickit evaluate` writes its own again"
        raise ValueError(f"cannot be read ({error}); {cure}") from error


def _check_evaluation(run: Path, deep: bool) -> Iterator[Problem]:
    """Problems of what `relickit evaluate` wrote and rendered."""
    result = run / "evaluation.json"
    if result.exists():
        cure = f"delete it and run `relickit evaluate {run}` again"
        yield from attempt(result, files.read_json, result, cure)
    for folder in sorted(path for path in run.glob("truth/[!.]*") if path.is_dir()):
        card = folder / "scene.json"
        found = [
            *check_plans(folder / "plans.parquet"),
            *attempt(card, _require_card, card),
            *check_episodes(folder / "episodes", deep=deep),
        ]
        for problem in found:
            what = problem.message.partition("; delete ")[0]
            message = f"{what}; delete {folder} and run `relickit evaluate {run}` again"
            yield dataclasses.replace(problem, message=message)


def _require_card(file: Path) -> None:
    Scene.from_json(files.read_json(file), str(file))
