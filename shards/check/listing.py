"""What a folder of shards should hold: as its tables say, or the files beside its tars."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from shards import manifest, recover, tars
from shards.check.problem import Problem, attempt
from shards.schema import Shard

_LOST = "is absent or damaged; what it says of the tar can be written again"


def in_place(path: Path) -> Problem | None:
    """The problem that a folder stands where a file should be, if so."""
    message = "a folder stands in the place of this file; move it away"
    return Problem(path=path, message=message) if path.is_dir() else None


def is_hidden(path: Path) -> bool:
    """Whether this user may not read a file."""
    try:
        path.open("rb").close()
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def wrong_size(tar: Path, shard: Shard) -> str:
    """What is wrong with a tar's size, as a clause; empty if it is right."""
    found = tar.stat().st_size if tar.is_file() else "nothing"
    return "" if found == shard.bytes else f"expected {shard.bytes} bytes, found {found}"


class Listing:
    """The shards of a folder, of videos or of a parallel set.

    Attributes:
        folder: Where the tars are.
        content: Of the manifest; empty if it is lost.
        tables: By name; empty where one is lost.
        shards: As the tables list them; where one is lost, as the files beside the tars say.
        weights: Of the samples by key; empty where the tables are lost.
        whole: Whether manifest and tables are there and undamaged.
        complete: Whether nothing is held by a tar of which nobody knows what it holds.

    Args:
        folder: Where the tars are.
        read: Tells what a tar holds where the file beside it does not prove itself.
    """

    def __init__(self, folder: Path, read: recover.Read):
        self.folder, self.content, self.weights = folder, {}, {}
        self.tables: dict[str, pa.Table] = {}
        self.shards: list[Shard] = []
        self._read, self._unread = read, {}
        self._problems = [*attempt(folder / manifest.NAME, self._load), *self._damaged_tables()]
        self.whole = not self._problems
        if self.whole:
            self._problems = list(attempt(folder, self._load_shards))
            self.complete = not self._problems
        else:
            self.tables = {}
            found = [self._known(tar) for tar in tars.tars(folder)]
            self.shards = [shard for shard in found if shard is not None]
            self.complete = None not in found

    def problems(self, *, beyond_repair: bool) -> Iterator[Problem]:
        """What is wrong with manifest and tables.

        Args:
            beyond_repair: Whether the tars do not let `repair` write them again.
        """
        stuck = self.whole or beyond_repair or manifest.is_newer(self.folder)
        for problem in self._problems:
            # What is there and cannot be read may be right, or of a later version.
            mendable = dataclasses.replace(
                problem, repairable=not stuck and not is_hidden(problem.path)
            )
            yield (problem.path != self.folder and in_place(problem.path)) or mendable

    def tars(self) -> Iterator[tuple[Path, Shard | None]]:
        """Each tar that should be there, and what it should hold; None if nobody knows."""
        if self.whole:
            yield from ((self.folder / f"{shard.name}.tar", shard) for shard in self.shards)
            return
        known = {shard.name: shard for shard in self.shards}
        for tar in sorted([*tars.tars(self.folder), *tars.lost(self.folder)]):
            absent = None if tar.is_file() else tars.beside(tar, proved=False)
            yield tar, known.get(tar.stem, absent)

    def unread(self, tar: Path) -> list[Problem]:
        """Why nobody knows what a tar holds, though the file beside it speaks of it."""
        return self._unread.get(tar, [])

    def strays(self) -> Iterator[Path]:
        """Tars that are there and that the tables do not list; none where these are lost."""
        if self.whole and self.complete:
            listed = {shard.name for shard in self.shards}
            yield from (tar for tar in tars.tars(self.folder) if tar.stem not in listed)

    def beside(self, tar: Path, shard: Shard | None) -> Iterator[Problem]:
        """What is wrong with the file beside a tar, of which nothing else is wrong."""
        found, path = tars.beside(tar, proved=False), tar.with_suffix(".json")
        if found is None:
            yield in_place(path) or Problem(path=path, message=_LOST, repairable=True)
        elif shard is not None:
            # Schema 1 did not list the fingerprints.
            mark = shard.fingerprint or found.fingerprint
            if dataclasses.replace(shard, fingerprint=mark) != found:
                others = "the tables do" if self.whole else "the tar does"
                message = f"says of its tar what {others} not; what it says can be written again"
                yield Problem(path=path, message=message, repairable=True)

    def _known(self, tar: Path) -> Shard | None:
        found = []
        self._unread[tar] = list(attempt(tar, lambda: found.append(recover.known(tar, self._read))))
        return found[0] if found else None

    def _load(self) -> None:
        self.content = manifest.load(self.folder)

    def _damaged_tables(self) -> Iterator[Problem]:
        for name in manifest.TABLES if self.content else ():
            path = self.folder / self.content["tables"][name]["file"]
            yield from attempt(path, self._load_table, name)

    def _load_table(self, name: str) -> None:
        self.tables[name] = manifest.load_table(self.folder, self.content, name)

    def _load_shards(self) -> None:
        self.shards = manifest.load_shards(self.folder, self.content)
        samples = self.tables["samples"]
        if "weight" in samples.column_names:
            columns = (samples[name].to_pylist() for name in ("key", "weight"))
            self.weights = dict(zip(*columns, strict=True))
