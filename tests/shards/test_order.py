from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order import GlobalOrder, stand_in, window_start


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**40))
def test_every_epoch_holds_every_sample_once(n, seed, epoch):
    order = GlobalOrder(n, seed)
    rows = [order.row(k) for k in range(epoch * n, (epoch + 1) * n)]
    assert sorted(rows) == list(range(n))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    step=st.integers(0, 50),
    shares=st.sampled_from([(1, 8), (2, 4), (4, 2), (8, 1)]),
)
def test_any_number_of_processes_sees_the_same_global_batch(n, step, shares):
    world, _ = shares
    alone = GlobalOrder(n, 3).batch(step, global_batch=8)
    split = [
        GlobalOrder(n, 3).batch(step, global_batch=8, rank=rank, world=world)
        for rank in range(world)
    ]
    assert list(itertools.chain(*split)) == alone
    assert {len(part) for part in split} == {8 // world}


def test_epochs_and_seeds_differ():
    order = GlobalOrder(50, 0)
    assert list(order.permutation(0)) != list(order.permutation(1))
    assert list(order.permutation(0)) != list(GlobalOrder(50, 1).permutation(0))


def test_the_order_is_the_same_for_ever():
    # These numbers are part of the format: a change would break every run that is resumed.
    assert GlobalOrder(10, 1234).permutation(0).tolist() == ORDER_10_1234_0
    assert GlobalOrder(10, 1234).permutation(7).tolist() == ORDER_10_1234_7
    assert [window_start(1234, k, 81, 33) for k in range(8)] == WINDOWS_1234
    weighted = GlobalOrder(10, 1234, np.array([0.5, 1, 1, 1, 1, 1, 1, 1, 2.5, 0]))
    assert weighted.permutation(0).tolist() == WEIGHTED_10_1234_0
    assert [stand_in(1234, attempt, 100) for attempt in range(4)] == STAND_INS_1234


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), k=st.integers(0, 2**60), spare=st.integers(0, 50))
def test_windows_fit(seed, k, spare):
    start = window_start(seed, k, 33 + spare, 33)
    assert 0 <= start <= spare
    assert start == window_start(seed, k, 33 + spare, 33)


def test_windows_are_uniform():
    starts = [window_start(0, k, 12, 9) for k in range(4000)]
    assert np.bincount(starts, minlength=4).min() > 850


WEIGHTS = st.lists(st.floats(0, 4), min_size=1, max_size=40).filter(any)


@settings(max_examples=60, deadline=None)
@given(weights=WEIGHTS, seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**40))
def test_an_epoch_holds_every_sample_by_its_weight_to_one(weights, seed, epoch):
    n = len(weights)
    rows = GlobalOrder(n, seed, np.array(weights)).permutation(epoch)
    wanted = n * np.array(weights) / sum(weights)
    found = np.bincount(rows, minlength=n)
    assert found.sum() == n
    assert (np.abs(found - wanted) < 1 + 1e-6 * n).all()
    assert not found[np.array(weights) == 0].any()


def test_weights_hold_on_average_and_for_pairs():
    weights = np.array([0.25, 0.5, 1.0, 1.0, 1.75, 2.0, 0.5])
    order = GlobalOrder(7, 3, weights)
    counts = np.array([np.bincount(order.permutation(e), minlength=7) for e in range(1500)])
    np.testing.assert_allclose(counts.mean(0), weights, atol=0.05)
    # Neighbours of weight 1/2 are neither bound together nor kept apart.
    both = (counts[:, 1] & counts[:, 6]).mean()
    assert 0.03 < both < 0.45


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 50), seed=st.integers(0, 2**64 - 1), weight=st.floats(1e-9, 1e9))
def test_equal_weights_are_no_weights(n, seed, weight):
    weighted = GlobalOrder(n, seed, np.full(n, weight))
    assert weighted.permutation(3).tolist() == GlobalOrder(n, seed).permutation(3).tolist()


def test_weights_of_many_samples_do_not_overflow():
    n = 1_000_000
    weights = np.linspace(0.25, 4.0, n)
    found = np.bincount(GlobalOrder(n, 0, weights).permutation(0), minlength=n)
    assert (np.abs(found - n * weights / weights.sum()) < 1.01).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0], "as many weights"),
        ([1.0, -1.0, 1.0], "not negative"),
        ([1.0, float("nan"), 1.0], "finite"),
        ([0.0, 0.0, 0.0], "all 3 weights are 0"),
    ],
)
def test_impossible_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        GlobalOrder(3, 0, np.array(weights))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**40), n=st.integers(1, 50))
def test_stand_ins_try_other_samples(seed, n):
    tried = [stand_in(seed, attempt, n) for attempt in range(20)]
    assert all(0 <= index < n for index in tried)
    assert n < 5 or len(set(tried)) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"global_batch": 6, "world": 4}, "multiple of the number of processes"),
        ({"global_batch": 4, "world": 2, "rank": 2}, "rank = 2"),
        ({"global_batch": 0}, "global_batch = 0"),
    ],
)
def test_unequal_shares_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GlobalOrder(5, 0).batch(0, **arguments)


def test_impossible_orders_and_windows_are_refused():
    with pytest.raises(ValueError, match="n = 0"):
        GlobalOrder(0, 0)
    with pytest.raises(ValueError, match="-1"):
        GlobalOrder(5, -1)
    with pytest.raises(ValueError, match="window of 9 frames does not fit into 8"):
        window_start(0, 0, 8, 9)


ORDER_10_1234_0 = [8, 9, 7, 3, 0, 1, 4, 2, 5, 6]
ORDER_10_1234_7 = [6, 1, 4, 8, 9, 3, 5, 0, 7, 2]
WINDOWS_1234 = [35, 27, 29, 41, 17, 32, 41, 8]
WEIGHTED_10_1234_0 = [8, 8, 8, 4, 1, 2, 5, 3, 6, 7]
STAND_INS_1234 = [15, 89, 70, 74]
