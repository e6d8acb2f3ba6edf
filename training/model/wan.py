"""The world model: diffusers' `WanTransformer3DModel` with actions and camera, by hooks alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import nn
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from training.data import Signals
from training.model.attention import CameraAttention, Conditions, TextAttention
from training.model.backends import Machine, choose
from training.model.conditioning import Conditioning
from training.model.config import ModelConfig
from training.model.context import Context
from training.model.encoder import token_places
from training.model.rope import Rotary
from training.model.spread import Spread
from training.recipes import FlowConfig

PATCH = (1, 2, 2)
_TIMESTEPS = 1000


class WorldModel(nn.Module):
    """A Wan transformer that is told where the camera goes.

    `transformer` stays diffusers' own class with its own weights' names, so Wan's weights load into
    it (`training.model.pretrained`). Its first latent is clean: noise level 0 (RELIC sec. 4).

    Args:
        config: See `ModelConfig`.
        channels: Channels of a latent.
        flow: Says what the output means; "residual" and "warp" start from an output of zero.
    """

    def __init__(self, config: ModelConfig, channels: int, flow: FlowConfig):
        super().__init__()
        self.config = config
        self.flow = flow
        # Of a model without memory: see `training.model.deferred`.
        self.source: Callable[[Mapping[str, torch.Tensor]], None] | None = None
        self.transformer = WanTransformer3DModel(
            patch_size=PATCH,
            num_attention_heads=config.heads,
            attention_head_dim=config.head_dim,
            in_channels=channels + 2 * config.coordinates,
            out_channels=channels + len(flow.warp_depths_m),
            text_dim=config.text_dim,
            freq_dim=config.freq_dim,
            ffn_dim=config.ffn_dim,
            num_layers=config.layers,
        )
        self.stretch(config.yarn_factor)
        self.transformer.condition_embedder.register_forward_hook(self._levels_to_runs)
        self.transformer.condition_embedder.time_embedder.register_forward_hook(self._add_actions)
        self.conditioning = Conditioning(config)
        self._conditions = Conditions()
        self._group: ProcessGroup | None = None
        blocks: Any = self.transformer.blocks
        blocks[0].register_forward_pre_hook(self._to_runs)
        for index, block in enumerate(blocks):
            block.attn1.set_processor(CameraAttention(self._conditions, index, config.attention))
            block.attn2.set_processor(TextAttention(self._conditions))
            _add_after_self_attention(block, self._conditions, index)
        if flow.prediction in ("residual", "warp"):
            nn.init.zeros_(self.transformer.proj_out.weight)
            nn.init.zeros_(self.transformer.proj_out.bias)

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        signals: Signals,
        *,
        context: Context | None = None,
    ) -> torch.Tensor:
        """The network's output for noisy latents.

        Args:
            x: [B, C, F, h, w], the first latent clean.
            sigma: Noise level of the others, [B]; or of every latent, [B, F].
            signals: See `Signals`.
            context: For a pass over some latents of a longer video; see `Context`.

        Returns:
            [B, C + D, F, h, w] with the D = 0 or more weights of `FlowConfig.prediction`.
        """
        num_latents, height, width = x.shape[2:]
        grid = (height // PATCH[1], width // PATCH[2])
        actions, added_levels = self.conditioning.embed_actions(signals)
        told = Conditions(
            videos=len(x),
            tokens_per_latent=grid[0] * grid[1],
            actions=actions,
            levels=added_levels,
            camera=self.conditioning.tell_camera(signals, grid),
            context=context,
            spread=self._spread(num_latents * grid[0] * grid[1]),
        )
        if self.config.coordinates:
            place = ((token_places((height, width)) - 0.5) * 3).to(x)
            place = place.T.reshape(1, 2, 1, height, width)
            x = torch.cat([x, place.expand(len(x), -1, num_latents, -1, -1)], dim=1)
        if context is not None:
            rotary: Any = self.transformer.rope
            machine = Machine.of(x)
            flex = choose(self.config.attention, machine, masked=True) == "flex"
            context.prepare(rotary, x.device, flex=flex)
        levels = sigma
        if sigma.ndim == 1:
            levels = torch.cat(
                [torch.zeros_like(sigma)[:, None], sigma[:, None].expand(-1, num_latents - 1)], 1
            )
        with self._conditions.told(told):
            return self.transformer(x, levels * _TIMESTEPS, signals.words, return_dict=False)[0]

    def stretch(self, factor: float) -> None:
        """From now on stretch the rotary embedding's time axis by YaRN; see `Rotary`.

        Args:
            factor: Length of the videos over that of the base model's; 1 for none.
        """
        config = self.config
        self.transformer.rope = Rotary(
            config.head_dim, PATCH, config.rope_theta, factor=factor, length=config.yarn_latents
        ).to(self.transformer.patch_embedding.weight.device)

    def share_tokens(self, group: ProcessGroup) -> None:
        """From now on a pass is shared by a group of processes, which make it together.

        All of them get the same inputs and the same output; see `training.model.spread` for the
        gradient.

        Raises:
            ValueError: If the group does not divide the heads.
        """
        heads, size = self.config.heads, group.size()
        if heads % size:
            raise ValueError(
                f"{size} processes cannot share the tokens of a model of {heads} heads; choose a "
                "divisor of the heads"
            )
        self._group = group
        conditions = self._conditions

        def leave(_layer: nn.Module, _inputs: object, output: torch.Tensor):
            assert conditions.spread is not None
            return conditions.spread.collect(conditions.whole(output))

        self.transformer.proj_out.register_forward_hook(leave)

    def _spread(self, tokens: int) -> Spread | None:
        if self._group is None:
            return None
        return Spread(
            group=self._group,
            rank=self._group.rank(),
            size=self._group.size(),
            heads=self.config.heads,
            head_dim=self.config.head_dim,
            tokens=tokens,
        )

    def checkpoint_activations(self) -> None:
        """From now on keep only the blocks' inputs for the backward pass, and run blocks again.

        A block that runs again is told what it was told the first time.
        """
        conditions = self._conditions

        def checkpointed(block: nn.Module, *inputs: Any) -> Any:
            told = dataclasses.replace(conditions)

            def run(*inputs: Any) -> Any:
                with conditions.told(told):
                    return block(*inputs)

            return checkpoint(run, *inputs, use_reentrant=False)

        self.transformer.enable_gradient_checkpointing(checkpointed)

    def _levels_to_runs(self, _module: nn.Module, _inputs: object, output: tuple[Any, ...]):
        """Repeat what the embedder made of the noise levels of latents for their runs of tokens.

        diffusers takes a level per token, and would make six vectors of width dim of it for every
        token in every block; all tokens of a latent have the same ones. See `Conditions.runs`.
        """
        level, modulation, *rest = output
        runs = self._conditions.runs
        return runs(level)[:, 0], runs(modulation), *rest

    def _to_runs(self, _block: nn.Module, inputs: tuple[Any, ...]):
        """This process' tokens by runs, from here to the output."""
        conditions = self._conditions
        own = conditions.own(inputs[0])
        return own.unflatten(1, (-1, conditions.run)).flatten(0, 1), *inputs[1:]

    def _add_actions(self, _module: nn.Module, _inputs: object, output: torch.Tensor):
        """Add actions to the embedding of the noise levels, [B, F, dim]."""
        levels = self._conditions.levels
        return None if levels is None else output + levels.type_as(output)


def _add_after_self_attention(block: Any, conditions: Conditions, index: int) -> None:
    """Add the action embedding to the block's hidden state between self- and cross-attention.

    There is no module between the two whose output is that state. Adding it to what `norm2` reads
    and to what cross-attention returns is the same: `h + a + attn2(norm2(h + a))`.
    """

    def before_norm(_module: nn.Module, inputs: tuple[torch.Tensor, ...]):
        if not conditions.actions:
            return None
        return (inputs[0] + conditions.runs(conditions.actions[index]),)

    def after_attention(_module: nn.Module, _inputs: object, output: torch.Tensor):
        if not conditions.actions:
            return None
        return output + conditions.runs(conditions.actions[index])

    block.norm2.register_forward_pre_hook(before_norm)
    block.attn2.register_forward_hook(after_attention)
