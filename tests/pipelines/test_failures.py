"""Break what can be broken; run again; the dataset is the same, byte for byte."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import descendants
from stand_in_unreal import write_binary
from tiny_dataset import NUM_PLANS, count, digests, start_capture
from tiny_engine import tiny_engine

from capture.engine.state import Options
from capture.launcher import parse_engine
from pipelines import fleet, stages
from pipelines.cli import main
from pipelines.dataset import Dataset

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> Path:
    """Starts an engine that shows the tiny room, slowly."""
    return write_binary(tmp_path_factory.mktemp("unreal") / "Tiny.sh", "delay=0.1")


@pytest.fixture
def engine() -> Iterator[str]:
    """The address of an engine in this process."""
    with tiny_engine(options=Options(ue_depth=True)) as address:
        yield address


def wait_for(condition, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.slow
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
    wait_for(lambda: gone(engines))
    assert count(broken) < NUM_PLANS, "killed too late to show anything"

    stopped = start_capture(broken, spec)
    wait_for(lambda: descendants(stopped.pid, "stand_in_unreal.py"))
    engines = descendants(stopped.pid, "stand_in_unreal.py")
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does
    assert stopped.wait(180) == 130
    assert stopped.stderr and stopped.stderr.read().strip().splitlines() == [
        "relickit: interrupted; run the same command again to continue"
    ]
    wait_for(lambda: gone(engines))

    stages.capture(Dataset(broken), parse_engine(f"unreal:{binary}"))
    assert digests(broken) == truth
    assert not list(broken.rglob("*.tmp-*")) and not list(broken.rglob(".*tmp-*"))


def test_a_full_disk_stops_at_once_and_loses_nothing(planned, engine, monkeypatch, capsys):
    class FullAtThird(fleet.EngineOwner):
        def record(self, plan, scene, root):
            if plan.seed >= 2:
                raise OSError(errno.ENOSPC, "No space left on device", f"{root}/depth.mkv")
            return super().record(plan, scene, root)

    command = ["capture", str(planned), "--engine", engine]
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


@pytest.mark.parametrize("fault", ["crash=900", pytest.param("hang=900", marks=pytest.mark.slow)])
def test_an_engine_that_fails_is_replaced(fault, truth, planned, tmp_path, monkeypatch):
    class Impatient(fleet.EngineOwner):
        timeout_s = 3.0  # of one answer; a loaded machine takes its time too

    monkeypatch.setattr(fleet, "EngineOwner", Impatient)
    failing = write_binary(tmp_path / "Failing.sh", fault)
    stages.capture(Dataset(planned), parse_engine(f"unreal:2:{failing}"))
    assert digests(planned) == truth


def test_a_plan_that_fails_three_times_is_put_aside(truth, planned, engine, monkeypatch, capsys):
    poison = Dataset(planned).plans()[0].id

    class Allergic(fleet.EngineOwner):
        def record(self, plan, scene, root):
            if plan.id == poison:
                raise fleet.AttemptFailed("this one again", ["the engine's last words"])
            return super().record(plan, scene, root)

    with monkeypatch.context() as patch:
        patch.setattr(fleet, "EngineOwner", Allergic)
        assert main(["capture", str(planned), "--engine", engine]) == 1
    assert f"1 of {NUM_PLANS} plans could not be captured" in capsys.readouterr().err
    assert count(planned) == NUM_PLANS - 1
    report = json.loads((planned / "failed" / f"{poison}.json").read_text())
    attempt = {"reason": "this one again", "engine_log": ["the engine's last words"]}
    assert report == {"attempts": [attempt] * 3}

    stages.capture(Dataset(planned), parse_engine(engine))
    assert not list((planned / "failed").iterdir())
    assert digests(planned) == truth


@pytest.mark.parametrize("address", ["127.0.0.1:1", "unix:/nowhere"])
def test_a_dead_engine_is_one_sentence(address, planned, capsys):
    assert main(["capture", str(planned), "--engine", address]) == 1
    said = capsys.readouterr()
    assert f"no engine answers at {address}" in said.err
    assert "Traceback" not in said.err + said.out


def test_another_level_is_one_sentence(planned, engine, capsys):
    card = planned / "scenes" / "tiny-3.json"
    card.write_text(card.read_text().replace('"seed": 3', '"seed": 4'))
    assert main(["capture", str(planned), "--engine", engine]) == 1
    assert "the engine shows tiny-3, but the plans are for tiny-4" in capsys.readouterr().err
