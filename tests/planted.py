"""Clean clips with known errors planted in them, one or several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from capture.formats import Posed

# Field of the `convention` object -> error -> what the field must say once it is planted.
ERRORS: dict[str, dict[str, object]] = {
    "pose": {"w2c": "w2c"},
    "axes": {"opengl": "opengl", "unreal": "unreal"},
    "depth": {"ray": "ray"},
    "unit": {"cm": "cm", "mm": "mm"},
    "fov_deg": {"fov+": None, "fov-": None},
    "lag_frames": {"lag-2": -2, "lag-1": -1, "lag+1": 1, "lag+2": 2},
    "mirrored": {"mirrored": True},
}
FIELD_OF = {error: field for field, errors in ERRORS.items() for error in errors}
# The focal length that a planted file gives, against the true one.
_FOCAL = {"fov+": 1 / 1.2, "fov-": 1.2}
_SCALE = {"cm": 100.0, "mm": 1000.0}
_TO_OPENCV = {
    "opengl": np.diag([1.0, -1.0, -1.0, 1.0]),
    "unreal": np.array(
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    ),
}
_SWAP_X = np.diag([-1.0, 1.0, 1.0, 1.0])
_SWAP_Y = np.diag([1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class RayDepth:
    """Another clip's depth, as distances along the rays."""

    planar: object
    norms: np.ndarray

    def __len__(self) -> int:
        return len(self.planar)  # pyright: ignore[reportArgumentType]

    def frames_m(self, start: int = 0, stop: int | None = None):
        for frame in self.planar.frames_m(start, stop):  # pyright: ignore[reportAttributeAccessIssue]
            yield (frame * self.norms).astype(np.float32)


def plant(clip: Posed, errors: Sequence[str]) -> Posed:
    """The clip as a file with these errors would be read; its declaration stays as it was."""
    poses = clip.cam_to_world.copy()
    changes: dict[str, object] = {}
    assert clip.intrinsics is not None
    for error in errors:
        if error.startswith("lag"):
            late = np.arange(len(poses)) - int(error[3:])
            poses = poses[np.clip(late, 0, len(poses) - 1)]
        elif error == "mirrored":
            poses = _SWAP_X @ poses @ _SWAP_X
        elif error in _FOCAL:
            changes["intrinsics"] = clip.intrinsics * [_FOCAL[error], _FOCAL[error], 1.0, 1.0]
        elif error == "ray":
            changes["depth"] = RayDepth(clip.depth, _ray_norms(clip))
    for error in errors:
        if error in _TO_OPENCV:
            world = _SWAP_Y if error == "unreal" else np.eye(4)
            poses = world @ poses @ _TO_OPENCV[error]
    for error in errors:
        if error in _SCALE:
            poses[:, :3, 3] *= _SCALE[error]
    if "w2c" in errors:
        poses = np.linalg.inv(poses)
    return replace(clip, cam_to_world=poses, **changes)


def expected(errors: Sequence[str]) -> dict[str, object]:
    """What `convention` must say of a clip of ours with these errors; fov_deg is not in it."""
    clean: dict[str, object] = {
        "pose": "c2w", "axes": "opencv", "depth": "planar", "unit": "m", "lag_frames": 0,
        "mirrored": False,
    }  # fmt: skip
    for error in errors:
        if FIELD_OF[error] != "fov_deg":
            clean[FIELD_OF[error]] = ERRORS[FIELD_OF[error]][error]
    return clean


def pairs_of_errors() -> list[tuple[str, str]]:
    """All pairs of errors in different fields."""
    names = list(FIELD_OF)
    return [
        (a, b) for n, a in enumerate(names) for b in names[n + 1 :] if FIELD_OF[a] != FIELD_OF[b]
    ]


def _ray_norms(clip: Posed) -> np.ndarray:
    """Length of the ray with z = 1 through each pixel, [H, W]."""
    (fx, fy, cx, cy), (width, height) = clip.intrinsics_px()[0], clip.size()
    x = (np.arange(width) + 0.5 - cx) / fx
    y = (np.arange(height) + 0.5 - cy) / fy
    return np.sqrt(1.0 + x[None, :] ** 2 + y[:, None] ** 2)
