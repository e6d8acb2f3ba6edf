"""What a shard holds: samples of named parts, and the clip that a sample decodes to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from capture.actions import Actions
from capture.camera import Intrinsics
from capture.trajectory import Trajectory

# Of manifest.json and its tables. 2 added `weight` to the samples, `fingerprint` to the shards and
# `parent` to the manifest; what a tar holds is as it was, so no shard is written again.
SCHEMA = 2
READABLE = (1, 2)
# Of what a tar holds; part of every shard's fingerprint.
TAR_SCHEMA = 1
SPLITS = ("train", "val")
# The members of a sample `<key>.<part>`, in the order in which they lie in the tar.
PARTS = ("actions.npz", "camera.npz", "meta.json", "rgb.mp4")
CONVENTIONS = {
    "world": "right-handed, z up, metres",
    "camera": "OpenCV: x right, y down, z forward",
    "pose": "cam_to_world, float64 [T, 4, 4]",
    "actions": "RELIC's 13: row t is the move from frame t - 1 to frame t, row 0 is static",
    "color": "H.264, yuv420p, BT.709, limited range",
}
# webdataset splits a member's name at its first dot, so a key must not contain one.
KEY = re.compile(r"[A-Za-z0-9_-]+")
# What a parallel set holds, and the name of its folder; see `shards.encoded`.
Kind = Literal["latents", "text", "depth"]
SET = re.compile(rf"({'|'.join(get_args(Kind))})-[0-9a-f]+")


class ShardError(ValueError):
    """A shard or a manifest that is absent, damaged or of another version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Where one member of a sample lies in its tar.

    Attributes:
        name: One of `PARTS`.
        offset: Of its first byte of content, from the beginning of the tar.
        size: Bytes of content.
        crc32: Of the content, taken before it was written.
    """

    name: str
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One clip in a shard, and what is known of it without decoding.

    Attributes:
        key: The clip's id.
        scene_id: Where it was rendered.
        plan_id: The episode that it was cut from.
        generator: What made the path.
        start: First frame in the episode.
        num_frames: Length T.
        fps: Frames per second.
        width_px: Image width.
        height_px: Image height.
        caption: What is seen.
        episode_sha256: Of the episode's episode.json, which names the bytes of the episode's files.
        parts: Its members in the order of the tar.
    """

    key: str
    scene_id: str
    plan_id: str
    generator: str
    start: int
    num_frames: int
    fps: float
    width_px: int
    height_px: int
    caption: str
    episode_sha256: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A finished tar: the content of the JSON file beside it.

    Attributes:
        name: `<split>-<number>-<first digits of the fingerprint>`; the tar is `<name>.tar`.
        split: "train" or "val".
        fingerprint: SHA-256 of what the shard was made from.
        bytes: Size of the tar.
        sha256: Of the tar.
        samples: In the order of the tar.
    """

    name: str
    split: str
    fingerprint: str
    bytes: int
    sha256: str
    samples: tuple[Sample, ...]

    @classmethod
    def from_json(cls, data: dict) -> Shard:
        """A shard from what `dataclasses.asdict` gave."""
        samples = tuple(
            Sample(**{**sample, "parts": tuple(Part(**part) for part in sample["parts"])})
            for sample in data["samples"]
        )
        return cls(**{**data, "samples": samples})


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A clip, or a window of one, decoded.

    Attributes:
        key: The clip's id, also of a window.
        frames: Colour, uint8 [T, H, W, 3].
        trajectory: T poses; the clip's first frame is at 0 s.
        actions: T actions, row 0 static; `step_m` is the whole clip's, so all of its windows speak
            in the same unit.
        intrinsics: The camera.
        fps: Frames per second.
        caption: What is seen.
        scene_id: Where it was rendered.
        plan_id: The episode that it was cut from.
        generator: What made the path.
        start: First frame in the episode; a window's own first frame.
    """

    key: str
    frames: np.ndarray
    trajectory: Trajectory
    actions: Actions
    intrinsics: Intrinsics
    fps: float
    caption: str
    scene_id: str
    plan_id: str
    generator: str
    start: int

    def __post_init__(self):
        k = self.intrinsics
        shape = (len(self.trajectory), k.height_px, k.width_px, 3)
        if self.frames.shape != shape or self.frames.dtype != np.uint8:
            raise ValueError(
                f"clip {self.key} needs frames uint8 {list(shape)}, "
                f"got {self.frames.dtype} {list(self.frames.shape)}"
            )
        if len(self.actions) != len(self.trajectory):
            raise ValueError(
                f"clip {self.key} has {len(self.trajectory)} poses but {len(self.actions)} actions"
            )
        self.frames.setflags(write=False)

    def __len__(self) -> int:
        return len(self.trajectory)
