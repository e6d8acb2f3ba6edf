"""Is a folder of shards, or a parallel set of latents or words, what its manifest says?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np

from capture import files, video
from shards import codec, depth, encoded, jobs, manifest
from shards.check_dataset import Problem, attempt, require_decodable, require_moves
from shards.damage import require_intact, require_size
from shards.latents import EncodedSet, part_of, starts


def check_shards(folder: Path, dataset: Path, *, deep: bool) -> Iterator[Problem]:
    """What is wrong with a shards folder and its parallel sets; nothing if it is not there.

    Args:
        folder: The shards.
        dataset: The dataset's folder, to compare with; or the shards folder again.
        deep: Decode every frame too.
    """
    if not folder.is_dir():
        return
    tables = _Tables(folder)
    yield from tables.problems
    if not tables.problems:
        for tar, shard, rows in tables.shards():
            yield from _check_tar(tar, shard, rows, tables.samples, deep)
        weighted = tables.content["schema"] > 1  # before, shards knew of no weights
        yield from attempt(folder, _require_current, dataset, tables.samples, weighted)
    for mark in sorted(folder.glob(f"*/{encoded.MARK}")):
        yield from check_set(mark.parent, deep=deep)


def check_set(folder: Path, *, deep: bool) -> Iterator[Problem]:
    """What is wrong with one parallel set, inside its shards folder.

    Args:
        folder: The set's.
        deep: Decode every frame of depth too.
    """
    tables = _Tables(folder)
    yield from tables.problems
    if tables.problems:
        return
    for tar, shard, _ in tables.shards():
        wrong = list(attempt(tar, require_size, tar, shard["bytes"]))
        if not wrong and files.sha256(tar) != shard["sha256"]:
            message = "its bytes are not those that were written (SHA-256); encode again"
            wrong.append(Problem(path=tar, message=message))
        yield from wrong
    if tables.content["encoder"]["kind"] == "depth":
        yield from attempt(folder, _require_whole_depth, folder, tables.samples, deep)
    else:
        yield from attempt(folder, _require_whole_set, folder, tables.content["encoder"])


class _Tables:
    """A manifest's tables, or what is wrong with them."""

    def __init__(self, folder: Path):
        self.folder, self.content, self.problems = folder, {}, []
        self._tables: dict[str, list[dict]] = {}
        self.problems = list(attempt(folder / manifest.NAME, self._load))
        self.samples = {row["key"]: row for row in self._tables.get("samples", ())}

    def _load(self) -> None:
        self.content = manifest.load(self.folder)
        for name in manifest.TABLES:
            table = manifest.load_table(self.folder, self.content, name)
            self._tables[name] = table.to_pylist()

    def shards(self) -> Iterator[tuple[Path, dict, list[dict]]]:
        """Each tar, its row, and the rows of its parts."""
        rows = defaultdict(list)
        for row in self._tables["index"]:
            rows[row["shard"]].append(row)
        for shard in self._tables["shards"]:
            yield self.folder / f"{shard['shard']}.tar", shard, rows[shard["shard"]]


def _check_tar(
    tar: Path, shard: dict, rows: list[dict], samples: dict[str, dict], deep: bool
) -> Iterator[Problem]:
    wrong = list(attempt(tar, require_size, tar, shard["bytes"]))
    if tar.is_file():
        with tar.open("rb") as file:
            for key, parts in groupby(rows, key=itemgetter("key")):
                wrong += attempt(tar, _require_whole_sample, file, samples[key], list(parts), deep)
        if not wrong and files.sha256(tar) != shard["sha256"]:
            message = (
                "a header or the padding is damaged: relickit still reads every sample, but "
                "webdataset may lose some without a word; delete it and run `relickit shard` again"
            )
            wrong.append(Problem(path=tar, message=message))
    yield from wrong


def _require_whole_sample(file: BinaryIO, sample: dict, rows: list[dict], deep: bool) -> None:
    parts = {}
    for row in rows:
        file.seek(row["offset"])
        content = parts[row["part"]] = file.read(row["size"])
        names = {name: row[name] for name in ("shard", "key", "part")}
        require_intact(content, row["size"], row["crc32"], **names)
    path, intrinsics = codec.decode_camera(parts["camera.npz"])
    moves = codec.decode_actions(parts["actions.npz"])
    counts = [len(path), len(moves), video.num_frames(parts["rgb.mp4"]), sample["num_frames"]]
    if len(set(counts)) > 1:
        raise ValueError(
            f"sample {sample['key']}: poses, actions, video and index disagree about the number "
            f"of frames: {counts}"
        )
    size = (intrinsics.width_px, intrinsics.height_px)
    if size != (sample["width_px"], sample["height_px"]):
        raise ValueError(f"sample {sample['key']}: camera and index disagree about the size")
    require_moves(path, moves)
    if deep:
        require_decodable(f"sample {sample['key']}: rgb.mp4", parts["rgb.mp4"], size)


def _require_current(dataset: Path, samples: dict[str, dict], weighted: bool) -> None:
    """The shards hold the clips that clips.parquet keeps, and no scene is in both splits."""
    split_of: dict[str, str] = {}
    for row in samples.values():
        if split_of.setdefault(row["scene_id"], row["split"]) != row["split"]:
            raise ValueError(f"scene {row['scene_id']} is in train and in val; shard again")
    if not (dataset / "clips.parquet").is_file():
        return
    kept = {
        (clip.clip_id, clip.split, clip.caption, clip.weight if weighted else 1.0)
        for clip in jobs.kept_clips(dataset)
    }
    held = {(k, r["split"], r["caption"], r["weight"]) for k, r in samples.items()}
    if kept != held:
        raise ValueError(
            f"clips.parquet changed after the shards were made ({len(kept - held)} clips are "
            f"missing or differ, {len(held - kept)} are too many); run `relickit shard` again"
        )


def _require_whole_set(folder: Path, encoder: dict) -> None:
    """Every clip of the videos has the arrays that its encoder makes, all of them finite."""
    found = EncodedSet(folder.parent, folder.name, encoder["kind"])
    config, names = found.config, ["empty", "words"]
    for key in found.keys:
        if encoder["kind"] == "latents":
            begins = starts(found.num_frames(key), config["window"], config["every"])
            names = [part_of(start) for start in begins]
        _require_members(found, key, [f"{name}.npy" for name in names])
        for name in names:
            if not np.isfinite(found.array(key, name)).all():
                raise ValueError(f"sample {key}: {name} has values that are not finite")


def _require_whole_depth(folder: Path, samples: dict[str, dict], deep: bool) -> None:
    """Every clip of the videos has its depth, of as many frames."""
    found = EncodedSet(folder.parent, folder.name, "depth")
    for key in found.keys:
        _require_members(found, key, [depth.PART])
        content, row = found.member(key, depth.PART), samples[key]
        count = video.num_frames(content)
        if count != row["num_frames"]:
            raise ValueError(f"sample {key}: depth has {count} frames, not {row['num_frames']}")
        if deep:
            size = (row["width_px"], row["height_px"])
            name = f"sample {key}: {depth.PART}"
            require_decodable(name, content, size, read=video.read_gray16)


def _require_members(found: EncodedSet, key: str, names: list[str]) -> None:
    if found.names(key) != names:
        raise ValueError(f"sample {key} has the members {found.names(key)}, not {names}")
