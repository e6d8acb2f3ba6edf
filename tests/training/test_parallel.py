"""Two processes do what one does: FSDP2, context parallelism, replay, checkpoints that reshard."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import toy_parallel
from toy_parallel import AFTER, BEFORE, Training
from toy_processes import make_student
from toy_world import make_model, video_gradient

from training import replay
from training.rollout import rollout
from training.state import Checkpoints, load_weights

TOLERANCE = 1e-12


@pytest.fixture(autouse=True)
def _double(monkeypatch):
    """Diffusers casts to float32 in norms and modulation; here that means float64."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Checkpoints of one process in `one`, of two in `two`."""
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, torch.Tensor]:
    """What one process has in the end; it leaves a checkpoint on its way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        training = Training()
        training.steps(0, BEFORE)
        Checkpoints(folder / "one").save(BEFORE, training.parts)
        training.steps(BEFORE, AFTER)
        return training.state()


@pytest.fixture(scope="module")
def found(folder, alone) -> list[toy_parallel.Found]:
    """What each of two processes found; they are started once."""
    return toy_parallel.launch(folder, toy_parallel.everything)


@pytest.fixture
def expected() -> dict[str, torch.Tensor]:
    """Gradients of one process that sees both videos."""
    model = make_model()
    toy_parallel.loss(model).backward()
    return toy_parallel.gradients(model)


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    flat = [torch.cat([side[name].flatten() for name in a]) for side in (a, b)]
    assert float((flat[0] - flat[1]).norm() / flat[1].norm()) < TOLERANCE


def test_sharded_gradients_are_those_of_one_process(found, expected):
    for mine in found:
        assert_close(mine["sharded_gradients/gradients"], expected)
        assert mine["sharded_gradients/share"] == pytest.approx(0.5, abs=0.05)


def test_a_sharded_gradient_is_clipped_by_its_whole_norm(found, expected):
    norm = torch.cat([g.flatten() for g in expected.values()]).norm()
    clipped = {name: g * (1e-3 / (norm + 1e-6)) for name, g in expected.items()}
    for mine in found:
        assert mine["sharded_gradients/norm"] == pytest.approx(float(norm))
        assert_close(mine["sharded_gradients/clipped"], clipped)


def test_a_model_filled_after_it_was_split_is_the_same(found, expected):
    for mine in found:
        assert mine["filled_later/empty"]
        assert mine["filled_later/share"] == pytest.approx(0.5, abs=0.05)
        assert_close(mine["filled_later/gradients"], expected)


@pytest.mark.parametrize("way", ["kept", "split"])
def test_sharded_replay_is_that_of_one_process(found, way):
    student = make_student()
    made = rollout(student, torch.Generator().manual_seed(3))
    replay.truncated(student, made, video_gradient(made.latents))
    both = toy_parallel.gradients(student.model)
    # The mean over two processes with a video each is half of the sum.
    for mine in found:
        assert_close(mine[f"sharded_replay/{way}"], {k: g / 2 for k, g in both.items()})


def test_kept_weights_are_gathered_once_and_gradients_exchanged_once(found):
    parts = 1 + len(make_model().transformer.blocks)
    for mine in found:
        assert mine["sharded_replay/kept gathers"] == parts
        assert mine["sharded_replay/kept scatters"] == parts
        assert mine["sharded_replay/split scatters"] == 3 * parts
        assert mine["sharded_replay/split gathers"] > 10 * parts


@pytest.mark.parametrize("camera", toy_parallel.CAMERAS)
def test_the_sum_over_processes_that_share_tokens_is_the_gradient(found, camera):
    """75 tokens on two processes: 38 and 37."""
    model = make_model(camera=camera, head_dim=16)
    toy_parallel.loss(model).backward()
    expected = toy_parallel.gradients(model)
    for mine in found:
        assert_close(mine[f"shared_gradients/{camera}"], expected)


@pytest.mark.parametrize("name", toy_parallel.POLICIES)
def test_shared_tokens_see_through_masks_what_they_see_alone(found, name):
    model = make_model()
    toy_parallel.masked_loss(model, toy_parallel.POLICIES[name]).backward()
    expected = toy_parallel.gradients(model)
    for mine in found:
        assert_close(mine[f"shared_gradients/{name} mask"], expected)


def test_one_video_on_two_processes_is_two_videos_on_one_each(found, expected):
    """World 1 x 2 and 2 x 1: equal gradients; sharing composes with sharding."""
    for mine in found:
        assert mine["shared_gradients/data"] == [0, 1]
        assert_close(mine["shared_gradients/sharded"], expected)
        assert_close(mine["shared_gradients/sharded"], mine["sharded_gradients/gradients"])


@pytest.mark.parametrize("name", toy_parallel.POLICIES)
def test_a_shared_rollout_and_its_replay_are_those_of_one_process(found, name):
    student = toy_parallel.with_policy(make_student(), toy_parallel.POLICIES[name])
    made = rollout(student, torch.Generator().manual_seed(3))
    memory = made.records[-1].memory
    assert memory is not None
    replay.truncated(student, made, video_gradient(made.latents))
    expected = toy_parallel.gradients(student.model)
    replay.through_cache(student, made, video_gradient(made.latents))
    through = toy_parallel.gradients(student.model)
    for mine in found:
        latents = mine[f"shared_rollout/{name} latents"]
        assert float((latents - made.latents).norm() / made.latents.norm()) < TOLERANCE
        # Every process keeps its own heads.
        assert mine[f"shared_rollout/{name} bytes"] * 2 == memory.num_bytes()
        assert_close(mine[f"shared_rollout/{name} gradients"], expected)
        assert_close(mine[f"shared_rollout/{name} gradients through"], through)


def test_two_processes_train_as_one(found, alone):
    for mine in found:
        assert_close(mine["resharded/whole"], alone)


def test_resuming_in_two_processes_is_bitwise_the_same(found):
    for mine in found:
        whole, again = mine["resharded/whole"], mine["resharded/again"]
        assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_checkpoint_of_one_process_goes_on_in_two(found, alone):
    for mine in found:
        assert_close(mine["resharded/from one"], alone)


def test_a_checkpoint_of_two_processes_goes_on_in_one(found, folder, alone):
    training, checkpoints = Training(), Checkpoints(folder / "two")
    assert checkpoints.latest() == BEFORE
    checkpoints.restore(BEFORE, training.parts)
    # The state is that of the split optimizer, so the steps from here are the same but for sums.
    training.steps(BEFORE, AFTER)
    assert_close(training.state(), alone)


def test_the_average_of_split_weights_is_saved_whole(found, folder):
    """Nothing but safetensors is in the folder, and every reader gets one whole file."""
    checkpoints = Checkpoints(folder / "two")
    pieces = [p for p in (folder / "two").rglob("*") if p.is_file()]
    assert {p.suffix for p in pieces} == {".safetensors"}
    training = Training()
    training.steps(0, BEFORE)
    expected = training.state()
    model = make_model()
    load_weights(model, checkpoints.ema_file())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, expected[f"ema.{name}"], rtol=0, atol=1e-9)


def test_split_pieces_of_another_model_are_refused(found, folder):
    other = Training()
    other.model = make_model(ffn_dim=16)
    with pytest.raises(ValueError, match="has the shape"):
        Checkpoints(folder / "two").restore(BEFORE, other.parts)
