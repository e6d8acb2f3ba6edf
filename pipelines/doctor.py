"""What a live UnrealCV server is, what it lacks, how it measures and how fast it answers.

Everything is found by asking and rendering, never by trusting a version number: the depth's
convention, for one, by lifting the pixels of one picture into another.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from capture import camera, survey
from capture.camera import Intrinsics
from capture.client import Client, EngineError, EngineLost, decode_bmp, decode_depth_npy
from capture.launcher import Engine, plugin_socket
from capture.session import BadFrame, Session, prepare
from capture.stream import MAX_WARM_UP, WrongPose, frames, settle
from curation.geometry import inlier_share

Verdict = Literal["ok", "note", "bad"]

# What capture sends; the templates are UnrealCV's own spelling.
NEEDED = (
    "vget /camera/[uint]/depth [str]",
    "vget /camera/[uint]/lit [str]",
    "vget /camera/[uint]/location",
    "vget /camera/[uint]/object_mask [str]",
    "vget /camera/[uint]/rotation",
    "vget /camera/[uint]/size",
    "vget /cameras",
    "vget /object/[str]/color",
    "vget /objects",
    "vget /unrealcv/version",
    "vset /camera/[uint]/fov [float]",
    "vset /camera/[uint]/location [float] [float] [float]",
    "vset /camera/[uint]/rotation [float] [float] [float]",
    "vset /camera/[uint]/size [uint] [uint]",
    "vset /cameras/spawn",
)
_VIEW = Intrinsics.from_fov(320, 240, 90.0)
_SPEED_VIEW = Intrinsics.from_fov(640, 480, 90.0)
_SPEED_FRAMES = 12
_TRIALS = 15
_SLOW_MS = 5.0  # a command that waits for a tick takes longer
# A step to the side and a turn: the turn tells planar from ray depth, the step tells the unit.
_STEP_M, _TURN_DEG = 0.2, 14.0
_UNITS = {"cm": 1.0, "m": 100.0, "mm": 0.1}  # factor on depth that was read as centimetres
_DARK, _BRIGHT, _CLIPPED = 40, 200, 0.1
_FITS = 0.85  # inlier share of a right convention on static surfaces
_CLEAR = 0.15  # by which it must beat every other one


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        topic: What it is about.
        verdict: "bad" keeps capture from working or from being right.
        found: What was measured.
        advice: What to do; empty where there is nothing to do.
    """

    topic: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One frame of the examination: pose, colour [H, W, 3], depth [H, W] in m if sent in cm."""

    pose: np.ndarray
    rgb: np.ndarray
    depth_m: np.ndarray
    mask: np.ndarray


def examine(engine: Engine) -> Iterator[Finding]:
    """Probe an engine; yields each finding as soon as it is known.

    Takes the engine's only connection. On Linux the plugin serves TCP once, so that after this only
    its Unix socket answers; the findings say so.

    Args:
        engine: Where to ask.

    Raises:
        EngineLost: If nobody answers, the connection breaks, or the engine ends.
    """
    last = "connect"
    with engine.connect() as client:
        try:
            for finding in _probe(client):
                last = finding.topic
                yield finding
        except EngineLost as error:
            engine.raise_if_ended()
            raise EngineLost(
                f"the engine was lost after the step {last!r}: {error}; look into its own log"
            ) from error


def _probe(client: Client) -> Iterator[Finding]:
    yield identity(client)
    missing = lacking(client)
    yield missing
    yield connection(client)
    yield from latency(client)
    if missing.verdict == "bad":
        return
    session = prepare(client)
    yield settings(session)
    yield encodings(session)
    try:
        yield stability(session)
        pictures = look_around(session)
    except BadFrame as error:
        yield Finding(
            topic="poses" if isinstance(error, WrongPose) else "pictures",
            verdict="bad",
            found=str(error),
            advice="nothing can be recorded from such a camera",
        )
        return
    yield Finding(
        topic="poses", verdict="ok", found=f"read back as commanded in {len(pictures)} frames"
    )
    yield exposure(pictures)
    yield masks(session, pictures)
    yield depth_steps(pictures)
    yield convention(pictures)
    yield speed(session, pictures[0].pose)


def identity(client: Client) -> Finding:
    """Who answers, and which level it shows."""
    name = client.greeting.removeprefix("connected to").strip()
    version = client.ask("vget /unrealcv/version")
    level = _try(client, "vget /level/name") or "no name"
    return Finding(topic="engine", verdict="ok", found=f"{name}, UnrealCV {version}, level {level}")


def lacking(client: Client) -> Finding:
    """Commands that capture needs and the engine does not list."""
    listed = _try(client, "vget /unrealcv/commands") or client.ask("vget /unrealcv/help")
    templates = {line.strip() for line in listed.splitlines()}
    missing = [t for t in NEEDED if t not in templates]
    known = len([t for t in templates if t.startswith(("vget", "vset", "vrun", "vbp", "vexec"))])
    if missing:
        return Finding(
            topic="commands",
            verdict="bad",
            found=f"{known} listed, missing: {'; '.join(missing)}",
            advice="install UnrealCV 1.0.1 or later",
        )
    return Finding(topic="commands", verdict="ok", found=f"{known} listed, all needed ones there")


def connection(client: Client) -> Finding:
    """What happens after the first client has left."""
    host, _, port = client.address.rpartition(":")
    here = host in ("127.0.0.1", "localhost") and sys.platform == "linux"
    if not here or "relickit" in client.greeting:
        return Finding(topic="connection", verdict="ok", found=client.address)
    return Finding(
        topic="connection",
        verdict="note",
        found=f"{client.address}; on Linux the plugin serves TCP once",
        advice=f"later clients of other programs must use {plugin_socket(int(port))}; ours do",
    )


def latency(client: Client) -> Iterator[Finding]:
    """Time of one command alone, and in a group."""
    alone = []
    for _ in range(_TRIALS):
        started = time.perf_counter()
        client.ask("vget /cameras")
        alone.append(1e3 * (time.perf_counter() - started))
    started = time.perf_counter()
    client.request(["vget /cameras"] * _TRIALS)
    group_ms = 1e3 * (time.perf_counter() - started) / _TRIALS
    alone_ms = statistics.median(alone)
    ticking = alone_ms > _SLOW_MS
    yield Finding(
        topic="latency",
        verdict="note" if ticking else "ok",
        found=f"{alone_ms:.2f} ms a command alone, {group_ms:.2f} ms in a group",
        advice="`vrun t.maxFPS 0` and a small viewport make ticks shorter" if ticking else "",
    )
    yield Finding(
        topic="tick",
        verdict="ok",
        found=f"about {1e3 / alone_ms:.0f} Hz" if ticking else "commands do not wait for a tick",
    )
    if ticking and group_ms > 0.5 * alone_ms:
        yield Finding(
            topic="vbatch",
            verdict="note",
            found="a group takes as long as its commands one by one",
            advice="use an UnrealCV with vbatch (1.0 or later): a frame then costs one tick",
        )


def settings(session: Session) -> Finding:
    """Which of the camera's settings took effect."""
    chosen: dict = session.engine["settings"]  # type: ignore[assignment]
    refused = [name for name, value in chosen.items() if value == "not supported"]
    return Finding(
        topic="settings",
        verdict="note" if refused else "ok",
        found=f"not supported: {', '.join(refused)}" if refused else f"{', '.join(chosen)} set",
        advice="switch these off in the level's post-process volume" if refused else "",
    )


