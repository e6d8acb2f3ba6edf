"""The embedded server's commands without pictures, and its process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served_world import SIZE

from capture.scene import Scene

SCHEMA = Path(__file__).parent / "unrealcv_schema.txt"


def test_hello_and_the_plugin_commands(wire, server):
    assert wire.hello.startswith(b"connected to ")
    assert wire.ask("vget /unrealcv/version") == b"1.0.1"
    assert wire.ask("vget /unrealcv/echo größe") == "größe".encode()
    assert wire.ask("vget /unrealcv/echo ") == b"ok"
    assert wire.ask("vget /scene/name") == wire.ask("vget /level/name") == b"tiny"
    lines = wire.text("vget /unrealcv/status").splitlines()
    assert lines[:4] == ["Is Listening", "Client Connected", str(server.port), "Configuration"]
    assert f"Port: {server.port}" in lines and f"Width: {SIZE[0]}" in lines
    card = Scene.from_json(json.loads(wire.text("vget /scene/card")))
    assert card.id == "tiny-3" and card.labels["cube_1"] == "red cube"


def test_help_covers_the_published_schema(wire):
    lines = wire.text("vget /unrealcv/help").split("\n")
    helped = lines[::2]
    published = SCHEMA.read_text().split("\n")[:-1]
    assert len(published) == 91 and set(published) <= set(helped)
    assert all(line and not line.startswith(("vget", "vset")) for line in lines[1::2])
    listed = wire.text("vget /unrealcv/commands").split("\n")
    assert listed == sorted(listed) and set(helped) < set(listed)
    extensions = set(listed) - set(helped)
    assert "vget /camera/[uint]/pose" in extensions and "vget /scene/card" in extensions


# What this engine cannot have is answered by the plugin's own error; all else must work.
_REFUSED = {
    "vbp ": "No valid world",
    "vexec ": "No valid world",
    "vget /persistent_level/level_script_actor/id": "No valid world",
    "vset /action/input/": "No player controller",
    "vset /action/keyboard ": "No player controller",
    "vset /action/eyes_distance ": "Not Implemented",
    "vget /camera/[uint]/optical_flow ": "Captured data is empty",
}
_WORKING = {
    "vget /camera/[uint]/depth [str]": "vget /camera/0/depth npy",
    "vset /action/game/level [str]": "vset /action/game/level tiny",
    "vset /camera/[uint]/exposure_method [str]": "vset /camera/0/exposure_method manual",
    "vset /camera/[uint]/illumination [str]": "vset /camera/0/illumination lumen",
    "vset /camera/[uint]/lit_source [str]": "vset /camera/0/lit_source ldr",
    "vset /camera/[uint]/projection_type [str]": "vset /camera/0/projection_type perspective",
    "vset /camera/[uint]/reflection [str]": "vset /camera/0/reflection screen_space",
    "vset /camera/[uint]/size [uint] [uint]": "vset /camera/0/size 32 24",
    "vset /objects/spawn [str]": "vset /objects/spawn CubeActor",
    "vset /objects/spawn [str] [str]": "vset /objects/spawn CubeActor one",
    "vset /object/[str]/name [str]": "vset /object/wall_1/name barrier",
    "vset /viewmode [str]": "vset /viewmode normal",
}


def _example(template: str) -> str:
    """A command of a template that works, where anything does."""
    command = _WORKING.get(template, template).replace("/object/[str]", "/object/cube_1")
    for verb, words in (("vrun", "r.Some"), ("vget", "png"), ("vset", "one")):
        if command.startswith(verb):
            command = command.replace("[str]", words)
    command = command.replace("[uint]", "0", 1 if "/camera/" in template else 0)
    return command.replace("[uint]", "7").replace("[float]", "20").replace("[str]", "word")


def test_every_published_command_is_answered_as_by_the_plugin(wire):
    """Behaviour, or the documented error text; the destroying one comes last."""
    published = SCHEMA.read_text().split("\n")[:-1]
    for template in sorted(published, key=lambda t: t.endswith(("/destroy", "/name [str]"))):
        reply = wire.ask(_example(template))
        refused = [text for start, text in _REFUSED.items() if template.startswith(start)]
        if template == "vrun [str]":
            refused = ["Unrecognised alias 'r.Some'"]
        assert reply.startswith(b"error") == bool(refused), (template, reply[:80])
        assert not refused or reply.decode() == f"error {refused[0]}"
        if template.startswith("vset") and not refused and "spawn" not in template:
            assert reply == b"ok", (template, reply[:80])


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("vget /nothing", "No handler found for URI 'vget /nothing'. Can not find a handler"),
        ("", "No handler found for URI ''. Can not find a handler"),
        ("vget /camera/9/lit png", "Invalid sensor id"),
        ("vget /camera/9/location", "Invalid sensor id"),
        ("vset /camera/9/rotation 0 0 0", "Invalid sensor id"),
        ("vget /camera/9/fov", "Argument Invalid"),
        ("vset /camera/9/size 4 4", "Argument Invalid"),
        ("vset /camera/0/size 0 4", "Argument Invalid"),
        ("vset /camera/0/fov 0", "Argument Invalid"),
        ("vget /object/no/location", "Cannot find object"),
        ("vget /camera/0/lit jpg", "Invalid filename type, filename jpg"),
        ("vget /camera/0/depth png", "Invalid filename type, filename png"),
        ("vget /camera/0/optical_flow png", "Captured data is empty"),
        ("vset /viewmode wireframe", "Can not set ViewMode to wireframe"),
        (
            "vset /camera/0/exposure_method x",
            "Can not support auto exposure mode x, "
            "available options are histogram, basic and manual",
        ),
        (
            "vset /camera/0/projection_type x",
            "Can not support camera mode x, available options are perspective and orthographic",
        ),
        (
            "vset /camera/0/reflection x",
            "Can not support reflection method x, available options are none, lumen, screen_space.",
        ),
        (
            "vset /camera/0/illumination x",
            "Can not support global illumination method x, available options are "
            "none, lumen, screen_space, plugin.",
        ),
        (
            "vset /camera/0/lit_source x",
            "Can not support lit source x, available options are ftc_hdr, fc_hdr, sc_hdr, "
            "scna_hdr, ldr, base, color_depth, scene_depth, device_depth, normal",
        ),
        ("vset /camera/1/moveto 0 0 0", "MoveTo only supports the player camera with id 0"),
        ("vset /objects/spawn Nothing", "Can not find a class with name 'Nothing'"),
        ("vset /objects/spawn FusionCameraActor cube_1", "Failed to spawn cube_1, object exists."),
        ("vset /action/eyes_distance 1", "Not Implemented"),
        ("vrun nothing", "Unrecognised alias 'nothing'"),
        ("vrun quit now", "No player controller available"),
        ("vbp a b", "No valid world"),
        ("vset /camera/0/location 1e-5 0 0", "No handler found for URI"),
    ],
)
def test_error_texts(wire, command, error):
    assert wire.text(command).startswith(f"error {error}")


@pytest.mark.parametrize(
    "command",
    [
        "vset /camera/0/exposure_method manual",
        "vset /camera/0/exposure_bias 1.5",
        "vset /camera/0/motion_blur 0 0 0 0",
        "vset /camera/0/lit_source sc_hdr",
        "vset /camera/0/illumination lumen",
        "vset /camera/0/reflection lumen",
        "vset /camera/0/projection_type perspective",
        "vrun slomo 0.5",
        "vrun t.maxFPS 0",
        "vrun r.setres 64x64w",
        "vrun sg.ShadowQuality 0",
        "vcmd DisableAllScreenMessages",
    ],
)
def test_accepted_settings(wire, command):
    assert wire.ask(command) == b"ok"


def test_pause_and_the_clock(wire):
    assert wire.text("vget /action/game/is_paused") == "false"
    assert wire.ask("vset /action/game/pause") == b"ok"
    assert wire.text("vget /action/game/is_paused") == "true"
    assert wire.ask("vset /action/game/step 0.25") == b"ok"
    assert wire.text("vget /action/game/time") == "0.250000"
    assert wire.ask("vset /action/game/resume") == b"ok"
    assert wire.text("vget /action/game/is_paused") == "false"


def test_the_process_reports_an_unknown_scene_in_one_line():
    command = [sys.executable, "-m", "capture.engine", "--scene", "none", "--port", "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_dies_with_its_parent():
    child = (
        "import os, time; from capture.engine.__main__ import die_with_parent;"
        "die_with_parent(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        status = Path("/proc", process.stdout.readline().strip(), "status")
        assert status.exists()
        process.kill()
        deadline = time.monotonic() + 10
        while status.exists() and "zombie" not in status.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
