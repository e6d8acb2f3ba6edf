"""The same command on a cluster of two nodes."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from processes import running
from ray.cluster_utils import Cluster
from stand_in_unreal import write_binary
from tiny_dataset import digests, start_capture


def owners_by_node() -> dict[int, int]:
    """Node (its raylet's process id) -> engine owners on it."""
    return Counter(
        process.parent
        for process in running().values()
        if process.command.startswith("ray::EngineOwner")
    )


@pytest.mark.slow
def test_two_nodes_record_the_same_dataset(truth, planned, tmp_path):
    binary = write_binary(tmp_path / "Tiny.sh", "delay=0.02")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        command = start_capture(planned, f"unreal:2:{binary}", "--address", cluster.address)
        seen: list[dict[int, int]] = []
        while command.poll() is None:
            seen.append(owners_by_node())
            time.sleep(0.2)
        assert command.returncode == 0, command.stderr and command.stderr.read()
    finally:
        cluster.shutdown()
    assert list(max(seen, key=len).values()) == [1, 1], "one engine on each node"
    assert digests(planned) == truth
