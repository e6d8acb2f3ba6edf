"""What a `Format` makes of its places."""

from __future__ import annotations

import numpy as np
import pytest

from capture.formats import Declared, Format, Posed


def load(place: str) -> Posed:
    declared = Declared(pose="c2w", axes="opencv")
    return Posed(name=place, format="toy", declared=declared, cam_to_world=np.eye(4)[None])


TOY = {"name": "toy", "title": "", "load": load, "otherwise": "has no toys"}


def test_it_reads_its_places(tmp_path):
    toy = Format(**TOY, places=lambda path: ["b", "a"])
    assert toy.recognises(tmp_path)
    assert [clip.name for clip in toy.read(tmp_path)] == ["b", "a"]
    none = Format(**TOY, places=lambda path: [])
    assert not none.recognises(tmp_path)
    with pytest.raises(ValueError, match=f"^{tmp_path} has no toys$"):
        none.read(tmp_path)


def test_what_it_lists_comes_before_its_places(tmp_path):
    toy = Format(**TOY, places=lambda path: ["table"], listed=lambda path: iter("abc"))
    assert [clip.name for clip in toy.read(tmp_path)] == ["a", "b", "c"]
    named = Format(**TOY, places=lambda path: [], listed=lambda path: ["a"])
    assert not named.recognises(tmp_path) and len(named.read(tmp_path)) == 1


def test_what_is_only_written_is_not_read(tmp_path):
    toy = Format(name="toy", title="")
    assert not toy.recognises(tmp_path)
    with pytest.raises(ValueError, match="toy is written, not read: its files hold no poses"):
        toy.read(tmp_path)
