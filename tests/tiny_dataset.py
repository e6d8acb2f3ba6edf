"""A dataset of the tiny room: its plans, and what recording them must give."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

from tiny_engine import tiny_engine, tiny_plan, tiny_world

from capture import files
from capture.client import Client
from capture.engine.state import Options
from capture.recorder import record
from capture.scene import save_plans
from capture.session import prepare
from curation.exposure import FrameObserver
from pipelines.dataset import Dataset
from pipelines.recipes import DatasetRecipe, SceneGroup

NUM_PLANS = 12


def plan_tiny(folder: Path) -> Path:
    """A dataset with plans only."""
    scene, dataset = tiny_world().scene, Dataset(folder)
    dataset.start(DatasetRecipe(name="t", scenes=(SceneGroup(name=scene.name, seed=scene.seed),)))
    files.write_json(dataset.scenes / f"{scene.id}.json", scene.to_json())
    save_plans(dataset.plans_file, [tiny_plan(25, seed=seed) for seed in range(NUM_PLANS)])
    return folder


def recorded_digests(folder: Path) -> dict[str, str]:
    """What every such dataset must become, recorded in `folder` without any failure."""
    plan_tiny(folder)
    # Half floats, as the stand-in for Unreal serves them.
    with tiny_engine(options=Options(ue_depth=True)) as address, Client(address) as client:
        session = prepare(client)
        for plan in Dataset(folder).plans():
            record(session, plan, folder / "episodes", observers=[FrameObserver])
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    """Of every file that has no timing in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def start_capture(folder: Path, engine: str, *more: str) -> subprocess.Popen:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "capture", str(folder), "--engine", engine, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def count(folder: Path) -> int:
    """Finished episodes."""
    return len(list((folder / "episodes").glob("*/episode.json")))
