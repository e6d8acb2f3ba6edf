"""The verbs that judge camera data of anybody's."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from pipelines.cli.options import Address
from pipelines.console import say
from pipelines.dataset import Dataset


def audit(
    path: Positional[Path],
    /,
    *,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    format: str | None = None,
    fail_on: tuple[str, ...] = (),
    compare: Path | None = None,
    rejects: Path | None = None,
    rerun: bool = False,
    address: Address = None,
) -> None:
    """Audit any camera dataset: what its poses really mean, and what is wrong with which clip.

    Without options, a dataset of ours that has been curated gets its own report in its `audit`
    folder. Run the same command again and it continues.

    Args:
        path: A file or folder in any format that we read; see docs/other-formats.md.
        out: The report's folder; `report` by default.
        format: Of the dataset; recognised by default.
        fail_on: Rules that make the command fail, such as convention, lag, unreadable or
            reject-rate>0.1; see docs/audit.md.
        compare: The report of another version, to show what changed.
        rejects: Where to write which clips have problems, one a line.
        rerun: Also write a recording of every clip for the Rerun viewer, into `rrd` in the report's
            folder; needs rerun-sdk.
        address: Of a Ray cluster.
    """
    if rerun:
        from curation.audit.trajectory import recording

        recording.rerun()  # say so now if it is not installed
    plain = not (format or fail_on or compare or rejects)
    if out is None and plain and (path / "clips.parquet").is_file():
        from pipelines import stages

        say(f"Audit: {stages.audit(Dataset(path))}")
        if rerun:
            _record(path, path / "audit", None, address)
        return
    from pipelines import auditing

    page, failed = auditing.audit(
        path,
        out or Path("report"),
        format=format,
        fail_on=fail_on,
        compare=compare,
        rejects=rejects,
        address=address,
    )
    say(f"Report: {page}")
    if rerun:
        _record(path, page.parent, format, address)
    if failed:
        raise ValueError(f"--fail-on {'; '.join(failed)}")


def _record(path: Path, out: Path, format: str | None, address: str | None) -> None:
    from pipelines import rrd

    say(f"Rerun: {rrd.write(path, out, format, address)}")


def trajectory(
    estimate: Positional[Path],
    reference: Positional[Path],
    /,
    *,
    align: Literal["se3", "sim3", "origin", "none"] = "se3",
    delta: float = 1.0,
    delta_unit: Literal["frames", "m"] = "frames",
    all_pairs: bool = False,
    apart_s: float = 0.02,
    format: str | None = None,
    json: Path | None = None,
) -> None:
    """How far an estimated camera path is from the true one: ATE and RPE.

    Args:
        estimate: A path in any format that we read, such as a TUM or KITTI text file.
        reference: The true one, in the same format or another.
        align: Bring the paths together by a rigid motion, by a similarity (Umeyama), by their
            first poses, or not at all.
        delta: Length of the steps of RPE.
        delta_unit: Of delta: frames, or metres along the reference.
        all_pairs: A step from every frame, instead of one after the other.
        apart_s: Largest difference in time of two poses that are compared.
        format: Of both; recognised by default.
        json: Where to write the same numbers for machines.
    """
    from capture import files
    from pipelines import comparing

    found = comparing.compare(
        estimate, reference, align=align, delta=delta, unit=delta_unit, all_pairs=all_pairs,
        apart_s=apart_s, format=format,
    )  # fmt: skip
    for line in comparing.lines(found):
        say(line)
    if json is not None:
        files.write_json(json, json_text.loads(json_text.dumps(found)))
    if failed := found["failed"]:
        total = len(failed) + len(found["clips"])
        raise ValueError(f"{len(failed)} of {total} clips cannot be compared, see above")
