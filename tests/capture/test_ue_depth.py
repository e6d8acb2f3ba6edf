"""`--ue-depth`: depth as the plugin's half-float target has it, on the wire."""

from __future__ import annotations

import numpy as np
import pytest
from served_world import Wire, npy
from tiny_engine import tiny_engine

from capture.engine import server
from capture.engine.__main__ import main
from capture.engine.state import Options
from pipelines.cli import engines


def depth_cm(options: Options) -> np.ndarray:
    """From a pose that sees near and far, and nothing beyond the room's open side."""
    with tiny_engine(options=options) as address:
        host, port = address.split(":")
        with Wire((host, int(port))) as wire:
            for name in ("north", "ceiling"):
                assert wire.ask(f"vset /object/{name}_1/hide") == b"ok"
            assert wire.ask("vset /camera/0/pose 100 -50 140 20 -60 0") == b"ok"
            depth = npy(wire.ask("vget /camera/0/depth npy"))
            for name in ("north", "ceiling"):
                assert wire.ask(f"vset /object/{name}_1/show") == b"ok"
            return depth


def test_depth_is_as_coarse_as_the_plugin_sends_it():
    size = {"width_px": 64, "height_px": 48}
    exact, coarse = depth_cm(Options(**size)), depth_cm(Options(**size, ue_depth=True))
    nothing = np.isinf(exact)
    assert 100 < nothing.sum() < exact.size - 100
    assert (coarse[nothing] == 65504.0).all()
    there = coarse[~nothing]
    np.testing.assert_array_equal(there, exact[~nothing].astype(np.float16))
    assert 0 < np.abs(there - exact[~nothing]).max() <= 0.25  # half a step below 5.12 m


@pytest.mark.parametrize("ue_depth", [True, False])
def test_the_switch_reaches_the_engine(monkeypatch, ue_depth):
    """Of `relickit serve` and of `python -m capture.engine`."""
    seen = []
    monkeypatch.setattr("capture.engine.scenes.build", lambda *_: None)
    monkeypatch.setattr(server, "serve", lambda *_, options, **__: seen.append(options.ue_depth))
    monkeypatch.setattr(
        "capture.engine.__main__.serve", lambda *_, options, **__: seen.append(options.ue_depth)
    )
    monkeypatch.setattr("signal.signal", lambda *_: None)
    engines.serve(ue_depth=ue_depth)
    assert main(["--ue-depth"] if ue_depth else []) == 0
    assert seen == [ue_depth, ue_depth]
