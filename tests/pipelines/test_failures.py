"""Kill what can be killed; run again; the dataset is the same, byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines import dataset as stages
from pipelines.recipes import DatasetRecipe, PlanGroup, SceneGroup
from pipelines.workspace import Dataset

RECIPE = DatasetRecipe(
    name="short",
    scenes=(
        SceneGroup(
            name="apartment",
            seed=0,
            plans=(PlanGroup(generator="moves", count=6, num_frames=33),),
        ),
    ),
    width_px=64,
    height_px=48,
)


def digests(folder: Path) -> dict[str, str]:
    """Of every file that has no timing in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def start_capture(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "capture", str(folder), "--engine", "embedded:2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def engines_of(session: int) -> list[int]:
    """Embedded engines that descend from a process, by its id."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    parent = {int(pid): int(ppid) for pid, ppid, _ in rows}

    def descends(pid: int) -> bool:
        while pid in parent and pid != session:
            pid = parent[pid]
        return pid == session

    return [int(pid) for pid, _, args in rows if "capture.engine" in args and descends(int(pid))]


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def count(folder: Path) -> int:
    return len(list((folder / "episodes").glob("*/episode.json")))


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "planned"
    stages.plan(RECIPE, Dataset(folder))
    return folder


def test_killed_at_any_level_and_run_again_gives_the_same_bytes(planned, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    shutil.copytree(planned, whole)
    shutil.copytree(planned, broken)
    undisturbed = start_capture(whole)
    assert undisturbed.wait(300) == 0, undisturbed.stderr and undisturbed.stderr.read()

    victim = start_capture(broken)
    wait_for(lambda: count(broken) >= 1 and engines_of(victim.pid))
    engines = engines_of(victim.pid)
    os.kill(engines[0], signal.SIGKILL)
    wait_for(lambda: count(broken) >= 2)
    engines += engines_of(victim.pid)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in engines), 30)

    again = start_capture(broken)
    assert again.wait(300) == 0, again.stderr and again.stderr.read()
    assert digests(whole) == digests(broken)
    assert not list(broken.rglob("*.tmp-*")) and not list(broken.rglob(".*tmp-*"))


def test_a_dead_engine_is_one_sentence(planned, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(planned, folder)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "capture", str(folder), "--engine", "127.0.0.1:1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout
    assert "no engine answers at 127.0.0.1:1" in done.stderr
