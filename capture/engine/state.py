"""What the server remembers: cameras, clock, switches, and the last rendered frame.

Nothing here depends on history: the same state gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capture import camera as geometry
from capture.camera import Intrinsics
from capture.engine.materials import Material, plain
from capture.engine.meshes import box
from capture.engine.world import World

if TYPE_CHECKING:
    from capture.engine.raster import Renderer

PAWN_CAMERA = "PawnSensor"
CAMERA_CLASS = "FusionCameraActor"
CUBE_CLASS = "CubeActor"
NEAR_M = 0.05


@dataclass(slots=True)
class Camera:
    """A camera in Unreal's units.

    Attributes:
        name: Name of its actor.
        location_cm: X, Y, Z.
        rotation_deg: Pitch, yaw, roll, each in (-180, 180].
        fov_deg: Horizontal field of view.
        width_px: Image width.
        height_px: Image height.
        settings: What clients set and this engine keeps without using it, such as exposure_method.
    """

    name: str
    location_cm: tuple[float, float, float]
    rotation_deg: tuple[float, float, float]
    fov_deg: float
    width_px: int
    height_px: int
    settings: dict[str, tuple] = field(default_factory=dict)

    def cam_to_world(self) -> np.ndarray:
        """Pose, float64 [4, 4]."""
        return geometry.from_unreal(self.location_cm, self.rotation_deg)

    def intrinsics(self) -> Intrinsics:
        """Pinhole camera of the current size and field of view."""
        return Intrinsics.from_fov(self.width_px, self.height_px, self.fov_deg)

    def place(self, cam_to_world: np.ndarray) -> None:
        """Move to a pose [4, 4]."""
        location, rotation = geometry.to_unreal(cam_to_world)
        self.location_cm = (float(location[0]), float(location[1]), float(location[2]))
        self.rotation_deg = normalised(*map(float, rotation))


def normalised(pitch: float, yaw: float, roll: float) -> tuple[float, float, float]:
    """Each angle in (-180, 180] degrees, as `FRotator::Normalize` does."""
    pitch, yaw, roll = (-((180.0 - angle) % 360.0 - 180.0) for angle in (pitch, yaw, roll))
    return pitch, yaw, roll


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a server presents itself.

    Attributes:
        width_px: Image width of new cameras.
        height_px: Image height of new cameras.
        fov_deg: Horizontal field of view of new cameras.
        ue_depth: Round depth through half floats as the plugin does.
        folder: The only folder that image commands with a file name may write to.
    """

    width_px: int = 640
    height_px: int = 480
    fov_deg: float = 90.0
    ue_depth: bool = False
    folder: Path = Path()

    def __post_init__(self):
        Intrinsics.from_fov(self.width_px, self.height_px, self.fov_deg)


class Engine:
    """A world, its cameras and its clock; the target of every command.

    Args:
        world: What is rendered.
        renderer: Renders `world`, also after its objects were moved.
        options: Image size, depth quantisation, working folder.

    Attributes:
        cameras: By id; 0 is the player's.
        names: What clients call an object -> its id in the world; destroyed ones are missing.
        port: TCP port of the server in front, for `status`.
        paused: Whether the game is paused.
        time_s: Simulated time.
        view_mode: What `screenshot` shows.
    """

    def __init__(self, world: World, renderer: Renderer, options: Options | None = None):
        self.world = world
        self._renderer = renderer
        self.options = options or Options()
        self.cameras = [self._new_camera(PAWN_CAMERA)]
        self.names = {o.id: o.id for o in world.objects[1:]}
        self.port = 0
        self.paused = False
        self.time_s = 0.0
        self.view_mode = "lit"
        self._view: tuple = ()
        self._asked: frozenset[str] = frozenset()
        self._expected: frozenset[str] = frozenset()

    def _new_camera(self, name: str) -> Camera:
        options = self.options
        camera = Camera(
            name=name,
            location_cm=(0.0, 0.0, 0.0),
            rotation_deg=(0.0, 0.0, 0.0),
            fov_deg=options.fov_deg,
            width_px=options.width_px,
            height_px=options.height_px,
        )
        spawn = geometry.pose_from_angles(self.world.spawn_m, self.world.spawn_heading_deg, 0.0)
        camera.place(spawn)
        return camera

    def spawn_camera(self, name: str | None = None) -> Camera:
        """Add a camera at the world's spawn pose. Its id, a list position, never changes."""
        camera = self._new_camera(name or f"{CAMERA_CLASS}_{len(self.cameras)}")
        self.cameras.append(camera)
        return camera

    def spawn_cube(self, name: str | None = None) -> str:
        """Add a grey cube of 1 m about the world's origin, as the plugin's `CubeActor`.

        Returns:
            What clients call it.

        Raises:
            ValueError: If the world is full.
        """
        grey = Material(texture=plain(0.72, 0.72, 0.72))
        numbered = (f"{CUBE_CLASS}_{k}" for k in itertools.count(1))
        name = name or next(free for free in numbered if free not in self.names)
        self.names[name] = self.world.spawn(CUBE_CLASS, box(1.0, 1.0, 1.0).at(z_m=-0.5), grey)
        return name

    def render(self, camera: Camera, output: str) -> np.ndarray:
        """One of the renderer's outputs ("lit", "depth", "normal", "object") for a camera.

        What was asked for at the last pose is rendered along with it, so that the pictures of one
        pose cost one pass, whatever their order.
        """
        view = (camera.location_cm, camera.rotation_deg, camera.intrinsics())
        if view != self._view:
            self._view, self._asked, self._expected = view, frozenset(), self._asked
        self._asked |= {output}
        outputs = tuple(sorted(self._asked | self._expected))
        frame = self._renderer.render(
            camera.cam_to_world(), view[2], near_m=NEAR_M, outputs=outputs
        )
        picture = {
            "lit": frame.rgb,
            "depth": frame.depth_m,
            "normal": frame.normal,
            "object": frame.object,
        }[output]
        assert picture is not None  # it was among the outputs asked for
        return picture

    def palette(self) -> np.ndarray:
        """Mask colours by object index, uint8 [num_objects, 3]; 0 is the background, black."""
        return np.array([o.mask_rgb for o in self.world.objects], dtype=np.uint8)

    def warm_up(self) -> None:
        """Render once, so that no client waits for the compiler."""
        small = dataclasses.replace(self.cameras[0], width_px=32, height_px=32)
        for output in ("lit", "depth"):
            self.render(small, output)
