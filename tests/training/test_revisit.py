"""Does memory work? A model learns videos that come back to where they were."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional
from toy_world import ACTION_DIM, CHANNELS, CONFIG, GRID, SIZE

from training import flow
from training.data import Signals
from training.model import masks
from training.model.context import Context
from training.model.memory import Policy
from training.model.wan import WorldModel
from training.recipes import FlowConfig

LATENTS, BATCH, STEPS = 9, 8, 400
RANGES = masks.blocks(LATENTS, 3)


def there_and_back(draw: torch.Generator) -> tuple[torch.Tensor, Signals]:
    """Three latents, three others, then the first three and their poses again."""
    shape = (BATCH, CHANNELS, 6, *SIZE)
    noise = torch.randn(shape, generator=draw).flatten(0, 2)[:, None]
    # Smooth, so that a cell says something about its tokens.
    smooth = functional.avg_pool2d(noise, 3, 1, 1, count_include_pad=False).view(shape)
    x = torch.cat([smooth, smooth[:, :, :3]], dim=2)
    poses = torch.randn(BATCH, 6, 1, 3, 4, generator=draw).expand(-1, -1, 4, -1, -1)
    signals = Signals(
        actions=torch.zeros(BATCH, LATENTS, ACTION_DIM),
        poses=torch.cat([poses, poses[:, :3]], dim=1),
        step_m=torch.ones(BATCH),
        intrinsics=torch.ones(BATCH, 4),
        words=torch.zeros(BATCH, 3, CONFIG.text_dim),
    )
    return x / x.std(), signals


def learn(policy: Policy, seed: int) -> tuple[float, float]:
    """Teacher forcing; error of x0 in new latents and in those seen before (variance 1)."""
    torch.manual_seed(seed)
    config = dataclasses.replace(CONFIG, head_dim=24, ffn_dim=128, cond_dim=32)
    model = WorldModel(config, CHANNELS, FlowConfig())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    table = masks.teacher_forcing(RANGES, policy, GRID)
    draw, errors = torch.Generator().manual_seed(seed), []
    for step in range(STEPS):
        share = min(1, (step + 1) / 50) * min(1, (STEPS - step) / (0.4 * STEPS))
        optimizer.param_groups[0]["lr"] = 3e-3 * share
        x, signals = there_and_back(draw)
        twice = dataclasses.replace(
            signals,
            actions=signals.actions.repeat(1, 2, 1),
            poses=signals.poses.repeat(1, 2, 1, 1, 1),
        )
        level = 0.6 + 0.4 * torch.rand(BATCH, 1, 1, 1, 1, generator=draw)
        noise = torch.randn(x.shape, generator=draw)
        noisy = flow.mix(x, noise, level)
        levels = level.flatten(1).expand(-1, LATENTS)
        context = Context(
            latents=(*range(LATENTS), *range(LATENTS)), grid=GRID, policy=policy, table=table
        )
        out = model(
            torch.cat([x, noisy], 2), torch.cat([levels * 0, levels], 1), twice, context=context
        )
        x0 = flow.x0_from_velocity(noisy, out[:, :, LATENTS:], level)
        error = (x0 - x).square().mean((0, 1, 3, 4))
        optimizer.zero_grad()
        error.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        errors.append(error.detach())
    last = torch.stack(errors[-50:]).mean(0)
    return float(last[3:6].mean()), float(last[6:].mean())


@pytest.mark.slow
def test_memory_knows_what_the_window_forgot():
    """New latents are equally hard for all; those seen before are easy with memory alone."""
    results = {
        name: learn(policy, seed=1)
        for name, policy in {
            "window": Policy(window=3, budget=0),
            "compressed": Policy(window=3, schedule=(1, 4, 2)),
            "uncompressed": Policy(window=3, schedule=(1,)),
        }.items()
    }
    again = {name: error for name, (_, error) in results.items()}
    for new, _ in results.values():
        assert new == pytest.approx(results["window"][0], abs=0.03)
    assert again["window"] > 0.97 * results["window"][0]
    assert again["compressed"] < 0.6 * again["window"]
    assert again["uncompressed"] < 0.4 * again["compressed"]
