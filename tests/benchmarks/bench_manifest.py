"""Opening a dataset of a million samples: time, memory, and the order of an epoch.

    python tests/benchmarks/bench_manifest.py [--samples 1000000]

Writes the tables that `shards.publish` would write, without tars, into a temporary folder, and
opens them in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shards import reader
from shards.reader import ShardDataset
from shards.schema import PARTS, SCHEMA
from shards.windows import WindowOrder

CLIPS_PER_SHARD = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--open", type=Path, help="measure opening this folder")
    args = parser.parse_args()
    if args.open:
        measure(args.open)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), args.samples)
        command = [sys.executable, __file__, "--open", folder]
        for _ in range(2):
            subprocess.run(command, check=True)


def write(folder: Path, n: int) -> None:
    """A manifest and its tables for n samples."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(2**63, size=n).tolist()
    keys = pa.array([f"town-{i % 97}-{number:016x}-00000" for i, number in enumerate(numbers)])
    names = pa.array([f"train-{i:06d}-{i:08x}" for i in range(-(-n // CLIPS_PER_SHARD))])
    shard = names.take(pa.array(np.arange(n) // CLIPS_PER_SHARD))
    sizes = rng.integers(1_000, 1_000_000, (n, len(PARTS)))
    rows = pa.array(np.repeat(np.arange(n), len(PARTS)))
    tables = {
        "index": {
            "shard": shard.take(rows),
            "key": keys.take(rows),
            "part": list(PARTS) * n,
            "offset": np.cumsum(sizes.ravel()) % 2**31,
            "size": sizes.ravel(),
            "crc32": rng.integers(0, 2**32, n * len(PARTS)),
        },
        "shards": {"shard": names, "split": ["train"] * len(names), "bytes": [0] * len(names)},
        "samples": {
            "key": keys,
            "shard": shard,
            "split": ["train"] * n,
            "caption": [f"A town with {i} houses, seen in the evening." for i in range(n)],
            "num_frames": np.full(n, 81),
            "weight": rng.uniform(0.25, 4.0, n),
        },
    }
    listed = {}
    for name, columns in tables.items():
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table(columns), path, compression="zstd")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        listed[name] = {"file": path.name, "sha256": digest}
    content = {"schema": SCHEMA, "manifest_sha": "0" * 64, "tables": listed}
    (folder / "manifest.json").write_text(json.dumps(content))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{n} samples, {len(names)} shards, {size / 1e6:.0f} MB of tables")


def measure(folder: Path) -> None:
    """Open the folder and draw batches."""
    reader.require_size = lambda *_: None  # there are no tars
    before = memory_mb("VmHWM")
    start = time.process_time()
    dataset = ShardDataset(folder, "train")
    opened = time.process_time() - start
    peak, now = memory_mb("VmHWM"), memory_mb("VmRSS")
    start = time.process_time()
    order = WindowOrder(
        dataset.lengths, seed=0, global_batch=64, phases=[(81, 1)], weights=dataset.weights
    )
    order.batch(0)
    first = time.process_time() - start
    start = time.process_time()
    for step in range(1, 101):
        order.batch(step)
    later = (time.process_time() - start) / 100
    print(
        f"open {opened:.2f} s of CPU; memory {before:.0f} MB before, {peak:.0f} MB at most, "
        f"{now:.0f} MB after; first batch {first:.2f} s, later ones {later * 1e3:.2f} ms"
    )


def memory_mb(which: str) -> float:
    """Resident memory: now ("VmRSS") or at most so far ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(which)).split()[1]) / 1e3


if __name__ == "__main__":
    main()
