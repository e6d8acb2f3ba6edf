"""Break what can be broken; run again; the dataset is the same, byte for byte."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stand_in_unreal import write_binary
from tiny_engine import tiny_engine, tiny_plan, tiny_world

from capture import files
from capture.client import Client
from capture.engine.state import Options
from capture.launcher import parse_engine
from capture.recorder import record
from capture.scene import save_plans
from capture.stage import prepare
from curation.exposure import FrameObserver
from pipelines import dataset as stages
from pipelines import fleet
from pipelines.cli import main
from pipelines.recipes import DatasetRecipe, SceneGroup
from pipelines.workspace import Dataset

NUM_PLANS = 9

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> Path:
    """Starts an engine that shows the tiny room, slowly."""
    return write_binary(tmp_path_factory.mktemp("unreal") / "Tiny.sh", "delay=0.02")


@pytest.fixture
def planned(tmp_path) -> Path:
    """A dataset of the tiny room with plans only."""
    return plan_tiny(tmp_path / "planned")


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> dict[str, str]:
    """What every dataset here must become, recorded without any failure."""
    folder = plan_tiny(tmp_path_factory.mktemp("truth") / "data")
    with tiny_engine(options=Options(ue_depth=True)) as address, Client(address) as client:
        stage = prepare(client)
        for plan in Dataset(folder).plans():
            record(stage, plan, folder / "episodes", observers=[FrameObserver])
    return digests(folder)


def plan_tiny(folder: Path) -> Path:
    scene, dataset = tiny_world().scene, Dataset(folder)
    dataset.start(DatasetRecipe(name="t", scenes=(SceneGroup(name=scene.name, seed=scene.seed),)))
    files.write_json(dataset.scenes / f"{scene.id}.json", scene.to_json())
    save_plans(dataset.plans_file, [tiny_plan(25, seed=seed) for seed in range(NUM_PLANS)])
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Of every file that has no timing in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def start_capture(folder: Path, engine: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "capture", str(folder), "--engine", engine],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def descendants(root: int, name: str) -> list[int]:
    """Processes under `root` whose command line holds `name`, by id."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    parent = {int(pid): int(ppid) for pid, ppid, *_ in rows}

    def descends(pid: int) -> bool:
        while pid in parent and pid != root:
            pid = parent[pid]
        return pid == root

    return [int(pid) for pid, _, args in rows if name in args and descends(int(pid))]


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def count(folder: Path) -> int:
    return len(list((folder / "episodes").glob("*/episode.json")))


def test_killed_at_any_level_and_run_again_gives_the_same_bytes(truth, planned, binary):
    broken = planned
    spec = f"unreal:2:{binary}"

    victim = start_capture(broken, spec)
    wait_for(lambda: count(broken) >= 1)
    engines = descendants(victim.pid, "stand_in_unreal.py")
    os.kill(engines[0], signal.SIGKILL)
    wait_for(lambda: count(broken) >= 2)
    workers = descendants(victim.pid, "ray::EngineOwner")
    os.kill(workers[-1], signal.SIGKILL)
    wait_for(lambda: count(broken) >= 4)
    engines += descendants(victim.pid, "stand_in_unreal.py")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    wait_for(lambda: gone(engines), 30)
    assert count(broken) < NUM_PLANS, "killed too late to show anything"

    stopped = start_capture(broken, spec)
    before = count(broken)
    wait_for(lambda: count(broken) > before)
    engines = descendants(stopped.pid, "stand_in_unreal.py")
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does
    assert stopped.wait(60) == 130
    assert stopped.stderr and stopped.stderr.read().strip().splitlines() == [
        "relickit: interrupted; run the same command again to continue"
    ]
    wait_for(lambda: gone(engines), 30)

    stages.capture(Dataset(broken), parse_engine(f"unreal:{binary}"))
    assert digests(broken) == truth
    assert not list(broken.rglob("*.tmp-*")) and not list(broken.rglob(".*tmp-*"))


def test_a_full_disk_stops_at_once_and_loses_nothing(planned, binary, monkeypatch, capsys):
    class FullAtThird(fleet.EngineOwner):
        def record(self, plan, scene, root):
            if plan.seed >= 2:
                raise OSError(errno.ENOSPC, "No space left on device", f"{root}/depth.mkv")
            return super().record(plan, scene, root)

    command = ["capture", str(planned), "--engine", f"unreal:{binary}"]
    with monkeypatch.context() as patch:
        patch.setattr(fleet, "EngineOwner", FullAtThird)
        assert main(command) == 1
    said = capsys.readouterr().err.strip().splitlines()
    where = planned / "episodes" / "depth.mkv"
    assert said == [
        f"relickit: the disk is full ({where}); free some space and run the same command again"
    ]
    assert count(planned) == 2
    assert not (planned / "failed").exists()


@pytest.mark.parametrize("fault", ["crash=1200", "hang=1200"])
def test_an_engine_that_fails_is_replaced(fault, truth, planned, tmp_path, monkeypatch):
    class Impatient(fleet.EngineOwner):
        timeout_s = 1.0

    monkeypatch.setattr(fleet, "EngineOwner", Impatient)
    failing = write_binary(tmp_path / "Failing.sh", fault)
    stages.capture(Dataset(planned), parse_engine(f"unreal:2:{failing}"))
    assert digests(planned) == truth


def test_a_plan_that_fails_three_times_is_put_aside(planned, binary, monkeypatch, capsys):
    poison = Dataset(planned).plans()[0].id

    class Allergic(fleet.EngineOwner):
        def record(self, plan, scene, root):
            if plan.id == poison:
                raise fleet.AttemptFailed("this one again", ["the engine's last words"])
            return super().record(plan, scene, root)

    with monkeypatch.context() as patch:
        patch.setattr(fleet, "EngineOwner", Allergic)
        assert main(["capture", str(planned), "--engine", f"unreal:2:{binary}"]) == 1
    assert f"1 of {NUM_PLANS} plans could not be captured" in capsys.readouterr().err
    assert count(planned) == NUM_PLANS - 1
    report = json.loads((planned / "failed" / f"{poison}.json").read_text())
    attempt = {"reason": "this one again", "engine_log": ["the engine's last words"]}
    assert report == {"attempts": [attempt] * 3}

    stages.capture(Dataset(planned), parse_engine(f"unreal:{binary}"))
    assert count(planned) == NUM_PLANS and not list((planned / "failed").iterdir())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "unix:/nowhere"])
def test_a_dead_engine_is_one_sentence(address, planned, capsys):
    assert main(["capture", str(planned), "--engine", address]) == 1
    said = capsys.readouterr()
    assert f"no engine answers at {address}" in said.err
    assert "Traceback" not in said.err + said.out


def test_another_level_is_one_sentence(planned, capsys):
    card = planned / "scenes" / "tiny-3.json"
    text = card.read_text()
    card.write_text(text.replace('"seed": 3', '"seed": 4'))
    with tiny_engine() as address:
        assert main(["capture", str(planned), "--engine", address]) == 1
    assert "the engine shows tiny-3, but the plans are for tiny-4" in capsys.readouterr().err
