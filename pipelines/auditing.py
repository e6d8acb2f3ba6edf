"""`relickit audit PATH`: any camera dataset, clip by clip; run again, it continues."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import capture
import curation
from capture import files, formats
from capture.formats import Clips
from curation import audit as overview
from curation import tables
from curation.audit import findings, outside, trajectory
from curation.audit import folder as report_folder
from curation.audit.item import audit_item
from curation.decide import load_decisions
from pipelines import runner, sources
from pipelines.console import say

# Of the items' content; another one is measured anew.
_VERSION = 4
_MOST_REASONS = _MOST_NAMED = 3
# Only a dataset of ours has these.
_DATASET = ("dataset.json", "plans.parquet", "clips.parquet", "episodes", "shards")
# What the pages of trajectories are made of, in the folder of a dataset of ours.
_MADE_OF = ("episodes/*/episode.json", "metrics/*.parquet", "clips.parquet", "scenes/*.space.npz")


def audit(
    path: Path,
    out: Path,
    *,
    format: str | None = None,
    fail_on: Sequence[str] = (),
    compare: Path | None = None,
    rejects: Path | None = None,
    address: str | None = None,
) -> tuple[Path, list[str]]:
    """Audit a dataset of anybody's.

    Args:
        path: A file or a folder in any format that `capture.formats` reads.
        out: The report's folder; what an interrupted audit measured there is taken up again, and a
            decisions.jsonl there decides what is rejected.
        format: Name of the format; recognised by default.
        fail_on: Rules, see `findings.failures`.
        compare: The folder, or the audit.json, of an earlier report.
        rejects: Where to write the places of the rejected clips, one a line.
        address: Of a Ray cluster.

    Returns:
        The page, and a sentence for every rule of `fail_on` that fails.

    Raises:
        ValueError: If nothing is there, the format is not known, a rule is none, a line of
            decisions.jsonl is no decision, or `out` is a dataset's folder.
    """
    _refuse_dataset(path, out)
    findings.failures(findings.summarise([], name="", format="", title=""), fail_on)
    earlier = _earlier(compare) if compare else None
    people = load_decisions(out / "decisions.jsonl")
    name = format or _recognised(path)
    clips = sources.clips(path, name)
    items = _items(path, name, clips, out / "items", address)
    report = findings.summarise(
        items,
        name=path.resolve().name,
        format=name,
        title=formats.find(name).title,
        decided={place: said.keep for place, said in people.items()},
    )
    _warn_of_unknown(people, items)
    failed = findings.failures(report, fail_on)
    changes = findings.compare(report, earlier) if earlier else None
    decided = [(place, said.keep, said.note) for place, said in people.items()]
    page = outside.write(report, out, changes=changes, failed=failed, decided=decided)
    if rejects is not None:
        with files.replacing(rejects) as temporary:
            outside.write_rejects(report["rejects"], temporary)
    _tell(report)
    if changes and compare:
        _tell_changes(changes, compare)
    return page, failed


def report(dataset: Path) -> Path:
    """Write the report of a curated dataset, a page for each trajectory too.

    The pages of trajectories are gone through only where something that they are made of has
    changed, or a file of them is not there. An episode that cannot be read has none; the report
    says what is wrong with it.

    Args:
        dataset: The dataset's folder.

    Returns:
        The page about all of it.

    Raises:
        ValueError: If the dataset has not been curated.
    """
    out = dataset / "audit"
    mark = out / "made_of.json"
    if not mark.is_file() or files.read_json(mark) != {"sha256": _made_of(dataset, out)}:
        write = functools.partial(_write_page, dataset=dataset, out=out)
        runner.over(write, tables.measured_plans(dataset), title="Pages", unit="trajectories")
    page = overview.write(dataset)
    files.write_json(mark, {"sha256": _made_of(dataset, out)})
    return page


def _write_page(plan_id: str, *, dataset: Path, out: Path) -> bool:
    try:
        return trajectory.write_episode(plan_id, dataset=dataset, out=out)
    except ValueError:
        return False


def _made_of(dataset: Path, out: Path) -> str:
    """Hash of what pages are made of and by which program, and of the names of their files."""
    packages = [Path(path) for package in (capture, curation) for path in package.__path__]
    program = [file for package in packages for file in package.rglob("*.py")]
    content = [file for pattern in _MADE_OF for file in dataset.glob(pattern)]
    written = [*(out / "data" / "pages").glob("*/*.js"), *(out / "pictures").glob("[0-9a-f]*")]
    seen = hashlib.sha256()
    for file in (*sorted(program), *sorted(content)):
        seen.update(f"{file.name} {files.sha256(file)}\n".encode())
    seen.update("\n".join(sorted(file.name for file in written)).encode())
    return seen.hexdigest()


def _refuse_dataset(path: Path, out: Path) -> None:
    """A report among a dataset's own files could not be told from them."""
    held = next((name for name in _DATASET if (out / name).exists()), None)
    if held is not None or out.resolve() == path.resolve():
        why = f"holds a dataset ({held})" if held else "is what is to be audited"
        raise ValueError(f"-o {out} {why}; give the report a folder of its own")


