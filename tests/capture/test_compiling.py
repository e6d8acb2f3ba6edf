"""Kernels are kept on disk, apart for every version of their sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from capture.engine import compiling

_KERNELS = """
from engine.inner import inner
from engine.compiling import kernel

@kernel()
def outer(x):
    return inner(x)
"""
_INNER = """
from engine.compiling import kernel

@kernel()
def inner(x):
    return x + {number}
"""


def test_a_change_in_another_file_is_seen(tmp_path):
    package = tmp_path / "engine"
    package.mkdir()
    shutil.copy(compiling.__file__, package / "compiling.py")
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(_KERNELS)

    def run() -> str:
        call = "from engine.outer import outer; print(outer(1.0), outer.stats.cache_hits)"
        return subprocess.run(
            [sys.executable, "-c", call],
            cwd=tmp_path,
            env={"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
            capture_output=True,
            check=True,
        ).stdout

    (package / "inner.py").write_text(_INNER.format(number=1))
    assert run().split()[0] == "2.0"
    assert "Counter" in run() and "1})" in run(), "the second start finds the kernel"
    (package / "inner.py").write_text(_INNER.format(number=2))
    assert run().split()[0] == "3.0"
    kept = sorted(Path(tmp_path, "cache", "relickit").iterdir())
    assert len(kept) == 2