def encodings(session: Session) -> Finding:
    """How pictures come over the wire."""
    width, height = _size(session, _VIEW)
    base = f"vget /camera/{session.camera_id}"
    lit, depth = session.client.request([f"{base}/lit bmp", f"{base}/depth npy"])
    stray = len(lit) - width * height * 4 - 54
    decode_bmp(lit, width, height)
    decode_depth_npy(depth, width, height)
    note = f", {stray} stray bytes behind the BMP's header (read over)" if stray else ""
    return Finding(topic="pictures", verdict="ok", found=f"bmp and npy of {width}x{height}{note}")


def look_around(session: Session) -> list[Picture]:
    """Pairs of pictures in six directions from the player's start, each a step and a turn apart."""
    start = survey.start_of(session)
    heading = np.repeat(np.arange(0.0, 360.0, 60.0), 2)
    second = np.arange(len(heading)) % 2
    poses = camera.pose_from_angles(np.tile(start, (len(heading), 1)), heading, 0.0)
    poses[:, :3, 3] += _STEP_M * second[:, None] * poses[:, :3, 0]
    turned = camera.pose_from_angles(poses[:, :3, 3], heading + _TURN_DEG * second, 0.0)
    taken = frames(session, turned, _VIEW)
    return [
        Picture(pose=pose, rgb=rgb, depth_m=depth, mask=mask)
        for pose, (rgb, depth, mask, _) in zip(turned, taken, strict=True)
    ]


def stability(session: Session) -> Finding:
    """How many captures of one pose it takes until two agree."""
    session.look(_VIEW)
    count = settle(session, camera.pose_from_angles(survey.start_of(session), 0.0, 0.0))
    if count == MAX_WARM_UP:
        return Finding(
            topic="stability",
            verdict="note",
            found=f"two pictures of one pose still differ after {count} captures",
            advice="pause the game (vset /action/game/pause), fix exposure, wait for streaming",
        )
    return Finding(topic="stability", verdict="ok", found=f"settled after {count} captures")


def exposure(pictures: list[Picture]) -> Finding:
    """How bright the pictures are, and how much of them is clipped."""
    level = float(np.mean([p.rgb.mean() for p in pictures]))
    clipped = float(np.mean([np.mean((p.rgb == 255).all(-1)) for p in pictures]))
    odd = not _DARK <= level <= _BRIGHT or clipped > _CLIPPED
    return Finding(
        topic="exposure",
        verdict="note" if odd else "ok",
        found=f"mean level {level:.0f} of 255, {clipped:.0%} of the pixels white",
        advice="set exposure_bias in the scene's card, see docs/unreal.md" if odd else "",
    )


