from __future__ import annotations

import re
from pathlib import Path

import pytest

from shards import remote

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text()


def test_the_examples_run(sharded, tmp_path, monkeypatch):
    pytest.importorskip("torch.utils.data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(sharded)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})


def test_the_limits_are_those_of_the_code():
    assert f"after {remote._ANSWER_S:.0f} s without an answer, and four" in PAGE
    assert remote._ATTEMPTS == 4
    for option in remote._S3_OPTIONS:
        assert f"{option}=" in PAGE
