"""Two processes make the teacher's paths with a teacher that neither of them has whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_parallel
import toy_paths
from accelerate import Accelerator
from toy_paths import PATHS, WAYS

from training.parallel.config import ParallelConfig
from training.stages import pairs

KEPT = b"made before"


@pytest.fixture(scope="module")
def folder(recipe, tmp_path_factory) -> Path:
    """A teacher, paths of one process in `one`; other runs have their first path already."""
    folder = tmp_path_factory.mktemp("paths")
    toy_paths.train_teacher(recipe, folder)
    toy_paths.make(folder, "one", ParallelConfig(), Accelerator(cpu=True))
    for name in WAYS:
        file = pairs.file_of(folder / name / "pairs", 0)
        file.parent.mkdir(parents=True)
        file.write_bytes(KEPT)
    return folder


@pytest.fixture(scope="module")
def found(folder) -> list[toy_parallel.Found]:
    """What each of two processes found; they are started once."""
    return toy_parallel.launch(folder, toy_paths.everything)


@pytest.mark.parametrize("name", WAYS)
def test_the_paths_are_those_of_one_process(folder, found, name):
    made = sorted(file.name for file in (folder / name / "pairs").iterdir())
    assert made == sorted(file.name for file in (folder / "one" / "pairs").iterdir())
    assert pairs.file_of(folder / name / "pairs", 0).read_bytes() == KEPT
    for k in range(1, PATHS):
        mine, expected = (pairs.load(folder / run / "pairs", [k]) for run in (name, "one"))
        assert float((mine - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("name", WAYS)
def test_no_process_has_the_whole_teacher(found, name):
    split = WAYS[name].shard == 0
    for mine in found:
        assert mine[f"{name}/empty"]
        assert mine[f"{name}/frozen"]
        assert mine[f"{name}/share"] == pytest.approx(0.5 if split else 1.0, abs=0.05)


@pytest.mark.parametrize("name, told", [("split", [3, 4]), ("shared", [2, 3, 4])])
def test_progress_counts_the_paths_of_all(found, name, told):
    assert [mine[f"{name}/told"] for mine in found] == [told, told]


def test_the_teacher_is_gone_when_the_student_begins(found):
    assert [mine[f"{name}/left"] for mine in found for name in WAYS] == [0] * 6
