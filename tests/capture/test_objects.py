"""What clients do to objects is seen in all four pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from served_world import SIZE, Wire, bmp, npy

PICTURES = {
    "lit": ("lit bmp", bmp),
    "depth": ("depth npy", npy),
    "normal": ("normal npy", npy),
    "object_mask": ("object_mask bmp", bmp),
}


def look(wire: Wire) -> dict[str, np.ndarray]:
    return {
        name: decode(wire.ask(f"vget /camera/0/{command}"))
        for name, (command, decode) in PICTURES.items()
    }


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which pixels differ, bool [H, W]."""
    differs = before != after
    return differs if differs.ndim == 2 else differs.any(axis=-1)


def mask_of(wire: Wire, name: str) -> np.ndarray:
    """Where an object is seen, bool [H, W]."""
    text = wire.text(f"vget /object/{name}/color").strip("()")
    red, green, blue, alpha = (int(part.split("=")[1]) for part in text.split(","))
    seen = bmp(wire.ask("vget /camera/0/object_mask bmp"))
    return (seen == (blue, green, red, alpha)).all(axis=-1)


def spawn(wire: Wire) -> None:
    assert wire.ask("vset /objects/spawn CubeActor Block") == b"Block"
    assert wire.ask("vset /object/Block/location 200 20 100") == b"ok"
    assert wire.ask("vset /object/Block/rotation 0 45 0") == b"ok"


def move(wire: Wire) -> None:
    assert wire.ask("vset /object/cube_1/location 200 60 50") == b"ok"
    assert wire.ask("vset /object/cube_1/rotation 10 60 0") == b"ok"


def hide(wire: Wire) -> None:
    assert wire.ask("vset /object/cube_1/hide") == b"ok"


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("act", "name"), [(spawn, "Block"), (move, "cube_1"), (hide, "cube_1")])
def test_each_act_is_seen_in_each_picture(wire, act: Callable[[Wire], None], name, picture):
    """Where the object was or is the picture changes, and beyond its shadow nowhere else."""
    assert wire.ask("vset /object/cube_1/rotation 0 30 0") == b"ok"  # not a side like the wall's
    before = look(wire)
    was = np.zeros(SIZE[::-1], bool) if act is spawn else mask_of(wire, name)
    act(wire)
    touched = was | mask_of(wire, name)
    assert touched.sum() > 50
    differs = changed(before[picture], look(wire)[picture])
    assert differs[touched].mean() > 0.9
    if picture != "lit":  # shadows fall elsewhere, and its rim is blended with the background
        assert not differs[~touched].any()


def test_a_new_colour_is_seen_in_the_mask_alone(wire):
    before, cube = look(wire), mask_of(wire, "cube_1")
    assert wire.ask("vset /object/cube_1/color 1 2 3") == b"ok"
    after = look(wire)
    assert (after["object_mask"][cube] == (3, 2, 1, 255)).all()
    assert not changed(before["object_mask"], after["object_mask"])[~cube].any()
    for picture in ("lit", "depth", "normal"):
        np.testing.assert_array_equal(before[picture], after[picture])


def test_a_spawned_cube_is_an_object_like_others(wire):
    assert wire.text("vset /objects/spawn CubeActor") == "CubeActor_1"
    assert wire.text("vget /objects") == "wall_1 cube_1 CubeActor_1"
    # `BasicShapes/Cube`: 1 m, its pivot in the middle, spawned at the origin.
    bounds = "-50.00 -50.00 -50.00 50.00 50.00 50.00"
    assert wire.text("vget /object/CubeActor_1/bounds") == bounds
    assert wire.ask("vset /object/CubeActor_1/scale 1 2 1") == b"ok"
    assert wire.ask("vset /object/CubeActor_1/location 300 100 0") == b"ok"
    bounds = "250.00 0.00 -50.00 350.00 200.00 50.00"
    assert wire.text("vget /object/CubeActor_1/bounds") == bounds
    colours = {wire.text(f"vget /object/{name}/color") for name in ("wall_1", "cube_1")}
    assert wire.text("vget /object/CubeActor_1/color") not in colours
    depth_cm = npy(wire.ask("vget /camera/0/depth npy"))
    seen = mask_of(wire, "CubeActor_1")
    # Its near side is a plane at 250 cm.
    assert seen.sum() > 20 and depth_cm[seen].min() == pytest.approx(250.0, abs=0.01)


def test_names_of_what_is_spawned(wire):
    assert wire.ask("vset /objects/spawn_cube") == b"ok"
    assert wire.ask("vset /objects/spawn_cube Mine") == b"ok"  # the plugin forgets the name too
    assert wire.text("vget /objects") == "wall_1 cube_1 CubeActor_1 CubeActor_2"
    assert wire.ask("vset /object/CubeActor_1/destroy") == b"ok"
    assert wire.text("vset /objects/spawn CubeActor CubeActor_1") == "CubeActor_1"
    taken = "vset /objects/spawn CubeActor cube_1"
    assert wire.text(taken) == "error Failed to spawn cube_1, object exists."
    assert wire.text("vget /objects") == "wall_1 cube_1 CubeActor_2 CubeActor_1"


def test_a_spawned_cube_has_the_same_bytes_as_any_other_time(wire):
    spawn(wire)
    first = wire.ask("vget /camera/0/lit bmp")
    wire.ask("vset /object/Block/destroy")
    without = wire.ask("vget /camera/0/lit bmp")
    spawn(wire)
    assert wire.ask("vget /camera/0/lit bmp") == first != without
