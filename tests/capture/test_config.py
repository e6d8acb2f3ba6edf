"""Configs as JSON: what is written comes back, and every mistake is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from capture import config


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"low must be at most high, got {self.low} and {self.high}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    count: int = 1
    on: bool = False
    share: float | None = None
    depths: tuple[float, ...] = ()
    pair: tuple[int, str] = (1, "x")
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()


FULL = Outer(
    name="n",
    kind="b",
    count=3,
    on=True,
    share=0.5,
    depths=(1.0, 2.5),
    pair=(2, "y"),
    inner=Inner(low=0.2),
    parts=(Inner(), Inner(high=3.0)),
)


@pytest.mark.parametrize("value", [FULL, Outer(name="n")])
def test_what_is_saved_is_loaded(value, tmp_path):
    config.save(tmp_path / "c.json", value)
    assert config.load(Outer, tmp_path / "c.json") == value


def test_defaults_may_be_left_out_and_integers_stand_for_floats():
    loaded = config.from_json(Outer, {"name": "n", "depths": [1, 2]})
    assert loaded == Outer(name="n", depths=(1.0, 2.0))
    assert [type(d) for d in loaded.depths] == [float, float]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuont": 3}, "c: unknown key 'cuont'; did you mean 'count'"),
        ({"zzz": 3}, "unknown key 'zzz'; known are name, kind"),
        ({"kind": "c"}, "c.kind: expected one of 'a', 'b', got 'c'"),
        ({"count": "3"}, "c.count: expected int, got '3'"),
        ({"count": True}, "c.count: expected int, got True"),
        ({"count": False}, "c.count: expected int, got False"),
        ({"count": None}, "c.count: expected int, got None"),
        ({"on": 1}, "c.on: expected bool, got 1"),
        ({"share": "x"}, "c.share: expected float, got 'x'"),
        ({"share": True}, "c.share: expected float, got True"),
        ({"depths": 3.0}, "c.depths: expected a list"),
        ({"depths": [1.0, "x"]}, r"c.depths\[1\]: expected float, got 'x'"),
        ({"pair": [1]}, "c.pair: expected 2 entries, got 1"),
        ({"inner": 3}, "c.inner: expected an object with the keys of Inner, got 3"),
        ({"inner": {"hihg": 3}}, "c.inner: unknown key 'hihg'; did you mean 'high'"),
        ({"inner": {"low": 2.0}}, "c.inner: low must be at most high, got 2.0 and 1.0"),
        ({"parts": [{"low": "x"}]}, r"c.parts\[0\].low: expected float"),
        ({"parts": [{"low": float("nan")}]}, r"c.parts\[0\].low: expected a finite .* got nan"),
        ({"share": float("inf")}, r"c.share: expected a finite number, got inf"),
    ],
)
def test_strict_loading_names_the_mistake(change, message):
    with pytest.raises(ValueError, match=message):
        config.from_json(Outer, config.to_json(FULL) | change, "c")


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="c: missing name"):
        config.from_json(Outer, {"count": 3}, "c")


def test_a_file_that_is_absent_or_no_json_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        config.load(Outer, tmp_path / "c.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(ValueError, match=r"c\.json is not JSON"):
        config.load(Outer, tmp_path / "c.json")
