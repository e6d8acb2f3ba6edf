from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pipelines.encoding import encode_depth
from shards import remote

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text()


def test_the_examples_run(sharded, tmp_path, monkeypatch):
    pytest.importorskip("torch.utils.data")
    shutil.copytree(sharded, tmp_path / "data" / "demo", symlinks=True)
    monkeypatch.chdir(tmp_path)
    encode_depth(Path("data/demo"))
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(examples) == 3
    for example in examples:
        exec(example, {})


def test_the_limits_are_those_of_the_code():
    assert f"after {remote._ANSWER_S:.0f} s without an answer." in PAGE
    assert remote._ATTEMPTS == 4 and "after four attempts (4 s)" in PAGE
    assert len(remote._PAUSES_S) == 7 and sum(remote._PAUSES_S) > 60 and "after eight" in PAGE
    for option in remote._S3_OPTIONS:
        assert f"{option}=" in PAGE
