"""A model without memory: built at once at any size, filled when its place is known.

A host with eight processes would need eight whole copies of 14 billion weights to begin with, 457
GB in float32. So the transformer is built on the device "meta", split over the processes like that,
and then filled from files, one tensor at a time: a process holds its own part and one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from training.model.conditioning import Conditioning
from training.model.config import ModelConfig
from training.model.wan import WorldModel
from training.recipes import FlowConfig

# Copies weights into a model's parameters, split or not, all that it has by name.
Fill = Callable[[Mapping[str, torch.Tensor]], None]


def skeleton(config: ModelConfig, channels: int, flow: FlowConfig) -> WorldModel:
    """A `WorldModel` whose transformer has no memory; conditioning starts as it always does."""
    with torch.device("meta"):
        model = WorldModel(config, channels, flow)
    model.conditioning = Conditioning(config)
    return model


def is_empty(model: nn.Module) -> bool:
    """Whether some of a model's weights have no memory."""
    return any(p.is_meta for p in model.parameters())


def fill(model: WorldModel, source: Fill) -> None:
    """Fill a model's weights: now, or when `materialise` gives them memory."""
    if is_empty(model):
        model.source = source
    else:
        source(dict(model.named_parameters()))


def materialise(model: WorldModel, device: torch.device) -> None:
    """Give memory to weights that have none, and fill the model; weights may be split already.

    Raises:
        ValueError: If nobody said with what.
    """
    if not is_empty(model):
        return
    if model.source is None:
        raise ValueError("a model without memory needs weights; build it in full, or load some")
    model._apply(lambda t: torch.empty_like(t, device=device) if t.is_meta else t.to(device))
    # Its tables have no memory either, and are computed, not read.
    model.stretch(model.config.yarn_factor)
    model.source(dict(model.named_parameters()))
    model.source = None
