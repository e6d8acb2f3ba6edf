"""`/cameras` and `/camera`: poses and lenses. Pictures are in `pictures`."""

from __future__ import annotations

import dataclasses
import json
import re

from capture.engine.commands.grammar import INVALID, Body, CommandError, Routes
from capture.engine.state import Camera, Engine, normalised

routes = Routes()

_MAX_SIDE_PX = 4096
BAD_SENSOR = "Invalid sensor id"
# Setting -> what the error text calls it, and the options that it lists. They are remembered and
# change nothing; only orthographic cameras, which would change the picture, are refused.
_CHOICES = {
    "projection_type": ("camera mode", "perspective and orthographic"),
    "exposure_method": ("auto exposure mode", "histogram, basic and manual"),
    "lit_source": (
        "lit source",
        "ftc_hdr, fc_hdr, sc_hdr, scna_hdr, ldr, base, color_depth, scene_depth, device_depth, "
        "normal",
    ),
    "reflection": ("reflection method", "none, lumen, screen_space."),
    "illumination": ("global illumination method", "none, lumen, screen_space, plugin."),
}


def find_camera(engine: Engine, index: int, error: str = BAD_SENSOR) -> Camera:
    """The camera with this id.

    Raises:
        CommandError: With the text `error`, if there is none.
    """
    if index >= len(engine.cameras):
        raise CommandError(error)
    return engine.cameras[index]


@routes.add("vget /cameras", help="List all cameras in the scene")
def _list(engine: Engine) -> Body:
    return " ".join(camera.name for camera in engine.cameras)


@routes.add("vset /cameras/spawn", help="Spawn a new camera")
def _spawn(engine: Engine) -> Body:
    return engine.spawn_camera().name


@routes.add("vget /camera/[uint]/location", help="Get camera location [x, y, z]")
def _get_location(engine: Engine, index: int) -> Body:
    return "{:.3f} {:.3f} {:.3f}".format(*find_camera(engine, index).location_cm)


@routes.add(
    "vset /camera/[uint]/location [float] [float] [float]", help="Set camera location [x, y, z]"
)
def _set_location(engine: Engine, index: int, x: float, y: float, z: float) -> Body:
    find_camera(engine, index).location_cm = (x, y, z)
    return ""


@routes.add(
    "vset /camera/[uint]/moveto [float] [float] [float]",
    help="Move the player camera to location [x, y, z]",
)
def _move_to(engine: Engine, index: int, x: float, y: float, z: float) -> Body:
    if index:
        raise CommandError("MoveTo only supports the player camera with id 0")
    return _set_location(engine, index, x, y, z)


@routes.add("vget /camera/[uint]/rotation", help="Get camera rotation [pitch, yaw, roll]")
def _get_rotation(engine: Engine, index: int) -> Body:
    return "{:.3f} {:.3f} {:.3f}".format(*find_camera(engine, index).rotation_deg)


@routes.add(
    "vset /camera/[uint]/rotation [float] [float] [float]",
    help="Set camera rotation [pitch, yaw, roll]",
)
def _set_rotation(engine: Engine, index: int, pitch: float, yaw: float, roll: float) -> Body:
    find_camera(engine, index).rotation_deg = normalised(pitch, yaw, roll)
    return ""


@routes.add(
    "vget /camera/[uint]/pose", help="Get camera pose [x, y, z, pitch, yaw, roll]", extension=True
)
def _get_pose(engine: Engine, index: int) -> Body:
    return f"{_get_location(engine, index)} {_get_rotation(engine, index)}"


@routes.add(
    "vset /camera/[uint]/pose [float] [float] [float] [float] [float] [float]",
    help="Set camera pose [x, y, z, pitch, yaw, roll]",
    extension=True,
)
def _set_pose(engine: Engine, index: int, *pose: float) -> Body:
    x, y, z, pitch, yaw, roll = pose
    _set_location(engine, index, x, y, z)
    return _set_rotation(engine, index, pitch, yaw, roll)


@routes.add("vget /camera/[uint]/fov", help="Get camera horizontal fov")
def _get_fov(engine: Engine, index: int) -> Body:
    return f"{find_camera(engine, index, INVALID).fov_deg:f}"


@routes.add("vset /camera/[uint]/fov [float]", help="Set camera horizontal fov")
def _set_fov(engine: Engine, index: int, fov_deg: float) -> Body:
    camera = find_camera(engine, index, INVALID)
    if not 1.0 <= fov_deg <= 179.0:
        raise CommandError(INVALID)
    camera.fov_deg = fov_deg
    return ""


@routes.add("vget /camera/[uint]/size", help="Get camera film size [width, height]")
def _get_size(engine: Engine, index: int) -> Body:
    camera = find_camera(engine, index, INVALID)
    return f"{camera.width_px} {camera.height_px}"


@routes.add("vset /camera/[uint]/size [uint] [uint]", help="Set camera film size [width, height]")
def _set_size(engine: Engine, index: int, width_px: int, height_px: int) -> Body:
    camera = find_camera(engine, index, INVALID)
    if not (1 <= width_px <= _MAX_SIDE_PX and 1 <= height_px <= _MAX_SIDE_PX):
        raise CommandError(INVALID)
    camera.width_px, camera.height_px = width_px, height_px
    return ""


@routes.add(
    "vget /camera/[uint]/intrinsics", help="Get the pinhole parameters as JSON", extension=True
)
def _get_intrinsics(engine: Engine, index: int) -> Body:
    return json.dumps(dataclasses.asdict(find_camera(engine, index).intrinsics()), sort_keys=True)


def _add_choice(name: str) -> None:
    what, listed = _CHOICES[name]
    values = set(re.findall(r"\w+", listed)) - {"and", "orthographic"}

    @routes.add(f"vset /camera/[uint]/{name} [str]", help=f"Set camera {name}: {listed}")
    def _choose(engine: Engine, index: int, value: str) -> Body:
        camera = find_camera(engine, index, INVALID)
        if value not in values:
            raise CommandError(f"Can not support {what} {value}, available options are {listed}")
        camera.settings[name] = (value,)
        return ""


for _name in _CHOICES:
    _add_choice(_name)


def _add_setting(name: str, arguments: str) -> None:
    @routes.add(f"vset /camera/[uint]/{name} {arguments}", help=f"Set camera {name}")
    def _keep(engine: Engine, index: int, *values: float) -> Body:
        find_camera(engine, index, INVALID).settings[name] = values
        return ""


for _name, _arguments in (
    ("ortho_width", "[float]"),
    ("exposure_bias", "[float]"),
    ("auto_speed", "[float] [float]"),
    ("auto_brightness", "[float] [float]"),
    ("focal", "[float] [float]"),
    ("physical_exposure", "[uint]"),
    ("motion_blur", "[float] [float] [float] [uint]"),
):
    _add_setting(_name, _arguments)
