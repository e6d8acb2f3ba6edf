"""The data road: plan, capture, curate, shard. Each stage continues where it was interrupted."""

from __future__ import annotations

import functools
from pathlib import Path

from capture.launcher import EngineSpec
from pipelines import auditing, fleet, runner
from pipelines.console import say
from pipelines.curating import caption, curate
from pipelines.dataset import Dataset
from pipelines.planning import plan
from pipelines.recipes import DatasetRecipe
from shards import jobs, writer
from shards.publish import publish

__all__ = ["audit", "build", "caption", "capture", "curate", "plan", "shard"]


def capture(dataset: Dataset, spec: EngineSpec) -> int:
    """Render every plan that has no episode yet; returns the number of frames rendered."""
    plans = dataset.plans()
    known = {scene_id: dataset.scene(scene_id) for scene_id in {p.scene_id for p in plans}}
    num_frames = fleet.capture(
        plans, known, root=dataset.episodes, failed=dataset.failed, spec=spec
    )
    say(f"Capture: {len(plans)} episodes are there, {num_frames} frames rendered now")
    return num_frames


def shard(dataset: Dataset, address: str | None = None) -> Path:
    """Pack the kept clips, at `address` on a Ray cluster of others; returns the manifest."""
    todo = jobs.plan(dataset.path, clips_per_shard=dataset.recipe().clips_per_shard)
    write = functools.partial(_write_shard, dataset=dataset.path)
    runner.over(write, todo, title="Shard", unit="shards", address=address)
    before = sorted((dataset.path / "shards").glob("*.tar"))
    manifest = publish(dataset.path, todo)
    if gone := [tar for tar in before if not tar.is_file()]:
        say(
            f"Shard: {len(gone)} tars of the former version are removed; runs that were started on "
            "them cannot go on, and what was encoded of them is encoded again"
        )
    return manifest


def _write_shard(job: jobs.ShardJob, dataset: Path) -> str:
    return writer.write(job, dataset).name


def audit(dataset: Dataset) -> Path:
    """Write the report, a page for each trajectory too; returns the page about all of it."""
    return auditing.report(dataset.path)


def build(recipe: DatasetRecipe, dataset: Dataset, spec: EngineSpec) -> Path:
    """All data stages; returns the manifest of the shards."""
    with runner.cluster():
        plan(recipe, dataset)
        capture(dataset, spec)
        clips = curate(dataset)
        published = shard(dataset)
        page = audit(dataset)
    say(f"Clips: {clips}\nAudit: {page}\nShards: {published}")
    return published