def masks(session: Session, pictures: list[Picture]) -> Finding:
    """Share of pixels whose mask colour belongs to an object, and how many objects are seen."""
    known = float(np.mean([np.mean(p.mask > 0) for p in pictures]))
    surface = float(np.mean([np.mean(np.isfinite(p.depth_m)) for p in pictures]))
    seen = len(set().union(*(set(np.unique(p.mask)) - {0} for p in pictures)))
    found = f"{len(session.mask_names) - 1} objects, {seen} seen, on {known:.0%} of the pixels"
    unknown = surface - known > 0.05
    return Finding(
        topic="masks",
        verdict="note" if unknown else "ok",
        found=found + (f", but {surface:.0%} have a surface" if unknown else ""),
        advice="landscape, foliage and Nanite may lack annotation meshes" if unknown else "",
    )


def depth_steps(pictures: list[Picture]) -> Finding:
    """Whether depth went through half floats."""
    finite = np.concatenate([p.depth_m[np.isfinite(p.depth_m)] for p in pictures])
    if not finite.size:
        return Finding(
            topic="depth",
            verdict="bad",
            found="no surface in any direction",
            advice="move the player's start to where something can be seen",
        )
    cm = (finite * np.float32(camera.CM_PER_M)).astype(np.float32)
    half = bool(np.all(np.abs(cm.astype(np.float16).astype(np.float32) - cm) <= 2e-6 * cm))
    low, high = np.percentile(finite, [1, 99])
    kind = "half floats (steps of 0.5 cm at 10 m)" if half else "32-bit floats"
    return Finding(topic="depth", verdict="ok", found=f"{low:.2f} to {high:.2f} m, {kind}")


def convention(pictures: list[Picture]) -> Finding:
    """Which depth and field of view make the pairs of pictures agree."""
    shares = {
        (ray, unit, vertical): _agreement(pictures, ray, factor, vertical)
        for ray, (unit, factor), vertical in itertools.product(
            (False, True), _UNITS.items(), (False, True)
        )
    }
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    (best, share), (_, second) = ranked[:2]
    found = f"{_name(*best)} fits {share:.0%} of the pixels, the next best {second:.0%}"
    if math.isnan(share) or share < _FITS or share - second < _CLEAR:
        return Finding(
            topic="convention",
            verdict="bad",
            found=f"cannot tell: {found}",
            advice="something moves, or depth and colour show different things; pause the game",
        )
    right = best == (False, "cm", False)
    advice = "" if right else "capture expects planar depth in cm and a horizontal field of view"
    return Finding(topic="convention", verdict="ok" if right else "bad", found=found, advice=advice)


def speed(session: Session, pose: np.ndarray) -> Finding:
    """Frames per second of what capture does: colour, depth and mask at 640x480."""
    poses = np.repeat(pose[None], _SPEED_FRAMES, axis=0)
    taken = frames(session, poses, _SPEED_VIEW)
    next(taken)
    started = time.perf_counter()
    done = sum(1 for _ in taken)
    rate = done / (time.perf_counter() - started)
    return Finding(topic="speed", verdict="ok", found=f"{rate:.1f} frames/s of 640x480")


def _agreement(pictures: list[Picture], ray: bool, factor: float, vertical: bool) -> float:
    """Mean inlier share over the pairs under one convention; 0 where pictures do not overlap."""
    focal = _VIEW.fx_px * (_VIEW.height_px / _VIEW.width_px if vertical else 1.0)
    view = Intrinsics(
        width_px=_VIEW.width_px,
        height_px=_VIEW.height_px,
        fx_px=focal,
        fy_px=focal,
        cx_px=_VIEW.cx_px,
        cy_px=_VIEW.cy_px,
    )
    x = (np.arange(view.width_px) + 0.5 - view.cx_px) / focal
    y = (np.arange(view.height_px) + 0.5 - view.cy_px) / focal
    length = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2 + 1) if ray else 1.0
    shares = []
    for first, second in zip(pictures[::2], pictures[1::2], strict=True):
        depth_i, depth_j = (
            (p.depth_m * factor / length).astype(np.float32) for p in (first, second)
        )
        move = camera.invert(second.pose) @ first.pose
        shares.append(inlier_share(depth_i, depth_j, view, move))
    known = [share for share in shares if math.isfinite(share)]
    return float(np.mean(known)) if known else 0.0


def _name(ray: bool, unit: str, vertical: bool) -> str:
    kind = "depth along the ray" if ray else "planar depth"
    return f"{kind} in {unit}" + (", vertical field of view" if vertical else "")


def _size(session: Session, view: Intrinsics) -> tuple[int, int]:
    base = f"/camera/{session.camera_id}"
    session.client.ask(f"vset {base}/size {view.width_px} {view.height_px}")
    width, height = session.client.ask(f"vget {base}/size").split()
    return int(width), int(height)


def _try(client: Client, command: str) -> str | None:
    try:
        return client.ask(command)
    except EngineError:
        return None
