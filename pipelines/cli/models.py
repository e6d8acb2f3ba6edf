"""The verbs about models; heavy imports inside, for a quick `--help`."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from capture import files
from capture.launcher import parse_engine
from pipelines.cli.options import Engine
from pipelines.console import say


def sample(
    run: Positional[Path],
    /,
    *,
    image: Path,
    actions: tuple[str, ...],
    out: Path = Path("sample.mp4"),
    seed: int = 0,
    caption: str = "",
) -> None:
    """Make a video from a first frame and a list of actions.

    Args:
        run: A trained run.
        image: The first frame.
        actions: One per latent (four frames), such as `pan_left` or `dolly_in*2+pan_right`.
        out: The video.
        seed: Of the noise.
        caption: What the first frame shows, in the words of the training captions.
    """
    from pipelines.launch import sample as make_sample

    make_sample(run, image, actions, out, seed, caption)
    say(f"Sample: {out}")


def evaluate(
    run: Positional[Path],
    /,
    *,
    scene: str = "apartment",
    seed: int = 0,
    num_starts: int = 24,
    revisits: int = 0,
    lpips: Path | None = None,
    engine: Engine = "embedded",
) -> None:
    """Does the model follow actions? Measured against rendered ground truth from unseen places.

    Args:
        run: A trained run.
        scene: Where to start from: a built-in scene, or a .glb file.
        seed: Of the scene.
        num_starts: How many first frames, each with four commands.
        revisits: Also measure what a student remembers: from so many places it is given a turn of
            90 degrees and makes the way back.
        lpips: Also measure LPIPS, with the weights of torchvision's AlexNet in this file
            (alexnet-owt-7be5be79.pth; nothing is downloaded).
        engine: What renders the ground truth.
    """
    from pipelines.evaluation import evaluate as evaluate_run
    from pipelines.evaluation import lines

    spec = parse_engine(engine)
    result = evaluate_run(
        run, spec, scene=scene, seed=seed, num_starts=num_starts, revisits=revisits, lpips=lpips
    )
    say(f"Evaluation: {result}")
    for line in lines(files.read_json(result)):
        say(line)
