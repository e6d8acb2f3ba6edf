"""PRoPE, "Cameras as Relative Positional Encoding" (NeurIPS 2025, arXiv 2507.10496).

With P the projection of a token's camera, 4 x 4, the first half of a head's channels become

    q' = P^T q    k' = P^-1 k    v' = P^-1 v    o' = P o

four at a time, so that scores and outputs know `P_query P_key^-1` alone: the relative camera. The
other half keeps Wan's rotary embedding, which is that of rows and columns there, on Q and K.

Used in place of Wan's attention this would change a pretrained model at once. So it is a second
attention over the same queries, keys and values whose output passes a layer of its own, zero at
first, and is added (as HY-WorldPlay does). That doubles attention and what is kept of a latent.
"""

from __future__ import annotations

import torch
from torch import nn

from training.data import Signals
from training.model.cameras.pose import STEPS
from training.model.cameras.told import Attend, Pick, Told, whole
from training.model.config import ModelConfig
from training.model.encoder import output_layer
from training.model.memory import Grid, Pair


def projections(poses: torch.Tensor, intrinsics: torch.Tensor) -> torch.Tensor:
    """Matrices from the world to the image plane, as 4 x 4.

    Args:
        poses: cam_to_world [B, F, 3, 4], positions in steps.
        intrinsics: Shares of the image, [B, 4]; see `Signals`. The image's centre is 0, as PRoPE
            has it.

    Returns:
        [B, F, 4, 4].
    """
    rotation = poses[..., :3].mT
    world_to_cam = torch.cat([rotation, -rotation @ poses[..., 3:] / STEPS], dim=-1)
    bottom = world_to_cam.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*poses.shape[:2], 1, 4)
    lens = torch.diag_embed(torch.cat([intrinsics[:, :2], torch.ones_like(intrinsics[:, :2])], -1))
    lens[:, :2, 2] = intrinsics[:, 2:] - 0.5
    return lens[:, None] @ torch.cat([world_to_cam, bottom], dim=-2)


class ProjectiveCamera(nn.Module):
    """The second attention's output layers.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        dim = config.heads * config.head_dim
        self.heads, self.channels = config.heads, config.head_dim // 8 * 4
        self.outputs = nn.ModuleList(output_layer(dim, dim, config) for _ in range(config.layers))

    def tell(self, signals: Signals, grid: Grid) -> Told:
        """See `Camera`; a latent is its last frame."""
        return _Projected(self, projections(signals.poses[:, :, -1], signals.intrinsics))


class _Projected(Told):
    """The second attention; keys and values are kept as its own channels beside the first's."""

    def __init__(self, camera: ProjectiveCamera, matrices: torch.Tensor):
        self._camera = camera
        self._matrices = matrices
        self._inverses = torch.linalg.inv(matrices)

    def kept(self, block: int, key: torch.Tensor, value: torch.Tensor, pick: Pick) -> Pair:
        inverse = pick(self._inverses)
        return (
            torch.cat([key, self._apply(inverse, key)], dim=-1),
            torch.cat([value, self._apply(inverse, value)], dim=-1),
        )

    def output(
        self,
        block: int,
        out: torch.Tensor,
        query: torch.Tensor,
        extra: Pair,
        attend: Attend,
        pick: Pick = whole,
    ) -> torch.Tensor:
        matrix = pick(self._matrices)
        seen = attend(self._apply(matrix.mT, query), *extra, first=self._camera.channels)
        return out + self._camera.outputs[block](self._apply(matrix, seen))

    def _apply(self, matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Latents' matrices [B, F, 4, 4] on fours of the first channels of tokens [B, N, D]."""
        camera = self._camera
        heads = x.unflatten(1, (matrix.shape[1], -1)).unflatten(-1, (camera.heads, -1))
        fours = heads[..., : camera.channels].unflatten(-1, (-1, 4)).to(matrix.dtype)
        turned = torch.einsum("bfij,bfnhkj->bfnhki", matrix, fours).flatten(-2).type_as(x)
        return torch.cat([turned, heads[..., camera.channels :]], -1).flatten(-2).flatten(1, 2)
