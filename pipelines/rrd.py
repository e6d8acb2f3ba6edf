"""`relickit audit --rerun`: a recording for the Rerun viewer of every clip."""

from __future__ import annotations

import functools
from pathlib import Path

from capture import files
from curation.audit.trajectory import recording
from pipelines import runner, sources


def write(path: Path, out: Path, format: str | None = None, address: str | None = None) -> Path:
    """Write out/rrd/<clip>.rrd for every clip that can be read; those that are there stay.

    Args:
        path: A dataset of ours, or in any format that `capture.formats` reads.
        out: The report's folder.
        format: Of the dataset; recognised by default.
        address: Of a Ray cluster.

    Returns:
        The folder of the recordings.

    Raises:
        ValueError: If rerun-sdk is not installed, or the format is not known.
    """
    recording.rerun()
    clips = sources.clips(path, format)
    folder = out / "rrd"
    files.sweep(folder)
    record = functools.partial(_write, path=path, format=format, folder=folder)
    runner.over(record, range(len(clips)), title="Rerun", unit="clips", address=address)
    return folder


def _write(index: int, *, path: Path, format: str | None, folder: Path) -> bool:
    try:
        clip = sources.clips(path, format)[index]
    except (ValueError, OSError):  # the report says what is wrong with it
        return False
    target = folder / f"{clip.name}.rrd"
    if target.is_file():
        return False
    recording.write_rrd(clip, target)
    return True
