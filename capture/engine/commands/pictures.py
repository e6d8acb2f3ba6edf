"""The pictures of a camera: `/camera/[uint]/lit [str]` and its like, `/screenshot`, `/viewmode`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from capture import files
from capture.camera import from_unreal
from capture.engine import images
from capture.engine.commands.cameras import find_camera
from capture.engine.commands.grammar import Body, CommandError, Routes
from capture.engine.protocol import Buffer
from capture.engine.state import Camera, Engine
from capture.projection import optical_flow

routes = Routes()

_Encode: TypeAlias = Callable[[Engine, Camera], list[Buffer]]


def _lit(engine: Engine, camera: Camera) -> np.ndarray:
    return images.from_rgb(engine.render(camera, "lit"))


def _normal(engine: Engine, camera: Camera) -> np.ndarray:
    return images.from_normals(images.unreal_normals(engine.render(camera, "normal")))


def _mask(engine: Engine, camera: Camera) -> np.ndarray:
    return images.from_objects(engine.render(camera, "object"), engine.palette())


def _depth_npy(engine: Engine, camera: Camera) -> list[Buffer]:
    depth_m = engine.render(camera, "depth")
    return images.encode_npy(images.depth_cm(depth_m, as_unreal=engine.options.ue_depth))


def _normal_npy(engine: Engine, camera: Camera) -> list[Buffer]:
    return images.encode_npy(images.unreal_normals(engine.render(camera, "normal")))


def _lit_raw(engine: Engine, camera: Camera) -> list[Buffer]:
    return [np.ascontiguousarray(engine.render(camera, "lit")).data.cast("B")]


def _as_image(make: Callable[[Engine, Camera], np.ndarray]) -> dict[str, _Encode]:
    return {
        "png": lambda engine, camera: images.encode_png(make(engine, camera)),
        "bmp": lambda engine, camera: images.encode_bmp(make(engine, camera)),
    }


# What each kind of picture can be sent as. The npy of normals is ours.
_ENCODINGS: dict[str, dict[str, _Encode]] = {
    "lit": _as_image(_lit),
    "depth": {"npy": _depth_npy},
    "normal": {**_as_image(_normal), "npy": _normal_npy},
    "object_mask": _as_image(_mask),
    "seg": _as_image(_mask),
}
_VIEW_MODES = tuple(kind for kind, encodings in _ENCODINGS.items() if "png" in encodings)


def _picture(engine: Engine, camera: Camera, kind: str, wanted: str) -> Body:
    """Bytes for a bare encoding (`png`), a file and its name for `name.png`."""
    encodings = _ENCODINGS[kind]
    if wanted in encodings:
        return encodings[wanted](engine, camera)
    suffix = Path(wanted).suffix[1:]
    path = (engine.options.folder / wanted).resolve()
    if suffix not in encodings or not path.is_relative_to(engine.options.folder.resolve()):
        raise CommandError(f"Invalid filename type, filename {wanted}")
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(encodings[suffix](engine, camera))
    return wanted


def _add_picture(kind: str) -> None:
    @routes.add(f"vget /camera/[uint]/{kind} [str]", help=f"Get {kind} as png, bmp, npy or a file")
    def _get(engine: Engine, index: int, wanted: str) -> Body:
        return _picture(engine, find_camera(engine, index), kind, wanted)


for _kind in _ENCODINGS:
    _add_picture(_kind)


@routes.add("vget /camera/[uint]/lit raw", help="Get lit as RGB bytes [H, W, 3]", extension=True)
def _get_lit_raw(engine: Engine, index: int) -> Body:
    return _lit_raw(engine, find_camera(engine, index))


@routes.add("vget /camera/[uint]/optical_flow [str]", help="The plugin's coloured flow: not here")
def _get_colored_flow(engine: Engine, index: int, wanted: str) -> Body:
    find_camera(engine, index)
    raise CommandError("Captured data is empty")


@routes.add(
    "vget /camera/[uint]/flow_to [float] [float] [float] [float] [float] [float]",
    help="Get flow in pixels to the pose [x, y, z, pitch, yaw, roll] as npy [H, W, 2]",
    extension=True,
)
def _get_flow(engine: Engine, index: int, *pose: float) -> Body:
    camera = find_camera(engine, index)
    there = from_unreal(pose[:3], pose[3:])
    depth_m = engine.render(camera, "depth")
    flow = optical_flow(depth_m, camera.intrinsics(), camera.cam_to_world(), there)
    return images.encode_npy(flow)


@routes.add("vget /screenshot [str]", help="Get what the player's viewport shows")
def _get_screenshot(engine: Engine, wanted: str) -> Body:
    return _picture(engine, engine.cameras[0], engine.view_mode, wanted)


@routes.add("vget /viewmode", help="Get the mode of the player's viewport")
def _get_view_mode(engine: Engine) -> Body:
    return engine.view_mode


@routes.add("vset /viewmode [str]", help=f"Set the player's viewport to {', '.join(_VIEW_MODES)}")
def _set_view_mode(engine: Engine, mode: str) -> Body:
    if mode not in _VIEW_MODES:
        raise CommandError(f"Can not set ViewMode to {mode}")
    engine.view_mode = mode
    return ""
