"""Evaluation against rendered truth: every command from first frames that no plan has seen."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from capture import files, scripted
from capture.camera import Intrinsics
from capture.engine import scenes
from capture.episode import Episode
from capture.launcher import EngineSpec
from capture.planner import Motion
from capture.scene import Plan, Scene, load_plans, name_of, save_plans
from capture.trajectory import Trajectory
from curation import caption
from pipelines import fleet, planning, runner
from pipelines.console import say

if TYPE_CHECKING:
    from training.perceptual.lpips import Lpips

Ways = Literal["commands", "back"]

_SEED = 7  # of the starts; training plans draw from other streams
_TURNS = ("pan_left", "pan_right")
_BACK = 97  # frames of a turn of 90 degrees and of the way back
_ROWS = {
    "truth": "truth",
    "codec": "codec",
    "model": "model",
    "no_actions": "told to stand",
    "plane": "geometry alone",
    "repeat": "first frame",
}
_TITLES = {"psnr_db": "PSNR, dB", "ssim": "SSIM", "lpips": "LPIPS"}
_FOLLOWED = 8  # of them, whose frames' poses are recovered: that takes its time


def render_truth(
    folder: Path,
    *,
    scene: str,
    seed: int,
    num_starts: int,
    num_frames: int,
    intrinsics: Intrinsics,
    spec: EngineSpec,
    ways: Ways = "commands",
) -> list[list[Episode]]:
    """Ground truth: one list of episodes per start.

    Args:
        folder: Where the clips are kept; what is there is not rendered again.
        scene: A built-in scene, or the path of a .glb or .gltf file.
        seed: Of the scene.
        num_starts: How many first frames.
        num_frames: Length of each clip.
        intrinsics: The camera.
        spec: What renders.
        ways: `scripted.COMMANDS` in their order, or turns to the left and right and "back".

    Raises:
        ValueError: If another file of the same name was rendered there.
    """
    kind = "" if ways == "commands" else f"-{ways}"
    folder = folder / f"{name_of(scene)}-{seed}-{num_starts}x{num_frames}{kind}"
    plans_file, card_file = folder / "plans.parquet", folder / "scene.json"
    if not plans_file.is_file():
        world = scenes.build(scene, seed)
        plans = scripted.plans(
            planning.space_in(world, Motion().min_clearance_m),
            scene_id=world.scene.id,
            seed=_SEED,
            num_starts=num_starts,
            num_frames=num_frames if ways == "commands" else 2,
            fps=Motion().fps,
            intrinsics=intrinsics,
        )
        if ways == "back":
            plans = [there_and_back(p, num_frames) for p in plans if p.generator in _TURNS]
        files.write_json(card_file, world.scene.to_json())
        save_plans(plans_file, plans)
    plans = load_plans(plans_file)
    card = Scene.from_json(files.read_json(card_file))
    if card.file and Path(card.file).resolve() != Path(scene).resolve():
        raise ValueError(f"{folder} holds what was rendered of {card.file}; rename {scene}")
    episodes = folder / "episodes"
    fleet.capture(
        plans, {card.id: card}, root=episodes, failed=folder / "failed", spec=spec, title="Truth"
    )
    rendered = [Episode.load(episodes / p.id) for p in plans]
    per_start = len(plans) // num_starts
    return [rendered[k : k + per_start] for k in range(0, len(rendered), per_start)]


def there_and_back(plan: Plan, num_frames: int) -> Plan:
    """A turn on the spot, as a plan begins it, to the middle of the clip and back."""
    first, second = plan.trajectory.cam_to_world[:2]
    step = second[:3, :3] @ first[:3, :3].T
    path = np.tile(first, (num_frames, 1, 1))
    for place, pose in enumerate(path):
        steps = min(place, num_frames - 1 - place)
        pose[:3, :3] = np.linalg.matrix_power(step, steps) @ first[:3, :3]
    trajectory = Trajectory.uniform(path, plan.fps)
    return dataclasses.replace(plan, trajectory=trajectory, generator=f"{plan.generator}_and_back")


def evaluate(
    run: Path,
    spec: EngineSpec,
    *,
    scene: str,
    seed: int,
    num_starts: int,
    revisits: int = 0,
    lpips: Path | None = None,
    width_px: int = 224,
) -> Path:
    """Render the truth, let the model follow the commands, compare.

    Args:
        run: A trained run.
        spec: What renders.
        scene: A built-in scene, or the path of a .glb or .gltf file.
        seed: Of the scene.
        num_starts: How many first frames.
        revisits: From how many places a student is let back to what it was shown; see
            `training.revisit`.
        lpips: torchvision's AlexNet; measures LPIPS too.
        width_px: Width of the rendered truth; the camera of the training data decides the rest.

    Returns:
        evaluation.json; the videos lie in the run's samples/.
    """
    from training import evaluate as follows
    from training import revisit
    from training.perceptual.lpips import Lpips

    wanted = follows.needs(run)
    if revisits:
        revisit.require_student(run)
    measure = Lpips.load(lpips) if lpips else None
    height_px = width_px * wanted.intrinsics.height_px // wanted.intrinsics.width_px
    view = Intrinsics.from_fov(width_px, height_px, wanted.intrinsics.fov_deg)
    render = functools.partial(
        render_truth, run / "truth", scene=scene, seed=seed, intrinsics=view, spec=spec
    )
    with runner.cluster():
        starts = render(num_starts=num_starts, num_frames=wanted.num_frames)
        back = render(num_starts=revisits, num_frames=_BACK, ways="back") if revisits else []
    say("Evaluate: sampling ...")
    result = follows.evaluate(
        run,
        frames=np.stack([[e.frames() for e in start] for start in starts]),
        poses=np.stack([[e.trajectory.cam_to_world for e in start] for start in starts]),
        depth_m=np.stack([[e.depth_m() for e in start] for start in starts[:_FOLLOWED]]),
        name=starts[0][0].scene.id,
        captions=[_caption(start[0]) for start in starts],
        fps=starts[0][0].fps,
        lpips=measure,
    )
    if back:
        say("Evaluate: ways back ...")
        found = _revisits(run, [episode for start in back for episode in start], measure)
        files.write_json(result, {**files.read_json(result), "revisits": found})
    return result


def lines(found: dict) -> Iterator[str]:
    """What evaluation.json says, as tables of text."""
    commands, kinds = found["truth"]["motion"], [k for k in _ROWS if k in found]
    columns = [name for name in ("psnr_db", "lpips") if name in found["model"]]
    yield (
        f"{found['name']}, {found['positions']} first frames: the share that moves as commanded, "
        "the motion's size as a share of the truth's"
    )
    yield _row("", [*(_TITLES[name] for name in columns), *commands])
    for kind in kinds:
        said = found[kind]
        numbers = ["" if kind == "truth" else f"{said[name]:.4g}" for name in columns]
        moved = (
            f"{said['signs'][c]:.2f}, {round(said['motion'][c] / (size or np.nan), 2) + 0.0:.0%}"
            for c, size in commands.items()
        )
        yield _row(_ROWS[kind], [*numbers, *moved])
    for kind in (k for k in kinds if "following" in found[k]):
        said = found[kind]["following"]
        line = f"{_ROWS[kind]}: {said['recovered']:.0%} of the poses found in its pictures"
        if said["error_deg"] is not None:
            line += f", half of them within {said['error_deg']:.3g} deg, {said['error_m']:.3g} m"
        yield line
    if "revisits" in found:
        yield from _revisit_lines(found["revisits"])


def _revisit_lines(found: dict) -> Iterator[str]:
    yield (
        f"Ways back, {found['clips']} clips: the {found['codec']['covisible']:.0%} of their pixels "
        "that were shown on the way out"
    )
    columns = [name for name in ("psnr_db", "ssim", "lpips") if name in found["model"]]
    yield _row("", [_TITLES[name] for name in columns])
    for kind, title in (("model", "model"), ("window", "no memory"), ("codec", "codec")):
        yield _row(title, [f"{found[kind][name]:.4g}" for name in columns])


def _row(title: str, cells: Iterable[str]) -> str:
    return f"{title:16}" + "".join(f"{cell:>14}" for cell in cells)


def _revisits(run: Path, clips: list[Episode], measure: Lpips | None) -> dict:
    """What a student makes of ways back; see `training.revisit.evaluate`."""
    from training import revisit

    truth = revisit.Truth(
        frames=np.stack([e.frames() for e in clips]),
        depth_m=np.stack([e.depth_m() for e in clips]),
        poses=np.stack([e.trajectory.cam_to_world for e in clips]),
        camera=clips[0].intrinsics,
        given=_BACK // 2 + 1,
    )
    return revisit.evaluate(run, truth, [_caption(e) for e in clips], measure)


def _caption(episode: Episode) -> str:
    """What stands in the shards for such a first frame."""
    seen = caption.view(
        episode.scene, episode.trajectory.position_m[0], episode.mask(0, 1), episode.mask_names
    )
    return caption.describe(episode.scene, seen, episode.id)
