"""Record: a plan through an engine into an episode, never a frame under the wrong pose.

Every frame is one group: set the pose, take colour, depth and mask, read the pose back. The next
group is already on its way while the last one is measured, encoded and written.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capture import camera
from capture.client import Client, EngineError, Group, decode_bmp, decode_depth_npy
from capture.episode import Episode, EpisodeWriter
from capture.scene import Plan, Scene

# Called with colour uint8 [H, W, 3] and depth float32 [H, W] in metres of every raw frame.
Observer = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]

# Groups on their way: four of eight messages (`vbatch` and seven) fill one tick of the plugin.
DEPTH_AHEAD = 4
MAX_WARM_UP = 12
_SETTLED = 0.25  # mean absolute difference of 8-bit levels between two captures of one pose
# UnrealCV prints three decimals and rounds arguments to 32-bit floats.
_POSITION_TOLERANCE_CM = 0.002
_ANGLE_TOLERANCE_DEG = 0.003
_COLOR = re.compile(r"R=(\d+),G=(\d+),B=(\d+)")


class WrongPose(RuntimeError):
    """The engine rendered from another pose than the commanded one."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An engine that is ready to record.

    Attributes:
        client: The connection.
        camera_id: A spawned camera; the player's camera 0 lags one frame in real Unreal.
        scene: What the engine shows.
        mask_names: Object ids by mask value; 0 is the background.
        engine: Name, version and settings, for the episode.
    """

    client: Client
    camera_id: int
    scene: Scene
    mask_names: list[str]
    engine: dict[str, object]
    palette: np.ndarray  # sorted colours as 0xBBGGRR, uint32 [N]
    values: np.ndarray  # mask value of each palette entry, uint16 [N]


def prepare(client: Client, scene: Scene | None = None) -> Stage:
    """Spawn a camera, fix its exposure, and learn the objects' mask colours.

    Args:
        client: A connection to the engine.
        scene: What it shows; by default the engine's own scene card.

    Raises:
        EngineError: If the engine lacks a command that capture needs.
    """
    camera_id = _own_camera(client)
    settings = {}
    for name, value in (("exposure_method", "manual"), ("motion_blur", "0.0 0.0 0.0 0")):
        try:
            client.ask(f"vset /camera/{camera_id}/{name} {value}")
            settings[name] = value
        except EngineError:
            settings[name] = "not supported"
    names = sorted(client.ask("vget /objects").split())
    colors = [
        reply.decode() for reply in _in_groups(client, [f"vget /object/{n}/color" for n in names])
    ]
    palette, values = _palette(colors)
    return Stage(
        client=client,
        camera_id=camera_id,
        scene=scene or scene_card(client),
        mask_names=["background", *names],
        engine={
            "name": client.greeting.removeprefix("connected to").strip(),
            "version": client.ask("vget /unrealcv/version"),
            "settings": settings,
        },
        palette=palette,
        values=values,
    )


def scene_card(client: Client) -> Scene:
    """The scene that the engine describes, or just the level's name where it cannot."""
    try:
        return Scene.from_json(json.loads(client.ask("vget /scene/card")))
    except EngineError:
        name = re.sub(r"[^A-Za-z0-9_]", "_", client.ask("vget /level/name"))
        return Scene(name=name, bounds_m=(-1e4,) * 3 + (1e4,) * 3)


def record(
    stage: Stage,
    plan: Plan,
    root: Path,
    *,
    observers: Sequence[Callable[[], Observer]] = (),
    on_frame: Callable[[int], None] | None = None,
) -> Episode:
    """Render a plan into `root/<plan id>`; a finished episode is returned as it is.

    Args:
        stage: From `prepare`.
        plan: What to render.
        root: The dataset's `episodes` folder.
        observers: Makers of functions that measure raw frames; one of each per episode.
        on_frame: Called with the number of frames done.

    Raises:
        EngineLost: If the engine is gone; nothing is left behind.
        WrongPose: If it renders from another pose than commanded.
    """
    if (root / plan.id / "episode.json").is_file():
        return Episode.load(root / plan.id)
    started = time.monotonic()
    _set_camera(stage, plan)
    poses = plan.trajectory.cam_to_world
    warm_up = settle(stage, poses[0])
    engine = {
        **stage.engine,
        "warm_up_captures": warm_up,
        "depth_unit": "cm",
        "camera_id": stage.camera_id,
    }
    with EpisodeWriter(
        root, plan=plan, scene=stage.scene, mask_names=stage.mask_names, engine=engine
    ) as writer:
        watch = [make() for make in observers]
        first_rgb = None
        for index, (rgb, depth_m, mask, reported) in enumerate(frames(stage, plan)):
            first_rgb = rgb if first_rgb is None else first_rgb
            measured = {k: v for observe in watch for k, v in observe(rgb, depth_m).items()}
            writer.add(
                rgb=rgb, depth_m=depth_m, mask=mask, reported_cm_deg=reported, measured=measured
            )
            if on_frame:
                on_frame(index + 1)
        again = _lit(stage, poses[0], plan.intrinsics.width_px, plan.intrinsics.height_px)
        writer.note(drift_levels=float(np.abs(again.astype(int) - first_rgb).mean()))
        writer.time(wall_s=time.monotonic() - started)
    return Episode.load(root / plan.id)


