"""Distribution matching on mixtures of Gaussians: closed forms, and a student that gets there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch

from training import dmd
from training.dmd import DmdConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture:
    """Of K Gaussians on a line, in float64: weights, means and spreads [K]."""

    weights: torch.Tensor
    means: torch.Tensor
    spreads: torch.Tensor

    @classmethod
    def of(cls, *parts: tuple[float, float, float]) -> Mixture:
        weights, means, spreads = torch.tensor(parts, dtype=torch.float64).T.contiguous().unbind()
        return cls(weights=weights, means=means, spreads=spreads)

    def log_density(self, y: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
        """Of points [...] at a noise level."""
        variance = (1 - _last(sigma)) ** 2 * self.spreads**2 + _last(sigma) ** 2
        away = y[..., None] - (1 - _last(sigma)) * self.means
        each = self.weights.log() - 0.5 * (variance.log() + away**2 / variance)
        return each.logsumexp(-1) - 0.5 * math.log(2 * math.pi)

    def expect(self, y: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
        """The expected data behind points [...]: that of every part, weighed by its share."""
        gain = 1 - _last(sigma)
        variance = gain**2 * self.spreads**2 + _last(sigma) ** 2
        away = y[..., None] - gain * self.means
        shares = self.weights.log() - 0.5 * (variance.log() + away**2 / variance)
        each = self.means + gain * self.spreads**2 / variance * away
        return (shares.softmax(-1) * each).sum(-1)

    def points(self, count: int, draw: torch.Generator) -> torch.Tensor:
        part = self.weights.multinomial(count, replacement=True, generator=draw)
        noise = torch.randn(count, generator=draw, dtype=torch.float64)
        return self.means[part] + self.spreads[part] * noise


def _last(x: torch.Tensor | float) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64)[..., None]


TARGET = Mixture.of((0.6, -1.5, 0.3), (0.4, 1.2, 0.5))


def test_the_expected_data_is_tweedies():
    """Which is the density's own gradient: expected data and density belong together."""
    y, sigma = torch.linspace(-4, 4, 41).double().requires_grad_(), 0.4
    (score,) = torch.autograd.grad(TARGET.log_density(y, sigma).sum(), y)
    assert (TARGET.expect(y, sigma) - (y + sigma**2 * score) / (1 - sigma)).abs().max() < 1e-12


@pytest.mark.parametrize("level", [0.3, 0.5, 0.7])
def test_the_direction_is_the_gradient_of_the_kl_divergence_of_mixtures(level):
    """Both sides by sums over a fine grid; the student is a mixture of two Gaussians as well.

    `dmd.normalised` divides by one number a video, so one video holds all points of the grid.
    """
    means = torch.tensor([-0.4, 0.9], dtype=torch.float64, requires_grad=True)
    spreads = torch.tensor([0.7, 0.4], dtype=torch.float64, requires_grad=True)
    student = Mixture(weights=torch.tensor([0.3, 0.7]).double(), means=means, spreads=spreads)
    nodes = torch.linspace(-9, 9, 401, dtype=torch.float64)
    weights = torch.softmax(-0.5 * nodes**2, dim=0)

    # KL(student || target) of the noisy distributions, differentiated by autograd.
    variance = (1 - level) ** 2 * spreads**2 + level**2
    y = (1 - level) * means + variance.sqrt() * nodes[:, None]
    gap = student.log_density(y, level) - TARGET.log_density(y, level)
    expected = torch.autograd.grad(
        (student.weights * weights[:, None] * gap).sum(), [means, spreads]
    )

    # The same as the stage has it: data made by the student, noise, and two expectations.
    z, noise = nodes[:, None, None], nodes[None, :, None]
    made = means + spreads * z
    seen = ((1 - level) * made + level * noise).detach()
    share = student.weights * weights[:, None, None] * weights[None, :, None]
    real, fake = TARGET.expect(seen, level), student.expect(seen, level).detach()
    x = made.expand_as(real).detach()
    direction = dmd.normalised(x[None], real[None], fake[None])[0]
    scale = (x - real).abs().mean()
    found = torch.autograd.grad((share * direction * made).sum(), [means, spreads])
    for a, b in zip(found, expected, strict=True):
        assert b.abs().max() > 1e-3
        assert (a * scale * (1 - level) ** 2 / level**2 - b).abs().max() < 1e-10


def as_score(expect: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> dmd.Score:
    """Of videos [B, 1, 2, n, 1] whose first latent is empty, every place a point of its own."""
    return lambda x, sigma: expect(x, dmd.wide(sigma).expand_as(x))


def distil(steps: int, *, swapped: bool = False) -> Mixture:
    """A heap around 0 after some steps, five of them of a learned fake score for one of its own."""
    config, draw = DmdConfig(shift=1.0, guidance=0.0), torch.Generator().manual_seed(1)
    student, critic = (
        Mixture.of((0.6, -0.3, 1.0), (0.4, 0.3, 1.0)),
        Mixture.of((0.6, -0.3, 1.0), (0.4, 0.3, 1.0)),
    )
    learned = [[m.means.requires_grad_(), m.spreads.requires_grad_()] for m in (student, critic)]
    optims = [torch.optim.Adam(p, betas=(0.0, 0.99)) for p in learned]
    real, fake = as_score(TARGET.expect), as_score(critic.expect)
    for step in range(steps):
        for group in (g for optim in optims for g in optim.param_groups):
            group["lr"] = 4e-2 * (1 - step / steps)
        points = student.points(512, draw).view(32, 1, 1, 16, 1)
        x = torch.cat([torch.zeros_like(points), points], dim=2)
        turn = config.trains_student(step)
        if turn:
            scores = (fake, real) if swapped else (real, fake)
            loss = dmd.loss(x, dmd.direction(x.detach(), *scores, config, draw))
        else:
            loss = dmd.critic_errors(x, fake, config, draw)[0].mean()
        optim = optims[0 if turn else 1]
        optim.zero_grad()
        loss.backward()
        optim.step()
    return student


def distance(student: Mixture) -> float:
    """Wasserstein's from the target: mean difference of sorted points."""
    made = [m.points(20_000, torch.Generator().manual_seed(5)) for m in (student, TARGET)]
    return float((made[0].sort().values - made[1].sort().values).detach().abs().mean())


def test_a_student_moves_to_both_parts_of_a_mixture():
    student = distil(1100)
    assert (student.means - TARGET.means).abs().max() < 0.05
    assert (student.spreads.abs() - TARGET.spreads).abs().max() < 0.05


def test_a_direction_of_the_wrong_sign_moves_away():
    before, right, wrong = distil(0), distil(120), distil(120, swapped=True)
    assert distance(right) < distance(before) < distance(wrong)
