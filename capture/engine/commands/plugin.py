"""`/unrealcv`, `/scene` and `/level`: what the server says about itself and its world."""

from __future__ import annotations

import json
from collections.abc import Sequence

from capture.engine.commands.grammar import Body, Route, Routes
from capture.engine.state import Engine

# 1.1.0 would promise `vreflect` and spawning with coordinates; clients gate on the listed commands.
VERSION = "1.0.1"


def routes(others: Sequence[Route]) -> Routes:
    """The commands about the server; `help` and `commands` list `others` and themselves."""
    own = Routes()

    @own.add("vget /unrealcv/help", help="List all commands and their help message")
    def get_help(_: Engine) -> Body:
        listed = [route for route in [*others, *own.items] if not route.extension]
        return "\n".join(line for route in listed for line in (route.template, route.description))

    @own.add("vget /unrealcv/commands", help="List all command templates")
    def get_commands(_: Engine) -> Body:
        return "\n".join(sorted(route.template for route in [*others, *own.items]))

    own.add("vget /unrealcv/status", help="Get the status of UnrealCV plugin")(_get_status)
    own.add("vget /unrealcv/echo [str]", help="[debug] Echo back all message")(_echo)
    own.add("vget /unrealcv/version", help="Get the version of UnrealCV")(_get_version)
    own.add("vget /scene/name", help="Get the name of this scene")(_get_name)
    own.add("vget /level/name", help="Get the name of this level")(_get_name)
    own.add("vget /scene/card", help="Get what is known of this scene, as JSON", extension=True)(
        _get_card
    )
    return own


def _get_status(engine: Engine) -> Body:
    options = engine.options
    return "\n".join(
        [
            "Is Listening",
            "Client Connected",
            str(engine.port),
            "Configuration",
            "Config file: ",
            f"Port: {engine.port}",
            f"Width: {options.width_px}",
            f"Height: {options.height_px}",
            f"FOV: {options.fov_deg:f}",
            "EnableInput: false",
            "EnableRightEye: false",
        ]
    )


def _echo(_: Engine, text: str) -> Body:
    return text


def _get_version(_: Engine) -> Body:
    return VERSION


def _get_name(engine: Engine) -> Body:
    return engine.world.scene.name


def _get_card(engine: Engine) -> Body:
    return json.dumps(engine.world.scene.to_json(), sort_keys=True)