def _warn_of_unknown(people: Collection[str], items: Sequence[Mapping]) -> None:
    unknown = sorted(set(people) - {item["place"] for item in items})
    if unknown:
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        say(
            "Warning: decisions.jsonl speaks of unknown clips: "
            f"{', '.join(unknown[:_MOST_NAMED])}{more}; a clip_id is a `place` of audit.json"
        )


def _recognised(path: Path) -> str:
    if not path.exists():
        raise ValueError(f"{path} is not there")
    format = formats.recognise(path)
    if format is None:
        raise ValueError(
            f"{path} is in no known format; tell which with --format: {', '.join(formats.FORMATS)}"
        )
    return format.name


def _items(path: Path, name: str, clips: Clips, folder: Path, address: str | None) -> list[dict]:
    """Every clip's entry, measured now or by an earlier run over the same clips."""
    _claim(folder, path, name, clips)
    wanted = [n for n in range(len(clips)) if not _file(folder, n).is_file()]
    measure = functools.partial(_measure, path=path, name=name, folder=folder)
    runner.over(measure, wanted, title="Audit", unit="clips", address=address)
    return [files.read_json(_file(folder, n)) for n in range(len(clips))]


def _measure(index: int, *, path: Path, name: str, folder: Path) -> int:
    clips = sources.clips(path, name)
    item = audit_item(clips, index, path)
    trajectory.write_item(item, clips=clips, out=folder.parent, source=f"{_VERSION}")
    files.write_json(_file(folder, index), item)
    return index


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.json"


def _claim(folder: Path, path: Path, name: str, clips: Clips) -> None:
    """Drop what was measured of other clips, of other files, or by another version."""
    seen = hashlib.sha256(f"{_VERSION} {path.resolve()} {name} {len(clips)}".encode())
    for entry in _files(path, folder.parent):
        about = entry.stat()
        seen.update(f"\n{entry} {about.st_size} {about.st_mtime_ns}".encode("utf-8", "replace"))
    wanted = seen.hexdigest()
    mark = folder / "source.json"
    folder.mkdir(parents=True, exist_ok=True)
    files.sweep(folder)
    if mark.is_file() and files.read_json(mark) == {"sha256": wanted}:
        return
    for old in folder.glob("[0-9]*.json"):
        old.unlink()
    report_folder.forget_pages(folder.parent, ())
    files.write_json(mark, {"sha256": wanted})


def _files(path: Path, report: Path) -> Iterator[Path]:
    """Every file of a dataset, in order; a report that lies inside is none of it."""
    if path.is_file():
        yield path
        return
    for folder, inside, names in os.walk(path):
        inside[:] = sorted(name for name in inside if Path(folder, name) != report)
        yield from (Path(folder, name) for name in sorted(names) if Path(folder, name).is_file())


def _earlier(path: Path) -> dict:
    file = path / "audit.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"--compare {path} is no report: it has no audit.json")
    report = files.read_json(file)
    if report.get("schema") != findings.SCHEMA:
        raise ValueError(
            f"--compare {file}: schema {report.get('schema')}, we read {findings.SCHEMA}"
        )
    return report


def _tell_changes(changes: Mapping, earlier: Path) -> None:
    counts = ", ".join(
        f"{len(changes[key])} {word}"
        for key, word in (
            ("worse", "worse"), ("better", "better"), ("removed", "gone"), ("added", "new")
        )
    )  # fmt: skip
    say(f"Compared with {earlier}: {counts}")


def _tell(report: dict) -> None:
    """The verdict in a few lines."""
    counts, said = report["counts"], report["convention"]
    say(
        f"Audit: {counts['items']} clips read as {report['format']}, "
        f"{counts['rejected']} with problems"
    )
    if said is None:
        say("Convention: cannot tell")
    else:
        found = {key: said[key] for key in list(said)[:7] if said[key] is not None}
        agrees = "as declared" if said["agrees"] else "NOT as declared"
        say(f"Convention: {agrees}, confidence {said['confidence']:.2f}: {json.dumps(found)}")
    for rule, count in report["problems"].items():
        say(f"  {rule}: {count} clips")
    silent = Counter(
        item["cannot_tell"]
        for item in report["items"]
        if item["cannot_tell"] and (item["convention"] or {}).get("agrees") is None
    )
    for reason, count in silent.most_common(_MOST_REASONS):
        say(f"  nothing is told of {count} clip{'s' * (count > 1)}: {reason}")
