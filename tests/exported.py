"""What the exporters write, and simple paths to write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capture import camera, formats
from capture.formats import Posed, Slot

BOTH_WAYS = [name for name, f in formats.FORMATS.items() if f.write and f.load]


def written(items: Posed | Sequence[Posed], root: Path, name: str) -> Path:
    """Records in a format, as an export writes them; returns the folder."""
    format, first_frame = formats.find(name), 0
    items = [items] if isinstance(items, Posed) else items
    assert format.write is not None
    for number, item in enumerate(items):
        slot = Slot(number=number, first_frame=first_frame)
        format.write(item, root, slot)
        assert (root / format.mark(item.name, slot)).exists()
        first_frame += len(item)
    format.finish(root, [item.name for item in items])
    return root


def walk(*steps: tuple[float, float, float]) -> np.ndarray:
    """Poses of forward metres, left metres and degrees to the left, one after the other."""
    poses, at, heading = [], np.zeros(3), 0.0
    for forward, left, turn in ((0.0, 0.0, 0.0), *steps):
        c, s = np.cos(np.radians(heading)), np.sin(np.radians(heading))
        at = at + np.array([c * forward - s * left, s * forward + c * left, 0.0])
        heading += turn
        poses.append(camera.pose_from_angles(at, heading, 0.0))
    return np.stack(poses)
