"""Flow matching: conversions, and a sampler that finds a known distribution."""

from __future__ import annotations

import pytest
import torch

from training import flow


@pytest.fixture
def triple() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(3, 2, 4, 2, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    return x0, noise, torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64).view(-1, 1, 1, 1, 1)


def test_conversions_are_inverse(triple):
    x0, noise, sigma = triple
    x, v = flow.mix(x0, noise, sigma), flow.velocity(x0, noise)
    assert torch.allclose(flow.x0_from_velocity(x, v, sigma), x0, atol=1e-12)
    assert torch.allclose(flow.velocity_from_x0(x, x0, sigma), v, atol=1e-12)


@pytest.mark.parametrize("prediction", ["v", "x0", "residual"])
def test_the_right_output_has_no_loss(triple, prediction):
    x0, noise, sigma = triple
    x = torch.cat([x0[:, :, :1], flow.mix(x0, noise, sigma)[:, :, 1:]], dim=2)
    right = {"v": noise - x0, "x0": x0, "residual": x0 - x0[:, :, :1]}[prediction]
    given = {"x0": x0, "noise": noise, "x": x, "sigma": sigma, "prediction": prediction}
    assert flow.errors(right, **given).max() < 1e-20
    assert flow.errors(right + 1, **given).mean() == pytest.approx(1.0)


def test_the_clean_latent_is_not_in_the_loss(triple):
    x0, noise, sigma = triple
    wrong = noise - x0
    wrong[:, :, 0] += 5
    given = {"x0": x0, "noise": noise, "x": x0, "sigma": sigma, "prediction": "v"}
    assert not flow.errors(wrong, **given).any()


def test_shift_keeps_the_ends_and_the_order():
    levels = flow.levels(10, 5.0)
    assert levels[0] == 1 and levels[-1] == 0 and (levels.diff() < 0).all()
    assert flow.shifted(torch.tensor(0.5), 5.0) == pytest.approx(5 / 6)


def test_the_sampler_recovers_a_gaussian():
    mean, std = 1.5, 0.4
    noise = torch.randn(20_000, 1, 1, 1, 1, generator=torch.Generator().manual_seed(1))

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        gain = (1 - sigma) * std**2 / ((1 - sigma) ** 2 * std**2 + sigma**2)
        return mean + gain * (x - (1 - sigma) * mean)

    *_, x = flow.path(denoise, noise, flow.levels(200, 3.0))
    assert float(x.mean()) == pytest.approx(mean, abs=0.01)
    assert float(x.std()) == pytest.approx(std, abs=0.01)


def test_the_sampler_recovers_a_covariance():
    """Correlated data, whose expected value behind noise is known."""
    mean, root = torch.tensor([0.7, -0.4]), torch.tensor([[0.8, 0.0], [0.5, 0.6]])
    cov = root @ root.T
    noise = torch.randn(10_000, 2, 1, 1, 1, generator=torch.Generator().manual_seed(2))

    def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        noisy = (1 - sigma) ** 2 * cov + sigma**2 * torch.eye(2)
        gain = (1 - sigma) * cov @ torch.linalg.inv(noisy)
        points = x.flatten(1)
        return (mean + (points - (1 - sigma) * mean) @ gain.T).view_as(x)

    *_, x = flow.path(denoise, noise, flow.levels(200, 3.0))
    x = x.flatten(1)
    torch.testing.assert_close(x.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(x.T.cov(), cov, atol=0.03, rtol=0)


def test_a_path_shows_every_state():
    noise, sigmas = torch.randn(1, 1, 3, 2, 2), flow.levels(4, 2.0)
    first = torch.full((1, 1, 1, 2, 2), 7.0)
    states = list(flow.path(lambda x, _: x * 0.5, noise, sigmas, first))
    assert len(states) == 5 and torch.equal(states[0][:, :, 1:], noise[:, :, 1:])
    assert all(torch.equal(state[:, :, :1], first) for state in states)


def test_the_sampler_holds_the_first_latent():
    first = torch.full((1, 1, 1, 2, 2), 7.0)
    *_, x = flow.path(lambda x, _: x * 0, torch.ones(1, 1, 3, 2, 2), flow.levels(4, 1.0), first)
    assert torch.equal(x[:, :, :1], first) and x[:, :, 1:].abs().max() < 1e-6
