"""docs/other-formats.md and the command's help name every format there is."""

from __future__ import annotations

import re
from pathlib import Path

from capture import formats
from pipelines import cli

PAGE = Path(__file__).parents[3] / "docs" / "other-formats.md"


def test_the_table_lists_every_format():
    table = re.search(r"^\| `--to`.*?(?=\n\n)", PAGE.read_text(), re.M | re.S)
    assert table is not None
    first = [line.split("|")[1] for line in table[0].splitlines()[2:]]
    assert sorted(re.findall(r"`([a-z0-9-]+)`", " ".join(first))) == sorted(formats.FORMATS)


def test_the_help_lists_every_format_that_is_written():
    said = cli.export.__doc__ or ""
    assert all(name in said for name, format in formats.FORMATS.items() if format.write)
