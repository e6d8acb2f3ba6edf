"""The first frame seen again: its pixels from later poses, as if everything lay at one depth.

This is the geometry that the prediction "warp" is given; see `FlowConfig`. What it is not given,
and what a model must learn, is how far away things are and what the first frame does not show.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from shards.latents import GROUP
from training.autoencoder import Codec
from training.data import Signals

# A camera that has come closer to a plane than this share of its depth stays there, and a ray never
# runs flatter along it than this: beyond, the first frame's border fills the picture.
_NEAREST = 0.1
_FLATTEST = 0.05


def views(first: torch.Tensor, signals: Signals, depths_m: Sequence[float]) -> torch.Tensor:
    """First frames from the poses of their windows, if they showed planes before the first camera.

    A view at the first pose is the first frame itself. What lies outside of the first frame repeats
    its border.

    Args:
        first: uint8 [B, H, W, 3].
        signals: Of the windows of T frames.
        depths_m: D planar depths in metres from the first camera.

    Returns:
        uint8 [B, D, T, H, W, 3].
    """
    height = first.shape[1]
    grid = _places(signals, depths_m, height, first.shape[2])
    seen = functional.grid_sample(
        first.permute(0, 3, 1, 2).float(),
        grid.flatten(1, 3),
        padding_mode="border",
        align_corners=False,
    )
    seen = seen.round_().to(torch.uint8).unflatten(2, (*grid.shape[1:3], height))
    return seen.permute(0, 2, 3, 4, 5, 1)


def latents(
    codec: Codec, first: torch.Tensor, signals: Signals, depths_m: Sequence[float]
) -> torch.Tensor | None:
    """Codes of `views`: float32 [B, D, C, F, h, w]; None without depths."""
    if not depths_m:
        return None
    seen = views(first, signals, depths_m)
    return codec.encode(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])


def _places(signals: Signals, depths_m: Sequence[float], height: int, width: int) -> torch.Tensor:
    """Where the first frame shows what later pixels see on planes, [B, D, T, H, W, 2] in [-1, 1].

    The point of a ray r that starts at o lies at `o + r (d - o_z) / r_z`; the coordinates are those
    of `grid_sample`.
    """
    poses = signals.poses.flatten(1, 2)[:, GROUP - 1 :]
    origin = poses[..., 3] * signals.step_m[:, None, None]
    focal, centre = signals.intrinsics[:, :2], signals.intrinsics[:, 2:]
    rows, columns = ((torch.arange(n, device=poses.device) + 0.5) / n for n in (height, width))
    place = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    ray = functional.pad((place - centre[:, None, None]) / focal[:, None, None], (0, 1), value=1.0)
    ray = ray.flatten(1, 2)[:, None] @ poses[..., :3].mT
    slope = ray[..., :2] / ray[..., 2:].clamp_min_(_FLATTEST)
    depth = torch.tensor(depths_m, device=poses.device)[:, None, None]
    # In metres the point is `aside + ahead * slope`, over the depth it is a place in the image.
    aside = origin[:, None, :, :2] / depth * focal[:, None, None] + centre[:, None, None]
    ahead = (1 - origin[:, None, :, 2:] / depth).clamp_min(_NEAREST) * focal[:, None, None]
    aside, ahead = 2 * aside - 1, 2 * ahead
    places = torch.addcmul(aside[:, :, :, None], ahead[:, :, :, None], slope[:, None])
    return places.unflatten(3, (height, width))
