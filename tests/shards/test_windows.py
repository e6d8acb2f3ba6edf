from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order import GlobalOrder
from shards.windows import WindowOrder

# 5, 10 and 20 s at 16 frames a second.
CURRICULUM = [(81, 5), (161, 4), (321, 3)]
LENGTHS = np.array([81, 100, 161, 161, 200, 321, 321, 400, 640, 97, 321])
WEIGHTS = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.5, 0.25, 1.0, 1.0, 3.0, 0.5])


def order(**changes) -> WindowOrder:
    settings = {
        "seed": 7,
        "global_batch": 8,
        "phases": CURRICULUM,
        "weights": WEIGHTS,
        "manifest_sha": "a1",
    }
    return WindowOrder(LENGTHS, **{**settings, **changes})


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(0, 40),
    world=st.sampled_from([1, 2, 4, 8]),
    accumulation=st.sampled_from([1, 2]),
)
def test_any_world_sees_the_same_global_batch(step, world, accumulation):
    if 8 % (world * accumulation):
        return
    shares = itertools.product(range(accumulation), range(world))
    found = [
        window
        for micro, rank in shares
        for window in order().batch(
            step, rank=rank, world=world, micro=micro, accumulation=accumulation
        )
    ]
    assert found == order().batch(step)
    assert [window.k for window in found] == list(range(8 * step, 8 * step + 8))


@settings(max_examples=60, deadline=None)
@given(step=st.integers(0, 30), world=st.sampled_from([1, 2, 4]))
def test_any_step_resumes_on_another_world(step, world):
    state = json.loads(json.dumps(order().state(step)))
    whole = list(itertools.islice(order().batches(0), step, step + 6))
    again = order()
    ranks = [again.batches(again.resume(state), rank=r, world=world) for r in range(world)]
    resumed = [list(itertools.chain(*(next(rank) for rank in ranks))) for _ in range(6)]
    assert resumed == whole


@settings(max_examples=60, deadline=None)
@given(step=st.integers(0, 30))
def test_windows_fit_and_short_samples_are_left_out(step):
    length = 81 if step < 5 else 161 if step < 9 else 321
    assert order().length(step) == length
    for window in order().batch(step):
        assert window.length == length
        assert 0 <= window.start <= LENGTHS[window.index] - length
        assert WEIGHTS[window.index] > 0


def test_the_rule_for_short_samples():
    assert order().eligible(321).tolist() == [5, 6, 7, 8, 10]
    with pytest.raises(ValueError, match=r"no clip has the 641 frames.* 11 of at most 640"):
        order(phases=[(81, 1), (641, 1)])
    with pytest.raises(ValueError, match="weights are 0"):
        order(weights=np.array([1.0] + [0.0] * 10))


def test_an_epoch_of_a_phase_holds_its_samples_by_weight():
    whole = order()
    rows, n = whole.eligible(321), 5
    counts = sum(
        np.bincount([whole.sample(k, 321) for k in range(e * n, e * n + n)], minlength=11)
        for e in range(400)
    )
    wanted = n * WEIGHTS[rows] / WEIGHTS[rows].sum()
    np.testing.assert_allclose(counts[rows] / 400, wanted, atol=0.1)
    assert counts.sum() == counts[rows].sum()


def test_one_length_without_weights_is_the_global_order():
    plain = order(phases=[(81, 1)], weights=None)
    places = GlobalOrder(11, 7).batch(3, global_batch=8)
    assert [(w.k, w.index) for w in plain.batch(3)] == places


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 8}, "seed was 7, is 8"),
        ({"global_batch": 16}, "global_batch"),
        ({"phases": CURRICULUM[:2]}, "phases"),
        ({"weights": None}, "weighted"),
        ({"manifest_sha": "b2"}, "manifest_sha was a1, is b2"),
    ],
)
def test_the_state_of_another_order_is_refused(change, name):
    with pytest.raises(ValueError, match=name):
        order(**change).resume(order().state(4))


@pytest.mark.parametrize("phases", [[], [(0, 3)], [(81, 0)]])
def test_impossible_phases_are_refused(phases):
    with pytest.raises(ValueError, match="phases are"):
        order(phases=phases)


def test_uneven_micro_batches_are_refused():
    with pytest.raises(ValueError, match="micro-batches"):
        order().batch(0, accumulation=3)
    with pytest.raises(ValueError, match="number of processes"):
        order().batch(0, accumulation=4, world=4)
