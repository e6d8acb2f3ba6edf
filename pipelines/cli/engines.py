"""The verbs about engines and scenes; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from capture.launcher import parse_engine
from pipelines.cli.options import Engine
from pipelines.console import say


def serve(
    *,
    scene: str = "apartment",
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 9000,
    unix_socket: Path | None = None,
    threads: int | None = None,
    ue_depth: bool = False,
    fault: str = "",
) -> None:
    """The embedded engine: an UnrealCV server that renders a built-in scene.

    Args:
        scene: A built-in scene; see `relickit scenes`.
        seed: Of the scene.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        unix_socket: A socket file to listen on as well.
        threads: Rendering threads; all cores by default.
        ue_depth: Quantise depth as Unreal's half floats do.
        fault: What goes wrong on purpose, such as `bmp58,drop=0.02`; see capture/engine/faults.py.
    """
    from capture.engine.faults import Faults, parse
    from capture.engine.scenes import build
    from capture.engine.server import serve as serve_world
    from capture.engine.state import Options

    faults = Faults(parse(fault)) if fault else None
    logging.getLogger("capture.engine").setLevel(logging.INFO)  # it says why a start takes long
    say(f"Building {scene} (seed {seed}) ...")
    serve_world(
        build(scene, seed),
        host=host,
        port=port,
        unix_socket=unix_socket,
        threads=threads,
        options=Options(ue_depth=ue_depth),
        faults=faults,
        on_listening=lambda number: say(f"Listening on {host}:{number}. Ctrl-C stops it."),
    )


def doctor(*, engine: Engine = "127.0.0.1:9000") -> None:
    """Probe an engine: what it is, what it lacks, its depth, its speed, what to set.

    Args:
        engine: What to examine.
    """
    from capture.launcher import open_engine, start_embedded
    from pipelines.doctor import examine

    spec = parse_engine(engine)
    with start_embedded("apartment", 0) if spec.kind == "embedded" else open_engine(spec) as opened:
        bad = 0
        for finding in examine(opened):
            bad += finding.verdict == "bad"
            say(f"{finding.verdict:<5} {finding.topic:<11} {finding.found}")
            if finding.advice:
                say(f"{'':<17} -> {finding.advice}")
    if bad:
        raise ValueError(f"{opened.address} is not ready for capture: {bad} bad, see above")


def scenes(
    what: Positional[Literal["list", "import"]] = "list",
    source: Positional[Path | None] = None,
    /,
    *,
    out: Path = Path("scenes"),
    scale: float = 1.0,
) -> None:
    """List the built-in scenes, or import .glb and .gltf files.

    Args:
        what: What to do.
        source: A file to import, or a folder of files.
        out: Where the imported files go; `--scene scenes/NAME.glb` shows one.
        scale: Metres per unit of the files, such as 0.01 for centimetres.
    """
    from capture.engine.scenes import NAMES, build
    from capture.engine.scenes.imported import import_scenes

    if what == "list":
        for name in NAMES:
            say(f"{name:<12} {build(name).scene.setting}")
        return
    if source is None:
        raise ValueError("give the file or folder to import: relickit scenes import house.glb")
    for world in import_scenes(source, out, scale=scale):
        x0, y0, z0, x1, y1, z1 = world.scene.bounds_m
        say(
            f"{out / world.scene.name}.glb: {len(world.faces):,} triangles, "
            f"{len(world.objects) - 1} objects, {x1 - x0:.1f} x {y1 - y0:.1f} x {z1 - z0:.1f} m"
        )
