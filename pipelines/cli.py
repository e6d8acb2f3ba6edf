"""The `relickit` command: one function per verb, no logic."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from capture.client import EngineError, EngineLost
from capture.recorder import WrongPose
from pipelines import verbs
from pipelines.console import err, fail, sentence
from pipelines.runner import StageFailed

_ADDRESS = Annotated[
    str | None, tyro.conf.arg(help="address of a Ray cluster; none starts one here")
]
_ENGINE = Annotated[
    str,
    tyro.conf.arg(
        help="embedded[:N], HOST:PORT, unix:PATH or unreal:[N:]/path/to/Binary.sh", metavar="ENGINE"
    ),
]


def demo(*, out: Path = Path("."), engine: _ENGINE = "embedded:2") -> None:
    """The whole road in minutes: render, curate, shard, train, and one page about it.

    Args:
        out: Where `data/demo` and `runs/demo` go.
        engine: What renders.
    """
    verbs.demo(out, engine)


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
    verbs.serve(scene, seed, host, port, unix_socket, threads, ue_depth, fault)


def doctor(*, engine: _ENGINE = "127.0.0.1:9000") -> None:
    """Probe an engine: what it is, what it lacks, its depth, its speed, what to set.

    Args:
        engine: What to examine.
    """
    verbs.doctor(engine)


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
    verbs.scenes(what, source, out, scale)


def plan(
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    engine: str | None = None,
    radius_m: float = 20.0,
    recording: tuple[Path, ...] = (),
    axes: Literal["unreal", "relickit"] | None = None,
    scene: str | None = None,
    preview: bool = False,
    dry_run: bool = False,
) -> None:
    """Plan the trajectories of a recipe.

    Args:
        recipe: Name of a dataset recipe: demo, toy, worlds, balanced.
        data: The dataset's folder; `data/<recipe>` by default.
        engine: Plan in the level that this engine shows (HOST:PORT, unix:PATH or
            unreal:/path/to/Binary.sh), surveyed by its depth, instead of the recipe's scenes.
        radius_m: How far such a survey goes from the start.
        recording: Human paths (CSV, TUM, JSON; see docs/trajectories.md) to plan instead of the
            recipe's own plans.
        axes: Of the recordings' world, where the files leave it open.
        scene: Plan there, such as apartment-3 or house.glb, what the recipe plans for its first
            scene, instead of the recipe's scenes.
        preview: Draw the paths over a map of each scene, into the folder's `preview/`.
        dry_run: Print the resolved recipe and stop.
    """
    verbs.plan(recipe, data, engine, radius_m, recording, axes, scene, preview, dry_run)


def capture(
    dataset: Positional[Path], /, *, engine: _ENGINE = "embedded", address: _ADDRESS = None
) -> None:
    """Render the plans of a dataset into episodes.

    Args:
        dataset: The dataset's folder.
        engine: What renders.
        address: Of a Ray cluster.
    """
    verbs.capture(dataset, engine, address)


def curate(dataset: Positional[Path], /, *, address: _ADDRESS = None) -> None:
    """Measure episodes, judge and caption clips, split them by scene.

    Args:
        dataset: The dataset's folder.
        address: Of a Ray cluster.
    """
    verbs.curate(dataset, address)


def caption(dataset: Positional[Path], /) -> None:
    """Caption the clips anew; nothing is measured or judged again.

    Args:
        dataset: The dataset's folder.
    """
    verbs.caption(dataset)


def audit(dataset: Positional[Path], /) -> None:
    """Write the report about a dataset.

    Args:
        dataset: The dataset's folder.
    """
    verbs.audit(dataset)


def shard(dataset: Positional[Path], /, *, address: _ADDRESS = None) -> None:
    """Pack the kept clips into WebDataset shards.

    Args:
        dataset: The dataset's folder.
        address: Of a Ray cluster.
    """
    verbs.shard(dataset, address)


def build(
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    engine: _ENGINE = "embedded",
    address: _ADDRESS = None,
    dry_run: bool = False,
) -> None:
    """All data stages of a recipe.

    Args:
        recipe: Name of a dataset recipe: demo, toy, worlds.
        data: The dataset's folder; `data/<recipe>` by default.
        engine: What renders.
        address: Of a Ray cluster.
        dry_run: Print the resolved recipe and stop.
    """
    verbs.build(recipe, data, engine, address, dry_run)


def export(
    dataset: Positional[Path],
    /,
    *,
    to: str,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    whole: bool = False,
) -> None:
    """Write a dataset's kept clips in another format; the same command again continues.

    Args:
        dataset: A dataset's folder, or a folder in any format that we read.
        to: nerfstudio, colmap, colmap-text, tum, kitti, re10k, lingbot, vipe, solarwm,
            matrix-game, worldplay, mind or lerobot; see docs/other-formats.md.
        out: A new folder.
        whole: Whole episodes instead of the kept clips.
    """
    verbs.export(dataset, to, out, whole)


def check(folder: Positional[Path], /) -> None:
    """Verify a dataset: schemas, counts, checksums.

    Args:
        folder: The dataset's folder.
    """
    verbs.check(folder)


def train(
    stage: Positional[Literal["teacher"]],
    recipe: Positional[str],
    /,
    *,
    data: Path | None = None,
    run: Path | None = None,
    steps: int | None = None,
    dry_run: bool = False,
) -> None:
    """Train a model; the same command again continues.

    Args:
        stage: What to train.
        recipe: Name of a training recipe (tiny, small), or the path of a .json file with one.
        data: A dataset with shards.
        run: Folder of the run.
        steps: Stop after this many steps; the recipe's length by default.
        dry_run: Print the resolved recipe and stop: the beginning of a recipe of your own.
    """
    verbs.train(stage, recipe, data, run, steps, dry_run)


def sample(
    run: Positional[Path],
    /,
    *,
    image: Path,
    actions: tuple[str, ...],
    out: Path = Path("sample.mp4"),
) -> None:
    """Make a video from a first frame and a list of actions.

    Args:
        run: A trained run.
        image: The first frame.
        actions: One per latent (four frames), such as `pan_left` or `dolly_in*2+pan_right`.
        out: The video.
    """
    verbs.sample(run, image, actions, out)


def evaluate(
    run: Positional[Path],
    /,
    *,
    scene: str = "apartment",
    seed: int = 0,
    num_starts: int = 24,
    engine: _ENGINE = "embedded",
) -> None:
    """Does the model follow actions? Measured against rendered ground truth from unseen places.

    Args:
        run: A trained run.
        scene: Where to start from.
        seed: Of the scene.
        num_starts: How many first frames, each with four commands.
        engine: What renders the ground truth.
    """
    verbs.evaluate(run, scene, seed, num_starts, engine)


_VERBS = (
    demo, serve, doctor, scenes, plan, capture, curate, caption, audit, shard, build, export, check,
    train, sample, evaluate,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0 ok, 1 failed, 2 usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    verbose = any(a in ("-v", "--verbose") for a in given)
    given = [a for a in given if a not in ("-v", "--verbose")]
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    try:
        tyro.extras.subcommand_cli_from_dict(
            {function.__name__: function for function in _VERBS},
            prog="relickit",
            description="Curate Unreal Engine data and train RELIC on it. Add -v for tracebacks.",
            args=given or ["--help"],
        )
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to continue")
        return 130
    except (ValueError, OSError, EngineError, EngineLost, WrongPose, StageFailed) as error:
        if verbose:
            err.print_exception()
        fail(sentence(error))
        return 1
    except ModuleNotFoundError as error:
        if verbose or error.name not in ("torch", "diffusers", "accelerate", "safetensors"):
            raise
        fail(f"this needs {error.name}; install the training extra: pip install 'relickit[train]'")
        return 1
    return 0
