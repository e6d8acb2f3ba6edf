"""The examples of docs/conventions.md run, from the first to the last."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"


def test_examples_of_the_conventions():
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(examples) == 5
    names: dict[str, object] = {}
    for example in examples:
        exec(example, names)
