"""Depth beside the videos: the parallel set of the episodes' own frames, cut as the clips are.

    depth = Depth("data/demo")  # or an address, as in `shards.folder`
    depth.window(key, 0, 33)  # planar depth in metres, float32 [33, H, W]

A sample's member is `<key>.depth.mkv`: FFV1 gray16, logarithmic, every frame a key frame; see
`capture.video.encode_depth` for the code and its error. It is made without decoding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import video
from capture.episode import Episode
from shards.cache import Cache
from shards.encoded import Encoder
from shards.jobs import episode_sha256
from shards.latents import EncodedSet
from shards.schema import Sample, ShardError

PART = "depth.mkv"
ENCODER = Encoder(
    kind="depth",
    config={
        "depth": "planar, metres",
        "video": "ffv1 gray16le",
        "code": "round(65534 ln(d / near_m) / ln(far_m / near_m)); 65535: infinity",
        "near_m": video.DEPTH_NEAR_M,
        "far_m": video.DEPTH_FAR_M,
    },
)


class Depth(EncodedSet):
    """Depth of windows of the clips of both splits.

    Args:
        location: The dataset's folder or address; see `EncodedSet`.
        cache: Keeps what is read from an address.
    """

    def __init__(self, location: Path | str, *, cache: Cache | None = None):
        super().__init__(location, ENCODER.name, "depth", cache=cache)

    def window(self, key: str, start: int, num_frames: int) -> np.ndarray:
        """Planar depth of frames [start, start + num_frames) of a clip.

        Returns:
            float32 metres [num_frames, H, W]; infinity where there is nothing, or where an imported
            episode has no depth.

        Raises:
            ShardError: If the clip has no such frames, or its bytes are damaged.
        """
        stop = start + num_frames
        if not 0 <= start < stop <= self.num_frames(key):
            raise ShardError(
                f"sample {key} has {self.num_frames(key)} frames, got a window of {num_frames} "
                f"from frame {start}"
            )
        return video.read_depth_m(self.member(key, PART), start, stop)


def cut(dataset: Path, sample: Sample) -> dict[str, bytes]:
    """A clip's depth as the members of a sample.

    Args:
        dataset: The folder with the episodes.
        sample: The clip.

    Raises:
        ValueError: If its episode is absent, damaged, or no longer the one that the shards show.
    """
    episode = Episode.load(dataset / "episodes" / sample.plan_id)
    if episode_sha256(dataset, sample.plan_id) != sample.episode_sha256:
        raise ShardError(
            f"sample {sample.key}: its episode changed after the shards were made; run `relickit "
            "shard` again"
        )
    episode.require_intact(PART)
    path = episode.path / PART
    return {PART: video.cut(path, sample.start, sample.start + sample.num_frames)}
