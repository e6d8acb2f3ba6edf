"""A session: an engine with a camera of our own, ready to record, and ready again after a loss.

A stream that lost a reply cannot be trusted, so it is dropped with its connection; the session is
then set up again through a new one, and what was asked last is asked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from capture.camera import Intrinsics
from capture.client import Client, EngineError, EngineLost, text
from capture.scene import Scene

Result = TypeVar("Result")

RETAKES = 3  # how often one thing is asked again before it counts as failed
# UnrealCV's cameras see no Lumen unless told, unlike the level's own view.
_SETTINGS = (
    ("exposure_method", "manual"),
    ("motion_blur", "0.0 0.0 0.0 0"),
    ("illumination", "lumen"),
    ("reflection", "lumen"),
)
_COLOR = re.compile(r"R=(\d+),G=(\d+),B=(\d+)")


class BadFrame(RuntimeError):
    """What the engine answered about a frame cannot be what was asked for."""


@dataclass(kw_only=True)
class Session:
    """An engine that is ready to record.

    Attributes:
        client: The connection; another one after `renew`.
        connect: Makes a new connection to the same engine.
        camera_id: A spawned camera; the player's camera 0 lags one frame in real Unreal.
        scene: What the engine shows.
        mask_names: Object ids by mask value; 0 is the background.
        engine: Name, version and settings, for the episode.
        mask_of_color: Mask value of each colour 0xRRGGBB, uint16 [2**24].
        view: The camera's size and field of view, once set.
        num_retakes: How often something was asked again.
        follows: Whether pictures are known to follow the camera at once.
    """

    client: Client
    connect: Callable[[], Client]
    camera_id: int
    scene: Scene
    mask_names: list[str]
    engine: dict[str, object]
    mask_of_color: np.ndarray
    view: Intrinsics | None = None
    num_retakes: int = 0
    follows: bool = False

    def look(self, view: Intrinsics) -> None:
        """Set the camera's size and field of view, and the exposure that the scene asks for."""
        self.view = view
        base = f"vset /camera/{self.camera_id}"
        commands = [
            f"{base}/size {view.width_px} {view.height_px}",
            f"{base}/fov {view.fov_deg:.6f}",
        ]
        if self.scene.exposure_bias is not None:
            commands.append(f"{base}/exposure_bias {self.scene.exposure_bias:.6f}")
        self.client.request(commands)

    def renew(self) -> None:
        """Connect again if the connection is gone, and set up everything as it was.

        Raises:
            EngineLost: If the engine cannot be reached, or shows other objects than before.
        """
        if not self.client.closed:
            return
        self.client = self.connect()
        fresh = _set_up(self.client, self.scene, self.connect)
        same_colors = np.array_equal(fresh.mask_of_color, self.mask_of_color)
        if fresh.mask_names != self.mask_names or not same_colors:
            self.client.close()
            raise EngineLost(f"{self.client.address} shows other objects than before the loss")
        self.camera_id, self.follows = fresh.camera_id, False
        if self.view is not None:
            self.look(self.view)

    def insist(self, ask: Callable[[], Result]) -> Result:
        """What `ask` returns, asked again after a loss or a bad frame.

        Raises:
            EngineLost: If the engine stays lost.
            BadFrame: If the frame stays bad.
        """
        for attempt in range(RETAKES + 1):
            try:
                self.renew()
                return ask()
            except (EngineLost, BadFrame):
                if attempt == RETAKES:
                    raise
                self.num_retakes += 1
        raise AssertionError("the last attempt returns or raises")


def prepare(
    client: Client, scene: Scene | None = None, *, connect: Callable[[], Client] | None = None
) -> Session:
    """Spawn a camera, fix its exposure, and learn the objects' mask colours.

    Args:
        client: A connection to the engine.
        scene: What it shows; by default the engine's own scene card.
        connect: Makes a new connection after a loss; by default to the same address.

    Raises:
        EngineError: If the engine lacks a command that capture needs.
        EngineLost: If the engine is gone.
    """
    again = connect or (lambda: Client(client.address, timeout_s=client.timeout_s))
    for _ in range(RETAKES):
        try:
            return _set_up(client, scene, again)
        except EngineLost:
            client = again()
    return _set_up(client, scene, again)


def _set_up(client: Client, scene: Scene | None, connect: Callable[[], Client]) -> Session:
    camera_id = _own_camera(client)
    settings = {}
    for name, value in _SETTINGS:
        try:
            client.ask(f"vset /camera/{camera_id}/{name} {value}")
            settings[name] = value
        except EngineError:
            settings[name] = "not supported"
    names = sorted(client.ask("vget /objects").split())
    colors = [
        text(reply) for reply in _in_groups(client, [f"vget /object/{n}/color" for n in names])
    ]
    return Session(
        client=client,
        connect=connect,
        camera_id=camera_id,
        scene=scene or scene_card(client),
        mask_names=["background", *names],
        engine={
            "name": client.greeting.removeprefix("connected to").strip(),
            "version": client.ask("vget /unrealcv/version"),
            "settings": settings,
        },
        mask_of_color=_mask_of_color(colors),
    )


def scene_card(client: Client) -> Scene:
    """The scene that the engine describes, or just the level's name where it cannot."""
    try:
        return Scene.from_json(json.loads(client.ask("vget /scene/card")))
    except EngineError:
        name = re.sub(r"[^A-Za-z0-9_]", "_", client.ask("vget /level/name"))
        return Scene(name=name, bounds_m=(-1e4,) * 3 + (1e4,) * 3)


def mask_values(session: Session, bgra: np.ndarray) -> np.ndarray:
    """Mask values uint16 [H, W] of mask colours [H, W, 4]; unknown colours are background."""
    color = np.bitwise_and(bgra.view("<u4")[..., 0], 0xFFFFFF, dtype=np.intp, casting="unsafe")
    return session.mask_of_color.take(color, mode="wrap")  # fastest; every color is in the table


def _own_camera(client: Client) -> int:
    if len(client.ask("vget /cameras").split()) < 2:
        client.ask("vset /cameras/spawn")
    return len(client.ask("vget /cameras").split()) - 1


def _in_groups(client: Client, commands: list[str], size: int = 30) -> list[memoryview]:
    """Many commands, a tick's worth at a time."""
    chunks = (commands[k : k + size] for k in range(0, len(commands), size))
    return [reply for chunk in chunks for reply in client.request(chunk)]


def _mask_of_color(colors: list[str]) -> np.ndarray:
    """The table of `Session.mask_of_color`, from the objects' `(R=..,G=..,B=..,A=..)` texts."""
    table = np.zeros(1 << 24, np.uint16)
    for value, color in enumerate(colors, 1):
        if found := _COLOR.search(color):
            r, g, b = (int(x) for x in found.groups())
            table[r << 16 | g << 8 | b] = value
    return table