def frames(
    stage: Stage, plan: Plan
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Colour, depth in metres, mask and reported pose of each frame of a plan.

    Raises:
        WrongPose: If the engine reports another pose than the commanded one.
    """
    _set_camera(stage, plan)
    poses = plan.trajectory.cam_to_world
    location_cm, rotation_deg = camera.to_unreal(poses)
    size = (plan.intrinsics.width_px, plan.intrinsics.height_px)
    ahead: list[Group] = []
    sent = 0
    for index in range(len(poses)):
        while sent < len(poses) and len(ahead) < DEPTH_AHEAD:
            ahead.append(
                stage.client.send(_frame_commands(stage, location_cm[sent], rotation_deg[sent]))
            )
            sent += 1
        replies = stage.client.receive(ahead.pop(0))
        reported = np.array([float(x) for r in replies[5:7] for x in r.split()])
        _check_pose(index, location_cm[index], rotation_deg[index], reported)
        rgb = np.ascontiguousarray(decode_bmp(replies[2], *size)[..., 2::-1])
        depth_m = decode_depth_npy(replies[3], *size) / np.float32(camera.CM_PER_M)
        yield rgb, depth_m, _mask(stage, decode_bmp(replies[4], *size)), reported


def _frame_commands(stage: Stage, location_cm: np.ndarray, rotation_deg: np.ndarray) -> list[str]:
    base = f"/camera/{stage.camera_id}"
    return [
        *_pose_commands(stage, location_cm, rotation_deg),
        f"vget {base}/lit bmp",
        f"vget {base}/depth npy",
        f"vget {base}/object_mask bmp",
        f"vget {base}/location",
        f"vget {base}/rotation",
    ]


def _pose_commands(stage: Stage, location_cm: np.ndarray, rotation_deg: np.ndarray) -> list[str]:
    base = f"vset /camera/{stage.camera_id}"
    return [
        f"{base}/location " + " ".join(f"{x:.6f}" for x in location_cm),
        f"{base}/rotation " + " ".join(f"{x:.6f}" for x in rotation_deg),
    ]


def _check_pose(
    index: int, location_cm: np.ndarray, rotation_deg: np.ndarray, reported: np.ndarray
) -> None:
    off_cm = np.abs(reported[:3] - location_cm).max()
    # Far from the origin a 32-bit float is coarser than the printed decimals.
    allowed_cm = max(_POSITION_TOLERANCE_CM, 1.5e-7 * np.abs(location_cm).max())
    axes = camera.unreal_axes(*rotation_deg), camera.unreal_axes(*reported[3:])
    off_deg = float(camera.rotation_angle_deg(*axes))
    if off_cm > allowed_cm or off_deg > _ANGLE_TOLERANCE_DEG:
        raise WrongPose(
            f"frame {index}: commanded {location_cm.round(3).tolist()} cm, "
            f"{rotation_deg.round(3).tolist()} deg, but the engine reports {reported.tolist()}"
        )


def _set_camera(stage: Stage, plan: Plan) -> None:
    k, base = plan.intrinsics, f"vset /camera/{stage.camera_id}"
    stage.client.request([f"{base}/size {k.width_px} {k.height_px}", f"{base}/fov {k.fov_deg:.6f}"])


def settle(stage: Stage, pose: np.ndarray) -> int:
    """Capture a pose until two pictures agree (exposure, streaming, temporal filters).

    Args:
        stage: From `prepare`.
        pose: cam_to_world, float64 [4, 4].

    Returns:
        How many captures it took; `MAX_WARM_UP` also where the pictures never agreed.
    """
    width, height = (
        int(x) for x in stage.client.ask(f"vget /camera/{stage.camera_id}/size").split()
    )
    last = _lit(stage, pose, width, height)
    for count in range(2, MAX_WARM_UP + 1):
        current = _lit(stage, pose, width, height)
        if np.abs(current.astype(int) - last).mean() < _SETTLED:
            return count
        last = current
    return MAX_WARM_UP


def _lit(stage: Stage, pose: np.ndarray, width: int, height: int) -> np.ndarray:
    commands = _pose_commands(stage, *camera.to_unreal(pose))
    replies = stage.client.request([*commands, f"vget /camera/{stage.camera_id}/lit bmp"])
    return decode_bmp(replies[2], width, height)[..., 2::-1]


def _own_camera(client: Client) -> int:
    if len(client.ask("vget /cameras").split()) < 2:
        client.ask("vset /cameras/spawn")
    return len(client.ask("vget /cameras").split()) - 1


def _in_groups(client: Client, commands: list[str], size: int = 30) -> list[bytes]:
    """Many commands, a tick's worth at a time."""
    chunks = (commands[k : k + size] for k in range(0, len(commands), size))
    return [reply for chunk in chunks for reply in client.request(chunk)]


def _palette(colors: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted colours 0xBBGGRR and the mask value of each, from `(R=..,G=..,B=..,A=..)` texts."""
    packed = np.zeros(len(colors) + 1, np.uint32)
    for value, text in enumerate(colors, 1):
        found = _COLOR.search(text)
        if found:
            r, g, b = (int(x) for x in found.groups())
            packed[value] = r | g << 8 | b << 16
    order = np.argsort(packed, kind="stable")
    return packed[order], order.astype(np.uint16)


def _mask(stage: Stage, bgra: np.ndarray) -> np.ndarray:
    """Mask values uint16 [H, W] of mask colours [H, W, 4]; unknown colours are background."""
    packed = bgra[..., 2].astype(np.uint32)
    packed |= bgra[..., 1].astype(np.uint32) << 8
    packed |= bgra[..., 0].astype(np.uint32) << 16
    slot = np.searchsorted(stage.palette, packed).clip(max=len(stage.palette) - 1)
    return np.where(stage.palette[slot] == packed, stage.values[slot], 0).astype(np.uint16)
