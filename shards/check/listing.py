"""What a folder of shards should hold: as its tables say, or the files beside its tars."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from shards import manifest, tars
from shards.check.problem import Problem, attempt
from shards.schema import Shard


def wrong_size(tar: Path, shard: Shard) -> str:
    """What is wrong with a tar's size, as a clause; empty if it is right."""
    found = tar.stat().st_size if tar.is_file() else "nothing"
    return "" if found == shard.bytes else f"expected {shard.bytes} bytes, found {found}"


class Listing:
    """The shards of a folder, of videos or of a parallel set.

    Attributes:
        folder: Where the tars are.
        content: Of the manifest; empty if it is lost.
        shards: As the tables list them; where one is lost, as the files beside the tars say.
        weights: Of the samples by key; empty where the tables are lost.
        whole: Whether manifest and tables are there and undamaged.
        complete: Whether nothing is held by a tar of which nobody knows what it holds.
    """

    def __init__(self, folder: Path):
        self.folder, self.content, self.weights = folder, {}, {}
        self.shards: list[Shard] = []
        self._problems = [*attempt(folder / manifest.NAME, self._load), *self._damaged_tables()]
        self.whole = not self._problems
        if self.whole:
            self._problems = list(attempt(folder, self._load_shards))
            self.complete = not self._problems
        else:
            found = [tars.beside(tar) for tar in tars.tars(folder)]
            self.shards = [shard for shard in found if shard is not None]
            self.complete = None not in found

    def problems(self, *, beyond_repair: bool) -> Iterator[Problem]:
        """What is wrong with manifest and tables.

        Args:
            beyond_repair: Whether the tars do not let `repair` write them again.
        """
        stuck = self.whole or beyond_repair or manifest.is_newer(self.folder)
        for problem in self._problems:
            yield dataclasses.replace(problem, repairable=not stuck)

    def tars(self) -> Iterator[tuple[Path, Shard | None]]:
        """Each tar that should be there, and what it should hold; None if nobody knows."""
        if self.whole:
            yield from ((self.folder / f"{shard.name}.tar", shard) for shard in self.shards)
            return
        known = {shard.name: shard for shard in self.shards}
        for tar in sorted([*tars.tars(self.folder), *tars.lost(self.folder)]):
            yield tar, known.get(tar.stem) or tars.beside(tar)

    def beside(self, tar: Path, shard: Shard | None) -> Iterator[Problem]:
        """What is wrong with the file beside a tar, of which nothing else is wrong."""
        found, path = tars.beside(tar), tar.with_suffix(".json")
        if found is None:
            message = "is absent or damaged; what it says of the tar can be written again"
            yield Problem(path=path, message=message, repairable=True)
        elif shard is not None:
            # Schema 1 did not list the fingerprints.
            mark = shard.fingerprint or found.fingerprint
            if dataclasses.replace(shard, fingerprint=mark) != found:
                message = "says of its tar what the tables do not; they count"
                yield Problem(path=path, message=message, repairable=True)

    def _load(self) -> None:
        self.content = manifest.load(self.folder)

    def _damaged_tables(self) -> Iterator[Problem]:
        for name in manifest.TABLES if self.content else ():
            told = self.content.get("tables", {}).get(name, {})
            path = self.folder / told.get("file", manifest.NAME)
            yield from attempt(path, manifest.load_table, self.folder, self.content, name)

    def _load_shards(self) -> None:
        self.shards = manifest.load_shards(self.folder, self.content)
        samples = manifest.load_table(self.folder, self.content, "samples")
        if "weight" in samples.column_names:
            columns = (samples[name].to_pylist() for name in ("key", "weight"))
            self.weights = dict(zip(*columns, strict=True))
