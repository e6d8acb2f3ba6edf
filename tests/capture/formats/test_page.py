"""docs/other-formats.md and the command's help say what the formats themselves declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from exported import BOTH_WAYS

from capture import formats
from pipelines import cli

NONE = "\N{EN DASH}"
PAGE = Path(__file__).parents[3] / "docs" / "other-formats.md"


def rows() -> dict[str, list[str]]:
    """The table's cells by format: pose, axes, unit, intrinsics, pictures, ..."""
    table = re.search(r"^\| `--to`.*?(?=\n\n)", PAGE.read_text(), re.M | re.S)
    assert table is not None
    found = {}
    for line in table[0].splitlines()[2:]:
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found |= {name: cells for name in re.findall(r"`([a-z0-9-]+)`", first)}
    return found


def test_the_table_lists_every_format():
    assert sorted(rows()) == sorted(formats.FORMATS)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_the_table_says_what_a_clip_declares(exports, name):
    (clip,) = formats.read(exports / name, name)
    pose, axes, unit, intrinsics, pictures, depth, actions, _ = rows()[name]
    assert pose.split()[0].rstrip(",:") == clip.declared.pose
    assert axes.split()[0].rstrip(",:").lower() == clip.declared.axes
    assert not clip.declared.up or f"{clip.declared.up} up" in axes
    assert unit.split()[0] == (clip.declared.unit or ("cm" if axes[0] == "U" else "own"))
    assert (intrinsics == NONE) == (clip.intrinsics is None)
    assert (pictures == NONE) == (clip.rgb is None)
    assert (depth == NONE) == (clip.depth is None) or depth == "not read"
    assert (actions == NONE) == (clip.actions is None)


def test_the_help_lists_every_format_that_is_written():
    said = cli.export.__doc__ or ""
    assert all(name in said for name, format in formats.FORMATS.items() if format.write)
