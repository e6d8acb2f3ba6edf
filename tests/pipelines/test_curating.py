"""Curating: which episodes count; everything else of it is in tests/curation."""

from __future__ import annotations

import pytest
from box_room import box_scene, write_box_episode
from tiny_dataset import plan_tiny

from pipelines import curating
from pipelines.dataset import Dataset


def test_a_truncated_episode_counts_as_absent(tmp_path, monkeypatch, capsys):
    dataset = Dataset(plan_tiny(tmp_path / "data"))
    whole, cut, absent = plans = dataset.plans()[:3]
    for plan in (whole, cut):
        write_box_episode(dataset.episodes, plan, box_scene())
    with (dataset.episodes / cut.id / "depth.mkv").open("r+b") as file:
        file.truncate(100)
    assert [dataset.is_captured(plan) for plan in plans] == [True, False, False]

    def over(_, todo, **__):
        raise InterruptedError(*todo)

    monkeypatch.setattr(curating.runner, "over", over)
    with pytest.raises(InterruptedError, match=f"^{whole.id}$"):
        curating.curate(dataset)
    said = capsys.readouterr().out
    assert "1 damaged episodes" in said and cut.id in said and absent.id not in said
