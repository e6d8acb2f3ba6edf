"""Work over many items: here while it is little, on Ray when it is not, with the same results."""

from __future__ import annotations

import math
import time

import pytest

from pipelines import runner
from pipelines.runner import StageFailed


def over(function, items, **more) -> list:
    return runner.over(function, items, title="Roots", unit="numbers", **more)


def slow_root(number: float) -> float:
    time.sleep(0.02)
    return math.sqrt(number)


def test_a_little_work_needs_no_ray(no_ray):
    assert over(math.sqrt, [9.0, 4.0, 1.0]) == [3.0, 2.0, 1.0]
    assert over(math.sqrt, [], address="nowhere:1") == []


@pytest.mark.parametrize("where", ["no_ray", "cluster"])
def test_items_that_fail_do_not_stop_the_others(where, request, tmp_path):
    request.getfixturevalue(where)
    folders = [tmp_path / "a", tmp_path / "absent" / "b", tmp_path / "c"]
    with pytest.raises(StageFailed, match=r"Roots: 1 of 3 numbers failed: .*absent"):
        over(type(tmp_path).mkdir, folders)
    assert folders[0].is_dir() and folders[2].is_dir()


def test_a_cluster_that_runs_does_all_of_it_and_the_same(cluster, monkeypatch):
    monkeypatch.setattr(runner._Stage, "run_here", lambda *_: pytest.fail("it was done here"))
    assert over(math.sqrt, [9.0, 4.0, 1.0]) == [3.0, 2.0, 1.0]


def test_what_is_left_after_some_seconds_goes_to_ray(cluster, monkeypatch):
    answers, alone = iter([False]), []
    monkeypatch.setattr(runner.ray, "is_initialized", lambda: next(answers, True))
    monkeypatch.setattr(runner, "_ALONE_S", 0.05)
    run_on_ray = runner._Stage.run_on_ray

    def rest(stage):
        alone.extend(root for root in stage.results if root is not None)
        run_on_ray(stage)

    monkeypatch.setattr(runner._Stage, "run_on_ray", rest)
    roots = [math.sqrt(n) for n in range(12)]
    assert over(slow_root, list(range(12))) == roots
    assert 1 <= len(alone) < 12 and alone == roots[: len(alone)]
