"""The doctor: what it says of a sound engine, and of one that is wrong in one way."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from stand_in_unreal import PLUGIN, write_binary
from tiny_engine import tiny_engine, tiny_world

from capture import camera
from capture.camera import Intrinsics
from capture.client import Client, EngineLost
from capture.engine.raster import Renderer
from capture.engine.state import Options
from capture.launcher import Engine
from pipelines import doctor
from pipelines.cli import main
from pipelines.doctor import Picture

VIEW = Intrinsics.from_fov(320, 240, 90.0)
RAYS = np.hypot(
    1.0,
    np.hypot(
        (np.arange(320) + 0.5 - 160) / VIEW.fx_px,
        ((np.arange(240) + 0.5 - 120) / VIEW.fy_px)[:, None],
    ),
)


def pictures(view: Intrinsics = VIEW) -> list[Picture]:
    """Two pairs in the tiny room, a step and a turn apart."""
    renderer = Renderer(tiny_world(), threads=1)
    poses = [
        camera.pose_from_angles([2.5 + 0.2 * k, 1.5, 1.3], heading + 14.0 * k, 0.0)
        for heading in (40.0, 150.0)
        for k in (0, 1)
    ]
    frames = [renderer.render(pose, view, outputs=("depth",)) for pose in poses]
    blank = np.zeros((view.height_px, view.width_px, 3), np.uint8)
    made = []
    for pose, frame in zip(poses, frames, strict=True):
        assert frame.depth_m is not None
        made.append(Picture(pose=pose, rgb=blank, depth_m=frame.depth_m, mask=blank[..., 0]))
    return made


@pytest.fixture(scope="module")
def sound() -> list[Picture]:
    return pictures()


def change(given: list[Picture], factor) -> list[Picture]:
    return [dataclasses.replace(p, depth_m=(p.depth_m * factor).astype(np.float32)) for p in given]


def test_a_sound_engine_passes():
    with tiny_engine() as address:
        findings = {f.topic: f for f in doctor.examine(Engine((address,)))}
    assert {f.verdict for f in findings.values()} == {"ok"}
    assert "planar depth in cm" in findings["convention"].found
    assert "32-bit floats" in findings["depth"].found
    assert "level tiny" in findings["engine"].found


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (RAYS, "depth along the ray in cm"),
        (0.01, "planar depth in m"),
        (10.0, "planar depth in mm"),
        (RAYS * 0.01, "depth along the ray in m"),
    ],
)
def test_a_wrong_depth_is_named(sound, factor, name):
    finding = doctor.convention(change(sound, factor))
    assert finding.verdict == "bad"
    assert finding.found.startswith(f"{name} fits")


def test_a_vertical_field_of_view_is_named():
    wide = math.degrees(2 * math.atan(320 / 240))
    finding = doctor.convention(pictures(Intrinsics.from_fov(320, 240, wide)))
    assert finding.verdict == "bad"
    assert finding.found.startswith("planar depth in cm, vertical field of view fits")


def test_nonsense_cannot_be_told(sound):
    noise = np.random.default_rng(0).uniform(0.3, 3.0, (240, 320))
    finding = doctor.convention(change(sound, noise))
    assert (finding.verdict, finding.found[:11]) == ("bad", "cannot tell")


def test_half_floats_are_noticed(sound):
    halves = [
        dataclasses.replace(
            p, depth_m=(p.depth_m * 100).astype(np.float16).astype(np.float32) / np.float32(100)
        )
        for p in sound
    ]
    assert "half floats" in doctor.depth_steps(halves).found
    assert "32-bit" in doctor.depth_steps(sound).found


def test_missing_commands_are_listed(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", (*doctor.NEEDED, "vget /camera/[uint]/smell"))
    with tiny_engine() as address, Client(address) as client:
        finding = doctor.lacking(client)
    assert finding.verdict == "bad"
    assert "missing: vget /camera/[uint]/smell" in finding.found


def test_the_verb(capsys, monkeypatch):
    with tiny_engine() as address:
        assert main(["doctor", "--engine", address]) == 0
        assert "ok    convention" in capsys.readouterr().out
        monkeypatch.setattr(doctor, "NEEDED", ("vget /camera/[uint]/smell",))
        assert main(["doctor", "--engine", address]) == 1
    assert "is not ready for capture: 1 bad" in capsys.readouterr().err


@pytest.mark.parametrize("replies", [3, 40, 90])
def test_an_engine_that_dies_under_examination_is_one_sentence(replies):
    with tiny_engine(f"crash={replies}") as address:
        findings = doctor.examine(Engine((address,)))
        with pytest.raises(EngineLost, match=r"^the engine was lost after the step '\w+': .*log$"):
            list(findings)


def test_nobody_there_is_said_once(capsys):
    assert main(["doctor", "--engine", "127.0.0.1:1"]) == 1
    words = " ".join(capsys.readouterr().err.split())
    assert words.startswith("relickit: no engine answers at 127.0.0.1:1 (")
    assert words.endswith("or check the address")
    assert words.count("no engine answers") == 1


def test_unreal_that_dies_under_examination_says_its_last_words(tmp_path, capsys):
    binary = write_binary(tmp_path / "Project.sh", f"{PLUGIN},crash=40")
    assert main(["doctor", "--engine", f"unreal:{binary}"]) == 1
    captured = capsys.readouterr()
    assert "ok    commands" in captured.out
    words = " ".join(captured.err.split())
    assert "the engine ended with code 1: LogCore: Error: appError called: Fatal error!" in words
    assert "Traceback" not in words


def test_the_plugins_faults_are_named_and_do_no_harm(monkeypatch):
    monkeypatch.setattr(doctor, "_TRIALS", 3)
    with tiny_engine(PLUGIN, options=Options(ue_depth=True)) as address:
        findings = {f.topic: f for f in doctor.examine(Engine((address,)))}
    assert "bad" not in {f.verdict for f in findings.values()}
    assert "4 stray bytes" in findings["pictures"].found
    assert "half floats" in findings["depth"].found
    assert "planar depth in cm" in findings["convention"].found


def test_pictures_that_stay_garbage_are_bad():
    with tiny_engine("garbage-first-frames=999", seed=2) as address:
        findings = list(doctor.examine(Engine((address,))))
    assert findings[-1].verdict == "bad"


class _Ticking:
    """A client whose server runs one command, or one group, in a tick."""

    def __init__(self, groups: bool):
        self._groups = groups

    def ask(self, command: str) -> str:
        time.sleep(0.01)
        return "ok"

    def request(self, commands: list[str]) -> None:
        time.sleep(0.01 * (1 if self._groups else len(commands)))


def test_ticks_are_noticed_and_so_is_a_missing_vbatch():
    found = {f.topic: f for f in doctor.latency(_Ticking(groups=True))}  # type: ignore[arg-type]
    assert found["tick"].found.endswith("Hz")
    assert found["latency"].verdict == "note"
    assert "t.maxFPS 0" in found["latency"].advice
    assert "vbatch" not in found
    alone = {f.topic: f for f in doctor.latency(_Ticking(groups=False))}  # type: ignore[arg-type]
    assert "vbatch" in alone
