"""Low-rank adapters on the transformer (LoRA, arXiv 2106.09685; peft's), for training on few GPUs.

The transformer's own weights are frozen; adapters and conditioning are trained. Adapters begin at
zero, so step 0 still equals the base.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import nn

from training.model.config import LoraConfig
from training.model.wan import WorldModel

_ADAPTER = "default"


def add(model: WorldModel, config: LoraConfig) -> None:
    """Freeze a model's transformer and give it adapters.

    Args:
        model: With the base's weights: afterwards their names are others.
        config: See `LoraConfig`.

    Raises:
        ValueError: If peft is missing, or a target names no layer.
    """
    if importlib.util.find_spec("peft") is None:
        raise ValueError("a recipe with lora needs the package peft; `pip install peft`")
    from peft import LoraConfig as PeftConfig

    linear = [n for n, m in model.transformer.named_modules() if isinstance(m, nn.Linear)]
    for target in config.targets:
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            raise ValueError(
                f"lora.targets has {target!r}, which is the end of no linear layer's name; there "
                "are to_q, to_k, to_v, to_out.0, ffn.net.0.proj, ffn.net.2 and others"
            )
    model.transformer.add_adapter(
        PeftConfig(r=config.rank, lora_alpha=config.alpha, target_modules=list(config.targets)),
        _ADAPTER,
    )


@torch.no_grad()
def merged(transformer: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a transformer with its adapters in them, under the names of one without.

    Layers without an adapter are not copied.
    """
    weights = {
        name.replace(".base_layer.", "."): parameter.detach()
        for name, parameter in transformer.named_parameters()
        if ".lora_" not in name
    }
    for name, module in transformer.named_modules():
        layer: Any = module
        if hasattr(layer, "base_layer"):
            key = f"{name}.weight"
            weights[key] = weights[key] + layer.get_delta_weight(_ADAPTER).to(weights[key])
    return weights
