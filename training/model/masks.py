"""Who sees whom: block-causal attention over latents, with and without compression.

A pass over P latents has a *table* of int64 [P, P]: the factor at which the tokens of latent i see
latent j; 1 is in full, 0 not at all. All of RELIC's modes are such tables (sec. 4.4.1, fig. 5), and
`training.model.memory.Policy` fills in the factors, so a pass with a mask sees what the same blocks
see one after the other with a memory.

The keys of a pass are its N tokens, then, for each latent seen at a factor above 1, its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from training.model.memory import Grid, Policy


def blocks(num_latents: int, size: int) -> list[tuple[int, int]]:
    """Half-open ranges of latents; the last block may be shorter."""
    return [(first, min(first + size, num_latents)) for first in range(0, num_latents, size)]


def diffusion_forcing(
    ranges: Sequence[tuple[int, int]], policy: Policy, grid: Grid
) -> torch.Tensor:
    """A block sees itself and, through the policy, the blocks before it, each at its own noise.

    Args:
        ranges: Of the blocks, from 0 on.
        policy: What is seen of earlier latents.
        grid: Rows and columns of tokens of a latent.
    """
    table = torch.zeros(ranges[-1][1], ranges[-1][1], dtype=torch.int64)
    for start, stop in ranges:
        table[start:stop, start:stop] = 1
        for latent, factor in policy.seen(start, stop, grid).items():
            table[start:stop, latent] = factor
    return table


def teacher_forcing(ranges: Sequence[tuple[int, int]], policy: Policy, grid: Grid) -> torch.Tensor:
    """The pass holds the clip twice, [clean | noisy].

    A clean block sees clean blocks up to itself; a noisy one clean blocks before it, and itself.

    Returns:
        [2 F, 2 F] for F latents.
    """
    clean = diffusion_forcing(ranges, policy, grid)
    own = torch.zeros_like(clean)
    for start, stop in ranges:
        own[start:stop, start:stop] = 1
    return torch.cat([torch.cat([clean, clean * 0], 1), torch.cat([clean * (1 - own), own], 1)])


def hybrid_forcing(
    ranges: Sequence[tuple[int, int]], num_noisy: int, policy: Policy, grid: Grid
) -> torch.Tensor:
    """RELIC's hybrid forcing: the last `num_noisy` blocks are noisy, those before are clean.

    Noisy blocks see all clean latents compressed, and noisy blocks up to themselves in full; clean
    blocks see what they would when they enter the memory.

    Raises:
        ValueError: If there are not so many blocks.
    """
    if not 0 < num_noisy <= len(ranges):
        raise ValueError(
            f"num_noisy must be 1 to {len(ranges)}, the number of blocks; {num_noisy=}"
        )
    table = diffusion_forcing(ranges, policy, grid)
    first = ranges[-num_noisy][0]
    for start, stop in ranges[-num_noisy:]:
        table[start:stop, :stop] = 0
        for latent, factor in policy.seen(start, stop, grid, full_from=first).items():
            table[start:stop, latent] = factor
        table[start:stop, start:stop] = 1
    return table


def compressed(table: torch.Tensor) -> list[tuple[int, int]]:
    """The latents whose cells are keys, with their factors; a latent has one factor above 1.

    Raises:
        ValueError: If a latent is seen at two factors above 1.
    """
    found = []
    for latent, column in enumerate(table.unbind(1)):
        factors = column[column > 1].unique().tolist()
        if len(factors) > 1:
            raise ValueError(f"latent {latent} is seen at the factors {factors}; one is possible")
        found += [(latent, factor) for factor in factors]
    return found


def keys(table: torch.Tensor, grid: Grid, policy: Policy) -> tuple[torch.Tensor, torch.Tensor]:
    """Which latent and which factor every key belongs to: int64 [M] each."""
    pieces = [(latent, 1) for latent in range(len(table))] + compressed(table)
    counts = torch.tensor([policy.tokens(factor, grid) for _, factor in pieces])
    latent, factor = torch.tensor(pieces).T
    return latent.repeat_interleave(counts), factor.repeat_interleave(counts)


def dense(table: torch.Tensor, grid: Grid, policy: Policy) -> torch.Tensor:
    """The mask of `scaled_dot_product_attention`: bool [N, M], True where a query sees a key."""
    latent, factor = keys(table, grid, policy)
    rows = table.repeat_interleave(grid[0] * grid[1], dim=0)
    return rows[:, latent] == factor


def mask_mod(
    table: torch.Tensor, grid: Grid, policy: Policy, device: torch.device | str = "cpu"
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    """The same for FlexAttention's `create_block_mask`.

    Args:
        table: [P, P].
        grid: Rows and columns of tokens of a latent.
        policy: Gives the number of cells.
        device: Where it is asked.
    """
    latent, factor = (t.to(device) for t in keys(table, grid, policy))
    table = table.to(device)
    tokens = grid[0] * grid[1]

    def sees(
        _batch: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        return table[query // tokens, latent[key]] == factor[key]

    return sees
