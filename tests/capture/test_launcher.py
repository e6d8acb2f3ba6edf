"""Engines that we find, start, lose and stop; a stand-in with its faults plays Unreal's part."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from stand_in_unreal import PLUGIN, write_binary
from tiny_engine import tiny_engine, tiny_plan, tiny_world

from capture import launcher
from capture.client import Client, EngineLost
from capture.launcher import EngineSpec, parse_engine, start_unreal
from capture.recorder import record
from capture.session import prepare


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> Path:
    return write_binary(tmp_path_factory.mktemp("unreal") / "Project.sh")


def test_where_an_engine_is(binary):
    assert parse_engine("embedded") == EngineSpec(kind="embedded")
    assert parse_engine("embedded:3") == EngineSpec(kind="embedded", count=3)
    assert parse_engine("10.0.0.7:9000") == EngineSpec(kind="address", target="10.0.0.7:9000")
    assert parse_engine("unix:/run/e") == EngineSpec(kind="address", target="unix:/run/e")
    unreal = EngineSpec(kind="unreal", target=str(binary))
    assert parse_engine(f"unreal:{binary}") == unreal
    assert parse_engine(f"unreal:4:{binary}").count == 4


@pytest.mark.parametrize("text", ["", "embedded:0", "warp", "host:99999", "unreal:", "unix:"])
def test_what_is_no_engine(text):
    with pytest.raises(ValueError, match="cannot read the engine"):
        parse_engine(text)


@pytest.mark.parametrize("text", ["unreal:/no/Game.sh", "unreal:0:/bin/sh"])
def test_a_binary_that_is_not_there(text):
    with pytest.raises(ValueError, match="no Unreal binary at"):
        parse_engine(text)


def test_unreal_records_what_a_sound_engine_records(binary, tmp_path):
    """Garbage first pictures, stray bytes, half floats, and TCP only once."""
    with start_unreal(binary) as engine:
        engine.connect().close()  # wait until it is up
        with Client(engine.address) as client:
            record(prepare(client, tiny_world().scene), tiny_plan(), tmp_path / "tcp")
        with pytest.raises(EngineLost, match="does not greet"):
            Client(engine.address, timeout_s=0.3)
        with engine.connect() as client:
            assert client.address.startswith("unix:")
            unreal = record(prepare(client, tiny_world().scene), tiny_plan(), tmp_path / "socket")
    with tiny_engine() as address, launcher.open_engine(parse_engine(address)).connect() as client:
        sound = record(prepare(client), tiny_plan(), tmp_path / "sound")
    for name in ("rgb.mp4", "mask.mkv"):
        assert (unreal.path / name).read_bytes() == (sound.path / name).read_bytes()
    error = abs(unreal.depth_m(0, 6) / sound.depth_m(0, 6) - 1).max()
    assert 0 < error < 2**-10, "half floats keep eleven bits"
    assert not Path(client.address.removeprefix("unix:")).exists()


def test_unreal_that_crashes_says_its_last_words(tmp_path):
    binary = write_binary(tmp_path / "Project.sh", f"{PLUGIN},crash=3")
    with start_unreal(binary) as engine:
        client = engine.connect(10.0)
        with pytest.raises(EngineLost):
            for _ in range(5):
                client.ask("vget /unrealcv/version")
        with pytest.raises(EngineLost, match="ended with code 1: LogCore: Error: appError"):
            for _ in range(50):
                engine.connect(1.0).close()
                time.sleep(0.05)


def test_closing_ends_what_the_script_started(binary):
    engine = start_unreal(binary)
    engine.connect(10.0).close()
    engine.close()
    for _ in range(50):  # the system takes a moment to clear a killed process away
        with pytest.raises(EngineLost) as lost:
            Client(engine.address, timeout_s=0.2)
        if "no engine answers" in str(lost.value):
            return
        time.sleep(0.1)
    pytest.fail("the engine lives on")


@pytest.mark.parametrize(
    ("num_gpus", "adapters"), [(0, [None] * 3), (1, [None] * 3), (2, ["0", "1", "0"])]
)
def test_several_engines_take_turns_over_the_gpus(num_gpus, adapters, tmp_path, monkeypatch):
    binary = tmp_path / "Project.sh"
    binary.write_text('#!/bin/sh\necho "Command Line: $*"\nexec sleep 60\n')
    binary.chmod(0o755)
    monkeypatch.setattr(launcher, "_num_gpus", lambda: num_gpus)
    found, ports = [], set()
    for index in range(3):
        with launcher.open_engine(parse_engine(f"unreal:3:{binary}"), index=index) as engine:
            while not engine.last_lines():
                time.sleep(0.01)
            (line,) = engine.last_lines()
        pairs = [flag.partition("=") for flag in line.split()[2:]]
        flags = {name: value for name, _, value in pairs}
        assert {"-RenderOffScreen", "-Unattended", "-NoSound"} < set(flags)
        found.append(flags.get("-graphicsadapter"))
        ports.add(flags["-UnrealCVPort"])
    assert found == adapters
    assert len(ports) == 3


def test_only_the_end_of_a_long_log_is_kept_in_mind(tmp_path):
    binary = tmp_path / "Project.sh"
    binary.write_text("#!/bin/sh\nseq 1 200000\necho last words\nexit 3\n")
    binary.chmod(0o755)
    with start_unreal(binary) as engine:
        with pytest.raises(EngineLost, match="ended with code 3: last words"):
            engine.connect(1.0)
        assert engine.last_lines(3) == ["199999", "200000", "last words"]


def test_a_port_that_the_binary_ignores_is_waited_for_no_longer_than_it_lives(tmp_path):
    binary = tmp_path / "Project.sh"
    binary.write_text("#!/bin/sh\necho LogInit: Error: no Vulkan device\nsleep 0.5\nexit 1\n")
    binary.chmod(0o755)
    with (
        start_unreal(binary) as engine,
        pytest.raises(EngineLost, match="ended with code 1: LogInit: Error: no Vulkan device"),
    ):
        engine.connect(1.0)
