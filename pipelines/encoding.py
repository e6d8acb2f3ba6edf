"""Latents, text embeddings and depth beside the videos, by any number of processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pipelines.console import bar, say
from shards import depth, encoded, writer
from shards.encoded import EncodeJob, Encoder, Kind, Members
from shards.reader import ShardDataset
from shards.schema import SPLITS, Sample, ShardError
from training import encode, recipes, text
from training.autoencoder import Codec, LinearCodec, open_codec
from training.data import Windows
from training.recipes import Recipe
from training.run import RunConfig

CODEC_FILE = "codec.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which shards this process encodes, every `world`-th, and on what.

    Processes need no connection to one another.
    """

    rank: int
    world: int
    device: torch.device

    @classmethod
    def of_this_process(cls) -> Share:
        """As `accelerate launch`, `torchrun` or `srun` say; all of them without a launcher."""
        found = os.environ
        rank = int(found.get("RANK", found.get("SLURM_PROCID", 0)))
        world = int(found.get("WORLD_SIZE", found.get("SLURM_NTASKS", 1)))
        local = int(found.get("LOCAL_RANK", found.get("SLURM_LOCALID", 0)))
        device = torch.device("cpu")
        if torch.accelerator.is_available():
            local %= torch.accelerator.device_count()
            device = torch.device(f"{torch.accelerator.current_accelerator()}:{local}")
        return cls(rank=rank, world=world, device=device)

    def of(self, jobs: list[EncodeJob]) -> list[EncodeJob]:
        """The jobs of this process."""
        return jobs[self.rank :: self.world]


def encode_dataset(
    dataset: Path, recipe: str, *, kinds: Sequence[Kind], window: int, every: int
) -> list[Path]:
    """Make the latents and words that training with a recipe asks for; run again, it continues.

    Args:
        dataset: The dataset's folder, with its shards.
        recipe: Name of a training recipe, a .json file, or the folder of a run, whose codec it is.
        kinds: What to make.
        window: Frames of a window that does not begin with its clip; 0 for none.
        every: Frames between the beginnings of such windows.

    Returns:
        The folders of the sets.
    """
    share, shards = Share.of_this_process(), encoded.shards_folder(dataset)
    wanted, codec_file = _recipe(recipe)
    made = []
    if "latents" in kinds:
        sources = {split: ShardDataset(dataset, split) for split in SPLITS}
        codec = _codec(wanted, codec_file, sources["train"]).to(share.device)
        encoder = encode.latents_encoder(wanted, codec, window=window, every=every)
        _keep(codec, shards / encoder.name)
        places = {k: (source, i) for source in sources.values() for i, k in enumerate(source.keys)}

        def latents(sample: Sample) -> Members:
            source, i = places[sample.key]
            return encode.encode_frames(codec, source.clip(i).frames, encoder, share.device)

        made.append(_encode(shards, encoder, share, latents))
    if "text" in kinds:
        encoder = encode.text_encoder(wanted)
        jobs = share.of(encoded.plan(shards, encoder))
        captions = {sample.caption for job in jobs for sample in job.samples}
        text.encoder(wanted.text, wanted.model).prepare({"", *captions})

        def words(sample: Sample) -> Members:
            return encode.encode_caption(wanted, sample.caption)

        made.append(_encode(shards, encoder, share, words))
    return made


def encode_depth(dataset: Path) -> Path:
    """Make the parallel set of depth, cut out of the episodes; run again, it continues.

    Args:
        dataset: The dataset's folder, with its episodes and its shards.

    Returns:
        The folder of the set.
    """
    if not (dataset / "episodes").is_dir():
        raise ValueError(f"{dataset / 'episodes'} is not there; depth is cut out of the episodes")

    def cut(sample: Sample) -> Members:
        return depth.cut(dataset, sample)

    return _encode(encoded.shards_folder(dataset), depth.ENCODER, Share.of_this_process(), cut)


def _encode(
    shards: Path, encoder: Encoder, share: Share, make: Callable[[Sample], Members]
) -> Path:
    """This process' shards of one set; the process that finds all of them done publishes it."""
    folder, jobs = encoded.start(shards, encoder), encoded.plan(shards, encoder)
    mine = share.of(jobs)
    done = before = 0
    with bar(encoder.name, sum(len(job.samples) for job in mine), "clips") as progress:

        def counted(sample: Sample) -> Members:
            nonlocal done
            members = make(sample)
            done += 1
            progress.update(done)
            return members

        for job in mine:
            encoded.write(job, folder, counted)
            before += len(job.samples)
            done = before  # also of what was there
    if lost := [job.name for job in mine if writer.finished(job, folder) is None]:
        raise ShardError(
            f"{folder / lost[0]}.tar was removed while others were written, by an encode of other "
            "shards; run the same command again"
        )
    if encoded.publish(shards, encoder, jobs) is None:
        say(f"Encode: {folder}: {done} clips are done here; other processes have the rest")
    else:
        clips, size = sum(len(j.samples) for j in jobs), _size(folder)
        say(f"Encode: {folder}: {clips} clips in {len(jobs)} shards, {size / 1e6:.1f} MB")
    return folder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.tar"))


def _recipe(name: str) -> tuple[Recipe, Path | None]:
    """A recipe, and the codec's file if it is a run's."""
    if (Path(name) / "config.json").is_file():
        return RunConfig.load(Path(name)).recipe, Path(name) / CODEC_FILE
    return recipes.find(name), None


def _codec(recipe: Recipe, file: Path | None, clips: ShardDataset) -> Codec:
    """The codec that training would have; a linear one is fitted to the same windows."""
    if file is not None or recipe.codec.kind != "linear":
        return open_codec(recipe.codec, file or Path(), None)
    windows = Windows(clips, recipe).sample(recipe.codec.fit_windows)
    with tempfile.TemporaryDirectory() as folder:
        return open_codec(recipe.codec, Path(folder) / CODEC_FILE, windows)


def _keep(codec: Codec, folder: Path) -> None:
    """A fitted codec lies beside what it made, so that it can be decoded everywhere.

    One that is damaged, or another one, is replaced: the folder's name has this one's hash.
    """
    if not isinstance(codec, LinearCodec):
        return
    path, mine = folder / CODEC_FILE, codec.to(torch.device("cpu"))
    try:
        kept = LinearCodec.load(path)
        same = all(
            torch.equal(getattr(kept, name), getattr(mine, name))
            for name in ("mean", "basis", "scale")
        )
    except (ValueError, TypeError):  # TypeError: other tensors
        same = False
    if not same:
        mine.save(path)
