"""The same command on a cluster: of two nodes, with a token, as a submitted job."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from processes import running
from ray.cluster_utils import Cluster
from stand_in_unreal import write_binary
from tiny_dataset import NUM_PLANS, count, digests, start_capture

from pipelines import runner

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
TOKEN = "0123456789abcdef" * 4


def owners_by_node() -> dict[int, int]:
    """Node (its raylet's process id) -> engine owners on it."""
    return Counter(
        process.parent
        for process in running().values()
        if process.command.startswith("ray::EngineOwner")
    )


@pytest.mark.slow
def test_two_nodes_record_the_same_dataset(truth, planned, tmp_path):
    binary = write_binary(tmp_path / "Tiny.sh", "delay=0.02")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        command = start_capture(planned, f"unreal:2:{binary}", "--address", cluster.address)
        seen: list[dict[int, int]] = []
        while command.poll() is None:
            seen.append(owners_by_node())
            time.sleep(0.2)
        assert command.returncode == 0, command.stderr and command.stderr.read()
    finally:
        cluster.shutdown()
    assert list(max(seen, key=len).values()) == [1, 1], "one engine on each node"
    assert digests(planned) == truth


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def head_with_token(dashboard: int | None = None) -> Iterator[str]:
    """The address of a cluster of one node that lets nobody in without `TOKEN`."""
    folder = tempfile.mkdtemp(prefix="ray")  # pytest's folders are too long for Ray's sockets
    port = free_port()
    flags = ["--head", "--block", "--port", str(port), "--num-cpus", "2", "--temp-dir", folder]
    flags += ["--disable-usage-stats", "--node-ip-address", "127.0.0.1"]
    flags += ["--include-dashboard", str(dashboard is not None).lower()]
    flags += ["--dashboard-port", str(dashboard)] if dashboard else []
    process = subprocess.Popen(
        [*RAY, "start", *flags],
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_up(port)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_up(port: int, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing answers at port {port}"
            time.sleep(0.2)


@pytest.mark.slow
def test_a_cluster_lets_nobody_in_without_its_token(truth, planned, tmp_path, monkeypatch):
    """Refused in one sentence; with the token the same command makes the same dataset."""
    binary = write_binary(tmp_path / "Tiny.sh", "")
    monkeypatch.setenv("HOME", str(tmp_path))  # a token may lie in the real one
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with head_with_token() as address:
        stranger = start_capture(planned, f"unreal:{binary}", "--address", address)
        _, said = stranger.communicate(timeout=300)
        assert stranger.returncode == 1
        (line,) = said.strip().splitlines()
        assert f"the Ray cluster at {address} refuses our token; set RAY_AUTH_MODE=token" in line
        assert count(planned) == 0
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
        friend = start_capture(planned, f"unreal:{binary}", "--address", address)
        _, said = friend.communicate(timeout=300)
        assert friend.returncode == 0, said
    assert digests(planned) == truth


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("aiohttp_cors") is None, reason="jobs need ray[default]"
)
def test_a_submitted_job_records_the_same_dataset(truth, planned, tmp_path, monkeypatch):
    binary = write_binary(tmp_path / "Tiny.sh", "")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    dashboard = free_port()
    with head_with_token(dashboard):
        wait_until_up(dashboard)
        engine = f"unreal:2:{binary}"
        command = [sys.executable, "-m", "pipelines", "capture", str(planned), "--engine", engine]
        submit = [*RAY, "job", "submit", "--address", f"http://127.0.0.1:{dashboard}", "--"]
        done = subprocess.run([*submit, *command], capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Starting Ray on this machine" not in done.stdout, "it must use the job's cluster"
    assert count(planned) == NUM_PLANS
    assert digests(planned) == truth


def test_a_silent_address_is_one_sentence_at_once(monkeypatch):
    monkeypatch.setattr(runner.ray, "is_initialized", lambda: False)
    address = f"127.0.0.1:{free_port()}"
    with (
        pytest.raises(ValueError, match=f"no Ray cluster answers at {address} .*refused"),
        runner.cluster(address),
    ):
        pass


def test_a_machine_too_busy_for_ray_is_one_sentence(monkeypatch):
    def too_late(**_):
        raise Exception("The current node timed out during startup.\nMore about it.")

    monkeypatch.setattr(runner.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(runner.ray, "init", too_late)
    monkeypatch.setattr(runner.ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(
            ValueError, match=r"Ray did not start .* timed out during startup\.\); if it"
        ),
        runner.cluster(),
    ):
        pass
