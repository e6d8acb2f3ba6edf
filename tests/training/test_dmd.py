"""Distribution matching on Gaussians, where every score is known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toy_world import CHANNELS, SIZE, make_model, make_signals, normal

from training import dmd, replay
from training.dmd import DmdConfig, ModelScore
from training.model.memory import Policy
from training.rollout import RolloutConfig, Student, rollout

MEAN = torch.tensor([0.7, -0.4], dtype=torch.float64)
ROOT = torch.tensor([[0.8, 0.0], [0.5, 0.6]], dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def expect(x: torch.Tensor, sigma: torch.Tensor, mean: torch.Tensor, root: torch.Tensor):
    """Posterior mean of x0 ~ N(mean, root root') given [B, 2] noisy points at levels [B, 1]."""
    s = sigma[..., None]
    cov = root @ root.T
    noisy = (1 - s) ** 2 * cov + s**2 * EYE
    residual = (x - (1 - sigma) * mean)[..., None]
    return mean + ((1 - s) * cov @ torch.linalg.solve(noisy, residual))[..., 0]


def as_video(points: torch.Tensor) -> torch.Tensor:
    """Points [B, 2] as videos [B, 2, 2, 1, 1] whose first latent is empty."""
    video = points[:, :, None, None, None]
    return torch.cat([torch.zeros_like(video), video], dim=2)


def as_score(mean: torch.Tensor, root: torch.Tensor):
    return lambda x, sigma: as_video(expect(x[:, :, 1, 0, 0], sigma[:, None], mean, root))


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_direction_is_the_gradient_of_the_kl_divergence(level):
    """With sigma points (the scores are affine, so these are exact) against autograd on the KL."""
    mean = torch.tensor([-0.2, 0.3], dtype=torch.float64, requires_grad=True)
    root = torch.tensor([[1.1, 0.2], [-0.3, 0.7]], dtype=torch.float64, requires_grad=True)

    def covariance(root):
        return (1 - level) ** 2 * root @ root.T + level**2 * EYE

    ours, real = covariance(root), covariance(ROOT)
    gap = (1 - level) * (MEAN - mean)
    kl = 0.5 * (
        torch.trace(torch.linalg.solve(real, ours))
        + gap @ torch.linalg.solve(real, gap)
        + torch.logdet(real)
        - torch.logdet(ours)
    )
    expected = torch.autograd.grad(kl, [mean, root])

    points = torch.cat([2 * torch.eye(4), -2 * torch.eye(4)]).double()
    made = mean + points[:, :2] @ root.T
    sigma = torch.full((8, 1), level, dtype=torch.float64)
    seen = ((1 - level) * made + level * points[:, 2:]).detach()
    real_x0, fake_x0 = (expect(seen, sigma, m, r) for m, r in [(MEAN, ROOT), (mean, root)])
    difference = (fake_x0 - real_x0).detach()
    found = torch.autograd.grad((difference * made).sum() / 8, [mean, root])
    for a, b in zip(found, expected, strict=True):
        assert (a - b * level**2 / (1 - level) ** 2).abs().max() < 1e-12


@pytest.mark.slow
def test_a_student_with_a_learned_fake_score_finds_mean_and_covariance():
    """Five updates of the fake score for one of the student, from far away."""
    torch.manual_seed(0)
    config = DmdConfig(guidance=0.0, shift=1.0)
    student = [torch.tensor([-1.0, 1.0]).double(), (EYE * 0.3).clone()]
    critic = [t.clone() for t in student]
    for t in student + critic:
        t.requires_grad_()
    optims = [torch.optim.Adam(p, lr=4e-2, betas=(0.0, 0.99)) for p in (student, critic)]
    generator, turns, steps = draw(), 0, 1500
    for step in range(steps):
        for optim in optims:
            for group in optim.param_groups:
                group["lr"] = 4e-2 * (1 - step / steps)
        z = torch.randn(128, 2, generator=generator, dtype=torch.float64)
        x = as_video(student[0] + z @ student[1].T)
        if config.trains_student(step):
            turns += 1
            d = dmd.direction(
                x.detach(), as_score(MEAN, ROOT), as_score(*critic), config, generator
            )
            optims[0].zero_grad()
            dmd.loss(x, d).backward()
            optims[0].step()
        else:
            optims[1].zero_grad()
            dmd.critic_errors(x, as_score(*critic), config, generator)[0].mean().backward()
            optims[1].step()
    assert turns == steps // 6
    with torch.no_grad():
        assert (student[0] - MEAN).abs().max() < 0.05
        assert (student[1] @ student[1].T - ROOT @ ROOT.T).abs().max() < 0.08


def test_the_loss_has_the_gradient_that_replay_is_given():
    x = normal(2, 3, 4, 2, 2).requires_grad_()
    d = normal(2, 3, 4, 2, 2, seed=9)
    dmd.loss(x, d).backward()
    assert (x.grad - dmd.gradient(d)).abs().max() < 1e-16


def test_normalisation_is_per_sample_and_survives_nothing():
    x, real, fake = normal(2, 3, seed=1), normal(2, 3, seed=2), normal(2, 3, seed=3)
    out = dmd.normalised(x, real, fake)
    for row in range(2):
        expected = (fake - real)[row] / (x - real)[row].abs().mean()
        assert torch.equal(out[row], expected)
    assert not dmd.normalised(real, real, real).any()
    assert not dmd.normalised(real, real, fake).any()


def test_equal_scores_give_no_direction_and_the_first_latent_never_has_one():
    x, config = as_video(normal(4, 2)), DmdConfig()
    same = as_score(MEAN, ROOT)
    assert not dmd.direction(x, same, same, config, draw()).any()
    other = dmd.direction(x, same, as_score(MEAN + 1, ROOT), config, draw())
    assert not other[:, :, 0].any() and other[:, :, 1].all()


def test_the_scores_see_a_clean_first_latent_and_one_level_a_video():
    x, seen = normal(3, 2, 4, 2, 2), []

    def score(noisy, sigma):
        seen.append((noisy, sigma))
        return noisy

    dmd.direction(x, score, score, DmdConfig(), draw())
    (a, sigma), (b, again) = seen
    assert torch.equal(a, b) and torch.equal(sigma, again) and sigma.shape == (3,)
    assert torch.equal(a[:, :, :1], x[:, :, :1]) and not torch.equal(a[:, :, 1:], x[:, :, 1:])


def test_levels_stay_in_their_range():
    levels = dmd.levels(DmdConfig(), 4000, draw())
    assert levels.min() >= 0.02 and levels.max() == pytest.approx(0.98)
    assert levels.median() == pytest.approx(5 * 0.5 / 3, abs=0.02)


def test_guidance_extrapolates_and_zero_is_none():
    model, signals = make_model(), make_signals(3)
    x, sigma = normal(2, CHANNELS, 3, *SIZE), torch.tensor([0.3, 0.8]).double()
    silent = dataclasses.replace(signals, words=torch.zeros_like(signals.words))
    with torch.no_grad():
        plain = ModelScore(model=model, signals=signals)(x, sigma)
        without = ModelScore(model=model, signals=silent)(x, sigma)
        guided = ModelScore(model=model, signals=signals, guidance=3.0)(x, sigma)
        expected = x - dmd.wide(sigma) * model(x, sigma, signals)
    assert torch.equal(plain, expected)
    assert (guided - (plain + 3 * (plain - without))).abs().max() < 1e-6
    assert not torch.allclose(guided, plain, atol=1e-4)


@pytest.mark.parametrize("change", [{"critic_updates": 0}, {"lowest": 0.0}, {"highest": 1.5}])
def test_senseless_settings_are_refused(change):
    with pytest.raises(ValueError, match="critic_updates must be"):
        DmdConfig(**change)


def test_a_student_step_by_replay_goes_down_the_loss(monkeypatch):
    """Rollout, direction, replay, step: the video moves against the direction."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    signals = make_signals(5)
    student = Student(
        model=make_model(),
        signals=signals,
        first=normal(2, CHANNELS, 1, *SIZE),
        config=RolloutConfig(block=2, policy=Policy(window=2), levels=(1.0, 0.5)),
    )
    made = rollout(student, draw())
    real = ModelScore(model=make_model(layers=1), signals=signals, guidance=3.0)
    fake = ModelScore(model=student.model, signals=signals)
    d = dmd.direction(made.latents, real, fake, DmdConfig(), draw())
    replay.truncated(student, made, dmd.gradient(d))
    with torch.no_grad():
        for p in student.model.parameters():
            if p.grad is not None:
                p -= 1e-3 * p.grad
    again = rollout(student, draw()).latents
    assert ((again - made.latents) * d).sum() < 0
