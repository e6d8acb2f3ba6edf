"""`/action`, the console, and the clock. Time moves only by `vset /action/game/step`."""

from __future__ import annotations

import re

from capture.engine.commands.grammar import INVALID, Body, CommandError, Routes
from capture.engine.state import Engine

routes = Routes()

_NO_WORLD = "No valid world"
_NO_PLAYER = "No player controller"
# Console commands that change how real Unreal renders or paces, and nothing here.
_CONSOLE = re.compile(r"(slomo|setres|t\.maxfps|r\..*|sg\..*|disableallscreenmessages)", re.I)


@routes.add("vset /action/game/pause", help="Pause the game")
def _pause(engine: Engine) -> Body:
    engine.paused = True
    return ""


@routes.add("vset /action/game/resume", help="Resume the game")
def _resume(engine: Engine) -> Body:
    engine.paused = False
    return ""


@routes.add("vget /action/game/is_paused", help="Get whether the game is paused")
def _is_paused(engine: Engine) -> Body:
    return "true" if engine.paused else "false"


@routes.add(
    "vset /action/game/step [float]",
    help="Let this many seconds pass, also while paused",
    extension=True,
)
def _step(engine: Engine, seconds: float) -> Body:
    if seconds < 0:
        raise CommandError(INVALID)
    engine.time_s += seconds
    return ""


@routes.add("vget /action/game/time", help="Get the simulated time in seconds", extension=True)
def _get_time(engine: Engine) -> Body:
    return f"{engine.time_s:.6f}"


@routes.add("vset /action/game/level [str]", help="Open a level")
def _open_level(engine: Engine, name: str) -> Body:
    if name != engine.world.scene.name:
        raise CommandError(INVALID)
    return ""


@routes.add("vset /action/input/enable", "vset /action/input/disable", help="Switch player input")
def _switch_input(_: Engine) -> Body:
    raise CommandError(_NO_PLAYER)


@routes.add("vset /action/keyboard [str] [float]", help="Press a key for some seconds")
def _press_key(_: Engine, key: str, seconds: float) -> Body:
    raise CommandError(_NO_PLAYER)


@routes.add("vset /action/eyes_distance [float]", help="Set the distance between binocular cameras")
def _set_eyes_distance(_: Engine, distance_cm: float) -> Body:
    raise CommandError("Not Implemented")


@routes.add("vget /persistent_level/id", help="Get the name of the persistent level")
def _get_persistent_level(_: Engine) -> Body:
    return "PersistentLevel"


@routes.add(
    *("vexec" + " [str]" * count for count in range(2, 8)),
    *("vbp" + " [str]" * count for count in range(2, 12)),
    "vget /persistent_level/level_script_actor/id",
    help="Blueprints: not available in this engine",
)
def _blueprint(_: Engine, *words: str) -> Body:
    raise CommandError(_NO_WORLD)


@routes.add("vrun [str]", help="Run an alias")
def _run_alias(_: Engine, name: str) -> Body:
    raise CommandError(f"Unrecognised alias '{name}'")


@routes.add(
    "vcmd [str]",
    *("vrun" + " [str]" * count for count in range(2, 7)),
    help="Run a console command",
)
def _run_console(_: Engine, name: str, *arguments: str) -> Body:
    if not _CONSOLE.fullmatch(name):
        raise CommandError("No player controller available")
    return ""
