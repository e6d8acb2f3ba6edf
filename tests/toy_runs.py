"""What tests of training runs share: a death, a run's content, its losses."""

from __future__ import annotations

import json
from pathlib import Path


class Killed(Exception):
    pass


def content(run: Path) -> dict[str, bytes]:
    files = [run / "metrics.jsonl", *sorted(run.rglob("*.safetensors"))]
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
