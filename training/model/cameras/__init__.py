"""Ways to tell self-attention where the camera is, by name (`ModelConfig.camera`).

relic           one embedding of the pose per frame, added to Q and K (RELIC sec. 4)
token           the same, also told the token's place in the image (ours)
raype           every token's ray, added to Q and K (RayPE, arXiv 2606.27345)
prope           a second attention between projections (PRoPE, arXiv 2507.10496)
plucker_adaln   every token's rays scale and shift self-attention's input (as LingBot-World does)
none            nothing

All start as the base model if their output layers are zero (`zero_init`), and all go through the
memory: what a block keeps of a latent is told the latent's own camera.
"""

from __future__ import annotations

from training.model.cameras.pose import PoseCamera
from training.model.cameras.prope import ProjectiveCamera
from training.model.cameras.rays import ModulatingCamera, RayCamera
from training.model.cameras.told import Camera, Told
from training.model.config import ModelConfig


def make(config: ModelConfig) -> Camera | None:
    """The recipe's camera with its initial weights; None for "none"."""
    kinds = {
        "relic": PoseCamera,
        "token": PoseCamera,
        "raype": RayCamera,
        "prope": ProjectiveCamera,
        "plucker_adaln": ModulatingCamera,
    }
    return None if config.camera == "none" else kinds[config.camera](config)


__all__ = ["Camera", "Told", "make"]
