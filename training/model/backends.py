"""Which kernel computes attention: FlashAttention, PyTorch's own, or FlexAttention.

Without a mask: FlashAttention 3, else 2, else `scaled_dot_product_attention` (SDPA; on Hopper it is
cuDNN's). With one: FlexAttention on GPUs, which skips what nobody sees and never holds the mask;
on CPUs, where it has no backward pass, SDPA with the mask in full.

FlashAttention is called through diffusers' dispatch.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from training.model.config import AttentionBackend

Kernel = Literal["sdpa", "flash", "flash3", "flex"]
Mask = torch.Tensor | BlockMask
MaskMod = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
_FAST: tuple[Kernel, ...] = ("flash3", "flash")
# The modules that hold the kernels, and the least compute capability that runs them.
_MODULES = {"flash3": "flash_attn_interface", "flash": "flash_attn"}
_CAPABILITY = {"flash3": (9, 0), "flash": (8, 0)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What decides which kernels run.

    Attributes:
        capability: Compute capability of the GPU; None on a CPU.
        half: Whether products are computed in a 16-bit type.
        installed: Names of the FlashAttention kernels that are installed.
    """

    capability: tuple[int, int] | None
    half: bool
    installed: frozenset[str]

    @classmethod
    def of(cls, x: torch.Tensor) -> Machine:
        """The machine of a tensor, and the type in which its products are computed now."""
        cuda = x.device.type == "cuda"
        return cls(
            capability=torch.cuda.get_device_capability(x.device) if cuda else None,
            half=_product_dtype(x).itemsize == 2,
            installed=_installed(),
        )

    def runs(self, kernel: str) -> bool:
        """Whether a FlashAttention kernel runs here."""
        capable = self.capability is not None and self.capability >= _CAPABILITY[kernel]
        return capable and self.half and kernel in self.installed


def choose(wanted: AttentionBackend, machine: Machine, *, masked: bool) -> Kernel:
    """The kernel of a pass.

    Args:
        wanted: See `ModelConfig.attention`.
        machine: Where it runs.
        masked: Whether some queries do not see some keys.

    Raises:
        ValueError: If a FlashAttention kernel is asked for that does not run here.
    """
    if wanted in ("flash", "flash3") and not machine.runs(wanted):
        raise ValueError(
            f"model.attention = {wanted!r} needs the module {_MODULES[wanted]}, a GPU of compute "
            f"capability {'.'.join(map(str, _CAPABILITY[wanted]))} and a 16-bit type; got "
            f"{machine}; use 'auto'"
        )
    if masked:
        flex = wanted == "flex" or (wanted != "sdpa" and machine.capability is not None)
        return "flex" if flex else "sdpa"
    fast: tuple[Kernel, ...] = _FAST if wanted == "auto" else tuple(k for k in _FAST if k == wanted)
    for kernel in fast:
        if machine.runs(kernel):
            return kernel
    return "sdpa"


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Mask | None,
    wanted: AttentionBackend,
) -> torch.Tensor:
    """Attention of heads.

    Args:
        query: [B, N, heads, d].
        key: [B, M, heads, d].
        value: [B, M, heads, d].
        mask: What `block_mask` made, or bool [N, M], True where a query sees a key.
        wanted: See `ModelConfig.attention`.

    Returns:
        [B, N, heads, d].
    """
    if mask is None:
        kernel = choose(wanted, Machine.of(query), masked=False)
        if kernel in ("flash", "flash3"):
            return _flash(query, key, value, kernel)
    query, key, value = (t.transpose(1, 2) for t in (query, key, value))
    if isinstance(mask, BlockMask):
        query, key, value = (t.to(_product_dtype(query)) for t in (query, key, value))
        out: Any = _flex(query.device.type)(query, key, value, block_mask=mask)
    else:
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return out.transpose(1, 2)


def block_mask(sees: MaskMod, queries: int, keys: int, device: torch.device) -> BlockMask:
    """FlexAttention's mask of a pass, the same for all videos and heads.

    Args:
        sees: `training.model.masks.mask_mod`.
        queries: N.
        keys: M.
        device: Of the pass.
    """
    # Not compiled it would make the mask in full first.
    compiled = device.type == "cuda"
    return create_block_mask(sees, None, None, queries, keys, device, _compile=compiled)


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, kernel: str
) -> torch.Tensor:
    from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

    names = {"flash": AttentionBackendName.FLASH, "flash3": AttentionBackendName._FLASH_3}
    dtype = _product_dtype(query)
    query, key, value = (t.to(dtype) for t in (query, key, value))
    return dispatch_attention_fn(query, key, value, backend=names[kernel])


def _product_dtype(x: torch.Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


@functools.cache
def _flex(device: str) -> Callable[..., Any]:
    return torch.compile(flex_attention) if device == "cuda" else flex_attention


@functools.cache
def _installed() -> frozenset[str]:
    return frozenset(k for k, module in _MODULES.items() if importlib.util.find_spec(module))
