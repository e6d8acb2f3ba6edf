"""The `relickit` command: one function per verb, in the files of this folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import tyro

from capture.client import EngineError, EngineLost
from capture.launcher import parse_engine
from capture.session import BadFrame
from pipelines.cli import train as stages
from pipelines.cli.audits import audit, trajectory
from pipelines.cli.data import (
    build,
    caption,
    capture,
    check,
    curate,
    encode,
    export,
    import_,
    plan,
    shard,
    stats,
)
from pipelines.cli.engines import doctor, scenes, serve
from pipelines.cli.models import evaluate, sample
from pipelines.cli.options import Engine
from pipelines.console import err, fail, sentence
from pipelines.runner import StageFailed


def demo(*, out: Path = Path("."), engine: Engine = "embedded:2") -> None:
    """The whole road in minutes: render, curate, shard, train, and one page about it.

    Args:
        out: Where `data/demo` and `runs/demo` go.
        engine: What renders.
    """
    spec = parse_engine(engine)
    from pipelines.demo import run

    run(out, spec)


def train() -> None:
    """Train a model: teacher, ode, distill; plan what that costs; recipe; export the model."""


_STAGES = (
    stages.teacher, stages.ode, stages.distill, stages.plan, stages.recipe, stages.export,
)  # fmt: skip
_VERBS = (
    demo, serve, doctor, scenes, plan, capture, curate, caption, audit, shard, encode, build,
    export, import_, check, stats, trajectory, train, sample, evaluate,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0 ok, 1 failed, 2 usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    verbose = any(a in ("-v", "--verbose") for a in given)
    given = [a for a in given if a not in ("-v", "--verbose")]
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    verbs, prog = _VERBS, "relickit"
    if given[:1] == ["train"]:
        verbs, prog, given = _STAGES, "relickit train", given[1:]
    try:
        tyro.extras.subcommand_cli_from_dict(
            {function.__name__.rstrip("_"): function for function in verbs},
            prog=prog,
            description="Curate Unreal Engine data and train RELIC on it. Add -v for tracebacks.",
            args=given or ["--help"],
        )
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to continue")
        return 130
    except (ValueError, OSError, EngineError, EngineLost, BadFrame, StageFailed) as error:
        if verbose:
            err.print_exception()
        fail(sentence(error))
        return 1
    except ModuleNotFoundError as error:
        if verbose or error.name not in ("torch", "diffusers", "accelerate", "safetensors"):
            raise
        fail(f"this needs {error.name}; install the training extra: pip install 'relickit[train]'")
        return 1
    return 0
