"""Train and validation, by scene: no scene is ever in both."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

TRAIN, VAL = "train", "val"


def assign(scene_ids: Iterable[str], val_scenes: Collection[str]) -> dict[str, str]:
    """Scene id -> "train" or "val".

    Args:
        scene_ids: All scenes of the dataset; repeats do not matter.
        val_scenes: The scenes to validate on.

    Raises:
        ValueError: If `val_scenes` names a scene that is not there.
    """
    scenes = sorted(set(scene_ids))
    unknown = sorted(set(val_scenes) - set(scenes))
    if unknown:
        raise ValueError(
            f"cannot validate on {', '.join(unknown)}: the dataset has {', '.join(scenes)}"
        )
    return {scene: VAL if scene in val_scenes else TRAIN for scene in scenes}


def leaks(clips: Iterable[Mapping[str, object]]) -> list[str]:
    """Scenes with clips in more than one split, sorted; empty is as it should be.

    Args:
        clips: Rows with "scene_id" and "split".
    """
    splits: dict[str, set[str]] = {}
    for clip in clips:
        splits.setdefault(str(clip["scene_id"]), set()).add(str(clip["split"]))
    return sorted(scene for scene, seen in splits.items() if len(seen) > 1)


def twins(cards: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Scenes that are one and the same under two names, sorted pairs.

    Their cards say the same of bounds, places and labels, and they have at least one label: a file
    that was copied, a level that was captured twice.

    Args:
        cards: Scene id -> what `Scene.to_json` gives.
    """
    known: dict[str, str] = {}
    found = []
    for scene_id, card in sorted(cards.items()):
        content = json.dumps([card[name] for name in ("bounds_m", "places", "labels")])
        if card["labels"] and known.setdefault(content, scene_id) != scene_id:
            found.append((known[content], scene_id))
    return found
