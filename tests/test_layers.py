"""The architecture, as far as a machine can check it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAVES = "capture, capture.camera, capture.actions, capture.trajectory"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip()


def test_a_lower_layer_never_imports_a_higher_one():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_typed_and_small():
    for package in ("capture", "curation", "shards", "training", "pipelines"):
        assert (ROOT / package / "py.typed").is_file(), package
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path


def test_the_geometry_imports_numpy_and_nothing_else():
    code = (
        "import sys; before = set(sys.modules); "
        f"import {LEAVES}; "
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(names - set(sys.stdlib_module_names)))"
    )
    assert run(code) == "capture numpy"


def test_importing_capture_is_quick():
    code = (
        "import numpy, time; start = time.process_time(); "
        f"import {LEAVES}; print(time.process_time() - start)"
    )
    assert min(float(run(code)) for _ in range(3)) < 0.1
