"""Cameras told as rays: RayPE, and Pluecker coordinates that modulate.

A ray through a token's centre has Pluecker coordinates (d, m): its unit direction, and its moment
m = o x d for any point o on it, in the axes of the window's first camera, with moments in steps.
Two rays meet (or are parallel) where their reciprocal product d1.m2 + m1.d2 is zero, and that
product is the same in all coordinate systems.
"""

from __future__ import annotations

import torch
from torch import nn

from shards.latents import GROUP
from training.data import Signals
from training.model.cameras.pose import STEPS
from training.model.cameras.told import Pick, Told, whole
from training.model.config import ModelConfig
from training.model.encoder import output_layer, token_places
from training.model.memory import Grid, Pair

_SMALLEST = 1e-6


def plucker(poses: torch.Tensor, intrinsics: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Rays through the centres of tokens.

    Args:
        poses: cam_to_world [B, F, K, 3, 4] of K frames a latent.
        intrinsics: Shares of the image, [B, 4]; see `Signals`.
        grid: Rows and columns of tokens of a latent.

    Returns:
        Direction and moment, [B, F, K, n, 6].
    """
    place = token_places(grid).to(poses).flip(-1)
    ray = (place - intrinsics[:, None, 2:]) / intrinsics[:, None, :2]
    ray = torch.cat([ray, torch.ones_like(ray[..., :1])], dim=-1)[:, None, None]
    direction = nn.functional.normalize(ray @ poses[..., :3].mT, dim=-1)
    origin = poses[..., None, :, 3].expand_as(direction)
    return torch.cat([direction, torch.linalg.cross(origin, direction)], dim=-1)


class RayCamera(nn.Module):
    """RayPE (arXiv 2606.27345): rays added to Q and K after QK-norm, flipped between the two.

    Q gets (gated moment, direction) and K (direction, gated moment), so with equal projections the
    dot product of the two is the reciprocal product of the rays ("normalize, gate, inject"). The
    paper's formula for the gate is not known to us; ours is a power of the moment's length.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.queries = nn.ModuleList(_Injection(config) for _ in range(config.layers))
        self.keys = nn.ModuleList(_Injection(config) for _ in range(config.layers))

    def tell(self, signals: Signals, grid: Grid) -> Told:
        """See `Camera`; a latent is its last frame."""
        rays = plucker(signals.poses[:, :, -1:], signals.intrinsics, grid)
        return _Rays(self, rays.flatten(1, 3))


class _Rays(Told):
    """Rays [B, N, 6] of the tokens, embedded by the weights of `camera`."""

    def __init__(self, camera: RayCamera, rays: torch.Tensor):
        self._camera, self._rays = camera, rays

    def query(self, block: int, query: torch.Tensor, pick: Pick = whole) -> torch.Tensor:
        return query + pick(self._camera.queries[block](self._rays, flip=True)).type_as(query)

    def kept(self, block: int, key: torch.Tensor, value: torch.Tensor, pick: Pick) -> Pair:
        return key + pick(self._camera.keys[block](self._rays, flip=False)).type_as(key), value


class _Injection(nn.Module):
    """A ray to what is added to a token's queries or keys."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        dim = config.heads * config.head_dim
        self.gate = Gate()
        self.inject = nn.Linear(6, dim, bias=False)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        if config.zero_init:
            nn.init.zeros_(self.norm.weight)

    def forward(self, rays: torch.Tensor, *, flip: bool) -> torch.Tensor:
        direction, moment = self.gate(rays)
        pair = (moment, direction) if flip else (direction, moment)
        return self.norm(self.inject(torch.cat(pair, dim=-1)))


class Gate(nn.Module):
    """Directions as they are; moments as unit vectors times `exp(slope log|m| + offset)`.

    It starts as the identity, slope 1 and offset 0; a smaller slope makes scenes of different size
    look alike.
    """

    def __init__(self):
        super().__init__()
        # FSDP2 takes no parameters without a dimension.
        self.slope = nn.Parameter(torch.ones(1))
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, rays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Directions and gated moments of rays [..., 6], [..., 3] each."""
        direction, moment = rays.split(3, dim=-1)
        length = moment.norm(dim=-1, keepdim=True).clamp_min(_SMALLEST)
        return direction, moment / length * (self.slope * length.log() + self.offset).exp()


class ModulatingCamera(nn.Module):
    """Pluecker coordinates scale and shift what self-attention reads, in every block.

    Args:
        config: See `ModelConfig`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        hidden, dim = config.cond_dim, config.heads * config.head_dim
        self.trunk = nn.Sequential(
            nn.Linear(GROUP * 6, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        # One layer a block, used inside the block: all blocks' outputs at once would be the
        # largest tensor of the model.
        self.heads = nn.ModuleList(
            output_layer(hidden, 2 * dim, config) for _ in range(config.layers)
        )

    def tell(self, signals: Signals, grid: Grid) -> Told:
        """See `Camera`; a latent is its four frames."""
        rays = plucker(signals.poses, signals.intrinsics, grid)
        rays = rays / rays.new_tensor([1.0, 1.0, 1.0, STEPS, STEPS, STEPS])
        return _Modulation(self, self.trunk(rays.transpose(2, 3).flatten(3).flatten(1, 2)))


class _Modulation(Told):
    def __init__(self, camera: ModulatingCamera, features: torch.Tensor):
        self._camera, self._features = camera, features

    def inputs(self, block: int, x: torch.Tensor, pick: Pick = whole) -> torch.Tensor:
        features = pick(self._features)
        scale, shift = self._camera.heads[block](features).type_as(x).chunk(2, dim=-1)
        return x * (1 + scale) + shift
