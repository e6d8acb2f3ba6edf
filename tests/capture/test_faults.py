"""With every fault of the real plugin: the same episode byte for byte, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_engine import tiny_engine, tiny_plan

from capture.client import Client, EngineLost
from capture.engine.faults import KINDS, parse
from capture.mark import FILES
from capture.recorder import record
from capture.session import BadFrame, prepare

SAME = (*FILES, "episode.json")
TIMEOUT_S = 0.25


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


def capture(fault: str, root: Path, seed: int = 0) -> dict[str, bytes]:
    """An episode through a faulty engine; its socket is tried where TCP fails."""
    plan = tiny_plan()
    with tiny_engine(fault, seed, unix_socket=root.with_suffix(".socket")) as address:

        def connect() -> Client:
            try:
                return Client(address, timeout_s=TIMEOUT_S)
            except EngineLost:
                return Client(f"unix:{root.with_suffix('.socket')}", timeout_s=TIMEOUT_S)

        session = prepare(connect(), connect=connect)
        try:
            record(session, plan, root)
        finally:
            session.client.close()
    return content(root / plan.id)


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> dict[str, bytes]:
    """Without any fault."""
    return capture("", tmp_path_factory.mktemp("truth") / "e")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "fault",
    [
        "one-shot-tcp,drop=0.02",
        "second-client-hangs",
        "bmp58",
        "trailing-space",
        "lagging-camera0",
        "garbage-first-frames",
        "garbage-first-frames=9",
        "cold-exposure",
        "cold-exposure=8",
        "drop=0.02",
        "delay=0.1",
        "bmp58,trailing-space,lagging-camera0,garbage-first-frames,cold-exposure,drop,delay=0.02",
    ],
)
def test_a_fault_that_can_be_survived_leaves_no_trace(fault, seed, truth, tmp_path):
    assert capture(fault, tmp_path / "e", seed) == truth


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", ["hang=60", "crash=60", "drop=0.9", "garbage-first-frames=999"])
def test_what_cannot_be_survived_leaves_nothing(fault, seed, tmp_path):
    with pytest.raises((EngineLost, BadFrame)):
        capture(fault, tmp_path / "e", seed)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kinds=st.lists(st.sampled_from(sorted(set(KINDS) - {"hang", "crash"})), min_size=2),
    seed=st.integers(0, 1000),
)
def test_all_together_at_random(kinds, seed, truth, tmp_path_factory):
    root = tmp_path_factory.mktemp("random") / "e"
    try:
        assert capture(",".join(kinds), root, seed) == truth
    except (EngineLost, BadFrame):
        assert not [p for p in root.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("text", "message"),
    [("drp", "unknown fault 'drp'; there are one-shot-tcp"), ("drop=often", "takes a number")],
)
def test_a_misspelt_fault_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_the_players_camera_lags():
    """What capture avoids by a camera of its own."""
    with tiny_engine("lagging-camera0") as address, Client(address) as client:
        before = client.ask("vget /camera/0/location")
        moved = "vset /camera/0/location 100.0 200.0 140.0"
        assert client.request([moved, "vget /camera/0/location"]) == [b"ok", before.encode()]
        assert client.ask("vget /camera/0/location") != before
