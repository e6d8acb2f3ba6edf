"""Replayed back-propagation equals back-propagation, at one block's memory."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import toy_processes
from toy_meter import Meter
from toy_world import CHANNELS, SHORT, SIZE, make_model, make_signals, normal, video_gradient

from training import replay
from training.model.memory import Memory, Piece, Policy
from training.rollout import Rollout, RolloutConfig, Student, rollout

LATENTS = 8
POLICIES = {
    "uncompressed": Policy(window=LATENTS, schedule=(1,)),
    "window": Policy(window=4, budget=0),
    "compressed": Policy(window=4, schedule=SHORT),
    "latent pool": Policy(window=3, schedule=SHORT, pool="latent"),
    "evicting": Policy(window=3, schedule=(4, 2), sink=1, budget=9),
}
CASES = [*((name, False) for name in POLICIES), ("compressed", True)]
TOLERANCE = 1e-12


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


WAYS = [replay.truncated, replay.through_cache]
CAMERAS = ["token", "raype", "prope", "plucker_adaln"]


def make_student(
    policy: Policy,
    num_latents: int = LATENTS,
    levels: tuple[float, ...] = (1.0, 0.5),
    *,
    camera: str = "relic",
    **changes,
) -> Student:
    return Student(
        model=make_model(camera=camera, head_dim=16 if camera == "prope" else 12),
        signals=make_signals(num_latents),
        first=normal(2, CHANNELS, 1, *SIZE, seed=7),
        config=RolloutConfig(levels=levels, policy=policy, **changes),
    )


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def gradients(student: Student) -> torch.Tensor:
    found = [p.grad for p in student.model.parameters() if p.grad is not None]
    assert len(found) > 50 and all(g.abs().max() > 0 for g in found[:2])
    flat = torch.cat([g.flatten() for g in found])
    student.model.zero_grad(set_to_none=True)
    return flat


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def direct(
    student: Student, made: Rollout, *, through: bool = False, leaking: bool = False
) -> torch.Tensor:
    """Back-propagation of one graph over all blocks; memory is a dictionary, not `Memory`.

    Args:
        student: Anew with the weights of the rollout.
        made: Gives the inputs of the exit steps.
        through: Keep the history of what was written.
        leaking: Self-Forcing's in-place cache: values of the clean pass, history of the noisy one.
    """
    written: dict[tuple[int, int], Piece] = {}
    videos = []
    for record in made.records:
        start, stop = record.start, record.start + record.x.shape[2]
        seen = student.config.policy.seen(start, stop, student.grid)
        read = tuple(written[key] for key in seen.items())
        x0, noisy = student.denoise(record.x, made.sigma, start, read, write=True)
        _, clean = student.denoise(x0, 0.0, start, read, write=True)
        if student.config.noisy_context:
            clean = noisy
        videos.append(x0)
        for old, new in zip(noisy, clean, strict=True):
            if leaking:
                new = leak(old, new)
            written[new.latent, new.factor] = new if through or leaking else new.detach()
    video = torch.cat(videos, 2)
    assert torch.equal(video.detach(), made.latents)
    (video * video_gradient(made.latents)).sum().backward()
    return gradients(student)


def leak(noisy: Piece, clean: Piece) -> Piece:
    pairs = zip(noisy.pairs, clean.pairs, strict=True)
    swapped = [
        tuple(b.detach() + (a - a.detach()) for a, b in zip(old, new, strict=True))
        for old, new in pairs
    ]
    return dataclasses.replace(clean, pairs=tuple(swapped))


@pytest.mark.parametrize("name, noisy_context", CASES)
def test_replay_equals_the_full_graph(name, noisy_context):
    student = make_student(POLICIES[name], noisy_context=noisy_context)
    made = rollout(student, draw())
    expected = direct(student, made)
    replay.truncated(student, made, video_gradient(made.latents))
    assert difference(gradients(student), expected) < TOLERANCE


@pytest.mark.parametrize("name, noisy_context", CASES)
def test_replay_through_the_cache_equals_back_propagation_through_time(name, noisy_context):
    student = make_student(POLICIES[name], noisy_context=noisy_context)
    made = rollout(student, draw())
    expected = direct(student, made, through=True)
    replay.through_cache(student, made, video_gradient(made.latents))
    assert difference(gradients(student), expected) < TOLERANCE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("camera", CAMERAS)
def test_replay_equals_the_full_graph_with_every_camera(camera, way):
    """What a camera appends to keys and values is read, written and differentiated likewise."""
    student = make_student(POLICIES["compressed"], camera=camera)
    made = rollout(student, draw())
    expected = direct(student, made, through=way is replay.through_cache)
    way(student, made, video_gradient(made.latents))
    assert difference(gradients(student), expected) < TOLERANCE


def test_the_two_gradients_differ_and_ours_is_not_the_leaked_one():
    student = make_student(POLICIES["compressed"])
    made = rollout(student, draw())
    replay.truncated(student, made, video_gradient(made.latents))
    ours = gradients(student)
    through = direct(student, made, through=True)
    leaked = direct(student, made, leaking=True)
    assert difference(ours, through) > 1e-2
    assert difference(leaked, ours) > 1e-2 and difference(leaked, through) > 1e-2


@pytest.mark.parametrize("noisy_context", [False, True])
@pytest.mark.parametrize("name", ["compressed", "evicting"])
def test_memories_made_again_give_the_same_bits(name, noisy_context):
    student = make_student(POLICIES[name], noisy_context=noisy_context)
    kept = rollout(student, draw())
    bare = rollout(student, draw(), keep=False)
    assert all(record.memory is None for record in bare.records)
    found = []
    for made in (kept, bare):
        replay.truncated(student, made, video_gradient(made.latents))
        found.append(gradients(student))
    assert torch.equal(*found)


@pytest.mark.parametrize("way", WAYS)
def test_activation_checkpointing_changes_no_gradient(way):
    found, saved = [], []
    for checkpointing in (False, True):
        student = make_student(POLICIES["latent pool"])
        if checkpointing:
            student.model.checkpoint_activations()
        made = rollout(student, draw())
        with Meter() as meter:
            way(student, made, video_gradient(made.latents))
        found.append(gradients(student))
        saved.append(meter.peak)
    assert torch.equal(*found)
    assert saved[1] < saved[0] / 2


@pytest.mark.parametrize("way", WAYS)
def test_micro_batches_add_up(way):
    """Accumulation: the gradient of two videos is the sum of theirs."""
    student, streams = make_student(POLICIES["compressed"]), [draw(), draw()]
    made = rollout(student, streams)
    way(student, made, video_gradient(made.latents))
    expected = gradients(student)
    for row in (0, 1):
        alone = toy_processes.one_of(student, row)
        made = rollout(alone, [draw()])
        way(alone, made, video_gradient(made.latents))
    assert difference(gradients(student), expected) < TOLERANCE


def test_two_processes_equal_one(tmp_path):
    """Each replays one of two videos under DDP, and gradients are exchanged in the last block."""
    toy_processes.launch(toy_processes.replay_one_video, tmp_path)
    both = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for way in WAYS:
        student = toy_processes.make_student()
        made = rollout(student, toy_processes.streams())
        way(student, made, video_gradient(made.latents))
        expected = gradients(student)
        one, other = (found[way.__name__] for found in both)
        assert torch.equal(one, other)
        # DDP takes the mean over processes.
        assert difference(one * 2, expected) < TOLERANCE


def test_what_has_no_gradient_through_the_cache_is_refused():
    student = make_student(POLICIES["compressed"])
    bare = rollout(student, draw(), keep=False)
    with pytest.raises(ValueError, match="keeps its memories"):
        replay.through_cache(student, bare, video_gradient(bare.latents))
    small = make_student(Policy(storage="fp8"))
    made = rollout(small, draw())
    with pytest.raises(ValueError, match="no gradient through a quantised memory"):
        replay.through_cache(small, made, video_gradient(made.latents))


FLAT = Policy(window=4, schedule=(2,), sink=1, budget=6)


def measure(num_blocks: int, way) -> int:
    student = make_student(FLAT, 3 * num_blocks, levels=(0.5,))
    made = rollout(student, draw())
    with Meter() as meter:
        way(student, made, video_gradient(made.latents))
    assert meter.now == 0
    return meter.peak


def one_block(*, clean: bool) -> int:
    """What one block with a full memory saves: its exit step, and its clean pass if asked for."""
    student = make_student(FLAT, 12, levels=(0.5,))
    made = rollout(student, draw())
    record = made.records[-1]
    assert isinstance(record.memory, Memory)
    read = tuple(p.map(lambda t: t.detach().requires_grad_()) for p in record.memory.read(3))
    with Meter() as meter:
        x0, _ = student.denoise(record.x, made.sigma, record.start, read)
        if clean:
            x0, _ = student.denoise(x0, 0.0, record.start, read, write=True)
    return meter.peak


@pytest.mark.parametrize("way, clean", [(replay.truncated, False), (replay.through_cache, True)])
def test_saved_activations_are_those_of_one_block(way, clean):
    one = one_block(clean=clean)
    peaks = [measure(count, way) for count in (2, 4, 8, 16)]
    assert max(peaks) <= 1.1 * one
    assert len(set(peaks[1:])) == 1


def test_the_whole_graph_grows_with_the_blocks():
    saved = []
    for count in (4, 8):
        student = make_student(FLAT, 3 * count, levels=(0.5,))
        made = rollout(student, draw())
        with Meter() as meter:
            direct(student, made)
        saved.append(meter.peak)
    assert saved[1] - saved[0] > 3.9 * one_block(clean=False)
