"""Bytes that autograd keeps for backward passes."""

from __future__ import annotations

import torch


class Meter:
    """Bytes that are alive now, and their highest value."""

    def __init__(self):
        self.now = self.peak = 0

    def __enter__(self) -> Meter:
        meter = self

        class Saved:
            def __init__(self, tensor: torch.Tensor):
                self.tensor, self.size = tensor.detach(), tensor.numel() * tensor.element_size()
                meter.now += self.size
                meter.peak = max(meter.peak, meter.now)

            def __del__(self):
                meter.now -= self.size

        self._hooks = torch.autograd.graph.saved_tensors_hooks(Saved, lambda s: s.tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self._hooks.__exit__(*_)
