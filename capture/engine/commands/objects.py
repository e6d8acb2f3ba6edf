"""`/objects` and `/object`: what is in the world, where, and its colour in masks."""

from __future__ import annotations

import numpy as np

from capture import camera as geometry
from capture.engine.commands.grammar import INVALID, Body, CommandError, Routes
from capture.engine.state import CAMERA_CLASS, CUBE_CLASS, Engine
from capture.engine.world import WorldObject

routes = Routes()

_MISSING = "Cannot find object"


def _find(engine: Engine, name: str) -> WorldObject:
    if name not in engine.names:
        raise CommandError(_MISSING)
    return engine.world.objects[engine.world.index(engine.names[name])]


def _move(engine: Engine, name: str, **changes: np.ndarray) -> Body:
    """`World.move` by the name that clients use."""
    target = _find(engine, name)
    try:
        engine.world.move(target.id, **changes)
    except ValueError as error:
        raise CommandError(INVALID) from error
    return ""


def _to_cm(points_m: np.ndarray) -> np.ndarray:
    """World points [..., 3] in metres to Unreal's centimetres."""
    axes = np.broadcast_to(np.eye(3), (*points_m.shape, 3))
    return geometry.to_unreal(geometry.pose_from_axes(points_m, axes))[0]


@routes.add("vget /objects", help="Get the name of all objects")
def _list(engine: Engine) -> Body:
    return " ".join(engine.names)


@routes.add(
    "vset /objects/spawn_cube", "vset /objects/spawn_cube [str]", help="Spawn a box for debugging"
)
def _spawn_cube(engine: Engine, name: str = "") -> Body:
    _spawn(engine, CUBE_CLASS)  # the plugin takes a name and does not use it
    return ""


@routes.add(
    *("vset /objects/spawn [str]", "vset /objects/spawn [str] [str]"),
    help="Spawn an object with UClassName as the argument",
)
def _spawn(engine: Engine, class_name: str, name: str = "") -> Body:
    if name and (name in engine.names or name in [camera.name for camera in engine.cameras]):
        raise CommandError(f"Failed to spawn {name}, object exists.")
    if class_name == CAMERA_CLASS:
        return engine.spawn_camera(name).name
    if class_name != CUBE_CLASS:
        raise CommandError(f"Can not find a class with name '{class_name}'")
    try:
        return engine.spawn_cube(name)
    except ValueError as error:
        raise CommandError("Failed to spawn actor") from error


@routes.add("vget /object/[str]/location", help="Get object location [x, y, z]")
def _get_location(engine: Engine, name: str) -> Body:
    return "{:.3f} {:.3f} {:.3f}".format(*_to_cm(_find(engine, name).position_m))


@routes.add(
    "vset /object/[str]/location [float] [float] [float]", help="Set object location [x, y, z]"
)
def _set_location(engine: Engine, name: str, x: float, y: float, z: float) -> Body:
    position_m = geometry.from_unreal((x, y, z), (0.0, 0.0, 0.0))[:3, 3]
    return _move(engine, name, position_m=position_m)


# An object's own axes at rest are the world's: x forward, y left, z up.
@routes.add("vget /object/[str]/rotation", help="Get object rotation [pitch, yaw, roll]")
def _get_rotation(engine: Engine, name: str) -> Body:
    x, y, z = _find(engine, name).rotation.T
    _, angles = geometry.to_unreal(geometry.pose_from_axes(np.zeros(3), np.stack([x, -y, z])))
    return "{:.3f} {:.3f} {:.3f}".format(*(angles + 0.0))


@routes.add(
    "vset /object/[str]/rotation [float] [float] [float]",
    help="Set object rotation [pitch, yaw, roll]",
)
def _set_rotation(engine: Engine, name: str, pitch: float, yaw: float, roll: float) -> Body:
    axes = geometry.ego_axes(geometry.from_unreal((0.0, 0.0, 0.0), (pitch, yaw, roll)))
    rotation = np.stack([axes[0], -axes[1], axes[2]], axis=1)
    return _move(engine, name, rotation=rotation)


@routes.add("vget /object/[str]/scale", help="Get object scale [x, y, z]")
def _get_scale(engine: Engine, name: str) -> Body:
    return "{:.3f} {:.3f} {:.3f}".format(*_find(engine, name).scale)


@routes.add("vset /object/[str]/scale [float] [float] [float]", help="Set object scale [x, y, z]")
def _set_scale(engine: Engine, name: str, x: float, y: float, z: float) -> Body:
    return _move(engine, name, scale=np.array([x, y, z]))


@routes.add(
    "vget /object/[str]/bounds", help="Get the world bounds [minx, miny, minz, maxx, maxy, maxz]"
)
def _get_bounds(engine: Engine, name: str) -> Body:
    corners_m = np.reshape(engine.world.bounds_of(_find(engine, name).id), (2, 3))
    corners_cm = _to_cm(corners_m)
    bounds = (*corners_cm.min(axis=0), *corners_cm.max(axis=0))
    return " ".join(f"{value:.2f}" for value in bounds)


@routes.add("vget /object/[str]/vertex_location", help="Get the world locations of all vertices")
def _get_vertices(engine: Engine, name: str) -> Body:
    points_m = engine.world.vertices[slice(*_find(engine, name).vertices), :3].astype(np.float64)
    return "\n".join("{:.5f}     {:.5f}     {:.5f}".format(*point) for point in _to_cm(points_m))


@routes.add("vget /object/[str]/color", help="Get the color of an object in object_mask")
def _get_color(engine: Engine, name: str) -> Body:
    return "(R={},G={},B={},A=255)".format(*_find(engine, name).mask_rgb)


@routes.add(
    "vset /object/[str]/color [uint] [uint] [uint]",
    help="Set the color of an object in object_mask [r, g, b]",
)
def _set_color(engine: Engine, name: str, red: int, green: int, blue: int) -> Body:
    target = _find(engine, name)
    if max(red, green, blue) > 255:
        raise CommandError(INVALID)
    engine.world.recolor(target.id, (red, green, blue))
    return ""


@routes.add("vset /object/[str]/show", help="Show object")
def _show(engine: Engine, name: str) -> Body:
    engine.world.show(_find(engine, name).id, True)
    return ""


@routes.add("vset /object/[str]/hide", help="Hide object")
def _hide(engine: Engine, name: str) -> Body:
    engine.world.show(_find(engine, name).id, False)
    return ""


@routes.add("vset /object/[str]/destroy", help="Destroy object")
def _destroy(engine: Engine, name: str) -> Body:
    engine.world.show(_find(engine, name).id, False)
    del engine.names[name]
    return ""


@routes.add("vset /object/[str]/name [str]", help="Set the name of an object")
def _rename(engine: Engine, name: str, new_name: str) -> Body:
    _find(engine, name)
    if new_name == name:
        return "The name has already been set"
    if not new_name or new_name in engine.names:
        raise CommandError(
            f"Renaming an object to overwrite an existing object is not allowed, {new_name}"
        )
    engine.names = {
        (new_name if public == name else public): own for public, own in engine.names.items()
    }
    return ""


@routes.add("vget /object/[str]/mobility", help="Is the object static or movable?")
def _get_mobility(engine: Engine, name: str) -> Body:
    _find(engine, name)
    return "Movable"


@routes.add("vget /object/[str]/uclass_name", help="Get the UClass name for filtering objects")
def _get_class(engine: Engine, name: str) -> Body:
    _find(engine, name)
    return "StaticMeshActor"
