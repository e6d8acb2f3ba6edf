"""Does an episode.json still say what was planned?"""

from __future__ import annotations

from capture import mark
from capture.episode import Episode
from capture.scene import Plan


def require_planned(episode: Episode) -> None:
    """Compare an episode with its id, which is the hash of all that was to be rendered.

    Raises:
        ValueError: If its scene, generator, seed, fps, camera or path are others.
    """
    plan = Plan(
        scene_id=episode.scene.id,
        generator=episode.generator,
        seed=episode.info["seed"],
        fps=episode.fps,
        trajectory=episode.trajectory,
        intrinsics=episode.intrinsics,
        clearance_m=episode.clearance_m,
    )
    if plan.id != episode.id:
        raise ValueError(
            f"{episode.path / mark.NAME} is damaged: its scene, generator, seed, fps, camera or "
            f"path are not those that the id {episode.id} stands for; {mark.again(episode.path)}"
        )
